//! Prometheus' text format 0.0.4, <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write;

/// A metric's values under these bounds.
#[derive(Debug, Clone)]
pub(crate) struct Buckets {
    bounds: &'static [f64],
    /// One more than bounds: those above the last.
    counts: Box<[u64]>,
    sum: f64,
}

impl Buckets {
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1].into(),
            sum: 0.0,
        }
    }

    /// Counts a value.
    pub(crate) fn add(&mut self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at] += 1;
        self.sum += value;
    }
}

/// Writes metrics, one family after the other.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    text: String,
}

/// A metric's labels: names, which are ours, and values.
pub(crate) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Exposition {
    /// Begins a family of metrics.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a string doesn't fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Writes a value of a counter or gauge.
    pub(crate) fn value(&mut self, name: &str, labels: Labels<'_>, value: impl std::fmt::Display) {
        self.text.push_str(name);
        self.labels(labels, None);
        let _ = writeln!(self.text, " {value}");
    }

    /// Writes the values of a histogram.
    pub(crate) fn histogram(&mut self, name: &str, labels: Labels<'_>, buckets: &Buckets) {
        let bounds = buckets.bounds.iter().map(f64::to_string);
        let mut count = 0;
        for (bound, in_bucket) in bounds.chain(["+Inf".to_owned()]).zip(&buckets.counts) {
            count += in_bucket;
            let _ = write!(self.text, "{name}_bucket");
            self.labels(labels, Some(&bound));
            let _ = writeln!(self.text, " {count}");
        }
        let _ = write!(self.text, "{name}_sum");
        self.labels(labels, None);
        let _ = writeln!(self.text, " {}", buckets.sum);
        let _ = write!(self.text, "{name}_count");
        self.labels(labels, None);
        let _ = writeln!(self.text, " {count}");
    }

    /// All that was written.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn labels(&mut self, labels: Labels<'_>, bound: Option<&str>) {
        let bound = bound.map(|bound| ("le", bound));
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            let _ = write!(self.text, "{separator}{name}=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut buckets = Buckets::new(&[0.5, 1.0]);
        for value in [0.25, 0.5, 0.75, 9.0] {
            buckets.add(value);
        }
        let mut exposition = Exposition::default();
        exposition.family("a_seconds", "histogram", "How long.");
        exposition.histogram("a_seconds", &[("model", "a\"b\\c\nd")], &buckets);
        exposition.family("b", "gauge", "How many.");
        exposition.value("b", &[], 3);
        assert_eq!(
            exposition.into_text(),
            "# HELP a_seconds How long.\n\
             # TYPE a_seconds histogram\n\
             a_seconds_bucket{model=\"a\\\"b\\\\c\\nd\",le=\"0.5\"} 2\n\
             a_seconds_bucket{model=\"a\\\"b\\\\c\\nd\",le=\"1\"} 3\n\
             a_seconds_bucket{model=\"a\\\"b\\\\c\\nd\",le=\"+Inf\"} 4\n\
             a_seconds_sum{model=\"a\\\"b\\\\c\\nd\"} 10.5\n\
             a_seconds_count{model=\"a\\\"b\\\\c\\nd\"} 4\n\
             # HELP b How many.\n\
             # TYPE b gauge\n\
             b 3\n"
        );
    }
}
