//! How daemons end, and what the log says of it.

use super::{Member, Phase, Supervisor};
use crate::apache::log::Level;
use crate::observe::clock;
use crate::observe::ends::End;
use crate::wire::control::{Message, Reason};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::time::Instant;

/// More than the line holds.
const HEARD_AT_LAST: usize = 4096;

/// What is said of a process that has not ended within `shutdown-timeout`.
const LATE: &str = "did not end in time";

/// The end of a daemon, as it is counted.
fn end_of(member: &Member, status: WaitStatus, under_way: usize) -> End {
    let (how, status, signal) = match status {
        WaitStatus::Signaled(_, signal, _) => ("signal", None, signal as u8),
        WaitStatus::Exited(_, status) => ("exit", Some(u8::try_from(status).unwrap_or(u8::MAX)), 0),
        _ => ("other", None, 0),
    };
    let cause = match member.phase {
        Phase::Leaving { reason, .. } => reason.name(),
        Phase::Starting | Phase::Ready => how,
    };
    End {
        time: u32::try_from(clock::epoch()).unwrap_or(u32::MAX),
        process: member.pid.as_raw().unsigned_abs(),
        cause,
        signal,
        status,
        requests: u16::try_from(under_way).unwrap_or(u16::MAX),
    }
}

impl Supervisor {
    pub(super) fn reap(&mut self) {
        loop {
            let status = match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(status @ (WaitStatus::Exited(..) | WaitStatus::Signaled(..))) => status,
                _ => return,
            };
            let number = self.members.iter().position(|member| Some(member.pid) == status.pid());
            if let Some(number) = number {
                self.remove_member(number, status);
            }
        }
    }

    pub(super) fn remove_member(&mut self, number: usize, status: WaitStatus) {
        // What it said last is not lost with it, but it takes no requests any more. A process that it has forked may
        // still speak.
        self.hear(number, HEARD_AT_LAST, |message| *message != Message::Ready);
        self.pass_on_last_words(self.members[number].pid);
        let member = self.members.remove(number);
        let group = member.group;
        let table = &self.generation.groups[group].table;
        let under_way = table.being_served(member.place);
        table.clear(member.place);
        self.generation.groups[group].roll.leave(member.place);
        self.generation.groups[group].meter.ends().note(end_of(&member, status, under_way));
        self.tell_end(&member, status, under_way);
        self.forget_questions_to(member.pid, matches!(member.phase, Phase::Leaving { .. }));
        if member.phase == Phase::Starting {
            let pid = member.pid;
            self.fail_reloads(
                group,
                &format!("process {pid} ended before it was ready; the others go on (see the error log)"),
            );
        }
        self.progress[group].to_replace.forget(member.pid);
        if !self.ending && !matches!(member.phase, Phase::Leaving { .. }) {
            self.slow_down(&member, status);
        }
        let of_this_edition = member.phase == Phase::Starting && member.edition == self.progress[group].edition;
        if of_this_edition && self.progress[group].change.is_some() {
            self.give_up_edition(group);
        } else {
            self.end_edition_if_done(group);
        }
    }

    /// Says in plain words how a daemon ended, unless that is what it was told to do.
    pub(super) fn tell_end(&self, member: &Member, status: WaitStatus, under_way: usize) {
        let pid = member.pid;
        let told = matches!(member.phase, Phase::Leaving { .. });
        let how = match status {
            WaitStatus::Exited(_, 0) if under_way == 0 => {
                return self.log(member.group, Level::Info, &format!("process {pid} has ended"));
            }
            // It was told before it had begun.
            WaitStatus::Signaled(_, Signal::SIGTERM, _) if told => {
                return self.log(member.group, Level::Info, &format!("process {pid} has ended"));
            }
            WaitStatus::Exited(_, 255) if told => format!("{LATE} and left"),
            WaitStatus::Exited(_, code) => format!("ended with exit status {code}"),
            WaitStatus::Signaled(_, Signal::SIGKILL, _) if self.is_out_of_cpu_time(member) => {
                "had used all of its cpu-time-limit and was killed by the system".to_owned()
            }
            WaitStatus::Signaled(_, Signal::SIGKILL, _) if told => format!("{LATE} and was killed"),
            WaitStatus::Signaled(_, signal, core) => {
                let core = if core { ", core dumped" } else { "" };
                format!("was killed by signal {} ({}{core})", signal as i32, signal.as_str())
            }
            _ => return,
        };
        let lost = match under_way {
            0 => String::new(),
            1 => ", with 1 request under way".to_owned(),
            number => format!(", with {number} requests under way"),
        };
        let next = if self.ending || told { "" } else { "; another one takes its place" };
        // A process that was to end has ended: late, but nobody lost anything by it.
        let is_only_late = told && under_way == 0 && how.starts_with(LATE);
        let level = if is_only_late { Level::Info } else { Level::Error };
        self.log(member.group, level, &format!("WSGI1023: process {pid} {how}{lost}{next}"));
    }

    /// Whether the system kills a daemon for the CPU time that it has used: it was warned by a signal, and has told.
    pub(super) fn is_out_of_cpu_time(&self, member: &Member) -> bool {
        match member.phase {
            Phase::Leaving { reason, until } => {
                reason == Reason::CpuTimeLimit && until.is_none_or(|until| until > Instant::now())
            }
            Phase::Starting | Phase::Ready => {
                self.progress[member.group].to_replace.has(member.pid, Reason::CpuTimeLimit)
            }
        }
    }

    pub(super) fn kill_overdue(&self) {
        for member in &self.members {
            if let Phase::Leaving { until: Some(until), .. } = member.phase
                && until <= Instant::now()
            {
                let _ = kill(member.pid, Signal::SIGKILL);
            }
        }
    }
}
