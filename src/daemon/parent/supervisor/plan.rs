//! Which daemons of a group wait for their successor, and why.

use crate::wire::control::Reason;
use nix::unistd::Pid;

/// Daemons and reasons, in the order in which they came. Each reason of a daemon counts: one may be dropped.
#[derive(Default)]
pub(super) struct Plan(Vec<(Pid, Reason)>);

impl Plan {
    pub(super) fn add(&mut self, pid: Pid, reason: Reason) {
        if !self.has(pid, reason) {
            self.0.push((pid, reason));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, pid: Pid, reason: Reason) -> bool {
        self.0.contains(&(pid, reason))
    }

    pub(super) fn has_any(&self, reason: Reason) -> bool {
        self.0.iter().any(|(_, other)| *other == reason)
    }

    /// Takes out the daemon that has waited longest, with its first reason.
    pub(super) fn next(&mut self) -> Option<(Pid, Reason)> {
        let (pid, reason) = *self.0.first()?;
        self.forget(pid);
        Some((pid, reason))
    }

    /// The daemon does not wait any more.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.0.retain(|(other, _)| *other != pid);
    }

    /// The reason is none any more.
    pub(super) fn drop_reason(&mut self, reason: Reason) {
        self.0.retain(|(_, other)| *other != reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Pid = Pid::from_raw(1);
    const TWO: Pid = Pid::from_raw(2);

    #[test]
    fn a_daemon_has_one_successor_however_many_reasons_there_are() {
        let mut plan = Plan::default();
        for (pid, reason) in [
            (ONE, Reason::GracefulSignal),
            (TWO, Reason::ScriptReload),
            (ONE, Reason::ScriptReload),
            (ONE, Reason::GracefulSignal),
        ] {
            plan.add(pid, reason);
        }
        assert_eq!(plan.next(), Some((ONE, Reason::GracefulSignal)));
        assert_eq!(plan.next(), Some((TWO, Reason::ScriptReload)));
        assert_eq!(plan.next(), None);
    }

    #[test]
    fn new_code_that_does_not_load_leaves_the_other_reasons() {
        let mut plan = Plan::default();
        plan.add(ONE, Reason::ScriptReload);
        plan.add(ONE, Reason::GracefulSignal);
        plan.add(TWO, Reason::ScriptReload);
        assert!(plan.has_any(Reason::ScriptReload));
        plan.drop_reason(Reason::ScriptReload);
        assert!(!plan.has_any(Reason::ScriptReload));
        assert_eq!(plan.next(), Some((ONE, Reason::GracefulSignal)));
        assert!(plan.is_empty());
    }

    #[test]
    fn new_code_concerns_a_daemon_that_was_to_be_replaced_before() {
        let mut plan = Plan::default();
        plan.add(ONE, Reason::RestartInterval);
        plan.add(ONE, Reason::ScriptReload);
        assert!(plan.has_any(Reason::ScriptReload));
    }
}
