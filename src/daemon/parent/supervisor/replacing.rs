//! How daemons are replaced: their successor first, and all of them when the code has changed.

use super::{GRACE, Member, PAUSE_AT_MOST, Phase, Supervisor, TICK};
use crate::apache::log::Level;
use crate::wire::control::{Application, Message, Reason};
use nix::unistd::Pid;
use std::time::Instant;

impl Supervisor {
    /// A script has changed: every daemon of the group is to be replaced.
    pub(super) fn begin_edition(&mut self, group: usize, change: u64) {
        let progress = &mut self.progress[group];
        progress.edition = progress.edition.wrapping_add(1);
        progress.change = Some(change);
        progress.latest_change = change;
        progress.replacing = true;
        // What has failed so far says nothing about this code.
        progress.no_successor_before = None;
        progress.not_before = None;
        self.give_up_late(group);
        let members = self.members.iter().filter(|member| member.group == group && member.phase == Phase::Ready);
        let pids: Vec<_> = members.map(|member| member.pid).collect();
        for pid in pids {
            self.plan(group, pid, Reason::ScriptReload);
        }
        self.end_edition_if_done(group);
    }

    pub(super) fn plan(&mut self, group: usize, pid: Pid, reason: Reason) {
        self.progress[group].to_replace.add(pid, reason);
    }

    /// A daemon takes requests.
    pub(super) fn welcome(&mut self, group: usize, pid: Pid, edition: u32, successor: bool) {
        let progress = &mut self.progress[group];
        progress.failures = 0;
        if edition < progress.edition {
            // It was on its way when the code changed.
            self.plan(group, pid, Reason::ScriptReload);
        } else if progress.change.take().is_some() {
            self.generation.groups[group].table.edition_loaded();
        }
        if successor {
            self.replace_next(group);
        }
    }

    /// A successor takes requests: its predecessor takes no further ones.
    pub(super) fn replace_next(&mut self, group: usize) {
        if let Some((pid, reason)) = self.progress[group].to_replace.next() {
            self.drain_member(pid, reason);
        }
        self.end_edition_if_done(group);
    }

    pub(super) fn end_edition_if_done(&mut self, group: usize) {
        let progress = &mut self.progress[group];
        if progress.replacing && !progress.to_replace.has_any(Reason::ScriptReload) {
            progress.replacing = false;
            progress.change = None;
            self.generation.groups[group].table.end_replacing();
        }
    }

    /// A daemon that died before it could say that a script has changed must not keep others from saying so.
    pub(super) fn check_replacing(&mut self, group: usize) {
        let progress = &mut self.progress[group];
        let table = &self.generation.groups[group].table;
        if progress.replacing || !table.is_replacing() {
            progress.lost_since = None;
        } else if progress.lost_since.get_or_insert_with(Instant::now).elapsed() > TICK {
            progress.lost_since = None;
            table.end_replacing();
        }
    }

    pub(super) fn drain_member(&mut self, pid: Pid, reason: Reason) {
        let Some(member) = self.members.iter_mut().find(|member| member.pid == pid) else { return };
        let config = &self.generation.groups[member.group].config;
        self.generation.groups[member.group].table.drain(member.place);
        let eviction = config.eviction_timeout.filter(|_| reason == Reason::EvictionSignal);
        let limit = eviction.or(config.graceful_timeout);
        let milliseconds = limit.map_or(0, |limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1));
        member.line.say(&Message::Drain { reason, milliseconds });
        let until = limit.zip(config.shutdown_timeout).map(|(drain, end)| Instant::now() + drain + end + GRACE);
        member.phase = Phase::Leaving { reason, until };
    }

    /// The code does not load any more: its predecessors go on.
    pub(super) fn give_up_successor(&mut self, number: usize, application: &Application) {
        let Member { group, pid, phase, successor, .. } = self.members[number];
        let progress = &mut self.progress[group];
        let was_sound = progress.applications.contains(application);
        if phase != Phase::Starting || !was_sound || !(successor || progress.change.is_some()) {
            // It has never loaded, or there is no other process that has it: requests will try again.
            return;
        }
        let script = String::from_utf8_lossy(&application.script);
        let text = format!(
            "WSGI1021: the code of '{script}' does not load any more; the processes that have loaded it go on [process {pid}]"
        );
        progress.no_successor_before = Some(Instant::now() + PAUSE_AT_MOST);
        let why = format!("the code of '{script}' does not load any more; the processes that have loaded it go on");
        self.fail_reloads(group, &why);
        self.log(group, Level::Error, &text);
        self.give_up_edition(group);
        self.end_member(number, Reason::ScriptReload);
    }

    /// The new edition does not come to be.
    pub(super) fn give_up_edition(&mut self, group: usize) {
        let progress = &mut self.progress[group];
        if let Some(change) = progress.change.take() {
            progress.edition = progress.edition.wrapping_sub(1);
            progress.replacing = false;
            progress.to_replace.drop_reason(Reason::ScriptReload);
            self.generation.groups[group].table.edition_failed(change);
        }
    }
}
