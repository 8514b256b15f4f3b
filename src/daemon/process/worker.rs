//! A request thread of a daemon: it waits with the others for a request, and serves it.

use crate::apache::boundary::caught;
use crate::apache::log::{self, Level};
use crate::daemon::process::activity::{self, Activity};
use crate::daemon::process::gateway::{Conversation, DaemonExchange, DaemonFacts, DaemonSink};
use crate::daemon::process::listener;
use crate::daemon::process::start::Daemon;
use crate::metrics::clock::{Moment, TimeOfDay};
use crate::observe::bulletin;
use crate::process::script_path;
use crate::python::Attached;
use crate::python::interpreter::{self, Interpreter};
use crate::python::script::{Event, Reloading};
use crate::python::thread_state;
use crate::request::call::call;
use crate::request::fault::Fault;
use crate::unix::fork::Private;
use crate::unix::process;
use crate::unix::socket::TimeLimits;
use crate::wire::channel::{Buffers, Channel, ChannelError};
use crate::wire::control::{Application, Message, Reason};
use crate::wire::frame::{self, Kind};
use crate::wire::request_head::{self, RequestHead};
use crate::wire::table::TakenSeat;
use crate::wsgi::gateway::Outcome;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use nix::sys::eventfd::EventFd;
use nix::sys::resource::{Resource, getrlimit};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, OnceLock};

/// What request threads wait for.
pub(crate) enum Waiter {
    /// New connections.
    Listener(Private<UnixListener>),
    /// A connection, for its next request.
    Connection(Connection),
    /// The end, which every thread passes on to the next.
    Stop(EventFd),
}

impl AsFd for Waiter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Listener(listener) => listener.as_fd(),
            Self::Connection(connection) => connection.stream.as_fd(),
            Self::Stop(event) => event.as_fd(),
        }
    }
}

/// A connection of a child of httpd.
pub(crate) struct Connection {
    stream: Private<UnixStream>,
    /// Those of the last request.
    limits: TimeLimits,
}

/// How many there are.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

impl Connection {
    fn new(stream: UnixStream) -> Self {
        CONNECTIONS.fetch_add(1, Relaxed);
        Self { stream: Private::new(stream), limits: TimeLimits::default() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        CONNECTIONS.fetch_sub(1, Relaxed);
    }
}

/// Whether there are more connections than this process should keep: each child of httpd keeps its own, and with very many
/// children they would take the descriptors that the application needs.
fn are_too_many() -> bool {
    static MOST: OnceLock<u64> = OnceLock::new();
    let most = MOST.get_or_init(|| getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft / 2));
    CONNECTIONS.load(Relaxed) > *most
}

/// Has all request threads end when they have no request any more.
pub(crate) fn stop(daemon: &Daemon) {
    if let Ok(event) = EventFd::from_value(1) {
        let _ = daemon.parked.add(Box::new(Waiter::Stop(event)));
    }
}

/// All that a request thread does.
pub(crate) fn run(daemon: &'static Daemon, number: usize) {
    activity::workers()[number].is_this_thread();
    let thread = process::native_thread();
    let mut thread = Worker { daemon, number, thread, buffers: Buffers::new(), request: Arc::default() };
    while let Ok(waiter) = daemon.parked.next() {
        let mut waiter = waiter;
        let waiter = match *waiter {
            Waiter::Stop(_) => {
                let _ = daemon.parked.park_again(waiter);
                // Those who wait for this thread must not wait for Python, should that let no one in.
                thread_state::give_up();
                return;
            }
            Waiter::Listener(ref listener) => {
                accept(daemon, listener);
                Some(waiter)
            }
            // A child that finds its connection closed makes another one.
            Waiter::Connection(Connection { ref stream, ref mut limits }) => {
                (thread.serve(stream, limits).is_ok() && !are_too_many()).then_some(waiter)
            }
        };
        if let Some(waiter) = waiter {
            let _ = daemon.parked.park_again(waiter);
        }
    }
}

fn accept(daemon: &Daemon, listener: &UnixListener) {
    loop {
        match listener::accept(listener, &daemon.group.config) {
            Ok(Some(stream)) => {
                let _ = daemon.parked.add(Box::new(Waiter::Connection(Connection::new(stream))));
            }
            Ok(None) => return,
            Err(error) => {
                tell_of_failure(daemon, &error);
                // The connection still waits, and so does the next look at it: other threads serve meanwhile.
                std::thread::sleep(ACCEPT_AGAIN);
                return;
            }
        }
    }
}

const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Milliseconds before the log says again that connections cannot be accepted.
const TOLD_EVERY: u64 = 60_000;

/// Requests of connections that no one accepts end in 504, far from here: the log has to name the cause.
fn tell_of_failure(daemon: &Daemon, error: &std::io::Error) {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    let (now, before) = (activity::now(), TOLD.load(Relaxed));
    if before == 0 || now.saturating_sub(before) >= TOLD_EVERY {
        TOLD.store(now, Relaxed);
        let (name, process) = (&daemon.group.config.name, std::process::id());
        let text = format!(
            "WSGI1061: process group '{name}': process {process} cannot accept connections: {error}; \
             does the application leave files open?"
        );
        log::server(Some(daemon.group.server), Level::Error, &text);
    }
}

/// A request thread.
struct Worker {
    daemon: &'static Daemon,
    number: usize,
    /// As the system numbers it.
    thread: u32,
    buffers: Buffers,
    /// The payload of the request frame. Others who look at it give it back soon.
    request: Arc<Vec<u8>>,
}

/// What happened to a request.
enum End {
    Outcome(Outcome),
    /// The script has changed, and another process is to serve.
    Changed,
    /// Nobody waited for it any more, and it was not begun.
    NotWanted,
}

impl Worker {
    /// Serves the request that has come over `stream`, which is good for another one afterwards.
    ///
    /// # Errors
    /// The connection is to be closed: the child of httpd has closed it, or said something that makes no sense.
    fn serve(&mut self, stream: &UnixStream, limits: &mut TimeLimits) -> Result<(), ChannelError> {
        let mut channel = Channel::new(stream, &mut self.buffers);
        let (kind, range) = channel.take_begun(self.daemon.patience())?;
        if kind != Kind::Request {
            return Err(frame::FrameError::Unexpected(kind).into());
        }
        let payload = channel.payload(range);
        if let Some(request) = Arc::get_mut(&mut self.request) {
            request.clear();
            request.extend_from_slice(payload);
        } else {
            self.request = Arc::new(payload.to_vec());
        }
        check_pass(self.daemon, &self.request)?;
        let (head, variables) = RequestHead::read(&self.request).ok_or(frame::FrameError::Payload(kind))?;
        limits.replace(stream, self.daemon.limits(head.timeout.into())).map_err(|_| ChannelError::Closed)?;
        bulletin::note_thread(head.seat.number, self.thread);
        let worker = &activity::workers()[self.number];
        let activity = Activity { counts: !head.options.ignore_activity };
        let busy = worker.begin(self.request.clone(), activity);
        let conversation = Conversation::new(channel, activity, *limits, head.log_level);
        let facts = DaemonFacts { head, variables, daemon_start: TimeOfDay::now(), daemon_moment: Moment::now() };
        let taken_seat = Cell::new(None);
        let request =
            DaemonRequest { daemon: self.daemon, worker, facts: &facts, conversation: &conversation, taken_seat };
        let answered = request.answer();
        drop(busy);
        count(self.daemon);
        answered.and(conversation.check())
    }
}

/// Refuses what does not come from a child of httpd.
fn check_pass(daemon: &Daemon, payload: &[u8]) -> Result<(), ChannelError> {
    if request_head::pass_of(payload) == Some(daemon.group.pass.number()) {
        return Ok(());
    }
    let name = &daemon.group.config.name;
    let text = format!("WSGI0034: process group '{name}': a request that did not come from httpd was refused");
    log::server(Some(daemon.group.server), Level::Critical, &text);
    Err(ChannelError::Closed)
}

/// A process that has served `maximum-requests` is replaced. Requests that end together may both be beyond.
fn count(daemon: &Daemon) {
    if daemon.group.config.maximum_requests.is_some_and(|most| activity::served() >= u64::from(most)) {
        daemon.ask_to_be_replaced(Reason::MaximumRequests, 0);
    }
}

/// A request that is being served.
struct DaemonRequest<'a, 'c> {
    daemon: &'static Daemon,
    worker: &'static activity::Worker,
    facts: &'a DaemonFacts<'a>,
    conversation: &'a Conversation<'c>,
    /// Its seat, once it has begun.
    taken_seat: Cell<Option<TakenSeat<'static>>>,
}

impl<'c> DaemonRequest<'_, 'c> {
    fn answer(&self) -> Result<(), ChannelError> {
        let mut sink = DaemonSink::new(self.conversation);
        let end = caught(|| self.run(&mut sink)).unwrap_or_else(|panic| Err(Fault::of_panic(panic)));
        // Before the child hears that the request is over: its next one finds this thread free.
        drop(self.taken_seat.take());
        match end {
            Ok(End::NotWanted) => Err(ChannelError::Closed),
            Ok(End::Outcome(Outcome::Complete)) => sink.end(),
            Ok(End::Outcome(Outcome::Short { announced, given })) => sink.end_short(announced, given),
            Ok(End::Outcome(Outcome::TimedOut)) => {
                let (status, entry) = Fault::TimedOut.report();
                sink.abort(status.code(), Some(&entry))
            }
            Ok(End::Outcome(Outcome::Raised)) => sink.abort(INTERNAL_SERVER_ERROR, None),
            Ok(End::Outcome(Outcome::ClientGone | Outcome::Answered)) => Err(ChannelError::Closed),
            Ok(End::Changed) => sink.send_away(),
            Err(fault) => {
                let (status, entry) = fault.report();
                sink.abort(status_in_daemon(&fault, status.code()), Some(&entry))
            }
        }
    }

    fn run(&self, sink: &mut DaemonSink<'_, 'c>) -> Result<End, Fault> {
        let head = &self.facts.head;
        // Making an interpreter runs code that may end the process. What is only to be attached to may keep a request
        // waiting, and nothing of that request is lost when this process ends meanwhile: another one may have it.
        if !interpreter::exists(head.application_group) && !self.begin() {
            return Ok(End::NotWanted);
        }
        let interpreter = interpreter::named(head.application_group, head.origin).map_err(Fault::of_interpreter)?;
        let reloading = if head.options.reloading { Reloading::Elsewhere } else { Reloading::Off };
        match self.call_in(interpreter, reloading, sink) {
            Err(Fault::Changed) if self.asks_for_new_edition() => Ok(End::Changed),
            Err(Fault::Changed) => {
                // The new code is on its way, or did not load: until there is a process with it, this one serves.
                self.call_in(interpreter, Reloading::Off, sink)
            }
            outcome => outcome,
        }
    }

    /// Takes the seat of the request, whose code may run from here on; `false` if nobody waits for it any more.
    fn begin(&self) -> bool {
        let taken_seat = self.taken_seat.take();
        let taken_seat =
            taken_seat.or_else(|| self.daemon.group.table.take_kept_seat(self.daemon.place, self.facts.head.seat));
        let has_one = taken_seat.is_some();
        if has_one {
            self.worker.note_begun();
        }
        self.taken_seat.set(taken_seat);
        has_one
    }

    /// Has the processes of the group replaced; `false` if that is under way, or of no use.
    fn asks_for_new_edition(&self) -> bool {
        let head = &self.facts.head;
        let mut hasher = DefaultHasher::new();
        (head.script, head.modified).hash(&mut hasher);
        let change = hasher.finish();
        if head.tries.restarts > 0 || !self.daemon.group.table.ask_for_new_edition(change) {
            return false;
        }
        self.daemon.ask_to_be_replaced(Reason::ScriptReload, change);
        true
    }

    fn call_in(
        &self,
        interpreter: &'static Interpreter,
        reloading: Reloading,
        sink: &mut DaemonSink<'_, 'c>,
    ) -> Result<End, Fault> {
        interpreter.run(|attached| {
            if !self.begin() {
                return Ok(End::NotWanted);
            }
            let outcome = self.worker.interruptible(attached, || self.call(attached, reloading, sink))?;
            Ok(End::Outcome(outcome.seen_by_client(self.facts.head.options.head_only)))
        })
    }

    fn call(
        &self,
        attached: &Attached<'_>,
        reloading: Reloading,
        sink: &mut DaemonSink<'_, 'c>,
    ) -> Result<Outcome, Fault> {
        let head = &self.facts.head;
        let script = script_path::script(head.script, head.modified, head.resource, reloading, head.callable);
        let watch = |event: &Event<'_>| {
            if let Event::Loaded = event {
                self.daemon.leave_if_copy();
                self.tell_loaded();
            }
        };
        let mut exchange = DaemonExchange::new(self.facts, self.conversation, sink);
        let outcome = call(attached, &script, &watch, &mut exchange);
        self.daemon.leave_if_copy();
        outcome
    }

    fn tell_loaded(&self) {
        activity::note_loaded();
        let head = &self.facts.head;
        let application =
            Application { application_group: head.application_group.to_owned(), script: head.script.to_vec() };
        self.daemon.line.say(&Message::Loaded(application));
    }
}

const INTERNAL_SERVER_ERROR: u16 = 500;
/// A callable that is missing is an error of the server here, where httpd's own children answer "not found".
fn status_in_daemon(fault: &Fault, status: u16) -> u16 {
    if fault.is_missing_callable() { INTERNAL_SERVER_ERROR } else { status }
}
