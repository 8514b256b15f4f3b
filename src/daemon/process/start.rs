//! A daemon: one process of a group, from its fork to its end.
//!
//! The request threads are in [`worker`]; the main thread starts Python, minds signals and limits, and ends Python.

mod ending;
mod watching;

use crate::apache::log::{self, Level};
use crate::apache::scoreboard::Scoreboard;
use crate::apache::server::Server;
use crate::apache::unixd;
use crate::api::events;
use crate::config::process_group::ProcessGroup;
use crate::config::server::StartUp;
use crate::daemon::generation::Group;
use crate::daemon::process::activity;
use crate::daemon::process::isolation;
use crate::daemon::process::limits::Limits;
use crate::daemon::process::listener;
use crate::daemon::process::questions::Questions;
use crate::daemon::process::service;
use crate::daemon::process::signal_events::SignalEvents;
use crate::daemon::process::slow;
use crate::daemon::process::worker::{self, Waiter};
use crate::events::subscribers::ProcessEvent;
use crate::observe::bulletin;
use crate::process::identity;
use crate::process::new_interpreter;
use crate::process::new_interpreter::set_switch_interval_of_group;
use crate::process::telemetry;
use crate::process::this_process::{Process, become_process, process};
use crate::python::config::GilMode;
use crate::python::interpreter;
use crate::request::log_entry::Entry;
use crate::scripts::preload;
use crate::unix::fork::{self, Private};
use crate::unix::parked::Parked;
use crate::unix::signals::{self, Signals};
use crate::unix::socket::TimeLimits;
use crate::wire::control::{Application, Line, Message, Reason};
use crate::wire::scores::{Asking, Scores};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use ending::{begin_end, in_time, wind_up};
use nix::sys::signal::Signal;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::Instant;
use watching::watch;

/// Milliseconds before a daemon asks again to be replaced.
const ASKED_EVERY: u64 = 1000;

/// What a daemon is started with.
pub(crate) struct Start<'s> {
    pub(crate) group: &'static Group<'static>,
    pub(crate) start_up: &'static StartUp,
    pub(crate) main: Server<'static>,
    /// Its place in the table of the group.
    pub(crate) place: usize,
    pub(crate) line: Line,
    /// What it writes to the log goes here.
    pub(crate) log: OwnedFd,
    /// For questions about the scoreboard, where they are allowed.
    pub(crate) asking: Option<Asking>,
    pub(crate) supervisor: u32,
    /// What its predecessors have loaded.
    pub(crate) applications: &'s [Application],
}

/// This daemon, for its threads.
pub(crate) struct Daemon {
    pub(crate) group: &'static Group<'static>,
    pub(crate) place: usize,
    pub(crate) line: Line,
    scores: Option<Scores>,
    pub(crate) parked: Parked<Waiter>,
    /// When its replacement was asked for last, in milliseconds of `activity::now`; 0 if it was not.
    asked: AtomicU64,
}

static DAEMON: OnceLock<Daemon> = OnceLock::new();

/// The exit status of a daemon that cannot start, or whose end took too long.
const FAILED: i32 = 255;

/// Why a daemon does not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("WSGI1041: it cannot leave behind what belongs to others: {0}")]
    Isolation(nix::Error),
    #[error("it cannot listen at {0}: {1}")]
    Listen(String, std::io::Error),
    #[error("{0}")]
    Identity(#[from] identity::IdentityError),
    #[error("the system refuses something that it needs: {0}")]
    System(#[from] nix::Error),
    #[error("{0}")]
    Python(#[from] interpreter::InterpreterError),
    #[error("a request thread cannot be made: {0}")]
    Thread(std::io::Error),
    #[error("it was told to end")]
    ToldToEnd,
}

/// Writes an entry whose request can not be told any more.
pub(crate) fn log_without_request(entry: &Entry) {
    let server = DAEMON.get().map(|daemon| daemon.group.server);
    if entry.details.is_empty() {
        log::server_at(server, entry.level, entry.source.as_ref(), &entry.text);
    } else {
        log::server_lines(server, entry.level, &entry.text, &entry.details);
    }
}

/// One line about this daemon: httpd names the process, and this the group.
pub(crate) fn log_of_daemon(level: Level, text: &str) {
    if let Some(daemon) = DAEMON.get() {
        daemon.group.log(level, text);
    }
}

/// A copy of httpd's scoreboard, if this is a daemon that may have it. Blocks, and is to be called detached.
pub(crate) fn read_scoreboard() -> Option<Scoreboard> {
    let scoreboard = DAEMON.get()?.scores.as_ref()?.read();
    if scoreboard.is_none() && !fork::is_copy() {
        let text =
            "WSGI1070: the supervisor does not tell what is in httpd's scoreboard; mod_wsgi.server_metrics() is None";
        log_of_daemon(Level::Warning, text);
    }
    scoreboard
}

/// All that a daemon does. Returns its exit status.
pub(crate) fn run(start: Start<'_>) -> i32 {
    let (group, main) = (start.group, start.main);
    let say = |level, text: &str| log::server(Some(group.server), level, text);
    match prepare(start) {
        Ok((daemon, signals)) if is_service(group) => {
            service::run(daemon, &signals, main);
            let until = daemon.config().shutdown_timeout.map(|limit| Instant::now() + limit);
            wind_up(daemon, until, Vec::new(), main)
        }
        Ok((daemon, signals)) => serve(daemon, &signals, main),
        Err(StartError::ToldToEnd) => 0,
        Err(error) => {
            let name = &group.config.name;
            say(Level::Critical, &format!("WSGI0036: a process of group '{name}' does not start: {error}"));
            FAILED
        }
    }
}

/// Everything up to the first request.
fn prepare(start: Start<'_>) -> Result<(&'static Daemon, Signals), StartError> {
    let Start { group, start_up, main, place, line, log, asking, supervisor, applications } = start;
    check_supervisor(supervisor)?;
    isolation::isolate(group, &line, asking.as_ref(), log).map_err(StartError::Isolation)?;
    let listener = if is_service(group) { None } else { Some(listen(group, place)?) };
    for warning in identity::assume(&group.config, unixd::user_id(), unixd::group_id())? {
        group.log(Level::Warning, &warning.to_string());
    }
    let signals = Signals::new(
        &[Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1, Signal::SIGHUP, Signal::SIGUSR2, Signal::SIGXCPU],
        &[Signal::SIGPIPE],
    )?;
    // The supervisor ignores the one, and a program that an application starts would inherit that. It minds the other, and
    // a copy that an application makes, and that has children, would end with the first of them.
    signals::reset(&[Signal::SIGWINCH, Signal::SIGCHLD]);
    // After the change of identity, which would undo it.
    nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
    check_supervisor(supervisor)?;
    activity::prepare(group.config.threads as usize);
    fork::mark_copies(new_interpreter::tell_of_copy)?;
    let parked = Parked::new()?;
    if let Some(listener) = listener {
        parked.add(Box::new(Waiter::Listener(Private::new(listener))))?;
    }
    let scores = asking.map(Scores::new);
    let daemon = DAEMON.get_or_init(|| Daemon { group, place, line, scores, parked, asked: AtomicU64::new(0) });
    go_on(&signals)?;
    bulletin::begin(&group.bulletin, place);
    start_python(&group.config, start_up)?;
    go_on(&signals)?;
    if is_service(group) {
        set_switch_interval();
        return Ok((daemon, signals));
    }
    telemetry::prepare(start_up, group.config.threads);
    preload::run(main, &group.config.name, &|script, loaded| {
        daemon.tell_of_load(&script.application_group, script.path.as_bytes(), loaded);
    });
    daemon.load_beforehand(applications);
    set_switch_interval();
    Ok((daemon, signals))
}

/// A supervisor that has died has a successor, which may have given the place to another process.
fn check_supervisor(supervisor: u32) -> Result<(), StartError> {
    if nix::unistd::getppid().as_raw() as u32 == supervisor { Ok(()) } else { Err(StartError::ToldToEnd) }
}

/// Whether the processes of the group run programs, and take no requests.
pub(crate) fn is_service(group: &Group) -> bool {
    group.config.threads == 0
}

fn listen(group: &Group, place: usize) -> Result<UnixListener, StartError> {
    let name = || group.sockets[place].display().to_string();
    listener::open(group, place).map_err(|error| StartError::Listen(name(), error))
}

/// After the scripts that are loaded beforehand: the configuration has the last word.
fn set_switch_interval() {
    let Some(main) = interpreter::main() else { return };
    // An exception is put into words, and dropped, while the thread is attached.
    let set = main.run(|attached| set_switch_interval_of_group(attached).map_err(|error| error.to_string()));
    if let Err(error) = set {
        log_of_daemon(Level::Error, &format!("WSGI1042: switch-interval= cannot be set: {error}"));
    }
}

/// While a daemon starts it has nothing to finish: it ends as soon as it is told to.
fn go_on(signals: &Signals) -> Result<(), StartError> {
    let told = core::iter::from_fn(|| signals.next()).any(|signal| matches!(signal, Signal::SIGTERM | Signal::SIGINT));
    if told { Err(StartError::ToldToEnd) } else { Ok(()) }
}

fn start_python(group: &'static ProcessGroup, start_up: &'static StartUp) -> Result<(), StartError> {
    let process = become_process(|| Process::daemon(start_up, group, read_scoreboard));
    let gil = process.start_python()?;
    let mode = if gil == GilMode::FreeThreading { "off" } else { "on" };
    let name = &group.name;
    let text = format!("Python {} started in process group '{name}', GIL {mode}", env!("MOD_WSGI_PYTHON_VERSION"));
    log::server(None, Level::Info, &text);
    Ok(())
}

impl Daemon {
    /// Loads what the predecessors had loaded, so that requests find it.
    fn load_beforehand(&self, applications: &[Application]) {
        for application in applications {
            let loaded = preload::load_application(&application.application_group, &application.script);
            self.tell_of_load(&application.application_group, &application.script, loaded);
        }
    }

    /// Tells the supervisor what became of an application that was loaded before any request.
    fn tell_of_load(&self, application_group: &str, script: &[u8], loaded: bool) {
        self.leave_if_copy();
        let application = Application { application_group: application_group.to_owned(), script: script.to_vec() };
        if loaded {
            activity::note_loaded();
            self.line.insist(&Message::Loaded(application));
        } else {
            self.line.insist(&Message::LoadFailed(application));
        }
    }

    /// Ends this process if it is a copy that an application has made of a daemon (`os.fork()`), and that has come back
    /// from the application: it must not take requests, nor say anything for the daemon.
    pub(crate) fn leave_if_copy(&self) {
        fork::leave_if_copy();
    }

    /// Asks to be replaced, as often as there is a reason, but the supervisor is not told more than it needs.
    pub(crate) fn ask_to_be_replaced(&self, reason: Reason, change: u64) {
        let now = activity::now();
        let before = self.asked.load(Relaxed);
        if reason == Reason::ScriptReload || before == 0 || now.saturating_sub(before) >= ASKED_EVERY {
            self.asked.store(now, Relaxed);
            self.line.say(&Message::Replace { reason, change });
        }
    }

    /// How long the other side of a connection may take to send what it has begun.
    pub(crate) fn patience(&self) -> Duration {
        let time = self.config().socket_timeout.unwrap_or_else(|| self.group.server.timeout());
        if time.is_zero() { Duration::MAX } else { time }
    }

    /// How long a thread waits for a child of httpd that waits for `timeout` itself: a bit longer, so that it is the child
    /// which gives up a client that is too slow, and can say so.
    pub(crate) fn limits(&self, timeout: Duration) -> TimeLimits {
        if timeout.is_zero() {
            return TimeLimits::default();
        }
        let client = self.config().response_socket_timeout.unwrap_or_default();
        TimeLimits { read: Some(timeout + GRACE), write: Some(timeout.max(client) + GRACE) }
    }

    fn config(&self) -> &ProcessGroup {
        &self.group.config
    }
}

/// What a child of httpd needs to say that it gives up a client.
const GRACE: Duration = Duration::from_secs(1);
/// How often the main thread looks at what no one tells it.
const LOOK: Duration = Duration::from_millis(10);

/// Serves until the daemon is told to end, and ends.
fn serve(daemon: &'static Daemon, signals: &Signals, main: Server<'static>) -> i32 {
    if let Some(process) = process() {
        telemetry::start(process, daemon.config().threads, slow::running);
    }
    let threads = match start_threads(daemon) {
        Ok(threads) => threads,
        Err(error) => return cannot_start(daemon, &error),
    };
    let mut limits = match Limits::new(daemon) {
        Ok(limits) => limits,
        Err(error) => return cannot_start(daemon, &StartError::Thread(error)),
    };
    // From here on the line tells of the supervisor's end, and requests may be under way then.
    let _ = nix::sys::prctl::set_pdeathsig(None);
    // It is the supervisor that lets requests come: a successor may have to be given up.
    daemon.line.insist(&Message::Ready);
    let mut signal_events = SignalEvents::new(daemon);
    let mut questions = Questions::default();
    let cause = watch(daemon, signals, &mut limits, &mut signal_events, &mut questions);
    let until = begin_end(daemon, &cause);
    in_time(daemon, until, || {
        signal_events.end();
        events::publish(ProcessEvent::Stopping(cause.first.name()), |line| log::server(None, Level::Error, line));
    });
    let threads = threads.into_iter().chain(limits.end()).chain(questions.end()).collect();
    wind_up(daemon, until, threads, main)
}

fn cannot_start(daemon: &Daemon, error: &StartError) -> i32 {
    let text = format!("WSGI0036: a process of group '{}' does not start: {error}", daemon.config().name);
    log::server(Some(daemon.group.server), Level::Critical, &text);
    FAILED
}

fn start_threads(daemon: &'static Daemon) -> Result<Vec<JoinHandle<()>>, StartError> {
    let stack = daemon.config().stack_size;
    (0..daemon.config().threads as usize)
        .map(|number| {
            let mut builder = std::thread::Builder::new().name(format!("wsgi-{}", number + 1));
            if let Some(size) = stack {
                builder = builder.stack_size(size);
            }
            builder.spawn(move || worker::run(daemon, number)).map_err(StartError::Thread)
        })
        .collect()
}
