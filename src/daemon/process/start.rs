//! A daemon: one process of a group, from its fork to its end.
//!
//! The request threads are in [`worker`]; the main thread starts Python, minds signals and limits, and ends Python.

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
use crate::python::{finish, interpreter};
use crate::request::log_entry::Entry;
use crate::scripts::preload;
use crate::unix::fork::{self, Private};
use crate::unix::parked::Parked;
use crate::unix::signals::{self, Signals};
use crate::unix::socket::TimeLimits;
use crate::wire::control::{Application, Heard, Line, Message, Reason};
use crate::wire::scores::{Asking, Scores};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Instant;

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
    log::server_lines(server, entry.level, &entry.text, &entry.details);
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

/// A daemon that takes no further requests.
struct Drain {
    reason: Reason,
    until: Option<Instant>,
}

/// What a child of httpd needs to say that it gives up a client.
const GRACE: Duration = Duration::from_secs(1);
/// How often the main thread looks at what no one tells it.
const LOOK: Duration = Duration::from_millis(10);
/// The time for the end of a process that has no `shutdown-timeout`, and whose Python lets no one in.
const END_OF_DEADLOCK: Duration = Duration::from_secs(5);

impl Drain {
    /// The supervisor is gone. Requests end as they do after a graceful restart.
    fn without_supervisor(daemon: &Daemon) -> Self {
        let config = daemon.config();
        let limit = config.graceful_timeout.filter(|_| config.graceful_timeout_given);
        Self { reason: Reason::ShutdownSignal, until: limit.map(|limit| Instant::now() + limit) }
    }

    /// Whether there is nothing left to wait for: requests that are given up do not count.
    fn is_over(&self, daemon: &Daemon, limits: &Limits) -> bool {
        let left = daemon.group.table.in_flight(daemon.place) as usize;
        left <= limits.given_up() || self.until.is_some_and(|until| until <= Instant::now())
    }
}

/// Whether any child of httpd is left that may wait for this process: without a supervisor no one else tells.
fn is_left_alone(daemon: &Daemon) -> bool {
    !daemon.group.table.has_children()
}

/// Why a daemon ends.
struct Cause {
    /// What has it end now.
    now: Reason,
    /// What it was to end for in the first place, which may have come before.
    first: Reason,
}

impl Cause {
    fn new(now: Reason, draining: Option<&Drain>) -> Self {
        Self { now, first: draining.map_or(now, |drain| drain.reason) }
    }

    /// A signal has come. The supervisor has said why before it sent it, unless it was someone else.
    fn of_signal(line: &Line, draining: Option<&Drain>) -> Self {
        let said = core::iter::from_fn(|| match line.hear() {
            Heard::Message(message) => Some(message),
            Heard::Silence | Heard::Gone => None,
        });
        let mut reasons = said.filter_map(|message| match message {
            Message::Drain { reason, .. } | Message::End { reason } => Some(reason),
            _ => None,
        });
        Self::told(reasons.next().unwrap_or(Reason::ShutdownSignal), draining)
    }

    /// The supervisor has told the daemon to end, for that reason.
    fn told(reason: Reason, draining: Option<&Drain>) -> Self {
        Self { now: Reason::ShutdownSignal, ..Self::new(reason, draining) }
    }
}

/// The main thread while requests are served. Returns why the daemon is to end.
fn watch(
    daemon: &'static Daemon,
    signals: &Signals,
    limits: &mut Limits,
    signal_events: &mut SignalEvents,
    questions: &mut Questions,
) -> Cause {
    let mut draining: Option<Drain> = None;
    let mut supervised = true;
    loop {
        let wait = if draining.is_some() { Some(LOOK) } else { limits.next_look() };
        wait_for_news(signals, supervised.then_some(&daemon.line), wait);
        while let Some(signal) = signals.next() {
            if handle_signal(daemon, signal, signal_events) {
                return Cause::of_signal(&daemon.line, draining.as_ref());
            }
        }
        match daemon.line.hear() {
            Heard::Message(Message::Drain { reason, milliseconds }) => {
                daemon.group.table.drain(daemon.place);
                let until = (milliseconds > 0).then(|| Instant::now() + Duration::from_millis(milliseconds));
                draining.get_or_insert(Drain { reason, until });
            }
            // The signal that follows changes nothing any more.
            Heard::Message(Message::End { reason }) => return Cause::told(reason, draining.as_ref()),
            Heard::Message(Message::Ask { number, question }) => questions.take(daemon, number, question),
            // Without a supervisor no one replaces this process, or ends it. The next supervisor starts others.
            Heard::Gone if supervised => {
                supervised = false;
                daemon.group.table.drain(daemon.place);
                draining.get_or_insert_with(|| Drain::without_supervisor(daemon));
            }
            Heard::Message(_) | Heard::Silence | Heard::Gone => {}
        }
        let is_over = |drain: &&Drain| drain.is_over(daemon, limits) || !supervised && is_left_alone(daemon);
        if let Some(drain) = draining.as_ref().filter(is_over) {
            return Cause::new(drain.reason, None);
        }
        if let Some(reason) = limits.check() {
            // Its successor need not wait for its end.
            daemon.ask_to_be_replaced(reason, 0);
            return Cause::new(reason, draining.as_ref());
        }
    }
}

/// Waits for a signal, or for a word of the supervisor if there is one.
fn wait_for_news(signals: &Signals, line: Option<&Line>, at_most: Option<Duration>) {
    let mut descriptors = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    descriptors.extend(line.map(|line| PollFd::new(line.as_fd(), PollFlags::POLLIN)));
    let timeout = at_most.map_or(PollTimeout::NONE, |wait| PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX));
    let _ = poll(&mut descriptors, timeout);
}

/// What a signal means. Returns whether the daemon is to end now.
fn handle_signal(daemon: &Daemon, signal: Signal, signal_events: &mut SignalEvents) -> bool {
    match signal {
        Signal::SIGTERM | Signal::SIGINT => return true,
        Signal::SIGUSR1 => {
            let eviction = daemon.config().eviction_timeout.is_some();
            let reason = if eviction { Reason::EvictionSignal } else { Reason::GracefulSignal };
            // It comes once, so it is not held back like what is said again.
            daemon.line.insist(&Message::Replace { reason, change: 0 });
        }
        Signal::SIGXCPU => daemon.ask_to_be_replaced(Reason::CpuTimeLimit, 0),
        // Of interest to those who subscribe to signals only.
        _ => signal_events.tell(signal),
    }
    false
}

/// The end begins: no further request comes. Returns the time at which all of it has to be over, `shutdown-timeout` from now.
fn begin_end(daemon: &Daemon, cause: &Cause) -> Option<Instant> {
    let config = daemon.config();
    let text = format!("process group '{}' ends process {}: {}", config.name, std::process::id(), cause.now.in_words());
    log::server(Some(daemon.group.server), Level::Info, &text);
    telemetry::stopping(cause.first.name());
    daemon.group.table.drain(daemon.place);
    // What holds up Python for ever holds up its end for ever too, whatever the limit is.
    let deadlock = cause.now == Reason::DeadlockTimeout;
    let limit = config.shutdown_timeout.or(deadlock.then_some(END_OF_DEADLOCK));
    limit.map(|limit| Instant::now() + limit)
}

/// Runs `body`, which may not come back from Python. When the time is up the process leaves all the same.
fn in_time(daemon: &'static Daemon, until: Option<Instant>, body: impl FnOnce()) {
    let (done, news) = channel::<()>();
    let clock = until.and_then(|until| {
        let clock = move || {
            let left = until.saturating_duration_since(Instant::now());
            if news.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                tell_what_is_left(daemon);
                fork::leave(FAILED);
            }
        };
        // Without the thread it is the supervisor that ends a process which takes too long.
        std::thread::Builder::new().name("wsgi-clock".into()).spawn(clock).ok()
    });
    body();
    drop(done);
    if let Some(clock) = clock {
        let _ = clock.join();
    }
}

/// Ends the daemon: requests finish, then Python does, all before `until`.
fn wind_up(
    daemon: &'static Daemon,
    until: Option<Instant>,
    threads: Vec<JoinHandle<()>>,
    main: Server<'static>,
) -> i32 {
    worker::stop(daemon);
    if !have_ended(threads, until) {
        tell_what_is_left(daemon);
        return FAILED;
    }
    telemetry::stopped(true);
    let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()).max(LOOK));
    finish::leave_after(left, FAILED);
    let keep = crate::apache::directive::server_settings::<crate::config::WsgiConfiguration>(main)
        .is_some_and(|settings| settings.start_up.keep_interpreters);
    finish::finish(keep);
    0
}

/// Waits for threads; `false` if the time is up before the last has ended.
fn have_ended(mut threads: Vec<JoinHandle<()>>, until: Option<Instant>) -> bool {
    loop {
        let (ended, running): (Vec<_>, Vec<_>) = threads.into_iter().partition(JoinHandle::is_finished);
        for thread in ended {
            let _ = thread.join();
        }
        if running.is_empty() {
            return true;
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return false;
        }
        threads = running;
        std::thread::sleep(LOOK);
    }
}

/// Names the requests that the process takes with it.
fn tell_what_is_left(daemon: &Daemon) {
    telemetry::stopped(false);
    let process = std::process::id();
    let say = |text: &str| daemon.group.log(Level::Error, text);
    say(&format!("WSGI1035: process {process} has not ended within shutdown-timeout, and leaves"));
    for seen in activity::workers().iter().filter_map(activity::Worker::request).filter(|seen| seen.begun) {
        say(&format!("process {process} leaves without an end of {seen}"));
    }
}
