//! A request in a child of httpd on its way to a daemon: a process is chosen, the request is sent, and given to another
//! process if the first was gone before it had read it.

use crate::apache::log;
use crate::apache::status::Status;
use crate::daemon::child::connections::{self, Connection, Mine};
use crate::daemon::child::relay::{End, Relay};
use crate::daemon::generation::Group;
use crate::metrics::clock::{self, Moment, TimeOfDay};
use crate::observe::threads::Phase;
use crate::observe::watch;
use crate::process::jail::{self, Jailed};
use crate::request::facts::EmbeddedFacts;
use crate::request::fault::Fault;
use crate::request::target::Wanted;
use crate::unix::socket::TimeLimits;
use crate::wire::channel::{Buffers, Channel, ChannelError};
use crate::wire::frame::{self, Kind};
use crate::wire::request_head::{Options, RequestHead, Tries};
use crate::wire::table::{Refusal, Reservation, Seat};
use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::io::ErrorKind;
use std::time::Instant;

/// Where the search for a process begins: requests go round.
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// One for each conversation that a thread had at the same time: a filter may make another request of a response.
    static BUFFERS: RefCell<Vec<Buffers>> = const { RefCell::new(Vec::new()) };
}

/// How often a request is given to another process because one was gone before it had read it.
const ATTEMPTS: usize = 8;
/// How long a request waits before it looks again whether the queue has room.
const QUEUE_PAUSE: Duration = Duration::from_millis(125);

/// Serves the request in a daemon of `group`.
///
/// # Errors
/// No daemon serves it, or the one that did has failed before the client saw anything.
pub(crate) fn serve(
    facts: &EmbeddedFacts<'_>,
    group: &'static Group<'static>,
    wanted: &Wanted<'_>,
) -> Result<Status, Fault> {
    let mine = connections::mine(group).ok_or_else(|| Fault::UnknownProcessGroup(group.config.name.to_string()))?;
    let dispatch = Dispatch { facts, mine, wanted, queue_start: TimeOfDay::now(), queue_moment: Moment::now() };
    dispatch.run()
}

/// A request on its way to a daemon.
struct Dispatch<'a> {
    facts: &'a EmbeddedFacts<'a>,
    mine: &'static Mine,
    wanted: &'a Wanted<'a>,
    queue_start: TimeOfDay,
    queue_moment: Moment,
}

impl Dispatch<'_> {
    fn name(&self) -> String {
        self.mine.group.config.name.to_string()
    }

    fn timeout(&self) -> Duration {
        self.mine.group.patience(self.facts.request)
    }

    /// What this side waits for each read and write.
    fn limits(&self) -> TimeLimits {
        let timeout = self.timeout();
        let limit = (!timeout.is_zero()).then_some(timeout);
        TimeLimits { read: limit, write: limit }
    }

    /// The root of the processes of the group, if they have one of their own.
    fn root(&self) -> Option<&'static str> {
        self.mine.group.config.chroot.as_deref()
    }

    /// A process with a root of its own has no way to files outside of it.
    fn check_root(&self) -> Result<(), Fault> {
        let request = self.facts.request;
        for path in [self.facts.terms.target.script(request), request.filename()] {
            if jail::seen_from(self.root(), path).is_none() {
                let path = String::from_utf8_lossy(path).into_owned();
                return Err(Fault::OutsideOfRoot(path, self.root().unwrap_or_default().to_owned()));
            }
        }
        Ok(())
    }

    fn run(&self) -> Result<Status, Fault> {
        self.check_root()?;
        let mut tries = Tries::default();
        for _ in 0..ATTEMPTS {
            let reservation = self.reserve()?;
            tries.connects += 1;
            watch::note_process(self.mine.group.table.process(reservation.place), reservation.seat.number);
            let connection = match self.mine.connect(&reservation, self.limits()) {
                Ok(connection) => connection,
                // The table does not know yet that the process is gone, or there never was one.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {
                    reservation.report_gone();
                    continue;
                }
                Err(error) => return Err(Fault::Connect(self.name(), error)),
            };
            match self.converse(&connection, &reservation, tries)? {
                End::Served(status) => {
                    self.mine.keep(reservation.place, connection);
                    return Ok(status);
                }
                End::Broken(status) => return Ok(status),
                End::NotBegun => {}
                End::Unread => self.mine.note_unread(&reservation, &connection),
                End::Redirect(path) => {
                    self.mine.keep(reservation.place, connection);
                    // The other resource may need the thread that this request had.
                    drop(reservation);
                    return Ok(self.facts.request.redirect_internally(&path));
                }
                End::Changed => {
                    self.mine.keep(reservation.place, connection);
                    let edition = reservation.edition;
                    drop(reservation);
                    let until = Instant::now() + self.mine.group.config.connect_timeout;
                    self.mine.group.table.wait_for_newer(edition, until);
                    tries.restarts += 1;
                }
            }
        }
        Err(Fault::NoProcess(self.name()))
    }

    /// Keeps a thread of a process, or says why there is none.
    fn reserve(&self) -> Result<Reservation<'static>, Fault> {
        let _phase = watch::in_phase(Phase::Queue);
        let config = &self.mine.group.config;
        let began = Instant::now();
        let limit = config.queue_timeout.unwrap_or_else(|| self.timeout());
        let until = (!limit.is_zero()).then(|| began + limit);
        loop {
            let first = NEXT.fetch_add(1, Ordering::Relaxed);
            match self.mine.group.table.reserve(self.mine.child, first, until) {
                Ok(reservation) => return Ok(reservation),
                Err(Refusal::TimeUp) if config.queue_timeout.is_some() => {
                    return Err(Fault::QueueTimeout(self.name(), limit));
                }
                Err(Refusal::TimeUp) => return Err(Fault::NoProcessInTime(self.name(), limit)),
                Err(Refusal::QueueFull) if began.elapsed() >= config.connect_timeout => {
                    return Err(Fault::QueueFull(self.name(), config.listen_backlog));
                }
                Err(Refusal::QueueFull) => std::thread::sleep(QUEUE_PAUSE.min(config.connect_timeout)),
            }
        }
    }

    fn converse(
        &self,
        connection: &Connection,
        reservation: &Reservation<'static>,
        tries: Tries,
    ) -> Result<End, Fault> {
        let mut buffers = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(Buffers::new);
        let mut channel = Channel::new(&connection.stream, &mut buffers);
        self.write_request(&mut channel, reservation.seat, tries);
        let length = channel.out().len() - frame::HEADER;
        if length > Kind::Request.longest() {
            return Err(Fault::RequestTooLarge(self.name(), length));
        }
        let end = match channel.send() {
            Ok(()) => self.relay(channel, reservation),
            Err(ChannelError::Closed | ChannelError::Reset) => Ok(End::Unread),
            Err(error) => Err(Fault::SendRequest(self.name(), error)),
        };
        buffers.clear();
        BUFFERS.with_borrow_mut(|kept| kept.push(buffers));
        end
    }

    fn relay(&self, channel: Channel<'_>, reservation: &Reservation<'static>) -> Result<End, Fault> {
        let request = self.facts.request;
        let answered = AtomicBool::new(false);
        Relay::new(request, self.facts.terms.settings, self.mine.group, reservation, channel, &answered).run()
    }

    fn write_request(&self, channel: &mut Channel<'_>, seat: Seat, tries: Tries) {
        let request = self.facts.request;
        let root = self.root();
        let see = |path| jail::seen_from(root, path).unwrap_or(path);
        let head = RequestHead {
            pass: self.mine.group.pass.number(),
            script: see(self.facts.terms.target.script(request)),
            modified: self.wanted.modified,
            resource: see(request.filename()),
            callable: self.facts.terms.callable,
            application_group: self.wanted.application_group,
            origin: self.wanted.origin,
            request_start: request.time(),
            queue_start: self.queue_start.0,
            server_time: clock::from_time_of_day(TimeOfDay(request.time()), self.queue_moment),
            queue_moment: self.queue_moment,
            seat,
            timeout: self.timeout().into(),
            tries,
            log_level: u8::try_from(log::request_level(request)).unwrap_or(0),
            options: Options {
                reloading: self.facts.terms.settings.script_reloading,
                head_only: request.is_head(),
                ignore_activity: self.facts.terms.settings.ignore_activity,
            },
        };
        let out = channel.out();
        let start = frame::open(out, Kind::Request);
        match root {
            Some(root) => head.write(&Jailed { facts: self.facts, root }, out),
            None => head.write(self.facts, out),
        }
        frame::close(out, start);
    }
}
