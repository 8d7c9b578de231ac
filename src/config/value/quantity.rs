//! Numbers, durations and sizes.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use llm2api_core::config::notation;

use super::SettingValue;

impl SettingValue for NonZeroU32 {
    const TAKES: &'static str = "a whole number, 1 or more";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl SettingValue for NonZeroUsize {
    const TAKES: &'static str = "a whole number, 1 or more";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl SettingValue for u32 {
    const TAKES: &'static str = "a whole number, 0 or more";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl SettingValue for i32 {
    const TAKES: &'static str = "a whole number";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl SettingValue for Duration {
    const TAKES: &'static str =
        "a duration of at most a year: 500ms, 30s, 5m, 1h; a bare number is seconds";

    fn from_text(text: &str) -> Option<Self> {
        notation::duration(text)
    }
}

/// A duration that is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PositiveDuration(pub(crate) Duration);

impl SettingValue for PositiveDuration {
    const TAKES: &'static str =
        "a duration above zero and of at most a year: 500ms, 30s, 5m, 1h; a bare number is seconds";

    fn from_text(text: &str) -> Option<Self> {
        Duration::from_text(text)
            .filter(|duration| !duration.is_zero())
            .map(Self)
    }
}

impl SettingValue for llm2api_core::config::Cooldown {
    const TAKES: &'static str = "a duration (60s), or off";

    fn from_text(text: &str) -> Option<Self> {
        notation::cooldown(text)
    }
}

/// The largest size that a setting takes, in bytes: 1 GiB. What is bounded by it may have to be held in memory.
const LARGEST_BYTES: u64 = 1 << 30;

/// A number of bytes, not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) usize);

impl SettingValue for ByteSize {
    const TAKES: &'static str =
        "a size from 1 byte to 1GiB: 32MiB, 32MB, 512KiB; a bare number is bytes";

    fn from_text(text: &str) -> Option<Self> {
        let (number, unit) = notation::split_unit(text)?;
        let unit_bytes: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1000,
            "kib" => 1 << 10,
            "mb" => 1_000_000,
            "mib" => 1 << 20,
            "gb" => 1_000_000_000,
            "gib" => 1 << 30,
            _ => return None,
        };
        let bytes = number.checked_mul(unit_bytes)?;
        if !(1..=LARGEST_BYTES).contains(&bytes) {
            return None;
        }
        usize::try_from(bytes).ok().map(Self)
    }
}
