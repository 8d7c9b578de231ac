//! Which trace, and which span of it, a piece of work belongs to: W3C Trace Context, <https://www.w3.org/TR/trace-context/>.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanId, TraceId};

use crate::metadata::{TRACEPARENT, TRACESTATE};

/// Characters of `version-trace_id-parent_id-flags`.
const LENGTH: usize = 55;
/// Characters of a `tracestate` that are passed on, as W3C asks for at least; a longer one is left out.
const MAX_STATE_LENGTH: usize = 512;

/// A span's place: its trace, itself, and whether the trace is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// Whether the trace is exported to where the operator collects them.
    pub is_sampled: bool,
}

/// What others add to a trace, as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceState(Option<HeaderValue>);

impl TraceContext {
    /// The first span of a new trace.
    #[must_use]
    pub fn root(is_sampled: bool) -> Self {
        Self {
            trace_id: TraceId::from(fastrand::u128(1..)),
            span_id: new_span_id(),
            is_sampled,
        }
    }

    /// A span that is part of this one.
    #[must_use]
    pub fn child(self) -> Self {
        Self {
            span_id: new_span_id(),
            ..self
        }
    }

    /// The context that a request bears. `None`: none, or one that is malformed.
    #[must_use]
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let value = values.next()?;
        // Two are as good as none.
        values
            .next()
            .is_none()
            .then(|| Self::parse(value.as_bytes()))?
    }

    /// Reads what [`Self::to_header`] and others write; of a later version of the format what this one knows of it.
    fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let has_lengths = known[2] == b'-' && known[35] == b'-' && known[52] == b'-';
        let version = hexadecimal(&known[..2])?;
        let is_version_known = version == 0 && rest.is_empty();
        let is_version_later =
            (1..0xff).contains(&version) && (rest.is_empty() || rest.starts_with(b"-"));
        if !has_lengths || !(is_version_known || is_version_later) {
            return None;
        }
        let context = Self {
            trace_id: TraceId::from(hexadecimal(&known[3..35])?),
            span_id: SpanId::from(u64::try_from(hexadecimal(&known[36..52])?).ok()?),
            is_sampled: hexadecimal(&known[53..])? & 1 == 1,
        };
        let is_valid = context.trace_id != TraceId::INVALID && context.span_id != SpanId::INVALID;
        is_valid.then_some(context)
    }

    /// The value of a `traceparent` header whose request is a child of this span.
    #[must_use]
    pub fn to_header(self) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hexadecimal(&mut text[3..35], &self.trace_id.to_bytes());
        write_hexadecimal(&mut text[36..52], &self.span_id.to_bytes());
        text[54] += u8::from(self.is_sampled);
        let mut value =
            HeaderValue::from_bytes(&text).expect("hexadecimal digits and hyphens are visible");
        // No other call has the same: it must not push what others have out of HTTP/2's table.
        value.set_sensitive(true);
        value
    }
}

impl TraceState {
    /// The state that a request bears.
    #[must_use]
    pub fn of_headers(headers: &HeaderMap) -> Self {
        let value = headers.get(TRACESTATE);
        Self(
            value
                .filter(|value| value.len() <= MAX_STATE_LENGTH)
                .cloned(),
        )
    }

    /// Passes it on.
    pub fn insert_into(&self, headers: &mut HeaderMap) {
        if let Self(Some(value)) = self {
            headers.insert(HeaderName::from_static(TRACESTATE), value.clone());
        }
    }
}

/// The id of a new span.
#[must_use]
pub fn new_span_id() -> SpanId {
    SpanId::from(fastrand::u64(1..))
}

/// Reads lower-case digits only, as the format asks.
fn hexadecimal(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u128::from(value))
    })
}

fn write_hexadecimal(text: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_read_is_written_again() {
        let context = TraceContext::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(
            context,
            TraceContext {
                trace_id: TraceId::from(0x4bf92f3577b34da6a3ce929d0e0e4736),
                span_id: SpanId::from(0x00f067aa0ba902b7),
                is_sampled: true,
            }
        );
        assert_eq!(context.to_header(), EXAMPLE);
        let not_sampled = TraceContext {
            is_sampled: false,
            ..context
        };
        assert_eq!(
            TraceContext::parse(not_sampled.to_header().as_bytes()),
            Some(not_sampled)
        );
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = EXAMPLE.replacen("00", "01", 1) + "-more";
        assert_eq!(
            TraceContext::parse(later.as_bytes()),
            TraceContext::parse(EXAMPLE.as_bytes())
        );
    }

    #[test]
    fn what_is_malformed_counts_as_none() {
        for value in [
            "",
            "00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(value.as_bytes()), None, "{value}");
        }
        let mut two = HeaderMap::new();
        two.append(TRACEPARENT, HeaderValue::from_static(EXAMPLE));
        assert!(TraceContext::of_headers(&two).is_some());
        two.append(TRACEPARENT, HeaderValue::from_static(EXAMPLE));
        assert_eq!(TraceContext::of_headers(&two), None);
    }

    #[test]
    fn a_child_is_another_span_of_the_same_trace() {
        let parent = TraceContext::root(true);
        let child = parent.child();
        assert_eq!((child.trace_id, child.is_sampled), (parent.trace_id, true));
        assert_ne!(child.span_id, parent.span_id);
    }

    #[test]
    fn a_state_is_passed_on_unless_it_is_too_long() {
        let pass_on = |state: &str| {
            let value = HeaderValue::from_str(state).unwrap();
            let from = HeaderMap::from_iter([(HeaderName::from_static(TRACESTATE), value)]);
            let mut to = HeaderMap::new();
            TraceState::of_headers(&from).insert_into(&mut to);
            to.get(TRACESTATE)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(pass_on("vendor=1"), Some("vendor=1".to_owned()));
        assert_eq!(pass_on(&"a".repeat(513)), None);
    }
}
