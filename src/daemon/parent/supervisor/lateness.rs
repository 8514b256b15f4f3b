//! Daemons that take long to start, or cannot be started: the log says so, and nobody waits for them any more.
//!
//! No limit tells a start that hangs from one that has much to load, so a daemon that is late goes on. It is given up
//! when the code changes again: then it has nothing to load that would still be wanted.

use super::{Phase, SOON, Supervisor};
use crate::apache::log::Level;
use crate::daemon::process::start;
use crate::wire::control::Reason;
use core::time::Duration;
use std::time::Instant;

/// Since when a daemon is to be started for which there is no place.
pub(super) struct Lack {
    since: Instant,
    told: bool,
}

impl Lack {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), told: false }
    }
}

/// When the log tells of a start: after the group's patience, then after twice, four times, ... as long.
fn is_late(age: Duration, patience: Duration, told: u32) -> bool {
    age >= patience.saturating_mul(2_u32.saturating_pow(told))
}

impl Supervisor {
    pub(super) fn mind_lateness(&mut self) {
        if self.ending {
            return;
        }
        for number in 0..self.members.len() {
            let member = &self.members[number];
            let patience = self.patience(member.group);
            let is_service = start::is_service(&self.generation.groups[member.group]);
            if member.phase == Phase::Starting
                && !is_service
                && is_late(member.started.elapsed(), patience, member.lateness)
            {
                self.tell_late_start(number);
            }
        }
        (0..self.generation.groups.len()).for_each(|group| self.mind_lack_of_places(group));
    }

    /// How long a start may take before it is late: as long as a request would wait for it.
    fn patience(&self, group: usize) -> Duration {
        self.generation.groups[group].config.connect_timeout.max(SOON)
    }

    fn tell_late_start(&mut self, number: usize) {
        self.members[number].lateness += 1;
        let member = &self.members[number];
        let (group, pid, seconds) = (member.group, member.pid, member.started.elapsed().as_secs());
        let ready = self.members.iter().filter(|other| other.group == group && other.phase == Phase::Ready).count();
        let others = match ready {
            0 => "no process of the group takes requests".to_owned(),
            1 => "1 other process takes requests".to_owned(),
            number => format!("{number} other processes take requests"),
        };
        let text = format!(
            "WSGI1025: process {pid} has been starting for {seconds} s, and what it loads beforehand is not there yet; {others}"
        );
        self.log(group, Level::Warning, &text);
        self.let_requests_go_on(group);
    }

    fn mind_lack_of_places(&mut self, group: usize) {
        let patience = self.patience(group);
        let lack = self.progress[group].without_place.as_mut();
        let Some(lack) = lack.filter(|lack| !lack.told && lack.since.elapsed() >= patience) else { return };
        lack.told = true;
        let leaving = self.members.iter().filter(|member| member.group == group);
        let leaving = leaving.filter(|member| matches!(member.phase, Phase::Leaving { .. }));
        let pids: Vec<_> = leaving.map(|member| member.pid.to_string()).collect();
        let text = format!(
            "WSGI1026: the next process is started when one of those has ended that still finish requests (process {})",
            pids.join(", ")
        );
        self.log(group, Level::Warning, &text);
        self.let_requests_go_on(group);
    }

    /// Requests do not wait for new code any more. What comes next may be a further change, which is minded.
    fn let_requests_go_on(&self, group: usize) {
        let table = &self.generation.groups[group].table;
        if self.progress[group].replacing && table.is_replacing() {
            table.edition_failed(self.progress[group].latest_change);
        }
    }

    /// Daemons that are late with code that has changed since.
    pub(super) fn give_up_late(&mut self, group: usize) {
        for number in 0..self.members.len() {
            let member = &self.members[number];
            if member.group == group && member.phase == Phase::Starting && member.lateness > 0 {
                self.end_member(number, Reason::ScriptReload);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_of_a_late_start_ever_more_seldom() {
        let seconds = Duration::from_secs;
        let told = |age| (0..).take_while(|told| is_late(seconds(age), seconds(15), *told)).count();
        assert_eq!([14, 15, 29, 30, 59, 60, 120].map(told), [0, 1, 1, 2, 2, 3, 4]);
    }
}
