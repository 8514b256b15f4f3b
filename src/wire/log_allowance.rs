//! How much a daemon may have written to the log: in the name of one request, and of its own.
//!
//! The relay asks for each entry, the supervisor for each line. A line of the log is a hundred bytes longer than what a
//! daemon sends for it, so what a daemon says could otherwise fill a disk at twenty times its own speed. Whoever runs for
//! long may say more.

use core::time::Duration;
use std::time::Instant;

/// What may be said at once ...
const LINES: u64 = 10_000;
const BYTES: u64 = 4 << 20;
/// ... and how much of it comes back with each second.
const LINES_PER_SECOND: u64 = 1000;
const BYTES_PER_SECOND: u64 = 1 << 20;
/// How often it is said that something is left out.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What becomes of a line or an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Write,
    /// It is left out, and the log has to say so.
    LeaveOutAndTell,
    LeaveOut,
}

/// What may still be said.
pub(crate) struct LogAllowance {
    counted: Instant,
    lines: u64,
    bytes: u64,
    told: Option<Instant>,
}

impl LogAllowance {
    pub(crate) fn new() -> Self {
        Self { counted: Instant::now(), lines: LINES, bytes: BYTES, told: None }
    }

    /// Counts so many lines of so many bytes together.
    pub(crate) fn admit(&mut self, lines: usize, bytes: usize) -> Verdict {
        self.admit_at(Instant::now(), lines as u64, bytes as u64)
    }

    fn admit_at(&mut self, now: Instant, lines: u64, bytes: u64) -> Verdict {
        let seconds = now.saturating_duration_since(self.counted).as_secs();
        if seconds > 0 {
            self.counted += Duration::from_secs(seconds);
            self.lines = self.lines.saturating_add(seconds.saturating_mul(LINES_PER_SECOND)).min(LINES);
            self.bytes = self.bytes.saturating_add(seconds.saturating_mul(BYTES_PER_SECOND)).min(BYTES);
        }
        if let (Some(lines), Some(bytes)) = (self.lines.checked_sub(lines), self.bytes.checked_sub(bytes)) {
            (self.lines, self.bytes) = (lines, bytes);
            return Verdict::Write;
        }
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < TOLD_EVERY) {
            return Verdict::LeaveOut;
        }
        self.told = Some(now);
        Verdict::LeaveOutAndTell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(allowance: &mut LogAllowance, now: Instant, bytes: u64) -> u64 {
        let mut count = 0;
        while allowance.admit_at(now, 1, bytes) == Verdict::Write {
            count += 1;
        }
        count
    }

    #[test]
    fn so_much_may_be_said_at_once_and_more_with_each_second() {
        let mut allowance = LogAllowance::new();
        let start = allowance.counted;
        assert_eq!(admitted(&mut allowance, start, 0), LINES);
        assert_eq!(admitted(&mut allowance, start + Duration::from_secs(2), 0), 2 * LINES_PER_SECOND);
        assert_eq!(admitted(&mut allowance, start + Duration::from_secs(1 << 40), 0), LINES);
        assert_eq!(admitted(&mut LogAllowance::new(), start, 1 << 16), BYTES >> 16);
    }

    #[test]
    fn it_is_said_now_and_then_that_something_is_left_out() {
        let mut allowance = LogAllowance::new();
        let start = allowance.counted;
        let mut say = |seconds, bytes| allowance.admit_at(start + Duration::from_secs(seconds), 1, bytes);
        assert_eq!(say(0, BYTES + 1), Verdict::LeaveOutAndTell);
        assert_eq!(say(59, BYTES + 1), Verdict::LeaveOut);
        assert_eq!(say(59, 1), Verdict::Write);
        assert_eq!(say(60, BYTES + 1), Verdict::LeaveOutAndTell);
    }
}
