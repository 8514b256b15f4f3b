//! Requests that take too long: `request-timeout` and `interrupt-timeout`.
//!
//! Past the first an exception is raised in the request, if `interrupt-timeout` says so. A request that goes on past both
//! is given up: its process is replaced, and does not wait for it at its end.

use crate::apache::log::Level;
use crate::config::process_group::ProcessGroup;
use crate::daemon::process::activity::{self, Seen};
use crate::daemon::process::examiner::{Examiner, Task};
use crate::daemon::process::start::Daemon;
use crate::wire::control::Reason;
use core::time::Duration;

/// How far it has come with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The exception was to be raised at that time, in milliseconds of `activity::now`.
    Interrupted(u64),
    GivenUp,
}

/// What the main thread keeps of a request thread: the request and its stage.
type Watched = Option<(u64, Stage)>;

/// A task that the examiner is out for since that time.
struct Awaited {
    task: u64,
    since: u64,
}

/// The requests of this process that take too long.
pub(crate) struct StuckRequests {
    /// In milliseconds.
    threshold: u64,
    grace: Option<u64>,
    watched: Vec<Watched>,
    awaited: Option<Awaited>,
}

/// How long the examiner may be away, in milliseconds, before the log says so: on a busy machine a stack takes its time.
const PATIENCE: u64 = 3000;

/// The age at which a request is too old: with more threads more time is given.
pub(crate) fn threshold(config: &ProcessGroup) -> Option<Duration> {
    let factor = 1.0 + f64::from(config.threads.max(1)).ln();
    config.request_timeout.map(|timeout| timeout.mul_f64(factor))
}

impl StuckRequests {
    /// `None` if no request of this group can take too long.
    pub(crate) fn new(config: &ProcessGroup) -> Option<Self> {
        let threshold = milliseconds(threshold(config)?);
        let grace = config.interrupt_timeout.map(milliseconds);
        Some(Self { threshold, grace, watched: vec![None; config.threads as usize], awaited: None })
    }

    /// Looks at each request thread.
    pub(crate) fn check(&mut self, daemon: &Daemon, examiner: &mut Examiner) {
        let now = activity::now();
        for (number, worker) in activity::workers().iter().enumerate() {
            let Some(seen) = worker.request() else {
                self.watched[number] = None;
                continue;
            };
            let stage = self.watched[number].filter(|(request, _)| *request == seen.request).map(|(_, stage)| stage);
            let next = self.next_stage(stage, seen.age, now);
            if let Some(next) = next.filter(|next| stage != Some(*next)) {
                let task = self.act(daemon, number, &seen, next);
                let task = examiner.send(task);
                // It has been away for longer if it is not back yet.
                self.awaited.get_or_insert(Awaited { task, since: now });
            }
            self.watched[number] = next.map(|next| (seen.request, next));
        }
        if self.given_up() > 0 {
            daemon.ask_to_be_replaced(Reason::RequestTimeout, 0);
        }
        self.look_after(daemon, examiner, now);
    }

    fn next_stage(&self, stage: Option<Stage>, age: u64, now: u64) -> Option<Stage> {
        match (stage, self.grace) {
            (None, _) if age <= self.threshold => None,
            (None, Some(_)) => Some(Stage::Interrupted(now)),
            (None, None) => Some(Stage::GivenUp),
            (Some(Stage::Interrupted(at)), Some(grace)) if now.saturating_sub(at) > grace => Some(Stage::GivenUp),
            (stage, _) => stage,
        }
    }

    /// A request has come to a new stage.
    fn act(&self, daemon: &Daemon, worker: usize, seen: &Seen, stage: Stage) -> Task {
        let request = seen.request;
        let (text, task) = match stage {
            Stage::Interrupted(_) => (
                format!("WSGI1030: RequestTimeout is raised in {seen} and has passed request-timeout"),
                Task::Interrupt { worker, request },
            ),
            Stage::GivenUp => {
                let limit = if self.grace.is_some() { "interrupt-timeout" } else { "request-timeout" };
                let text = format!("WSGI1032: this process is to be replaced because of {seen} and has passed {limit}");
                (text, Task::Stack { worker, request })
            }
        };
        let text = format!("{text} [thread {}]", activity::workers()[worker].thread());
        daemon.group.log(Level::Error, &text);
        task
    }

    /// Says so if Python does not let the examiner in.
    fn look_after(&mut self, daemon: &Daemon, examiner: &Examiner, now: u64) {
        let Some(awaited) = &self.awaited else { return };
        if examiner.has_done(awaited.task) {
            self.awaited = None;
        } else if now.saturating_sub(awaited.since) > PATIENCE {
            self.awaited = None;
            let text = "WSGI1033: no stack can be taken and no exception be raised: a thread holds up all of Python";
            daemon.group.log(Level::Error, text);
        }
    }

    /// How many requests are given up.
    pub(crate) fn given_up(&self) -> usize {
        let workers = activity::workers().iter().zip(&self.watched);
        let is_given_up = |(worker, watched): &(&activity::Worker, &Watched)| {
            matches!(watched, Some((request, Stage::GivenUp))
                if worker.request().is_some_and(|seen| seen.request == *request))
        };
        workers.filter(is_given_up).count()
    }
}

/// A duration in the unit of `activity::now`.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuck(threads: u32, interrupt: Option<u64>) -> StuckRequests {
        let mut config = ProcessGroup::with_defaults("demo", 1);
        config.threads = threads;
        config.request_timeout = Some(Duration::from_secs(10));
        config.interrupt_timeout = interrupt.map(Duration::from_secs);
        StuckRequests::new(&config).expect("a limit")
    }

    #[test]
    fn more_threads_give_a_request_more_time() {
        assert_eq!(stuck(1, None).threshold, 10_000);
        assert_eq!(stuck(15, None).threshold, 37_080);
    }

    #[test]
    fn a_request_is_given_up_past_the_threshold() {
        let stuck = stuck(1, None);
        assert_eq!(stuck.next_stage(None, 10_000, 70_000), None);
        assert_eq!(stuck.next_stage(None, 10_001, 70_000), Some(Stage::GivenUp));
        assert_eq!(stuck.next_stage(Some(Stage::GivenUp), 99_000, 99_000), Some(Stage::GivenUp));
    }

    #[test]
    fn a_request_that_is_interrupted_has_a_grace_of_its_own() {
        let stuck = stuck(1, Some(2));
        let interrupted = Some(Stage::Interrupted(70_000));
        assert_eq!(stuck.next_stage(None, 99_000, 70_000), interrupted);
        assert_eq!(stuck.next_stage(interrupted, 99_000, 72_000), interrupted);
        assert_eq!(stuck.next_stage(interrupted, 99_000, 72_001), Some(Stage::GivenUp));
    }
}
