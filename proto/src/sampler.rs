//! Which traces are exported: the operator's sampler, by OpenTelemetry's names.

use opentelemetry::trace::TraceId;

/// Which traces are exported. It is asked once a request, where the request enters; whoever is called obeys what was decided there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampler {
    /// All.
    #[default]
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// Those with an id below this, of 2⁶³.
    Ratio(u64),
}

impl Sampler {
    /// Samples this share of the traces, 0 to 1.
    #[must_use]
    pub fn of_ratio(ratio: f64) -> Self {
        // As the SDK does it, so that all who are given one ratio choose the same traces. The conversion saturates.
        Self::Ratio((ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64)
    }

    /// Whether this trace is exported.
    #[must_use]
    pub fn samples(self, trace_id: TraceId) -> bool {
        match self {
            Self::AlwaysOn => true,
            Self::AlwaysOff => false,
            Self::Ratio(bound) => {
                let [.., a, b, c, d, e, f, g, h] = trace_id.to_bytes();
                u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < bound
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TraceContext;

    #[test]
    fn a_ratio_chooses_about_so_many_and_always_the_same() {
        let ids: Vec<_> = (0..4000)
            .map(|_| TraceContext::root(false).trace_id)
            .collect();
        let count = |sampler: Sampler| ids.iter().filter(|id| sampler.samples(**id)).count();
        assert_eq!(count(Sampler::AlwaysOn), 4000);
        assert_eq!(count(Sampler::AlwaysOff), 0);
        assert_eq!(count(Sampler::of_ratio(1.0)), 4000);
        assert_eq!(count(Sampler::of_ratio(0.0)), 0);
        assert!((800..1200).contains(&count(Sampler::of_ratio(0.25))));
        let both = |id: &&TraceId| {
            Sampler::of_ratio(0.25).samples(**id) && !Sampler::of_ratio(0.5).samples(**id)
        };
        assert_eq!(ids.iter().filter(both).count(), 0);
    }

    #[test]
    fn what_is_no_share_counts_as_the_nearest_one() {
        let id = TraceId::from(u128::MAX);
        assert!(Sampler::of_ratio(7.0).samples(id));
        assert!(!Sampler::of_ratio(-1.0).samples(TraceId::from(1)));
        assert!(!Sampler::of_ratio(f64::NAN).samples(TraceId::from(1)));
    }
}
