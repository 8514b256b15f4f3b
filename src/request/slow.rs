//! `WSGISlowRequests`: which requests are slow, how often the log says so, and the line at the end of one.
//!
//! A child of httpd sets the threshold when it starts. `counting` asks after each request whether it was slow, which is a
//! comparison of numbers that it has anyway. What is said of requests that still run comes from threads that look at all of
//! them now and then: `module/slow_watch` in children of httpd, `daemon/process/slow` in daemons.

use crate::apache::log::Level;
use crate::apache::request::Request;
use crate::observe::trace_context::TraceIds;
use crate::request::log_entry::Entry;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use parking_lot::Mutex;
use std::time::Instant;

/// From how many microseconds on a request is slow in this process.
static THRESHOLD: AtomicU64 = AtomicU64::new(NEVER);
const NEVER: u64 = u64::MAX;

/// How often the ends of slow requests may be logged in this process.
static ENDS: Mutex<Option<Pace>> = Mutex::new(None);

/// A request is slow from that time on in this process; not at all if there is none. Called before the first request.
pub(crate) fn begin(threshold: Option<Duration>) {
    THRESHOLD.store(threshold.map_or(NEVER, microseconds), Relaxed);
}

/// A threshold in microseconds: one at least.
pub(crate) fn microseconds(threshold: Duration) -> u64 {
    u64::try_from(threshold.as_micros()).unwrap_or(NEVER - 1).max(1)
}

/// How often to look for requests that have become slow: a tenth of the threshold, but no finer and no coarser than this.
pub(crate) fn period(threshold: Duration) -> Duration {
    (threshold / 10).clamp(Duration::from_millis(100), Duration::from_secs(1))
}

/// A request has ended with that status after so many microseconds.
pub(crate) fn note_end(request: &Request<'_>, status: u16, microseconds: u64) {
    if microseconds >= THRESHOLD.load(Relaxed) {
        tell_end(request, status, microseconds);
    }
}

#[cold]
fn tell_end(request: &Request<'_>, status: u16, microseconds: u64) {
    let now = Instant::now();
    let Some(left_out) = ENDS.lock().get_or_insert_with(|| Pace::new(now)).admit(now) else { return };
    let what = in_words(request.method(), request.uri());
    let text = format!("WSGI1161: {what} has ended with status {status} after {}", Seconds(microseconds));
    Entry::of_module(Level::Warning, format!("{text} (WSGISlowRequests)")).write(request);
    if left_out > 0 {
        Entry::of_module(Level::Warning, left_out_in_words(left_out)).write(request);
    }
}

/// A request, without its query.
pub(crate) fn in_words(method: &[u8], path: &[u8]) -> String {
    format!("slow request {} '{}'", String::from_utf8_lossy(method), String::from_utf8_lossy(path))
}

/// What stands before the stack of a request.
pub(crate) fn stack_in_words(id: &str, thread: u64, trace: Option<TraceIds>) -> String {
    format!("WSGI1162: stack of request {id}, thread {thread}{}", trace_in_words(trace))
}

/// The trace context behind a line.
pub(crate) fn trace_in_words(trace: Option<TraceIds>) -> String {
    trace.map_or_else(String::new, |ids| format!(" {ids}"))
}

/// The line that says that others are missing.
pub(crate) fn left_out_in_words(count: u64) -> String {
    format!("WSGI1163: {count} more lines about slow requests were left out, so that they do not fill the log")
}

/// Microseconds, as the log shows them.
pub(crate) struct Seconds(pub(crate) u64);

impl core::fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{:.2} s", self.0 as f64 / 1e6)
    }
}

/// How often something may be said: so often at once ...
const AT_ONCE: u64 = 30;
/// ... and once more after each such time.
const ONE_MORE_AFTER: Duration = Duration::from_secs(2);

/// What may still be said of slow requests, and what was left out.
#[derive(Debug)]
pub(crate) struct Pace {
    left: u64,
    counted: Instant,
    left_out: u64,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: AT_ONCE, counted: now, left_out: 0 }
    }

    /// Whether something may be said now: if so, how many times it was left out since the last time.
    pub(crate) fn admit(&mut self, now: Instant) -> Option<u64> {
        let more = now.saturating_duration_since(self.counted).as_secs() / ONE_MORE_AFTER.as_secs();
        self.left = self.left.saturating_add(more).min(AT_ONCE);
        self.counted += Duration::from_secs(more.saturating_mul(ONE_MORE_AFTER.as_secs()));
        if self.left == 0 {
            self.left_out += 1;
            return None;
        }
        self.left -= 1;
        Some(core::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_is_said_at_once_and_then_one_after_the_other() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let said = (0..100).filter(|_| pace.admit(start) == Some(0)).count();
        assert_eq!(said as u64, AT_ONCE);
        assert_eq!(pace.admit(start + ONE_MORE_AFTER), Some(100 - AT_ONCE));
        assert_eq!(pace.admit(start + ONE_MORE_AFTER), None);
        assert_eq!(pace.admit(start + 3 * ONE_MORE_AFTER), Some(1));
        let later = start + Duration::from_secs(1 << 40);
        assert_eq!((0..100).filter(|_| pace.admit(later).is_some()).count() as u64, AT_ONCE);
    }

    #[test]
    fn looks_are_as_fine_as_the_threshold_asks_for() {
        let looks = [1, 500, 3_000, 60_000].map(|milliseconds| period(Duration::from_millis(milliseconds)).as_millis());
        assert_eq!(looks, [100, 100, 300, 1000]);
        assert_eq!(microseconds(Duration::from_nanos(1)), 1);
        assert_eq!(microseconds(Duration::MAX), NEVER - 1);
    }
}
