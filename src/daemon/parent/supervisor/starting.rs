//! How daemons are started: those that a group lacks at once, successors one at a time, and ones that keep
//! failing ever more slowly.

use super::lateness::Lack;
use super::logs::DaemonLog;
use super::{Called, Loads, Member, PAUSE_AT_MOST, Phase, SOON, Supervisor, TICK};
use crate::apache::directive::server_settings;
use crate::apache::log::Level;
use crate::config::WsgiConfiguration;
use crate::daemon::generation::Group;
use crate::daemon::parent::log_pipe::{self, LogReader};
use crate::daemon::process::start;
use crate::unix::{fork, signals};
use crate::wire::control::Line;
use crate::wire::scores;
use core::time::Duration;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use std::time::Instant;

impl Supervisor {
    /// Starts daemons that a group lacks, or the next successor.
    pub(super) fn advance(&mut self, group: usize) {
        let now = Instant::now();
        if self.progress[group].not_before.is_some_and(|time| now < time) {
            return;
        }
        if self.retired.is_some() && start::is_service(&self.generation.groups[group]) {
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
        self.progress[group].without_place.take_if(|_| lacking.max(successor) == 0);
        for _ in 0..lacking.max(successor) {
            if !self.start(group, lacking == 0) {
                break;
            }
        }
    }

    /// A place in the table that no process has.
    pub(super) fn empty_place(&self, group: usize) -> Option<usize> {
        (0..self.generation.groups[group].table.places()).find(|place| !self.is_taken(group, *place))
    }

    /// Whether a process has that place. What the table says of it does not count: its daemons write there.
    fn is_taken(&self, group: usize, place: usize) -> bool {
        let is_here = |member: &Member| member.group == group && member.place == place;
        // A daemon of an earlier supervisor may still finish its requests.
        let may_finish = |(taken, pid): &(usize, Pid)| *taken == place && kill(*pid, None).is_ok();
        self.members.iter().any(is_here) || self.progress[group].inherited.iter().any(may_finish)
    }

    /// Frees the places that no process has, and that a process of another place may have written over.
    pub(super) fn tidy(&self, group: usize) {
        let Group { table, roll, .. } = &self.generation.groups[group];
        (0..table.places()).filter(|place| !self.is_taken(group, *place)).for_each(|place| {
            table.tidy(place);
            roll.leave(place);
        });
    }

    pub(super) fn start(&mut self, group: usize, successor: bool) -> bool {
        let Some(place) = self.empty_place(group) else {
            self.progress[group].without_place.get_or_insert_with(Lack::new);
            return false;
        };
        self.progress[group].without_place = None;
        let Ok((line, theirs)) = Line::pair() else { return false };
        let running: &'static Group<'static> = &self.generation.groups[group];
        let (asking, answering) = match running.config.server_metrics.then(scores::line).transpose() {
            Ok(ends) => ends.unzip(),
            Err(_) => return false,
        };
        let Ok((written, log)) = log_pipe::pipe() else { return false };
        let edition = self.progress[group].edition;
        running.table.begin(place, edition);
        let supervisor = std::process::id();
        // Until the daemon minds its signals, the handlers that it has are those of this process.
        let held = signals::Held::new();
        let forked = fork::fork(|| {
            signals::let_end(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
            self.members.clear();
            self.logs.clear();
            self.control = None;
            let start_up = server_settings::<WsgiConfiguration>(self.generation.main);
            let Some(start_up) = start_up.map(|settings| &settings.start_up) else { return 1 };
            start::run(start::Start {
                group: running,
                start_up,
                main: self.generation.main,
                place,
                line: theirs,
                log,
                asking,
                supervisor,
                applications: &self.progress[group].applications,
            })
        });
        drop(held);
        match forked {
            Ok(pid) => {
                let line = Called::Line(line);
                running.table.name_process(place, pid.as_raw() as u32);
                running.roll.enter(place, pid.as_raw() as u32);
                running.meter.ends().note_start();
                let (started, phase) = (Instant::now(), Phase::Starting);
                let lateness = 0;
                let applications = Loads::default();
                let member = Member {
                    group,
                    place,
                    pid,
                    line,
                    answering,
                    started,
                    edition,
                    successor,
                    phase,
                    lateness,
                    applications,
                };
                self.members.push(member);
                self.logs.push(DaemonLog { group, pid, reader: LogReader::new(written) });
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

    /// Daemons that keep failing are started at growing intervals.
    pub(super) fn slow_down(&mut self, member: &Member, status: WaitStatus) {
        let progress = &mut self.progress[member.group];
        let orderly = matches!(status, WaitStatus::Exited(_, 0));
        if orderly && start::is_service(&self.generation.groups[member.group]) {
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
}
