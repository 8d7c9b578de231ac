//! Sizes and times as people read them.

/// Units by which sizes are counted: powers of a thousand, as file managers and hubs have it.
const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];

/// A size in the largest unit that leaves a number of at least 1, with one digit after the point.
pub(super) fn size(size_bytes: u64) -> String {
    if size_bytes < 1000 {
        return format!("{size_bytes} bytes");
    }
    let mut number = size_bytes as f64 / 1000.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        // 999.96 would be shown as 1000.0.
        if number < 999.95 {
            break;
        }
        number /= 1000.0;
        unit = larger;
    }
    format!("{number:.1} {unit}")
}

/// A time in at most two units.
pub(super) fn seconds(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_digit_after_the_point() {
        for (size_bytes, shown) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (98_362_432, "98.4 MB"),
            (999_960_000, "1.0 GB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(size(size_bytes), shown);
        }
    }

    #[test]
    fn times_have_at_most_two_units() {
        for (time, shown) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (7260, "2 h 1 min"),
        ] {
            assert_eq!(seconds(time), shown);
        }
    }
}
