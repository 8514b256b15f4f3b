//! The supervisor: forks the daemons of all groups, notices their ends, and replaces them one by one.
//!
//! One process of one thread. It starts with the rights of httpd's parent, because daemons may have to become other users; it
//! runs no Python and listens to no one but the parent of httpd and its own daemons.

mod commands;
mod ending;
mod jobs;
mod lateness;
mod logs;
mod plan;
mod replacing;
mod starting;

use crate::apache::log::Level;
use crate::daemon::generation::Generation;
use crate::daemon::parent::control_socket::ControlSocket;
use crate::daemon::process::start;
use crate::observe::board::board;
use crate::unix::signals::Signals;
use crate::wire::control::{Application, Heard, Line, Message, Reason};
use crate::wire::scores::Answering;
use crate::wire::table::{State, Table};
use core::time::Duration;
use jobs::Job;
use lateness::Lack;
use logs::DaemonLog;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plan::Plan;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

/// A daemon, as the supervisor knows it.
struct Member {
    group: usize,
    place: usize,
    pid: Pid,
    line: Called,
    /// Where it asks for httpd's scoreboard, if it may.
    answering: Option<Answering>,
    started: Instant,
    /// The edition of the code that it has.
    edition: u32,
    /// Whether it is there to take another one's place.
    successor: bool,
    phase: Phase,
    /// How often the log has said that it takes long to start.
    lateness: u32,
    applications: Loads,
}

/// What a daemon has said of the applications that it loads.
#[derive(Default)]
struct Loads {
    loaded: Vec<Application>,
    failed: Vec<Application>,
}

impl Loads {
    fn note(&mut self, application: &Application, is_loaded: bool) {
        self.failed.retain(|other| other != application);
        let list = if is_loaded { &mut self.loaded } else { &mut self.failed };
        if list.len() < APPLICATIONS && !list.contains(application) {
            list.push(application.clone());
        }
    }
}

/// The line to a daemon.
enum Called {
    Line(Line),
    /// The other end is closed since then.
    Closed(Instant),
}

impl Called {
    fn line(&self) -> Option<&Line> {
        match self {
            Self::Line(line) => Some(line),
            Self::Closed(_) => None,
        }
    }

    /// Says something to a daemon that listens.
    fn say(&self, message: &Message) {
        if let Some(line) = self.line() {
            line.say(message);
        }
    }
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
    /// Places of daemons that an earlier supervisor had started, and the processes that have them.
    inherited: Vec<(usize, Pid)>,
    /// Daemons that wait for their successor, in order.
    to_replace: Plan,
    /// Whether daemons with older code are being replaced.
    replacing: bool,
    /// The change that the newest edition is for, until a daemon is ready with it.
    change: Option<u64>,
    /// The same, and it stays.
    latest_change: u64,
    /// Since when there is no place for the next daemon.
    without_place: Option<Lack>,
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
    fn new(table: &Table) -> Self {
        let places = (0..table.places()).filter(|place| table.state(*place) != State::Empty);
        let processes = places.map(|place| (place, Pid::from_raw(table.process(place) as i32)));
        let inherited = processes.filter(|(_, pid)| pid.as_raw() > 0).collect();
        Self { edition: table.take_over(), inherited, ..Self::default() }
    }
}

struct Supervisor {
    generation: &'static Generation<'static>,
    watched: OwnedFd,
    signals: Signals,
    members: Vec<Member>,
    /// What daemons write to the log.
    logs: Vec<DaemonLog>,
    progress: Vec<Progress>,
    /// Where `wsgictl` comes in.
    control: Option<ControlSocket>,
    /// What it waits for.
    jobs: Vec<Job>,
    /// Counts questions to daemons.
    questions: u64,
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
/// How many messages of a daemon are heard before others are.
const MESSAGES_AT_ONCE: usize = 64;
/// How many applications of a group its new daemons load beforehand: what a daemon tells takes no more memory.
const APPLICATIONS: usize = 1000;
/// The longest that daemons may take to end when httpd ends: httpd waits for them.
const END_AT_MOST: Duration = Duration::from_secs(10);

/// All that the supervisor does. Returns its exit status.
pub(crate) fn run(generation: Arc<Generation<'static>>, watched: OwnedFd, alive: BorrowedFd<'_>, parent: u32) -> i32 {
    // This process holds no end of the pipe that tells it when httpd's processes are gone.
    let _ = nix::unistd::close(alive.as_raw_fd());
    // Signals for httpd's process group are not for the daemons.
    let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
    let generation: &'static Generation<'static> = Box::leak(Box::new(generation));
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
    let progress = generation.groups.iter().map(|group| Progress::new(&group.table)).collect();
    let mut supervisor = Supervisor {
        generation,
        watched,
        signals,
        members: Vec::new(),
        logs: Vec::new(),
        progress,
        control: None,
        jobs: Vec::new(),
        questions: 0,
        ending: false,
        retired: None,
    };
    supervisor.open_control();
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
            self.handle_signals();
            // First, so that no one is replaced by a successor that is dead.
            self.reap();
            self.hear_members();
            self.pass_on_logs();
            self.answer_members();
            self.mind_control();
            self.end_those_without_line();
            self.kill_overdue();
            self.mind_lateness();
            self.generation.groups.iter().for_each(|group| group.table.forget_dead_children());
            (0..self.generation.groups.len()).for_each(|group| self.tidy(group));
            (0..self.generation.groups.len()).for_each(|group| self.check_replacing(group));
        }
    }

    fn wait_for_news(&mut self) {
        let mut descriptors = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            // Once it has been noticed that the other end is gone, there is no more news from there.
            PollFd::new(self.watched.as_fd(), if self.ending { PollFlags::empty() } else { PollFlags::POLLIN }),
        ];
        let lines = self.members.iter().filter_map(|member| member.line.line());
        descriptors.extend(lines.map(|line| PollFd::new(line.as_fd(), PollFlags::POLLIN)));
        let answering = self.members.iter().filter_map(|member| member.answering.as_ref());
        descriptors.extend(answering.map(|line| PollFd::new(line.as_fd(), PollFlags::POLLIN)));
        // One whose lines the log does not take is looked at again with the next round.
        let logs = self.logs.iter().filter(|log| !log.reader.is_held_up());
        descriptors.extend(logs.map(|log| PollFd::new(log.reader.as_fd(), PollFlags::POLLIN)));
        if let Some(socket) = &self.control {
            socket.watch(&mut descriptors);
        }
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

    fn handle_signals(&mut self) {
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
        self.close_control(true);
        for number in 0..self.members.len() {
            let is_service = start::is_service(&self.generation.groups[self.members[number].group]);
            if is_service && !matches!(self.members[number].phase, Phase::Leaving { .. }) {
                self.end_member(number, Reason::ShutdownSignal);
            }
        }
    }

    /// Nothing uses this generation any more: all daemons end, at the same time.
    fn end_all(&mut self) {
        self.ending = true;
        self.close_control(self.retired.is_some());
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
        // One that has not started has nothing to finish, and may not handle signals.
        let limit = if self.ending || member.phase == Phase::Starting {
            Some(limit.unwrap_or(END_AT_MOST).min(END_AT_MOST))
        } else {
            limit
        };
        member.phase = Phase::Leaving { reason, until: limit.map(|limit| Instant::now() + limit) };
        member.line.say(&Message::End { reason });
        let _ = kill(member.pid, Signal::SIGTERM);
    }

    /// Hears each of them out, unless it never stops: the others have their turn, and it has its next one.
    fn hear_members(&mut self) {
        for number in 0..self.members.len() {
            self.hear(number, MESSAGES_AT_ONCE, |_| true);
        }
    }

    /// Minds what a daemon has said, up to so many messages, as far as it still counts.
    fn hear(&mut self, number: usize, at_most: usize, counts: fn(&Message) -> bool) {
        for _ in 0..at_most {
            match self.members[number].line.line().map(Line::hear) {
                Some(Heard::Message(message)) if counts(&message) => self.handle(number, message),
                Some(Heard::Message(_)) => {}
                Some(Heard::Gone) => self.members[number].line = Called::Closed(Instant::now()),
                Some(Heard::Silence) | None => return,
            }
        }
    }

    /// The line of a daemon that ends is closed a moment before. One that does not end, and to whom no one can tell
    /// anything any more, is made to end.
    fn end_those_without_line(&mut self) {
        for number in 0..self.members.len() {
            let Member { group, pid, ref line, phase, .. } = self.members[number];
            let is_closed = matches!(line, Called::Closed(since) if since.elapsed() > TICK);
            if is_closed && !matches!(phase, Phase::Leaving { .. }) {
                let text = format!(
                    "WSGI1024: process {pid} has closed its line to the supervisor; another one takes its place"
                );
                self.log(group, Level::Error, &text);
                self.end_member(number, Reason::ShutdownSignal);
            }
        }
    }

    /// Answers one question of each: a daemon that never stops asking keeps no one else waiting.
    fn answer_members(&mut self) {
        for member in &mut self.members {
            member.answering.take_if(|line| !line.answer());
        }
    }

    fn handle(&mut self, number: usize, message: Message) {
        self.note_applications(number, &message);
        let member = &mut self.members[number];
        let group = member.group;
        match message {
            Message::Ready if member.phase == Phase::Starting => {
                member.phase = Phase::Ready;
                self.generation.groups[group].table.ready(member.place);
                let (pid, edition, successor) = (member.pid, member.edition, member.successor);
                self.welcome(group, pid, edition, successor);
                if board().is_some_and(|board| board.log_level().is_some()) {
                    self.tell_log_level(number);
                }
            }
            Message::Loaded(application) => {
                let applications = &mut self.progress[group].applications;
                if applications.len() < APPLICATIONS && !applications.contains(&application) {
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
            Message::Answer { number, part, text } => {
                let pid = member.pid;
                self.note_answer(pid, number, part, &text);
            }
            Message::Ready | Message::Drain { .. } | Message::End { .. } | Message::Ask { .. } => {}
        }
    }

    /// Shows what a daemon has said of its applications.
    fn note_applications(&mut self, number: usize, message: &Message) {
        let member = &mut self.members[number];
        let roll = &self.generation.groups[member.group].roll;
        match message {
            Message::Loaded(application) => member.applications.note(application, true),
            Message::LoadFailed(application) => member.applications.note(application, false),
            _ => {}
        }
        let Loads { loaded, failed } = &member.applications;
        roll.note_applications(member.place, loaded.len(), failed.len());
        let takes_requests = member.phase == Phase::Ready || *message == Message::Ready;
        if takes_requests && failed.is_empty() {
            roll.note_ready();
        }
    }

    fn log(&self, group: usize, level: Level, text: &str) {
        self.generation.groups[group].log(level, text);
    }

    fn remove_sockets(&self) {
        for group in &self.generation.groups {
            for socket in &group.sockets {
                let _ = std::fs::remove_file(socket);
            }
        }
    }
}
