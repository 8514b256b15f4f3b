//! What `wsgictl` asks of the supervisor: it says what is seen, replaces processes, and passes questions on to them.
//!
//! A command that takes time is a job. It is looked at in each round of the supervisor, and its client is answered when it
//! is done; nobody waits for it. Who asked for something to happen stands in the log.

use super::jobs::{Job, Kind, Poll, Reload};
use super::{Phase, Supervisor};
use crate::apache::directive::server_settings;
use crate::apache::log::{self, Level};
use crate::config::WsgiConfiguration;
use crate::daemon::parent::control_socket::{Asked, ControlSocket, error};
use crate::daemon::process::start;
use crate::observe::board::{Board, board, drain_to_stop};
use crate::observe::threads::Phase as RequestPhase;
use crate::unix::peer::Peer;
use crate::wire::control::{Message, Part, Question};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::{Value, json};

/// A line of a client.
#[derive(Debug, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
enum Command {
    Status,
    Reload {
        group: String,
    },
    Drain {
        /// Whether httpd is to stop when `WSGIDrainTime` is over.
        #[serde(default)]
        stop: bool,
    },
    Undrain,
    Stack {
        target: String,
    },
    Kill {
        request: String,
    },
    Gc {
        target: String,
    },
    Processes {
        target: String,
    },
    Loglevel {
        level: String,
    },
}

/// The levels by their names in `LogLevel`; none leaves it to the configuration.
const LEVELS: [(&str, Option<Level>); 7] = [
    ("default", None),
    ("crit", Some(Level::Critical)),
    ("error", Some(Level::Error)),
    ("warn", Some(Level::Warning)),
    ("notice", Some(Level::Notice)),
    ("info", Some(Level::Info)),
    ("debug", Some(Level::Debug)),
];

impl Command {
    /// For the log, if anything changes by it.
    fn in_words(&self) -> Option<String> {
        match self {
            Self::Status | Self::Stack { .. } | Self::Processes { .. } => None,
            Self::Reload { group } => Some(format!("reload '{group}'")),
            Self::Drain { stop: false } => Some("drain".to_owned()),
            Self::Drain { stop: true } => Some("drain --stop".to_owned()),
            Self::Undrain => Some("undrain".to_owned()),
            Self::Kill { request } => Some(format!("kill '{request}'")),
            Self::Gc { target } => Some(format!("gc '{target}'")),
            Self::Loglevel { level } => Some(format!("loglevel '{level}'")),
        }
    }
}

/// What a client is answered: at once, or when a job is done.
type Reply = Result<Answer, String>;

enum Answer {
    Now(Value),
    Later(Kind),
}

impl Supervisor {
    /// Makes the socket, if there is to be one.
    pub(super) fn open_control(&mut self) {
        let Some(control) = &self.generation.control else { return };
        match ControlSocket::open(control) {
            Ok(socket) => self.control = Some(socket),
            Err(why) => {
                let text = format!(
                    "WSGI1151: there is no control socket '{}', and wsgictl does not reach this httpd: {why}",
                    control.path.display()
                );
                // Nobody has asked for that place.
                let level = if control.is_default { Level::Info } else { Level::Error };
                log::server(Some(self.generation.main), level, &text);
            }
        }
    }

    /// Nobody is served from here on. `by_successor` says that another supervisor has the name of the socket.
    pub(super) fn close_control(&mut self, by_successor: bool) {
        self.jobs.clear();
        let Some(socket) = self.control.take() else { return };
        if !by_successor {
            socket.remove_name();
        }
        socket.end(&error("httpd is being restarted or stopped"));
    }

    /// Looks at clients, and at what they have asked for.
    pub(super) fn mind_control(&mut self) {
        let Some(socket) = &mut self.control else { return };
        let news = socket.look();
        if let Some(Peer { user, process, .. }) = news.refused {
            let text =
                format!("WSGI1152: user {user} (process {process}) may not use the control socket, and was refused");
            log::server(Some(self.generation.main), Level::Warning, &text);
        }
        for asked in news.asked {
            self.serve(&asked);
        }
        self.look_at_jobs();
    }

    fn serve(&mut self, asked: &Asked) {
        let reply = match serde_json::from_slice::<Command>(&asked.line) {
            Ok(command) => {
                let reply = self.obey(&command);
                if let Some(words) = command.in_words().filter(|_| reply.is_ok()) {
                    self.tell_command(&words, &asked.peer);
                }
                reply
            }
            Err(why) => Err(format!("the request is not understood: {why}")),
        };
        match reply {
            Ok(Answer::Now(value)) => self.answer(asked.client, &value),
            Ok(Answer::Later(kind)) => self.jobs.push(Job::new(asked.client, kind)),
            Err(why) => self.answer(asked.client, &error(&why)),
        }
    }

    fn tell_command(&self, words: &str, peer: &Peer) {
        // What a client sends is not trusted to be one line.
        let words: String =
            words.chars().map(|letter| if letter.is_control() { '?' } else { letter }).take(200).collect();
        let text = format!("WSGI1150: wsgictl {words} by user {} (process {})", peer.user, peer.process);
        log::server(Some(self.generation.main), Level::Notice, &text);
    }

    pub(super) fn answer(&mut self, client: u64, value: &Value) {
        if let Some(socket) = &mut self.control {
            socket.answer(client, value);
        }
    }

    fn obey(&mut self, command: &Command) -> Reply {
        match command {
            Command::Status => self.status(),
            Command::Reload { group } => self.reload(group),
            Command::Drain { stop } => self.drain(*stop),
            Command::Undrain => undrain(),
            Command::Stack { target } => self.ask(target, &Question::Stacks),
            Command::Gc { target } => self.ask(target, &Question::Collect),
            Command::Kill { request } => self.kill_request(request),
            Command::Processes { target } => self.processes(target),
            Command::Loglevel { level } => self.log_level(level),
        }
    }

    fn status(&self) -> Reply {
        let status = (self.generation.show)(self.generation).ok_or("nothing is counted here")?;
        Ok(Answer::Now(json!({ "status": status })))
    }

    fn reload(&mut self, name: &str) -> Reply {
        let group = self.group_of(name)?;
        let members = self.members.iter().filter(|member| member.group == group);
        let here = members.filter(|member| !matches!(member.phase, Phase::Leaving { .. }));
        let waiting: Vec<_> = here.map(|member| member.pid).collect();
        // What has failed so far says nothing about the code of now.
        self.progress[group].no_successor_before = None;
        self.progress[group].not_before = None;
        self.jobs.retain(|job| !job.is_forgotten_reload_of(group));
        Ok(Answer::Later(Kind::Reload(Reload { group, replaced: waiting.len(), waiting, failure: None })))
    }

    fn drain(&self, stop: bool) -> Reply {
        let board = board().ok_or("nothing is counted here")?;
        let settings = server_settings::<WsgiConfiguration>(self.generation.main);
        let time = settings.map_or(core::time::Duration::ZERO, |settings| settings.start_up.drain_time);
        if stop {
            if time.is_zero() {
                return Err("WSGIDrainTime is not set, and httpd would stop at once; set it, or use apachectl".into());
            }
            kill(nix::unistd::getppid(), Signal::SIGWINCH).map_err(|error| format!("httpd cannot be told: {error}"))?;
            drain_to_stop();
        } else {
            board.set_draining(true);
        }
        Ok(Answer::Now(json!({ "ok": true, "stops_after_seconds": stop.then_some(time.as_secs_f64()) })))
    }

    /// httpd's own processes see the level in shared memory; daemons are told, also those that start later.
    fn log_level(&self, name: &str) -> Reply {
        let board = board().ok_or("nothing is counted here")?;
        let level = LEVELS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).ok_or_else(|| {
            format!("'{name}' is no level; expected one of {}", LEVELS.map(|(known, _)| known).join(", "))
        })?;
        board.set_log_level(level.1.map(|level| level as u8));
        (0..self.members.len()).for_each(|number| self.tell_log_level(number));
        Ok(Answer::Now(json!({ "ok": true })))
    }

    /// Tells a daemon which level of the log counts.
    pub(super) fn tell_log_level(&self, number: usize) {
        let level = board().and_then(Board::log_level).unwrap_or(u8::MAX);
        if let Some(line) = self.members[number].line.line() {
            line.say(&Message::Ask { number: 0, question: Question::Log { level } });
        }
    }

    fn kill_request(&mut self, id: &str) -> Reply {
        let board = board().ok_or("nothing is counted here")?;
        let running = board.threads.running().find(|running| running.id == id.as_bytes());
        let running = running.ok_or_else(|| format!("no request '{id}' runs"))?;
        let pid = Pid::from_raw(i32::try_from(running.process).unwrap_or(0));
        if running.meter == board.embedded.number {
            return Err(format!(
                "request '{id}' runs in httpd's own process {pid}: only requests in daemon processes can be ended"
            ));
        }
        if running.phase == RequestPhase::Queue || running.process == 0 {
            return Err(format!("request '{id}' waits in the queue: no process has it yet"));
        }
        let number = self.members.iter().position(|member| member.pid == pid).ok_or_else(|| {
            format!(
                "request '{id}' runs in process {pid}, which an earlier supervisor has started: it finishes by itself"
            )
        })?;
        let question = Question::Interrupt { request: id.as_bytes().to_vec() };
        Ok(Answer::Later(Kind::Answers(vec![self.put(number, &question, false)])))
    }

    /// Asks the processes of a group, or a process.
    fn ask(&mut self, target: &str, question: &Question) -> Reply {
        let numbers = self.members_of(target)?;
        let is_group = self.group_of(target).is_ok();
        let polls = numbers.into_iter().map(|number| self.put(number, question, is_group)).collect();
        Ok(Answer::Later(Kind::Answers(polls)))
    }

    /// Asks a process, and notes what becomes of it.
    fn put(&mut self, number: usize, question: &Question, is_one_of_many: bool) -> Poll {
        self.questions += 1;
        let member = &self.members[number];
        let mut poll = Poll::new(self.questions, member.pid, is_one_of_many);
        if start::is_service(&self.generation.groups[member.group]) {
            poll.end(Part::Failure, b"it runs a service, which has its main thread for itself");
        } else if member.phase == Phase::Starting {
            poll.end(if is_one_of_many { Part::Last } else { Part::Failure }, b"it is starting");
        } else if let Some(line) = member.line.line() {
            let message = Message::Ask { number: self.questions, question: question.clone() };
            line.say(&message);
        } else {
            poll.end(Part::Failure, b"it has closed its line to the supervisor");
        }
        poll
    }

    fn processes(&self, target: &str) -> Reply {
        let numbers = self.members_of(target)?;
        let busy = |number: usize| {
            let member = &self.members[number];
            let requests = self.generation.groups[member.group].table.being_served(member.place);
            json!({ "pid": member.pid.as_raw(), "requests": requests })
        };
        Ok(Answer::Now(json!({
            "processes": numbers.into_iter().map(busy).collect::<Vec<_>>(),
            "python": env!("MOD_WSGI_PYTHON_EXECUTABLE"),
            "version": env!("MOD_WSGI_PYTHON_VERSION"),
        })))
    }

    /// The processes of a group, by its name, or a process, by its number.
    fn members_of(&self, target: &str) -> Result<Vec<usize>, String> {
        if let Ok(group) = self.group_of(target) {
            let all = self.members.iter().enumerate().filter(|(_, member)| member.group == group);
            let found: Vec<_> = all.map(|(number, _)| number).collect();
            return if found.is_empty() {
                Err(format!("process group '{target}' has no process now"))
            } else {
                Ok(found)
            };
        }
        let Ok(pid) = target.parse::<i32>() else { return self.group_of(target).map(|_| Vec::new()) };
        if let Some(number) = self.members.iter().position(|member| member.pid.as_raw() == pid) {
            return Ok(vec![number]);
        }
        let parent = u32::try_from(pid).ok().and_then(crate::unix::process::parent_of);
        if parent == Some(nix::unistd::getppid().as_raw().unsigned_abs()) {
            return Err(format!(
                "process {pid} is one of httpd's own: they show their requests (wsgictl requests), and take no questions"
            ));
        }
        Err(format!("process {pid} is in no process group of this httpd"))
    }

    fn group_of(&self, name: &str) -> Result<usize, String> {
        let groups = &self.generation.groups;
        groups.iter().position(|group| &*group.config.name == name).ok_or_else(|| {
            let names: Vec<_> = groups.iter().map(|group| &*group.config.name).collect();
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            format!("there is no process group '{name}'; there are: {there}")
        })
    }
}

fn undrain() -> Reply {
    let board = board().ok_or("nothing is counted here")?;
    if board.is_stopping() {
        return Err("httpd stops when its drain time is over, and that cannot be taken back".into());
    }
    board.set_draining(false);
    Ok(Answer::Now(json!({ "ok": true })))
}
