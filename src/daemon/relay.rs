//! The side of a child of httpd: takes a request to a daemon, and the daemon's response to the client.

use super::channel::{Buffers, Channel, ChannelError};
use super::fields::Fields;
use super::frame::{self, FrameError, Kind, PIECE};
use super::gateway::read_entry;
use super::generation::{self, Group};
use super::jail::{self, Jailed};
use super::request_head::{Options, RequestHead};
use super::table::{Refusal, Reservation, Seat};
use crate::apache::client_socket::SocketTimeout;
use crate::apache::request::Request;
use crate::apache::status::Status;
use crate::config::settings::Settings;
use crate::module::body::EmbeddedBody;
use crate::module::facts::EmbeddedFacts;
use crate::module::fault::Fault;
use crate::module::response::EmbeddedSink;
use crate::module::target::Wanted;
use crate::wsgi::gateway::{FileRange, RequestBody, ResponseSink, SinkError};
use crate::wsgi::response::ResponseHead;
use core::cell::RefCell;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use parking_lot::Mutex;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A connection that is not in use.
struct Connection {
    stream: UnixStream,
    /// The process that it leads to.
    incarnation: u32,
    timeout: Duration,
    /// Whether it has carried a request before.
    used: bool,
}

/// What this child of httpd keeps for a group.
struct Mine {
    group: &'static Group,
    /// Its row in the table of the group.
    tenant: Option<usize>,
    /// Connections of each place.
    idle: Vec<Mutex<Vec<Connection>>>,
}

static MINE: OnceLock<Vec<Mine>> = OnceLock::new();
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

fn mine(group: &Group) -> Option<&'static Mine> {
    let all = MINE.get_or_init(|| {
        let groups = generation::mine().map_or(&[][..], |generation| &generation.groups);
        groups.iter().map(Mine::new).collect()
    });
    all.iter().find(|mine| core::ptr::eq(mine.group, group))
}

impl Mine {
    fn new(group: &'static Group) -> Self {
        let idle = (0..group.table.places()).map(|_| Mutex::default()).collect();
        Self { group, tenant: group.table.move_in(std::process::id()), idle }
    }

    /// A connection to the process that `reservation` is for.
    fn connect(&self, reservation: &Reservation<'_>, timeout: Duration) -> std::io::Result<Connection> {
        let mut idle = self.idle[reservation.place].lock();
        // Those of an earlier process lead nowhere.
        idle.retain(|connection| connection.incarnation == reservation.incarnation);
        let kept = idle.pop();
        drop(idle);
        if let Some(mut connection) = kept {
            connection.set_timeout(timeout)?;
            return Ok(connection);
        }
        let stream = UnixStream::connect(&self.group.sockets[reservation.place])?;
        let incarnation = reservation.incarnation;
        let mut connection = Connection { stream, incarnation, timeout: Duration::ZERO, used: false };
        connection.set_timeout(timeout)?;
        Ok(connection)
    }

    fn keep(&self, place: usize, mut connection: Connection) {
        connection.used = true;
        self.idle[place].lock().push(connection);
    }

    /// The process has not read what was sent over `connection`.
    fn note_unread(&self, reservation: &Reservation<'_>, connection: &Connection) {
        if connection.used {
            // It may have closed this one only; a new one tells.
            self.idle[reservation.place].lock().clear();
        } else {
            reservation.report_gone();
        }
    }
}

impl Connection {
    fn set_timeout(&mut self, timeout: Duration) -> std::io::Result<()> {
        if self.timeout != timeout {
            self.timeout = timeout;
            let timeout = (!timeout.is_zero()).then_some(timeout);
            self.stream.set_read_timeout(timeout)?;
            self.stream.set_write_timeout(timeout)?;
        }
        Ok(())
    }
}

/// How a conversation ended.
enum End {
    /// The connection is good for another request.
    Served(Status),
    /// The connection is in the middle of something, and is closed.
    Broken(Status),
    /// The daemon is gone, and had not read the request.
    Unread,
    /// It had read it, and not begun to serve it.
    NotBegun,
    /// The script has changed: a process with the new code is to serve the request.
    Changed,
    /// Another resource of this server is the response.
    Redirect(Vec<u8>),
}

/// Serves the request in a daemon of `group`.
///
/// # Errors
/// No daemon serves it, or the one that did has failed before the client saw anything.
pub(crate) fn serve(facts: &EmbeddedFacts<'_>, group: &'static Group, wanted: &Wanted<'_>) -> Result<Status, Fault> {
    let mine = mine(group).ok_or_else(|| Fault::UnknownProcessGroup(group.config.name.to_string()))?;
    let errand = Errand { facts, mine, wanted, queue_start: SystemTime::now() };
    errand.run()
}

/// A request on its way to a daemon.
struct Errand<'a> {
    facts: &'a EmbeddedFacts<'a>,
    mine: &'static Mine,
    wanted: &'a Wanted<'a>,
    queue_start: SystemTime,
}

impl Errand<'_> {
    fn name(&self) -> String {
        self.mine.group.config.name.to_string()
    }

    fn timeout(&self) -> Duration {
        self.mine.group.config.socket_timeout.unwrap_or_else(|| self.facts.request.server().timeout())
    }

    /// The root of the processes of the group, if they have one of their own.
    fn root(&self) -> Option<&'static str> {
        self.mine.group.config.chroot.as_deref()
    }

    /// A process with a root of its own has no way to files outside of it.
    fn check_root(&self) -> Result<(), Fault> {
        let request = self.facts.request;
        for path in [self.facts.target.script(request), request.filename()] {
            if jail::seen_from(self.root(), path).is_none() {
                let path = String::from_utf8_lossy(path).into_owned();
                return Err(Fault::OutsideOfRoot(path, self.root().unwrap_or_default().to_owned()));
            }
        }
        Ok(())
    }

    fn run(&self) -> Result<Status, Fault> {
        self.check_root()?;
        let mut any_edition = false;
        for _ in 0..ATTEMPTS {
            let reservation = self.reserve()?;
            let connection = match self.mine.connect(&reservation, self.timeout()) {
                Ok(connection) => connection,
                // The table does not know yet that the process is gone.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    reservation.report_gone();
                    continue;
                }
                Err(error) => return Err(Fault::Connect(self.name(), error)),
            };
            match self.converse(&connection, &reservation, any_edition)? {
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
                    any_edition = true;
                }
            }
        }
        Err(Fault::NoProcess(self.name()))
    }

    /// Keeps a thread of a process, or says why there is none.
    fn reserve(&self) -> Result<Reservation<'static>, Fault> {
        let config = &self.mine.group.config;
        let began = Instant::now();
        let limit = config.queue_timeout.unwrap_or_else(|| self.timeout());
        let until = (!limit.is_zero()).then(|| began + limit);
        loop {
            let first = NEXT.fetch_add(1, Ordering::Relaxed);
            match self.mine.group.table.reserve(self.mine.tenant, first, until) {
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
        any_edition: bool,
    ) -> Result<End, Fault> {
        let mut buffers = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(Buffers::new);
        let mut channel = Channel::new(&connection.stream, &mut buffers);
        self.write_request(&mut channel, reservation.seat, any_edition);
        let length = channel.out().len() - frame::HEADER;
        if length > Kind::Request.longest() {
            return Err(Fault::RequestTooLarge(self.name(), length));
        }
        let end = match channel.send() {
            Ok(()) => self.relay(channel, reservation),
            Err(ChannelError::Closed | ChannelError::Reset) => Ok(End::Unread),
            Err(error) => Err(Fault::SendRequest(self.name(), error)),
        };
        BUFFERS.with_borrow_mut(|kept| kept.push(buffers));
        end
    }

    fn relay(&self, channel: Channel<'_>, reservation: &Reservation<'static>) -> Result<End, Fault> {
        let request = self.facts.request;
        let answered = AtomicBool::new(false);
        let relay = Relay {
            reservation,
            request,
            settings: self.facts.settings,
            group: self.mine.group,
            process: self.mine.group.table.process(reservation.place),
            channel,
            sink: EmbeddedSink::new(request, self.facts.settings.enable_sendfile, &answered),
            body: EmbeddedBody::new(request, &answered),
            heard: false,
            response: Response::None,
            unflushed: 0,
        };
        relay.run()
    }

    fn write_request(&self, channel: &mut Channel<'_>, seat: Seat, any_edition: bool) {
        let request = self.facts.request;
        let root = self.root();
        let see = |path| jail::seen_from(root, path).unwrap_or(path);
        let since_epoch = self.queue_start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let head = RequestHead {
            pass: self.mine.group.pass.number(),
            script: see(self.facts.target.script(request)),
            modified: self.wanted.modified,
            resource: see(request.filename()),
            callable: self.facts.callable,
            application_group: self.wanted.application_group,
            origin: self.wanted.origin,
            request_start: request.time(),
            queue_start: i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX),
            seat,
            options: Options {
                reloading: self.facts.settings.script_reloading,
                any_edition,
                head_only: request.is_head(),
                ignore_activity: self.facts.settings.ignore_activity,
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

/// A conversation with a daemon.
struct Relay<'r, 'c> {
    reservation: &'r Reservation<'static>,
    request: Request<'r>,
    settings: &'r Settings,
    group: &'static Group,
    /// The id of the process, for the log.
    process: u32,
    channel: Channel<'c>,
    sink: EmbeddedSink<'r>,
    body: EmbeddedBody<'r>,
    /// Whether the daemon has said anything.
    heard: bool,
    response: Response<'r>,
    /// How many bytes httpd has been given and may still hold back.
    unflushed: usize,
}

/// What has become of the response of the application.
enum Response<'r> {
    /// It has not begun.
    None,
    /// The client gets it, with another time limit if there is to be one.
    Passed { _limit: Option<SocketTimeout<'r>> },
    /// Its body is thrown away, and something else takes its place.
    Replaced(Replacement),
}

/// What takes the place of a response.
enum Replacement {
    /// httpd's page for a status (`WSGIErrorOverride`).
    Page(Status),
    /// Another resource of this server (`200` with `Location: /path`).
    Resource(Vec<u8>),
}

impl From<Replacement> for End {
    fn from(replacement: Replacement) -> Self {
        match replacement {
            Replacement::Page(status) => Self::Served(status),
            Replacement::Resource(path) => Self::Redirect(path),
        }
    }
}

/// Why a relay stops.
enum Stop {
    Channel(ChannelError),
    Sink(SinkError),
    Fault(Fault),
}

impl From<ChannelError> for Stop {
    fn from(error: ChannelError) -> Self {
        Self::Channel(error)
    }
}

impl From<SinkError> for Stop {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

impl From<FrameError> for Stop {
    fn from(error: FrameError) -> Self {
        Self::Channel(error.into())
    }
}

/// The values of the headers of a name.
fn values<'h>(head: &'h ResponseHead, wanted: &'static str) -> impl Iterator<Item = &'h [u8]> {
    head.headers().filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes())).map(|(_, value)| value)
}

impl<'r> Relay<'r, '_> {
    fn run(mut self) -> Result<End, Fault> {
        let stop = loop {
            match self.step() {
                Ok(None) => {}
                Ok(Some(end)) => return Ok(end),
                Err(stop) => break stop,
            }
        };
        match stop {
            Stop::Sink(SinkError::Answered) => Ok(End::Broken(EmbeddedSink::ANSWERED)),
            Stop::Sink(SinkError::ClientGone(_)) => {
                self.request.close_connection_afterwards();
                Ok(End::Broken(Status::OK))
            }
            Stop::Channel(ChannelError::Reset) if !self.heard => Ok(End::Unread),
            Stop::Channel(ChannelError::Closed) if self.is_unheeded() => Ok(End::NotBegun),
            Stop::Channel(error) => {
                if error == ChannelError::TimedOut {
                    self.reservation.abandon();
                }
                let fault = Fault::Daemon { group: self.group.config.name.to_string(), process: self.process, error };
                self.fail(fault)
            }
            Stop::Fault(fault) => self.fail(fault),
        }
    }

    /// Whether the daemon has neither begun the request nor said anything about it.
    fn is_unheeded(&self) -> bool {
        !self.heard && self.channel.is_drained() && !self.reservation.was_begun()
    }

    /// The daemon has failed: an error page if the client has seen nothing yet, else the response is cut.
    fn fail(mut self, fault: Fault) -> Result<End, Fault> {
        if self.sink.was_answered() {
            return Ok(End::Broken(EmbeddedSink::ANSWERED));
        }
        if self.sink.can_be_taken_back() {
            self.request.reset_response();
            return Err(fault);
        }
        fault.answer(self.request);
        self.sink.cut();
        Ok(End::Broken(Status::OK))
    }

    /// Looks at one frame, or waits for more to look at.
    fn step(&mut self) -> Result<Option<End>, Stop> {
        if let Some((kind, range)) = self.channel.next()? {
            self.heard = true;
            return self.heed(kind, range);
        }
        if self.unflushed > 0 && !self.channel.receive_now()? {
            let delay = self.group.config.response_flush_delay;
            if delay.is_zero() || !self.channel.is_readable_within(delay) {
                self.flush()?;
                self.channel.receive_more()?;
            }
        } else if self.unflushed == 0 {
            self.channel.receive_more()?;
        }
        Ok(None)
    }

    fn flush(&mut self) -> Result<(), Stop> {
        self.unflushed = 0;
        Ok(self.sink.flush()?)
    }

    fn heed(&mut self, kind: Kind, range: Range<usize>) -> Result<Option<End>, Stop> {
        match kind {
            Kind::Head => self.take_head(range)?,
            Kind::Data => self.pass(range)?,
            Kind::File => self.pass_file(range)?,
            Kind::Want => self.give_body(range)?,
            Kind::Log => {
                let entry = read_entry(self.channel.payload(range)).ok_or(FrameError::Payload(kind))?;
                entry.write(self.request);
            }
            Kind::End => return self.end().map(Some),
            Kind::Abort => return self.abort(range).map(Some),
            Kind::Changed => return Ok(Some(End::Changed)),
            Kind::Request | Kind::Body | Kind::LastBody | Kind::BodyFailed => {
                return Err(FrameError::Unexpected(kind).into());
            }
        }
        Ok(None)
    }

    fn take_head(&mut self, range: Range<usize>) -> Result<(), Stop> {
        let broken = FrameError::Payload(Kind::Head);
        let mut fields = Fields(self.channel.payload(range));
        let length = fields.u64().ok_or(broken)?;
        let status = fields.bytes().ok_or(broken)?;
        let mut head = ResponseHead::new(status).map_err(|_| broken)?;
        let longest = self.group.config.header_buffer_size - 2;
        if status.len() > longest {
            return Err(Stop::Fault(Fault::HeaderTooLong("status line".into(), longest)));
        }
        while !fields.is_empty() {
            let (name, value) = (fields.bytes().ok_or(broken)?, fields.bytes().ok_or(broken)?);
            if name.len() + value.len() + 2 > longest {
                let name = String::from_utf8_lossy(name).into_owned();
                return Err(Stop::Fault(Fault::HeaderTooLong(name, longest)));
            }
            head.add(name, value).map_err(|_| broken)?;
        }
        self.response = match self.replacement(&head) {
            Some(replacement) => Response::Replaced(replacement),
            None => self.start(&head, (length != u64::MAX).then_some(length)),
        };
        Ok(())
    }

    /// What takes the place of a response with this head, if anything.
    fn replacement(&self, head: &ResponseHead) -> Option<Replacement> {
        if head.status() == Status::HTTP_OK.code()
            && let Some(path) = values(head, "Location").last().filter(|location| location.starts_with(b"/"))
        {
            return Some(Replacement::Resource(path.to_vec()));
        }
        if !self.settings.error_override || !(400..600).contains(&head.status()) {
            return None;
        }
        for challenge in values(head, "WWW-Authenticate") {
            self.request.err_headers_out().add(self.request.pool(), b"WWW-Authenticate", challenge);
        }
        Some(Replacement::Page(Status::of(head.status())))
    }

    fn start(&mut self, head: &ResponseHead, length: Option<u64>) -> Response<'r> {
        self.sink.start(head, length);
        let config = &self.group.config;
        let limit = config.response_socket_timeout.or(config.socket_timeout);
        Response::Passed { _limit: limit.and_then(|limit| SocketTimeout::set(self.request, limit)) }
    }

    fn pass(&mut self, range: Range<usize>) -> Result<(), Stop> {
        match self.response {
            Response::None => return Err(FrameError::Unexpected(Kind::Data).into()),
            Response::Replaced(_) => return Ok(()),
            Response::Passed { .. } => {}
        }
        let is_last = self.channel.peek() == Some(Kind::End);
        let data = self.channel.payload(range);
        if is_last {
            // Together with the end of the response, in one write.
            self.sink.keep(data);
            return Ok(());
        }
        self.unflushed += data.len().max(1);
        self.sink.forward(data)?;
        if self.unflushed >= self.group.config.response_buffer_size {
            self.flush()?;
        }
        Ok(())
    }

    fn pass_file(&mut self, range: Range<usize>) -> Result<(), Stop> {
        let broken = FrameError::Payload(Kind::File);
        let mut fields = Fields(self.channel.payload(range));
        let (offset, length) = (fields.u64().ok_or(broken)?, fields.u64().ok_or(broken)?);
        let complete = fields.u8().ok_or(broken)? == 1;
        let descriptor = self.channel.take_descriptor().ok_or(broken)?;
        match self.response {
            Response::None => return Err(FrameError::Unexpected(Kind::File).into()),
            Response::Replaced(_) => return Ok(()),
            Response::Passed { .. } => {}
        }
        self.unflushed = 0;
        Ok(self.sink.send_file(FileRange { descriptor, offset, length }, complete)?)
    }

    /// The application reads the request body.
    fn give_body(&mut self, range: Range<usize>) -> Result<(), Stop> {
        let want = Fields(self.channel.payload(range)).u32().ok_or(FrameError::Payload(Kind::Want))?;
        if self.unflushed > 0 {
            // The client may wait for it before it sends more.
            self.flush()?;
        }
        let mut piece = Vec::new();
        match self.body.read((want as usize).clamp(1, PIECE), &mut piece) {
            Ok(last) => {
                let kind = if last { Kind::LastBody } else { Kind::Body };
                self.channel.out().extend_from_slice(&frame::header(kind, piece.len()));
                self.channel.send_with(&piece)?;
            }
            Err(error) => {
                frame::push(self.channel.out(), Kind::BodyFailed, error.0.as_bytes());
                self.channel.send()?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<End, Stop> {
        if self.sink.was_answered() {
            return Ok(End::Served(EmbeddedSink::ANSWERED));
        }
        match core::mem::replace(&mut self.response, Response::None) {
            Response::None => return Err(FrameError::Unexpected(Kind::End).into()),
            Response::Replaced(replacement) => return Ok(replacement.into()),
            Response::Passed { _limit } => self.sink.end()?,
        }
        Ok(End::Served(Status::OK))
    }

    /// The response will not be complete.
    fn abort(&mut self, range: Range<usize>) -> Result<End, Stop> {
        let code = Fields(self.channel.payload(range)).u16().ok_or(FrameError::Payload(Kind::Abort))?;
        if self.sink.was_answered() {
            return Ok(End::Served(EmbeddedSink::ANSWERED));
        }
        if code != 0 && self.sink.can_be_taken_back() {
            self.request.reset_response();
            let status = if self.body.timed_out() { Status::REQUEST_TIMEOUT } else { Status::of(code) };
            return Ok(End::Served(status));
        }
        if let Response::Replaced(replacement) = core::mem::replace(&mut self.response, Response::None) {
            return Ok(replacement.into());
        }
        self.sink.cut();
        Ok(End::Served(Status::OK))
    }
}
