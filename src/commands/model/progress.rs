//! How far a long piece of work is, on standard error.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use super::quantity::{seconds, size};

/// Between two looks at a terminal: quick enough to be seen moving.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);

/// Between two lines where lines are kept, in a container's log for one.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Goes to the line's beginning, and clears it.
const CLEAR_LINE: &str = "\r\u{1b}[K";

/// Shows how far a piece of work is: in place on a terminal, else by a line every few seconds.
pub(super) struct Progress {
    out: Option<Box<dyn Write>>,
    is_terminal: bool,
    state: State,
    shown_at: Instant,
    /// Whether the terminal's line holds what must go before anything else is written.
    is_dirty: bool,
}

/// How far it is.
struct State {
    /// What is done, as a word before the numbers.
    doing: &'static str,
    done_bytes: u64,
    total_bytes: Option<u64>,
    /// What was done before this run: it counts for the part, not for the rate.
    done_before_bytes: u64,
    begun_at: Instant,
}

impl Progress {
    /// Progress on standard error.
    pub(super) fn of_process() -> Self {
        Self::new(Some(Box::new(io::stderr())), io::stderr().is_terminal())
    }

    /// Progress that nobody sees.
    #[cfg(test)]
    pub(super) fn hidden() -> Self {
        Self::new(None, false)
    }

    fn new(out: Option<Box<dyn Write>>, is_terminal: bool) -> Self {
        let now = Instant::now();
        Self {
            out,
            is_terminal,
            state: State {
                doing: "",
                done_bytes: 0,
                total_bytes: None,
                done_before_bytes: 0,
                begun_at: now,
            },
            shown_at: now,
            is_dirty: false,
        }
    }

    /// Begins a piece of work of which so many bytes are done already.
    pub(super) fn begin(&mut self, doing: &'static str, done_bytes: u64, total_bytes: Option<u64>) {
        let now = Instant::now();
        self.state = State {
            doing,
            done_bytes,
            total_bytes,
            done_before_bytes: done_bytes,
            begun_at: now,
        };
        self.shown_at = now;
    }

    /// How much there is to do, where that is known.
    pub(super) fn total_bytes(&self) -> Option<u64> {
        self.state.total_bytes
    }

    /// So many bytes more are done.
    pub(super) fn advance(&mut self, bytes: u64) {
        self.state.done_bytes += bytes;
        let interval = match self.is_terminal {
            true => TERMINAL_INTERVAL,
            false => LINE_INTERVAL,
        };
        let now = Instant::now();
        if now.duration_since(self.shown_at) >= interval {
            self.shown_at = now;
            let line = self.state.line(now);
            match self.is_terminal {
                true => self.write(&format!("{CLEAR_LINE}{line}")),
                false => self.write(&format!("llm2api: {line}\n")),
            }
            self.is_dirty = self.is_terminal;
        }
    }

    /// Writes a line that stays.
    pub(super) fn note(&mut self, line: &str) {
        self.clear();
        self.write(&format!("llm2api: {line}\n"));
    }

    /// Takes away what a terminal shows.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.is_dirty) {
            self.write(CLEAR_LINE);
        }
    }

    fn write(&mut self, text: &str) {
        if let Some(out) = &mut self.out {
            // Without standard error there is nobody to tell; the work goes on.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

impl State {
    fn line(&self, now: Instant) -> String {
        let elapsed = now.duration_since(self.begun_at).as_secs_f64();
        let done_now = self.done_bytes.saturating_sub(self.done_before_bytes);
        let rate = (done_now as f64 / elapsed.max(0.001)) as u64;
        let (doing, done) = (self.doing, size(self.done_bytes));
        let Some(total) = self.total_bytes else {
            return format!("{doing} {done}, {}/s", size(rate));
        };
        // Of nothing all is done.
        let percent = (self.done_bytes.min(total) * 100)
            .checked_div(total)
            .unwrap_or(100);
        let left = match total.saturating_sub(self.done_bytes).checked_div(rate) {
            Some(left) => format!(", {} left", seconds(left)),
            None => String::new(),
        };
        format!(
            "{doing} {percent}% ({done} of {}), {}/s{left}",
            size(total),
            size(rate)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(done_before: u64, done: u64, total: Option<u64>, elapsed_seconds: u64) -> String {
        let begun_at = Instant::now();
        let state = State {
            doing: "downloading",
            done_bytes: done,
            total_bytes: total,
            done_before_bytes: done_before,
            begun_at,
        };
        state.line(begun_at + Duration::from_secs(elapsed_seconds))
    }

    #[test]
    fn it_tells_part_rate_and_time_left() {
        assert_eq!(
            line(0, 25_000_000, Some(100_000_000), 5),
            "downloading 25% (25.0 MB of 100.0 MB), 5.0 MB/s, 15 s left"
        );
    }

    #[test]
    fn what_was_done_before_counts_for_the_part_only() {
        assert_eq!(
            line(50_000_000, 60_000_000, Some(100_000_000), 5),
            "downloading 60% (60.0 MB of 100.0 MB), 2.0 MB/s, 20 s left"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(line(0, 5_000_000, None, 5), "downloading 5.0 MB, 1.0 MB/s");
        assert_eq!(
            line(5_000_000, 5_000_000, Some(10_000_000), 5),
            "downloading 50% (5.0 MB of 10.0 MB), 0 bytes/s"
        );
    }
}
