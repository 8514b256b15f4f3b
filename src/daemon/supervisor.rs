//! The supervisor: forks the daemons of all groups, notices their ends, and replaces them one by one.
//!
//! One process of one thread. It starts with the rights of httpd's parent, because daemons may have to become other users; it
//! runs no Python and listens to no one but the parent of httpd and its own daemons.

use super::control::{Application, Heard, Line, Message, Reason};
use super::generation::{Generation, Group};
use super::process;
use super::table::State;
use crate::apache::directive::server_settings;
use crate::apache::log::{self, Level};
use crate::config::WsgiConfiguration;
use crate::unix::{fork, signals, signals::Signals};
use core::time::Duration;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

/// A daemon, as the supervisor knows it.
struct Member {
    group: usize,
    place: usize,
    pid: Pid,
    line: Line,
    started: Instant,
    /// The edition of the code that it has.
    edition: u32,
    /// Whether it is there to take another one's place.
    successor: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Ready,
    /// It finishes what it has. Past the time it is killed.
    Leaving {
        reason: Reason,
        until: Option<Instant>,
    },
}

/// What the supervisor keeps of a group.
#[derive(Default)]
struct Progress {
    /// What daemons have loaded, for those that come after them.
    applications: Vec<Application>,
    /// The edition of the code that new daemons have.
    edition: u32,
    /// Daemons that wait for their successor, in order.
    to_replace: Vec<(Pid, Reason)>,
    /// Whether daemons with older code are being replaced.
    replacing: bool,
    /// The change that the newest edition is for, until a daemon is ready with it.
    change: Option<u64>,
    /// Since when the table says that a new edition is under way, and none is.
    lost_since: Option<Instant>,
    /// Daemons that ended soon after their start, in a row.
    failures: u32,
    /// No daemon is started before.
    not_before: Option<Instant>,
    /// After one that did not load, no successor is started before, unless the code has changed again.
    no_successor_before: Option<Instant>,
}

impl Progress {
    fn new(edition: u32) -> Self {
        Self { edition, ..Self::default() }
    }
}

struct Supervisor {
    generation: &'static Generation,
    watched: OwnedFd,
    signals: Signals,
    members: Vec<Member>,
    progress: Vec<Progress>,
    /// Set once nothing uses this generation any more.
    ending: bool,
    /// When httpd went on to another configuration.
    retired: Option<Instant>,
}

/// A daemon that lived for less has failed to start, in effect.
const SOON: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to start a daemon.
const PAUSE_AT_MOST: Duration = Duration::from_secs(30);
/// How often the supervisor looks at what no one tells it.
const TICK: Duration = Duration::from_secs(1);
/// How much longer than its own limit a daemon may take before it is killed.
const GRACE: Duration = Duration::from_secs(1);
/// The longest that daemons may take to end when httpd ends: httpd waits for them.
const END_AT_MOST: Duration = Duration::from_secs(10);

/// All that the supervisor does. Returns its exit status.
pub(crate) fn run(generation: &Arc<Generation>, watched: OwnedFd, alive: BorrowedFd<'_>, parent: u32) -> i32 {
    // This process holds no end of the pipe that tells it when httpd's processes are gone.
    let _ = nix::unistd::close(alive.as_raw_fd());
    // Signals for httpd's process group are not for the daemons.
    let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
    let generation: &'static Generation = Box::leak(Box::new(generation.clone()));
    let signals = Signals::new(
        &[Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGHUP],
        &[Signal::SIGINT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGPIPE, Signal::SIGWINCH],
    );
    let Ok(signals) = signals else { return 1 };
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGTERM);
    if nix::unistd::getppid().as_raw() as u32 != parent {
        return 0;
    }
    close_listening_sockets();
    let progress = generation.groups.iter().map(|group| Progress::new(group.table.take_over())).collect();
    let mut supervisor =
        Supervisor { generation, watched, signals, members: Vec::new(), progress, ending: false, retired: None };
    supervisor.supervise();
    0
}

/// The sockets that httpd and its modules listen on are not for this process and its daemons: they would keep ports busy.
fn close_listening_sockets() {
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> =
        descriptors.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for number in numbers {
        crate::unix::socket::close_if_listening(number);
    }
}

impl Supervisor {
    fn supervise(&mut self) {
        loop {
            if !self.ending {
                (0..self.generation.groups.len()).for_each(|group| self.advance(group));
            }
            if self.ending && self.members.is_empty() {
                self.remove_sockets();
                return;
            }
            self.wait_for_news();
            self.heed_signals();
            self.hear_members();
            self.reap();
            self.kill_overdue();
            self.generation.groups.iter().for_each(|group| group.table.forget_dead_tenants());
            (0..self.generation.groups.len()).for_each(|group| self.check_replacing(group));
        }
    }

    fn wait_for_news(&mut self) {
        let mut descriptors = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            // Once it has been noticed that the other end is gone, there is no more news from there.
            PollFd::new(self.watched.as_fd(), if self.ending { PollFlags::empty() } else { PollFlags::POLLIN }),
        ];
        descriptors.extend(self.members.iter().map(|member| PollFd::new(member.line.as_fd(), PollFlags::POLLIN)));
        if self.ending {
            descriptors.remove(1);
        }
        let _ = poll(&mut descriptors, PollTimeout::try_from(self.next_look()).unwrap_or(PollTimeout::MAX));
        let gone = !self.ending && descriptors[1].any() == Some(true);
        if gone {
            self.end_all();
        }
    }

    /// How long there is nothing to do unless someone tells.
    fn next_look(&self) -> Duration {
        let now = Instant::now();
        let limits = self.members.iter().filter_map(|member| match member.phase {
            Phase::Leaving { until, .. } => until,
            Phase::Starting | Phase::Ready => None,
        });
        let pauses = self.progress.iter().filter_map(|progress| progress.not_before);
        let next = limits.chain(pauses).map(|time| time.saturating_duration_since(now)).min();
        // A time that has passed without effect must not make this a busy loop.
        next.map_or(TICK, |next| next.clamp(Duration::from_millis(10), TICK))
    }

    fn heed_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            match signal {
                Signal::SIGTERM => self.end_all(),
                Signal::SIGHUP => self.retire(),
                _ => {}
            }
        }
        let Some(retired) = self.retired else { return };
        for number in 0..self.members.len() {
            let config = &self.generation.groups[self.members[number].group].config;
            let limit = config.graceful_timeout.filter(|_| config.graceful_timeout_given);
            let over = limit.is_some_and(|limit| retired.elapsed() > limit);
            if over && !matches!(self.members[number].phase, Phase::Leaving { .. }) {
                self.end_member(number, Reason::GracefulSignal);
            }
        }
    }

    /// httpd has gone on to another configuration. Requests may still need daemons of this one, but nobody needs its
    /// services: they would run beside their successors.
    fn retire(&mut self) {
        if self.retired.is_some() {
            return;
        }
        self.retired = Some(Instant::now());
        for number in 0..self.members.len() {
            let is_service = process::is_service(&self.generation.groups[self.members[number].group]);
            if is_service && !matches!(self.members[number].phase, Phase::Leaving { .. }) {
                self.end_member(number, Reason::ShutdownSignal);
            }
        }
    }

    /// Nothing uses this generation any more: all daemons end, at the same time.
    fn end_all(&mut self) {
        self.ending = true;
        for number in 0..self.members.len() {
            self.end_member(number, Reason::ShutdownSignal);
        }
    }

    /// Tells a daemon to end now.
    fn end_member(&mut self, number: usize, reason: Reason) {
        let member = &mut self.members[number];
        let group = &self.generation.groups[member.group];
        group.table.drain(member.place);
        let limit = group.config.shutdown_timeout.map(|limit| limit + GRACE);
        let limit = if self.ending { Some(limit.unwrap_or(END_AT_MOST).min(END_AT_MOST)) } else { limit };
        member.phase = Phase::Leaving { reason, until: limit.map(|limit| Instant::now() + limit) };
        let _ = kill(member.pid, Signal::SIGTERM);
    }

    fn hear_members(&mut self) {
        for number in 0..self.members.len() {
            while let Heard::Message(message) = self.members[number].line.hear() {
                self.heed(number, message);
            }
        }
    }

    fn heed(&mut self, number: usize, message: Message) {
        let member = &mut self.members[number];
        let group = member.group;
        match message {
            Message::Ready if member.phase == Phase::Starting => {
                member.phase = Phase::Ready;
                self.generation.groups[group].table.ready(member.place);
                let (pid, edition, successor) = (member.pid, member.edition, member.successor);
                self.welcome(group, pid, edition, successor);
            }
            Message::Loaded(application) => {
                let applications = &mut self.progress[group].applications;
                if !applications.contains(&application) {
                    applications.push(application);
                }
            }
            Message::Replace { reason: Reason::ScriptReload, change } => self.begin_edition(group, change),
            // Its successor is there already.
            Message::Replace { .. } if matches!(member.phase, Phase::Leaving { .. }) => {}
            Message::Replace { reason, .. } => {
                let pid = member.pid;
                self.plan(group, pid, reason);
            }
            Message::LoadFailed(application) => self.give_up_successor(number, &application),
            Message::Ready | Message::Drain { .. } => {}
        }
    }

    /// A script has changed: every daemon of the group is to be replaced.
    fn begin_edition(&mut self, group: usize, change: u64) {
        let progress = &mut self.progress[group];
        progress.edition += 1;
        progress.change = Some(change);
        progress.replacing = true;
        progress.no_successor_before = None;
        let members = self.members.iter().filter(|member| member.group == group && member.phase == Phase::Ready);
        let pids: Vec<_> = members.map(|member| member.pid).collect();
        for pid in pids {
            self.plan(group, pid, Reason::ScriptReload);
        }
        self.end_edition_if_done(group);
    }

    fn plan(&mut self, group: usize, pid: Pid, reason: Reason) {
        let to_replace = &mut self.progress[group].to_replace;
        if !to_replace.iter().any(|(other, _)| *other == pid) {
            to_replace.push((pid, reason));
        }
    }

    /// A daemon takes requests.
    fn welcome(&mut self, group: usize, pid: Pid, edition: u32, successor: bool) {
        let progress = &mut self.progress[group];
        progress.failures = 0;
        if edition < progress.edition {
            // It was on its way when the code changed.
            self.plan(group, pid, Reason::ScriptReload);
        } else {
            progress.change = None;
        }
        if successor {
            self.replace_next(group);
        }
    }

    /// A successor takes requests: its predecessor takes no further ones.
    fn replace_next(&mut self, group: usize) {
        let progress = &mut self.progress[group];
        if !progress.to_replace.is_empty() {
            let (pid, reason) = progress.to_replace.remove(0);
            self.drain_member(pid, reason);
        }
        self.end_edition_if_done(group);
    }

    fn end_edition_if_done(&mut self, group: usize) {
        let progress = &mut self.progress[group];
        let done = !progress.to_replace.iter().any(|(_, reason)| *reason == Reason::ScriptReload);
        if progress.replacing && done {
            progress.replacing = false;
            progress.change = None;
            self.generation.groups[group].table.end_replacing();
        }
    }

    /// A daemon that died before it could say that a script has changed must not keep others from saying so.
    fn check_replacing(&mut self, group: usize) {
        let progress = &mut self.progress[group];
        let table = &self.generation.groups[group].table;
        if progress.replacing || !table.is_replacing() {
            progress.lost_since = None;
        } else if progress.lost_since.get_or_insert_with(Instant::now).elapsed() > TICK {
            progress.lost_since = None;
            table.end_replacing();
        }
    }

    fn drain_member(&mut self, pid: Pid, reason: Reason) {
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
    fn give_up_successor(&mut self, number: usize, application: &Application) {
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
        self.log(group, Level::Error, &text);
        self.give_up_edition(group);
        self.end_member(number, Reason::ScriptReload);
    }

    /// The new edition does not come to be.
    fn give_up_edition(&mut self, group: usize) {
        let progress = &mut self.progress[group];
        if let Some(change) = progress.change.take() {
            progress.edition -= 1;
            progress.replacing = false;
            progress.to_replace.retain(|(_, reason)| *reason != Reason::ScriptReload);
            self.generation.groups[group].table.edition_failed(change);
        }
    }

    fn log(&self, group: usize, level: Level, text: &str) {
        let group = &self.generation.groups[group];
        log::server(Some(group.server), level, &format!("process group '{}': {text}", group.config.name));
    }

    /// Starts daemons that a group lacks, or the next successor.
    fn advance(&mut self, group: usize) {
        let now = Instant::now();
        if self.progress[group].not_before.is_some_and(|time| now < time) {
            return;
        }
        if self.retired.is_some() && process::is_service(&self.generation.groups[group]) {
            return;
        }
        self.progress[group].not_before = None;
        let config = &self.generation.groups[group].config;
        let count = |phase| self.members.iter().filter(|member| member.group == group && member.phase == phase).count();
        let (starting, ready) = (count(Phase::Starting), count(Phase::Ready));
        let wanted = config.processes as usize;
        let lacking = wanted.saturating_sub(starting + ready);
        // One at a time, and not while another one is on its way.
        let may_replace = self.progress[group].no_successor_before.is_none_or(|time| now >= time);
        let wants_replacing = !self.progress[group].to_replace.is_empty() && starting == 0 && ready >= wanted;
        let successor = usize::from(may_replace && wants_replacing);
        for _ in 0..lacking.max(successor) {
            if !self.start(group, lacking == 0) {
                break;
            }
        }
    }

    /// A place in the table that no process has.
    fn empty_place(&self, group: usize) -> Option<usize> {
        let table = &self.generation.groups[group].table;
        (0..table.places()).find(|place| {
            let taken = self.members.iter().any(|member| member.group == group && member.place == *place);
            // A daemon of an earlier supervisor may still finish its requests.
            let process = Pid::from_raw(table.process(*place) as i32);
            !taken && (table.state(*place) == State::Empty || kill(process, None).is_err())
        })
    }

    fn start(&mut self, group: usize, successor: bool) -> bool {
        let Some(place) = self.empty_place(group) else { return false };
        let Ok((line, theirs)) = Line::pair() else { return false };
        let running: &'static Group = &self.generation.groups[group];
        let edition = self.progress[group].edition;
        running.table.begin(place, edition);
        // Until the daemon minds its signals, the handlers that it has are those of this process.
        let held = signals::Held::new();
        let forked = fork::fork(|| {
            signals::let_end(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
            self.members.clear();
            let start_up = server_settings::<WsgiConfiguration>(self.generation.main);
            let Some(start_up) = start_up.map(|settings| &settings.start_up) else { return 1 };
            process::run(process::Start {
                group: running,
                start_up,
                main: self.generation.main,
                place,
                line: theirs,
                supervisor: nix::unistd::getppid().as_raw() as u32,
                applications: &self.progress[group].applications,
            })
        });
        drop(held);
        match forked {
            Ok(pid) => {
                running.table.name_process(place, pid.as_raw() as u32);
                let (started, phase) = (Instant::now(), Phase::Starting);
                self.members.push(Member { group, place, pid, line, started, edition, successor, phase });
                true
            }
            Err(error) => {
                running.table.clear(place);
                self.log(group, Level::Critical, &format!("WSGI1022: a process cannot be started: {error}"));
                self.progress[group].not_before = Some(Instant::now() + TICK);
                false
            }
        }
    }

    fn reap(&mut self) {
        loop {
            let status = match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(status @ (WaitStatus::Exited(..) | WaitStatus::Signaled(..))) => status,
                _ => return,
            };
            let number = self.members.iter().position(|member| Some(member.pid) == status.pid());
            if let Some(number) = number {
                self.bury(number, status);
            }
        }
    }

    fn bury(&mut self, number: usize, status: WaitStatus) {
        // What it said last is not lost with it.
        while let Heard::Message(message) = self.members[number].line.hear() {
            self.heed(number, message);
        }
        let member = self.members.remove(number);
        let group = member.group;
        let table = &self.generation.groups[group].table;
        let under_way = table.being_served(member.place);
        table.clear(member.place);
        self.tell_end(&member, status, under_way);
        self.progress[group].to_replace.retain(|(pid, _)| *pid != member.pid);
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
    fn tell_end(&self, member: &Member, status: WaitStatus, under_way: usize) {
        let pid = member.pid;
        let told = matches!(member.phase, Phase::Leaving { .. });
        let how = match status {
            WaitStatus::Exited(_, 0) => {
                return self.log(member.group, Level::Info, &format!("process {pid} has ended"));
            }
            // It was told before it had begun.
            WaitStatus::Signaled(_, Signal::SIGTERM, _) if told => {
                return self.log(member.group, Level::Info, &format!("process {pid} has ended"));
            }
            WaitStatus::Exited(_, 255) if told => "did not end in time and left".to_owned(),
            WaitStatus::Exited(_, code) => format!("ended with exit status {code}"),
            WaitStatus::Signaled(_, Signal::SIGKILL, _) if self.is_out_of_cpu_time(member) => {
                "had used all of its cpu-time-limit and was killed by the system".to_owned()
            }
            WaitStatus::Signaled(_, Signal::SIGKILL, _) if told => "did not end in time and was killed".to_owned(),
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
        self.log(member.group, Level::Error, &format!("WSGI1023: process {pid} {how}{lost}{next}"));
    }

    /// Whether the system kills a daemon for the CPU time that it has used: it was warned by a signal, and has told.
    fn is_out_of_cpu_time(&self, member: &Member) -> bool {
        match member.phase {
            Phase::Leaving { reason, until } => {
                reason == Reason::CpuTimeLimit && until.is_none_or(|until| until > Instant::now())
            }
            Phase::Starting | Phase::Ready => {
                self.progress[member.group].to_replace.contains(&(member.pid, Reason::CpuTimeLimit))
            }
        }
    }

    /// Daemons that keep failing are started at growing intervals.
    fn slow_down(&mut self, member: &Member, status: WaitStatus) {
        let progress = &mut self.progress[member.group];
        let orderly = matches!(status, WaitStatus::Exited(_, 0));
        if orderly && process::is_service(&self.generation.groups[member.group]) {
            // A program that has come to its end is run again, but not in a loop.
            progress.not_before = Some(member.started + TICK);
            return;
        }
        if orderly && member.phase == Phase::Ready || member.started.elapsed() > SOON {
            progress.failures = 0;
            return;
        }
        progress.failures += 1;
        let pause = Duration::from_millis(250) * 2_u32.saturating_pow(progress.failures.min(8) - 1);
        if progress.failures > 1 {
            progress.not_before = Some(Instant::now() + pause.min(PAUSE_AT_MOST));
        }
    }

    fn kill_overdue(&self) {
        for member in &self.members {
            if let Phase::Leaving { until: Some(until), .. } = member.phase
                && until <= Instant::now()
            {
                let _ = kill(member.pid, Signal::SIGKILL);
            }
        }
    }

    fn remove_sockets(&self) {
        for group in &self.generation.groups {
            for socket in &group.sockets {
                let _ = std::fs::remove_file(socket);
            }
        }
    }
}
