//! The limits of a daemon that time sets: how old it may become, how long it may be idle, how long its start may take,
//! how long a request, and for how long Python may let no one in.
//!
//! The main thread looks as often as the shortest limit asks for, and never without one. It never attaches to Python, so
//! nothing that holds up Python holds up the limits.

use crate::apache::log::Level;
use crate::config::process_group::ProcessGroup;
use crate::daemon::process::activity;
use crate::daemon::process::examiner::{Examiner, Task};
use crate::daemon::process::slow::SlowRequests;
use crate::daemon::process::start::Daemon;
use crate::daemon::process::stuck::{self, StuckRequests, milliseconds};
use crate::process::this_process::process;
use crate::request::slow::period;
use crate::wire::control::Reason;
use core::time::Duration;
use std::thread::JoinHandle;

/// The limits of this process.
pub(crate) struct Limits {
    daemon: &'static Daemon,
    /// How often to look; `None` if there is nothing to look for.
    tick: Option<Duration>,
    /// Where a limit has to look into Python.
    examiner: Option<Examiner>,
    stuck: Option<StuckRequests>,
    slow: Option<SlowRequests>,
    deadlock: Option<Deadlock>,
}

/// How exact limits are: a tenth of the shortest, but no finer and no coarser than this.
const FINEST: Duration = Duration::from_millis(100);
const COARSEST: Duration = Duration::from_secs(1);
/// Whether Python lets anyone in is asked at least so often.
const PROBED_EVERY: Duration = Duration::from_secs(30);

/// How often to look, by the limits that are not asked after in Python alone.
fn tick(config: &ProcessGroup) -> Option<Duration> {
    let limits = [
        config.restart_interval,
        config.inactivity_timeout,
        config.startup_timeout,
        stuck::threshold(config),
        config.interrupt_timeout.filter(|_| config.request_timeout.is_some()),
    ];
    limits.into_iter().flatten().min().map(|shortest| (shortest / 10).clamp(FINEST, COARSEST))
}

impl Limits {
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn new(daemon: &'static Daemon) -> std::io::Result<Self> {
        let config = &daemon.group.config;
        let mut limits = Self { daemon, tick: None, examiner: None, stuck: None, slow: None, deadlock: None };
        if config.threads == 0 {
            // A service ends by itself.
            return Ok(limits);
        }
        limits.stuck = StuckRequests::new(config);
        limits.deadlock = config.deadlock_timeout.map(Deadlock::new);
        let threshold = process().and_then(|process| process.start_up.telemetry.slow_requests);
        limits.slow = threshold.map(|threshold| SlowRequests::new(threshold, config.threads as usize));
        if limits.stuck.is_some() || limits.slow.is_some() || limits.deadlock.is_some() {
            limits.examiner = Some(Examiner::start(daemon)?);
        }
        let probes = limits.deadlock.as_ref().map(|deadlock| deadlock.period);
        limits.tick = tick(config).into_iter().chain(probes).chain(threshold.map(period)).min();
        Ok(limits)
    }

    /// When the next look is due; `None` if there is nothing to look for.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        self.tick
    }

    /// Looks. Returns the reason if the process is to end now.
    pub(crate) fn check(&mut self) -> Option<Reason> {
        self.check_age();
        if let (Some(stuck), Some(examiner)) = (&mut self.stuck, &mut self.examiner) {
            stuck.check(self.daemon, examiner);
        }
        if let (Some(slow), Some(examiner)) = (&mut self.slow, &mut self.examiner) {
            slow.check(self.daemon, examiner);
        }
        let deadlock = match (&mut self.deadlock, &mut self.examiner) {
            (Some(deadlock), Some(examiner)) => deadlock.is_over(examiner, activity::now()),
            _ => false,
        };
        if deadlock {
            self.tell(
                "WSGI1034: Python has let no thread in for deadlock-timeout: one holds its GIL, or keeps the others from running",
            );
            return Some(Reason::DeadlockTimeout);
        }
        let config = &self.daemon.group.config;
        let starting = activity::first_request().filter(|_| !activity::has_loaded());
        if starting.is_some_and(|age| has_passed(config.startup_timeout, age)) {
            self.tell("WSGI1036: no application has been loaded within startup-timeout after the first request");
            return Some(Reason::StartupTimeout);
        }
        None
    }

    /// The limits after which another process takes over without haste.
    fn check_age(&self) {
        let config = &self.daemon.group.config;
        if has_passed(config.restart_interval, activity::now()) {
            self.daemon.ask_to_be_replaced(Reason::RestartInterval, 0);
        }
        let idle = activity::idle().is_some_and(|idle| has_passed(config.inactivity_timeout, idle));
        // A request that runs is no idleness, however silent it is.
        if idle && !activity::workers().iter().any(activity::Worker::is_busy) {
            self.daemon.ask_to_be_replaced(Reason::InactivityTimeout, 0);
        }
    }

    fn tell(&self, text: &str) {
        self.daemon.group.log(Level::Error, text);
    }

    /// How many requests no one waits for any more.
    pub(crate) fn given_up(&self) -> usize {
        self.stuck.as_ref().map_or(0, StuckRequests::given_up)
    }

    /// The limits end here; returns the thread that still has to.
    pub(crate) fn end(self) -> Option<JoinHandle<()>> {
        self.examiner.map(Examiner::dismiss)
    }
}

fn has_passed(limit: Option<Duration>, time: u64) -> bool {
    limit.is_some_and(|limit| time > milliseconds(limit))
}

/// Whether Python still lets threads in: `deadlock-timeout`.
struct Deadlock {
    /// In milliseconds.
    limit: u64,
    period: Duration,
    /// The task that the examiner is out for, and since when.
    asked: Option<(u64, u64)>,
    next: u64,
}

impl Deadlock {
    fn new(limit: Duration) -> Self {
        let period = (limit / 10).clamp(FINEST, PROBED_EVERY);
        Self { limit: milliseconds(limit), period, asked: None, next: 0 }
    }

    fn is_over(&mut self, examiner: &mut Examiner, now: u64) -> bool {
        if let Some((task, since)) = self.asked {
            if !examiner.has_done(task) {
                return now.saturating_sub(since) > self.limit;
            }
            self.asked = None;
        }
        if now >= self.next {
            self.next = now + milliseconds(self.period);
            self.asked = Some((examiner.send(Task::Probe), now));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> ProcessGroup {
        ProcessGroup::with_defaults("demo", 1)
    }

    #[test]
    fn without_a_limit_no_one_looks() {
        assert_eq!(tick(&group()), None);
        assert_eq!(tick(&ProcessGroup { interrupt_timeout: Some(COARSEST), ..group() }), None);
    }

    #[test]
    fn each_limit_is_looked_at_by_itself() {
        let day = Some(Duration::from_secs(86_400));
        for group in [
            ProcessGroup { restart_interval: day, ..group() },
            ProcessGroup { inactivity_timeout: day, ..group() },
            ProcessGroup { startup_timeout: day, ..group() },
            ProcessGroup { request_timeout: day, ..group() },
        ] {
            assert_eq!(tick(&group), Some(COARSEST));
        }
        assert_eq!(tick(&ProcessGroup { startup_timeout: Some(COARSEST), ..group() }), Some(FINEST));
    }

    #[test]
    fn python_is_asked_rarely() {
        assert_eq!(Deadlock::new(Duration::from_secs(300)).period, Duration::from_secs(30));
        assert_eq!(Deadlock::new(Duration::from_secs(3600)).period, Duration::from_secs(30));
        assert_eq!(Deadlock::new(Duration::from_secs(1)).period, FINEST);
    }
}
