//! The limits of a daemon that time sets: how old it may become, how long it may be idle, how long its start may take.
//!
//! The main thread looks every second if there is a limit, and never otherwise. It never attaches to Python, so nothing that
//! holds up Python holds up the limits.

use super::activity;
use super::control::Reason;
use super::process::Daemon;
use crate::config::process_group::ProcessGroup;
use core::time::Duration;

/// The limits of this process.
pub(crate) struct Limits {
    is_any: bool,
    /// The replacement has been asked for, which is not to be done twice.
    replacing: bool,
}

/// How exact the limits are.
const TICK: Duration = Duration::from_secs(1);

impl Limits {
    pub(crate) fn new(config: &ProcessGroup) -> Self {
        let is_any = [config.restart_interval, config.inactivity_timeout, config.startup_timeout];
        Self { is_any: is_any.iter().any(Option::is_some), replacing: false }
    }

    /// When the next look is due; `None` if there is nothing to look for.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        self.is_any.then_some(TICK)
    }

    /// Looks. Returns the reason if the process is to end now.
    pub(crate) fn check(&mut self, daemon: &Daemon, draining: bool) -> Option<Reason> {
        let config = &daemon.group.config;
        let passed =
            |limit: Option<Duration>, time: u64| limit.is_some_and(|limit| u128::from(time) > limit.as_millis());
        let busy = || activity::workers().iter().any(|worker| worker.busy().is_some());
        if !self.replacing && !draining && passed(config.restart_interval, activity::now()) {
            self.replacing = true;
            daemon.ask_to_be_replaced(Reason::RestartInterval, 0);
        }
        if activity::idle().is_some_and(|idle| passed(config.inactivity_timeout, idle)) && !busy() {
            return Some(Reason::InactivityTimeout);
        }
        if !activity::has_loaded() && activity::first_request().is_some_and(|age| passed(config.startup_timeout, age)) {
            return Some(Reason::StartupTimeout);
        }
        None
    }
}
