//! How long things took: a histogram whose steps grow with its values, so that a millisecond and an hour are told alike.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest duration that is told from longer ones, in the histogram's unit.
const MAX_UNITS: u64 = 24 * 3600 * UNITS_PER_SECOND;
/// A histogram's unit is a tenth of a millisecond.
const UNITS_PER_SECOND: u64 = 10_000;
/// Values are told apart where they differ by some 6 %.
const SIGNIFICANT_DIGITS: u8 = 1;

/// How long things took. Empty ones have no histogram yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durations(Option<Box<Histogram<u32>>>);

impl Durations {
    /// Adds one.
    pub(crate) fn add(&mut self, duration: Duration) {
        self.add_units(to_units(duration), 1);
    }

    /// Has none any more, and keeps its room for what comes.
    pub(crate) fn clear(&mut self) {
        if let Some(histogram) = &mut self.0 {
            histogram.reset();
        }
    }

    /// Adds all of another.
    pub(crate) fn add_all(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (_, None) => {}
            (_, Some(other)) if other.is_empty() => {}
            (None, Some(other)) => self.0 = Some(other.clone()),
            // Both have the same bounds.
            (Some(own), Some(other)) => own.add(&**other).unwrap_or_default(),
        }
    }

    /// The duration that so many hundredths of all do not exceed, in seconds. `None`: there are none.
    pub(crate) fn percentile(&self, percentile: f64) -> Option<f64> {
        let histogram = self.0.as_ref()?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "below 2^53: a day has less than 10^9 units"
        )]
        let units = histogram.value_at_percentile(percentile) as f64;
        Some(units / UNITS_PER_SECOND as f64)
    }

    /// The steps that have something, as pairs of a value and a count: what [`Self::of_steps`] reads.
    pub(crate) fn steps(&self) -> Vec<(u64, u32)> {
        let Some(histogram) = &self.0 else {
            return Vec::new();
        };
        histogram
            .iter_recorded()
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect()
    }

    /// What [`Self::steps`] has written.
    pub(crate) fn of_steps(steps: &[(u64, u32)]) -> Self {
        let mut durations = Self::default();
        for &(value, count) in steps {
            durations.add_units(value, count);
        }
        durations
    }

    fn add_units(&mut self, units: u64, count: u32) {
        let histogram = self.0.get_or_insert_with(|| {
            let mut histogram = Histogram::new(SIGNIFICANT_DIGITS)
                .expect("one digit is one of those that there may be");
            histogram.auto(true);
            Box::new(histogram)
        });
        histogram
            .record_n(units.min(MAX_UNITS), count)
            .unwrap_or_default();
    }
}

fn to_units(duration: Duration) -> u64 {
    let units = duration.as_micros() / (1_000_000 / u128::from(UNITS_PER_SECOND));
    u64::try_from(units).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_but_for_six_hundredths() {
        let mut durations = Durations::default();
        assert_eq!(durations.percentile(50.0), None);
        for milliseconds in 1..=1000 {
            durations.add(Duration::from_millis(milliseconds));
        }
        for (percentile, expected) in [(50.0, 0.5), (95.0, 0.95), (99.0, 0.99)] {
            let found = durations.percentile(percentile).unwrap();
            assert!((found / expected - 1.0).abs() < 0.07, "{found}");
        }
        durations.add(Duration::MAX);
        assert!(durations.percentile(100.0).unwrap() >= 24.0 * 3600.0);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut durations = Durations::default();
        for milliseconds in [0, 1, 3, 3, 250, 90_000] {
            durations.add(Duration::from_millis(milliseconds));
        }
        let again = Durations::of_steps(&durations.steps());
        assert_eq!(again.steps(), durations.steps());
        let mut twice = again.clone();
        twice.add_all(&durations);
        let count: u32 = twice.steps().iter().map(|(_, count)| count).sum();
        assert_eq!(count, 12);
    }
}
