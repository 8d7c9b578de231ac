//! The one table that comes out: what was measured, beside what it may cost.

mod costs;
mod limits;

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result};

use self::limits::{Line, Verdict};
use crate::Measured;

const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// Everything measured, as the report shows it.
#[derive(Debug)]
pub(crate) struct Report {
    lines: Vec<Line>,
    costs: Vec<[String; 5]>,
    facts: Vec<String>,
}

impl Report {
    /// Compares what was measured with what it may cost.
    pub(crate) fn new(measured: &Measured) -> Self {
        Self {
            lines: limits::lines(measured),
            costs: costs::costs(measured),
            facts: measured.facts.clone(),
        }
    }

    /// Whether everything is within its limit.
    pub(crate) fn is_success(&self) -> bool {
        self.lines.iter().all(|line| line.verdict != Verdict::Over)
    }

    /// The report as Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text =
            String::from("| what | measured | aim | limit | |\n| --- | --- | --- | --- | --- |\n");
        for line in &self.lines {
            // Writing to a string can't fail.
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                line.what,
                line.measured,
                line.aim,
                line.limit,
                line.verdict.text()
            );
        }
        if !self.costs.is_empty() {
            text += "\n| | direct | nginx | serve | core + gateway |\n| --- | --- | --- | --- | --- |\n";
        }
        for cost in &self.costs {
            let _ = writeln!(text, "| {} |", cost.join(" | "));
        }
        text += "\n";
        for fact in &self.facts {
            let _ = writeln!(text, "- {fact}");
        }
        text
    }

    /// Puts the report between the two markers of a document.
    ///
    /// # Errors
    ///
    /// Where the document can't be read or written, or lacks the markers.
    pub(crate) fn write_into(&self, document: &Path) -> Result<()> {
        let text = fs::read_to_string(document)?;
        let (before, rest) = text
            .split_once(BEGIN)
            .with_context(|| format!("{} has no line {BEGIN}", document.display()))?;
        let (_, after) = rest
            .split_once(END)
            .with_context(|| format!("{} has no line {END}", document.display()))?;
        let table = self.to_markdown();
        fs::write(document, format!("{before}{BEGIN}\n{table}{END}{after}"))?;
        Ok(())
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / (1024.0 * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_replaces_only_what_is_between_the_markers() {
        let folder = tempfile::tempdir().unwrap();
        let document = folder.path().join("document.md");
        fs::write(&document, format!("before\n{BEGIN}\nold\n{END}\nafter\n")).unwrap();
        let report = Report {
            lines: vec![limits::plain("a thing", 3.0, 2.0, 4.0, " µs", 1)],
            costs: Vec::new(),
            facts: vec!["a machine".to_owned()],
        };
        report.write_into(&document).unwrap();
        assert_eq!(
            fs::read_to_string(&document).unwrap(),
            format!(
                "before\n{BEGIN}\n\
                 | what | measured | aim | limit | |\n| --- | --- | --- | --- | --- |\n\
                 | a thing | 3.0 µs | ≤ 2 µs | 4 µs | within the limit |\n\n\
                 - a machine\n{END}\nafter\n"
            )
        );
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0].into_iter()) - 2.5).abs() < f64::EPSILON);
    }
}
