//! What one request uses: measured only where someone wants to know.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use std::sync::Arc;

/// The measurements of one request.
#[derive(Debug)]
pub(crate) struct RequestMeter {
    cpu: Option<CpuTime>,
    /// Nanoseconds in which the thread waited for the body ...
    input: AtomicU64,
    /// ... and in which it sent the response.
    output: AtomicU64,
    /// Blocks of the response that were not empty.
    writes: AtomicU64,
    /// Nanoseconds in which the thread waited to be let into Python again, and how often it was.
    waited: AtomicU64,
    waits: AtomicU64,
}

/// What a thread is detached for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    Input,
    Output,
}

/// The CPU time of a thread, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CpuTime {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl CpuTime {
    fn of_this_thread() -> Option<Self> {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
        Some(Self { user: seconds(usage.user_time()), system: seconds(usage.system_time()) })
    }

    /// The time since `before`. Clocks differ: it is never more than `elapsed` seconds.
    fn since(self, before: Self, elapsed: f64) -> Self {
        let (user, system) = ((self.user - before.user).max(0.0), (self.system - before.system).max(0.0));
        let scale = if user + system > elapsed { elapsed / (user + system) } else { 1.0 };
        Self { user: user * scale, system: system * scale }
    }
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

impl RequestMeter {
    /// The measurements begin.
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(Self {
            cpu: CpuTime::of_this_thread(),
            input: AtomicU64::new(0),
            output: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            waits: AtomicU64::new(0),
        })
    }

    /// The application gave so many blocks that are not empty.
    pub(crate) fn count_writes(&self, blocks: u64) {
        self.writes.fetch_add(blocks, Relaxed);
    }

    /// The thread was away from Python for a transfer, and waited to be let in again.
    pub(crate) fn note(&self, transfer: Transfer, away: Duration, waited: Duration) {
        let total = match transfer {
            Transfer::Input => &self.input,
            Transfer::Output => &self.output,
        };
        for (total, time) in [(total, away), (&self.waited, waited)] {
            total.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        }
        self.waits.fetch_add(1, Relaxed);
    }

    /// In seconds.
    pub(crate) fn input_time(&self) -> f64 {
        of_nanoseconds(&self.input)
    }

    /// In seconds.
    pub(crate) fn output_time(&self) -> f64 {
        of_nanoseconds(&self.output)
    }

    pub(crate) fn output_writes(&self) -> u64 {
        self.writes.load(Relaxed)
    }

    /// In seconds.
    pub(crate) fn gil_wait_time(&self) -> f64 {
        of_nanoseconds(&self.waited)
    }

    pub(crate) fn gil_wait_count(&self) -> u64 {
        self.waits.load(Relaxed)
    }

    /// The CPU time of this thread since the measurements began, `elapsed` seconds ago.
    pub(crate) fn cpu_time(&self, elapsed: f64) -> Option<CpuTime> {
        Some(CpuTime::of_this_thread()?.since(self.cpu?, elapsed))
    }
}

fn of_nanoseconds(total: &AtomicU64) -> f64 {
    Duration::from_nanos(total.load(Relaxed)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_never_more_than_the_time_that_passed() {
        let (before, after) = (CpuTime { user: 1.0, system: 1.0 }, CpuTime { user: 2.5, system: 1.5 });
        assert_eq!(after.since(before, 4.0), CpuTime { user: 1.5, system: 0.5 });
        assert_eq!(after.since(before, 1.0), CpuTime { user: 0.75, system: 0.25 });
        assert_eq!(before.since(after, 1.0), CpuTime { user: 0.0, system: 0.0 });
    }
}
