//! What an answer to a request for a file, or for the rest of one, says.

use reqwest::{
    Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED},
};

/// An answer's head, as far as it matters.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    /// What names this version of the file so that a range of it may be asked for.
    pub(super) validator: Option<String>,
    content_length: Option<u64>,
    content_range: Option<ContentRange>,
}

/// What comes, or why nothing does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The file from its beginning.
    Whole {
        /// Its length, where that is told.
        total_bytes: Option<u64>,
    },
    /// What follows after the bytes that are there.
    Rest {
        /// The whole file's length.
        total_bytes: u64,
    },
    /// Some other part of the file, or none, since it has become shorter.
    OtherRange,
    /// No file.
    Failed {
        /// Whether another attempt may do better.
        may_pass: bool,
        /// What to add for the reader.
        hint: &'static str,
    },
}

/// `bytes FIRST-LAST/TOTAL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ContentRange {
    first: u64,
    last: u64,
    total: u64,
}

impl Head {
    /// Reads an answer's head.
    pub(super) fn of(response: &Response) -> Self {
        Self::new(response.status(), response.headers())
    }

    fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok();
        // A weak tag names files that are alike, not those of equal bytes: RFC 9110, section 13.1.5.
        let tag = text(ETAG).filter(|tag| !tag.starts_with("W/"));
        Self {
            status,
            validator: tag.or_else(|| text(LAST_MODIFIED)).map(str::to_owned),
            content_length: text(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            content_range: text(CONTENT_RANGE).and_then(ContentRange::parse),
        }
    }

    /// What it says to who has so many bytes.
    pub(super) fn answer(&self, length: u64) -> Answer {
        let failed = |may_pass, hint| Answer::Failed { may_pass, hint };
        match self.status {
            StatusCode::OK => Answer::Whole {
                total_bytes: self.content_length,
            },
            StatusCode::PARTIAL_CONTENT => match self.content_range {
                Some(range)
                    if range.first == length && range.last.checked_add(1) == Some(range.total) =>
                {
                    Answer::Rest {
                        total_bytes: range.total,
                    }
                }
                _ => Answer::OtherRange,
            },
            StatusCode::RANGE_NOT_SATISFIABLE if length > 0 => Answer::OtherRange,
            StatusCode::NOT_FOUND | StatusCode::GONE => failed(false, ": there is no such file"),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => failed(
                false,
                ": it is not for everybody; user and password may stand in the URL",
            ),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => failed(true, ""),
            status => failed(status.is_server_error(), ""),
        }
    }
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some(Self {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
            total: total.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, headers: &[(HeaderName, &str)]) -> Head {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        Head::new(StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn a_part_is_the_rest_only_if_it_begins_where_it_was_asked_to_and_ends_with_the_file() {
        for (range, expected) in [
            ("bytes 5-9/10", Answer::Rest { total_bytes: 10 }),
            ("bytes 4-9/10", Answer::OtherRange),
            ("bytes 5-8/10", Answer::OtherRange),
            ("bytes 5-9/*", Answer::OtherRange),
            ("lines 5-9/10", Answer::OtherRange),
        ] {
            let head = head(206, &[(CONTENT_RANGE, range)]);
            assert_eq!(head.answer(5), expected, "{range}");
        }
        assert_eq!(head(206, &[]).answer(5), Answer::OtherRange);
        assert_eq!(head(416, &[]).answer(5), Answer::OtherRange);
    }

    #[test]
    fn a_whole_file_may_tell_its_length() {
        for (headers, total_bytes) in [(&[(CONTENT_LENGTH, "7")][..], Some(7)), (&[], None)] {
            assert_eq!(head(200, headers).answer(5), Answer::Whole { total_bytes });
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, expected) in [
            (404, false),
            (403, false),
            (400, false),
            (204, false),
            (416, false),
            (429, true),
            (503, true),
        ] {
            let Answer::Failed { may_pass, .. } = head(status, &[]).answer(0) else {
                panic!("{status} is no failure");
            };
            assert_eq!(may_pass, expected, "{status}");
        }
    }

    #[test]
    fn a_version_is_known_by_a_strong_tag_or_a_date() {
        let date = "Tue, 24 Nov 2026 08:00:00 GMT";
        for (headers, validator) in [
            (&[(ETAG, "\"a\""), (LAST_MODIFIED, date)][..], Some("\"a\"")),
            (&[(ETAG, "W/\"a\""), (LAST_MODIFIED, date)], Some(date)),
            (&[(ETAG, "W/\"a\"")], None),
            (&[], None),
        ] {
            assert_eq!(head(200, headers).validator.as_deref(), validator);
        }
    }
}
