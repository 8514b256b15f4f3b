//! How much a daemon may have written to the log in the name of one request.
//!
//! The relay asks for each entry. A line of the log is a hundred bytes longer than what a daemon sends for it, so what a
//! daemon says could otherwise fill a disk at a hundred times its own speed. Requests that run for long may say more.

use crate::module::log_entry::Entry;
use core::time::Duration;
use std::time::Instant;

/// What a request may say at once ...
const LINES: u64 = 10_000;
const BYTES: u64 = 4 << 20;
/// ... and what comes on top with each second that it runs.
const LINES_PER_SECOND: u64 = 1000;
const BYTES_PER_SECOND: u64 = 1 << 20;

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Write,
    /// It is left out, and the log has to say that this begins.
    FirstLeftOut,
    LeftOut,
}

/// What one request has said so far.
pub(crate) struct LogAllowance {
    began: Instant,
    lines: u64,
    bytes: u64,
    left_out: bool,
}

impl LogAllowance {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), lines: 0, bytes: 0, left_out: false }
    }

    /// Counts an entry.
    pub(crate) fn admit(&mut self, entry: &Entry) -> Verdict {
        self.admit_after(entry, self.began.elapsed())
    }

    fn admit_after(&mut self, entry: &Entry, elapsed: Duration) -> Verdict {
        let seconds = elapsed.as_secs();
        let bytes = entry.text.len() + entry.details.iter().map(String::len).sum::<usize>();
        let lines = self.lines + 1 + entry.details.len() as u64;
        let bytes = self.bytes + bytes as u64;
        if lines <= LINES + seconds.saturating_mul(LINES_PER_SECOND)
            && bytes <= BYTES + seconds.saturating_mul(BYTES_PER_SECOND)
        {
            (self.lines, self.bytes) = (lines, bytes);
            return Verdict::Write;
        }
        if core::mem::replace(&mut self.left_out, true) { Verdict::LeftOut } else { Verdict::FirstLeftOut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(allowance: &mut LogAllowance, entry: &Entry, seconds: u64) -> u64 {
        let elapsed = Duration::from_secs(seconds);
        let mut count = 0;
        while allowance.admit_after(entry, elapsed) == Verdict::Write {
            count += 1;
        }
        count
    }

    #[test]
    fn a_request_may_say_so_much_and_more_with_each_second() {
        let mut allowance = LogAllowance::new();
        let empty = Entry::line("");
        assert_eq!(admitted(&mut allowance, &empty, 0), LINES);
        assert_eq!(allowance.admit_after(&empty, Duration::ZERO), Verdict::LeftOut);
        assert_eq!(admitted(&mut allowance, &empty, 2), 2 * LINES_PER_SECOND);
        let long = Entry::line(&"x".repeat(1 << 16));
        assert_eq!(admitted(&mut LogAllowance::new(), &long, 0), BYTES >> 16);
    }

    #[test]
    fn it_is_said_once_that_something_is_left_out() {
        let mut allowance = LogAllowance::new();
        let long = Entry::line(&"x".repeat(BYTES as usize + 1));
        assert_eq!(allowance.admit(&long), Verdict::FirstLeftOut);
        assert_eq!(allowance.admit(&long), Verdict::LeftOut);
        assert_eq!(allowance.admit(&Entry::line("short")), Verdict::Write);
    }
}
