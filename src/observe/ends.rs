//! How the processes of a group began and ended: counters by cause, and the last ends, in shared memory.
//!
//! The supervisors of a group write here, of which there are two after a graceful restart for as long as the old one has
//! requests.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a process ended: what it was told, by the names of `shutdown_reason`, or what became of it.
pub(crate) const CAUSES: [&str; 17] = [
    "shutdown_signal",
    "graceful_signal",
    "eviction_signal",
    "maximum_requests",
    "restart_interval",
    "inactivity_timeout",
    "request_timeout",
    "startup_timeout",
    "deadlock_timeout",
    "cpu_time_limit",
    "script_reload",
    "reload_command",
    "exit",
    "signal",
    "other",
    LEFT,
    DIED,
];
const OTHER: usize = CAUSES.len() - 3;
/// A child process of httpd ended because httpd wanted it to.
pub(crate) const LEFT: &str = "left";
/// A child process of httpd was killed, or crashed; how is in httpd's error log.
pub(crate) const DIED: &str = "died";

/// Beside the exit status, where there is one.
const HAS_STATUS: u64 = 1 << 8;

/// So many ends are kept.
const KEPT: usize = 20;
const STARTS: usize = 0;
const COUNTS: usize = 1;
const NEXT: usize = COUNTS + CAUSES.len();
const RING: usize = NEXT + 1;
/// How many words this takes.
pub(super) const WORDS: usize = RING + KEPT * 2;

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Seconds since the epoch.
    pub(crate) time: u32,
    pub(crate) process: u32,
    pub(crate) cause: &'static str,
    /// The signal that killed it; 0 if it exited by itself.
    pub(crate) signal: u8,
    /// Its exit status, where it exited by itself and that is known.
    pub(crate) status: Option<u8>,
    /// The requests that it had.
    pub(crate) requests: u16,
}

/// The words of a group.
#[derive(Clone, Copy)]
pub(crate) struct Ends<'m>(pub(super) &'m [AtomicU64]);

impl Ends<'_> {
    pub(crate) fn note_start(self) {
        self.0[STARTS].fetch_add(1, Relaxed);
    }

    /// How many processes were started.
    pub(crate) fn starts(self) -> u64 {
        self.0[STARTS].load(Relaxed)
    }

    /// A cause that has no name here counts as another one.
    pub(crate) fn note(self, end: End) {
        let cause = CAUSES.iter().position(|cause| *cause == end.cause).unwrap_or(OTHER);
        self.0[COUNTS + cause].fetch_add(1, Relaxed);
        let place = self.0[NEXT].fetch_add(1, Relaxed) as usize % KEPT;
        let status = end.status.map_or(0, |status| u64::from(status) | HAS_STATUS);
        let how = cause as u64 | u64::from(end.signal) << 8 | status << 16;
        self.0[RING + place * 2 + 1].store(how | u64::from(end.requests) << 32, Relaxed);
        self.0[RING + place * 2].store(u64::from(end.time) << 32 | u64::from(end.process), Relaxed);
    }

    /// How many processes ended of each cause.
    pub(crate) fn counts(self) -> impl Iterator<Item = (&'static str, u64)> {
        CAUSES.into_iter().zip(self.0[COUNTS..NEXT].iter().map(|count| count.load(Relaxed)))
    }

    /// The last ends, the latest first.
    pub(crate) fn last(self) -> impl Iterator<Item = End> {
        let next = self.0[NEXT].load(Relaxed) as usize % KEPT;
        let places = (0..KEPT).map(move |back| (next + KEPT - 1 - back) % KEPT);
        places.filter_map(move |place| self.read(place))
    }

    fn read(self, place: usize) -> Option<End> {
        let (who, how) = (self.0[RING + place * 2].load(Relaxed), self.0[RING + place * 2 + 1].load(Relaxed));
        (who != 0).then(|| End {
            time: (who >> 32) as u32,
            process: who as u32,
            cause: CAUSES.get(usize::from(how as u8)).unwrap_or(&CAUSES[OTHER]),
            signal: (how >> 8) as u8,
            status: (how >> 16 & HAS_STATUS != 0).then_some((how >> 16) as u8),
            requests: (how >> 32) as u16,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ends_are_kept_and_all_are_counted() {
        let words = [const { AtomicU64::new(0) }; WORDS];
        let ends = Ends(&words);
        assert_eq!(ends.last().count(), 0);
        let end = |number: u32| End {
            time: number,
            process: number + 100,
            cause: if number.is_multiple_of(2) { "signal" } else { "script_reload" },
            signal: if number.is_multiple_of(2) { 9 } else { 0 },
            status: [None, Some(255), Some(0)][number as usize % 3],
            requests: 3,
        };
        for number in 1..=25 {
            ends.note(end(number));
            let kept = (number.saturating_sub(19).max(1)..=number).rev().map(end);
            assert_eq!(ends.last().collect::<Vec<_>>(), kept.collect::<Vec<_>>());
        }
        let count = |name| ends.counts().find(|(cause, _)| *cause == name).map(|(_, count)| count);
        assert_eq!((count("signal"), count("script_reload"), count("exit")), (Some(12), Some(13), Some(0)));
        ends.note(End { cause: "unheard of", ..end(26) });
        assert_eq!((count("other"), ends.last().next().map(|end| end.cause)), (Some(1), Some("other")));
    }
}
