//! `WSGISlowRequests` in a daemon: the stack of a request that has become slow, once. The child of httpd that has the
//! request names it in a line of its own.
//!
//! The main thread looks for such requests and never waits for Python: it sends the examiner for the stack.

use crate::apache::log::Level;
use crate::daemon::process::activity;
use crate::daemon::process::examiner::{Examiner, Task};
use crate::daemon::process::start::Daemon;
use crate::events::slow_record::SlowRecord;
use crate::metrics::{
    self,
    clock::{Moment, TimeOfDay},
};
use crate::request::slow::{Pace, left_out_in_words};
use core::time::Duration;
use std::time::Instant;

/// The requests of this process that have run for at least that long, for telemetry.
pub(crate) fn running(threshold: Duration) -> Vec<SlowRecord> {
    let seen = activity::workers().iter().zip(1..).filter_map(|(worker, number)| Some((worker.request()?, number)));
    let record = |(seen, number): (activity::Seen, u64)| {
        let duration = Duration::from_millis(seen.age);
        SlowRecord {
            start: TimeOfDay::now().0 as f64 / 1e6 - duration.as_secs_f64(),
            duration,
            thread: number,
            texts: seen.texts(),
            active_at_start: metrics::telemetry().map_or(0, metrics::Recorder::running),
            ..SlowRecord::default()
        }
    };
    seen.map(record).filter(|record| record.duration >= threshold).collect()
}

/// The requests of this process that have become slow.
pub(crate) struct SlowRequests {
    threshold: Duration,
    /// The request of each request thread that was spoken of.
    told: Vec<Option<u64>>,
    pace: Pace,
}

impl SlowRequests {
    pub(crate) fn new(threshold: Duration, threads: usize) -> Self {
        Self { threshold, told: vec![None; threads], pace: Pace::new(Instant::now()) }
    }

    /// Looks at each request thread.
    pub(crate) fn check(&mut self, daemon: &Daemon, examiner: &mut Examiner) {
        let now = Moment::now();
        for (number, worker) in activity::workers().iter().enumerate() {
            let Some(seen) = worker.request() else { continue };
            if self.told[number] == Some(seen.request) || seen.time_since_queued(now) < self.threshold {
                continue;
            }
            self.told[number] = Some(seen.request);
            let Some(left_out) = self.pace.admit(Instant::now()) else { continue };
            examiner.send(Task::SlowStack { worker: number, request: seen.request });
            if left_out > 0 {
                daemon.group.log(Level::Warning, &left_out_in_words(left_out));
            }
        }
    }
}
