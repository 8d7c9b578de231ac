//! Tables for people: columns under headings.

/// Blanks between two columns.
const GAP: &str = "  ";

/// Writes rows under headings, each column as wide as what it holds; nothing where there are no rows.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| width(&row[column]));
        cells.max().unwrap_or(0).max(width(headings[column]))
    });
    let line = |cells: [&str; N]| {
        let cells: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, to)| format!("{cell}{}", " ".repeat(to - width(cell))))
            .collect();
        format!("{}\n", cells.join(GAP).trim_end())
    };
    std::iter::once(line(headings))
        .chain(
            rows.iter()
                .map(|row| line(row.each_ref().map(String::as_str))),
        )
        .collect()
}

/// The columns of a terminal that a text takes: of Chinese, Japanese and Korean characters two each.
fn width(text: &str) -> usize {
    text.chars()
        .map(|character| match u32::from(character) {
            0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff => 2,
            0xfe30..=0xfe4f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff => 2,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_whatever_they_hold() {
        let rows = [
            ["ck_1".to_owned(), "好".to_owned(), "x".to_owned()],
            ["ck_22".to_owned(), String::new(), String::new()],
        ];
        assert_eq!(
            table(["ID", "LABEL", "E"], &rows),
            "ID     LABEL  E\nck_1   好     x\nck_22\n"
        );
        assert_eq!(table(["ID"], &[]), "");
    }
}
