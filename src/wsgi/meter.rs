//! What a request uses: measured only while someone is subscribed to events, or requests are recorded.

use crate::python::detached::{self, Detached};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use pyo3::Python;
use std::sync::Arc;
use std::time::Instant;

/// The measurements of one request.
#[derive(Debug)]
pub(crate) struct Meter {
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
pub(super) enum Errand {
    Input,
    Output,
}

/// The CPU time of a thread, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CpuTime {
    pub(super) user: f64,
    pub(super) system: f64,
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

impl Meter {
    /// The measurements begin.
    pub(super) fn start() -> Arc<Self> {
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
    pub(super) fn count_writes(&self, blocks: u64) {
        self.writes.fetch_add(blocks, Relaxed);
    }

    fn note(&self, errand: Errand, away: Duration, waited: Duration) {
        let total = match errand {
            Errand::Input => &self.input,
            Errand::Output => &self.output,
        };
        for (total, time) in [(total, away), (&self.waited, waited)] {
            total.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        }
        self.waits.fetch_add(1, Relaxed);
    }

    /// In seconds.
    pub(super) fn input_time(&self) -> f64 {
        of_nanoseconds(&self.input)
    }

    /// In seconds.
    pub(super) fn output_time(&self) -> f64 {
        of_nanoseconds(&self.output)
    }

    pub(super) fn output_writes(&self) -> u64 {
        self.writes.load(Relaxed)
    }

    /// In seconds.
    pub(super) fn gil_wait_time(&self) -> f64 {
        of_nanoseconds(&self.waited)
    }

    pub(super) fn gil_wait_count(&self) -> u64 {
        self.waits.load(Relaxed)
    }

    /// The CPU time of this thread since the measurements began, `elapsed` seconds ago.
    pub(super) fn cpu_time(&self, elapsed: f64) -> Option<CpuTime> {
        Some(CpuTime::of_this_thread()?.since(self.cpu?, elapsed))
    }
}

fn of_nanoseconds(total: &AtomicU64) -> f64 {
    Duration::from_nanos(total.load(Relaxed)).as_secs_f64()
}

/// Runs `body` detached; `meter`, if there is one, learns how long that took, and how long the way back.
pub(super) fn detached<R: Send>(
    py: Python<'_>,
    meter: Option<&Arc<Meter>>,
    errand: Errand,
    body: impl for<'a> FnOnce(&Detached<'a>) -> R + Send,
) -> R {
    let Some(meter) = meter else { return detached::detached(py, body) };
    let left = Instant::now();
    let (value, back) = detached::detached(py, |detached| (body(detached), Instant::now()));
    meter.note(errand, back - left, back.elapsed());
    value
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
