//! The conversation of a child of httpd with a daemon about one request: what the daemon asks is answered, and what it
//! says goes to the client.

use crate::apache::client_socket::SocketTimeout;
use crate::apache::log::Level;
use crate::apache::request::Request;
use crate::apache::status::Status;
use crate::config::settings::Settings;
use crate::daemon::child::reply::Reply;
use crate::daemon::generation::Group;
use crate::daemon::log_frame::read_entry;
use crate::request::body::EmbeddedBody;
use crate::request::fault::Fault;
use crate::request::log_entry::Entry;
use crate::request::response::EmbeddedSink;
use crate::wire::channel::{Channel, ChannelError};
use crate::wire::fields::Fields;
use crate::wire::frame::{self, FrameError, Kind, PIECE};
use crate::wire::log_allowance::{LogAllowance, Verdict};
use crate::wire::response::{FilePart, Short};
use crate::wire::table::Reservation;
use crate::wsgi::gateway::{Arrived, ArrivingBody, FileRange, ResponseSink, SinkError};
use crate::wsgi::response::ResponseHead;
use core::ops::Range;
use core::sync::atomic::AtomicBool;
use nix::sys::stat::{SFlag, fstat};
use std::os::fd::OwnedFd;

/// How a conversation ended.
pub(crate) enum End {
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

/// A conversation with a daemon.
pub(crate) struct Relay<'r, 'c> {
    reservation: &'r Reservation<'static>,
    request: &'r Request<'r>,
    settings: &'r Settings<'r>,
    group: &'static Group<'static>,
    /// The id of the process, for the log.
    process: u32,
    channel: Channel<'c>,
    sink: EmbeddedSink<'r>,
    body: EmbeddedBody<'r>,
    /// Whether the daemon has said anything.
    heard: bool,
    /// What it has said of the response, checked.
    reply: Reply,
    log: LogAllowance,
    response: Response<'r>,
    /// How many bytes httpd has been given and may still hold back.
    unflushed: usize,
    /// The application waits for so many bytes of the request body.
    wanted: Option<usize>,
}

/// What has become of the response of the application.
enum Response<'r> {
    /// It has not begun.
    None,
    /// The client gets it, with another time limit if there is to be one.
    Passed { _limit: Option<SocketTimeout<'r>> },
    /// The same, and no body belongs to its status: what the daemon sends of one is thrown away.
    WithoutBody { _limit: Option<SocketTimeout<'r>> },
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

/// The status whose response is over with its head, and has no length (RFC 9110, 8.6).
const NO_CONTENT: u16 = 204;

/// The values of the headers of a name.
fn values<'h>(head: &'h ResponseHead, wanted: &'static str) -> impl Iterator<Item = &'h [u8]> {
    head.headers().filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes())).map(|(_, value)| value)
}

/// Whether this is a regular file that has such a part. Others may keep whoever reads them waiting for ever. Of what is
/// beyond the end there is nothing left, wherever it begins.
fn holds(descriptor: &OwnedFd, offset: u64, length: u64) -> bool {
    fstat(descriptor).is_ok_and(|file| {
        let end = offset.checked_add(length).and_then(|end| i64::try_from(end).ok());
        SFlag::from_bits_truncate(file.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG
            && end.is_some_and(|end| length == 0 || end <= file.st_size)
    })
}

impl<'r, 'c> Relay<'r, 'c> {
    /// `answered` is set when httpd has answered in the daemon's place.
    pub(crate) fn new(
        request: &'r Request<'r>,
        settings: &'r Settings<'r>,
        group: &'static Group<'static>,
        reservation: &'r Reservation<'static>,
        channel: Channel<'c>,
        answered: &'r AtomicBool,
    ) -> Self {
        Self {
            reservation,
            request,
            settings,
            group,
            process: group.table.process(reservation.place),
            channel,
            sink: EmbeddedSink::new(request, settings.enable_sendfile, answered),
            body: EmbeddedBody::new(request, answered),
            heard: false,
            reply: Reply::default(),
            log: LogAllowance::new(),
            response: Response::None,
            unflushed: 0,
            wanted: None,
        }
    }

    /// Talks with the daemon until the request is over.
    ///
    /// # Errors
    /// The daemon has failed, and the client has seen nothing yet.
    pub(crate) fn run(mut self) -> Result<End, Fault> {
        let stop = loop {
            match self.step() {
                Ok(None) => {}
                Ok(Some(end)) => return Ok(end),
                Err(stop) => break stop,
            }
        };
        match stop {
            Stop::Sink(SinkError::Answered) => {
                self.hear_out();
                Ok(End::Broken(EmbeddedSink::ANSWERED))
            }
            Stop::Sink(SinkError::ClientGone(_)) => {
                self.hear_out();
                if let Some(error) = self.sink.filter_failure() {
                    return self.fail(Fault::Filter(error));
                }
                self.request.give_response_up();
                Ok(End::Broken(Status::OK))
            }
            Stop::Channel(ChannelError::Reset) if !self.heard => Ok(End::Unread),
            Stop::Channel(ChannelError::Closed) if self.was_not_begun() => Ok(End::NotBegun),
            Stop::Channel(error) => {
                let (group, process) = (self.group.config.name.to_string(), self.process);
                if error != ChannelError::TimedOut {
                    return self.fail(Fault::Daemon { group, process, error });
                }
                self.reservation.abandon();
                let limit = self.group.patience(self.request);
                self.fail(Fault::Silent { group, process, limit })
            }
            Stop::Fault(fault) => self.fail(fault),
        }
    }

    /// The response goes no further: the daemon hears so at its next word. What it has said for the log before is not lost.
    fn hear_out(&mut self) {
        if self.channel.refuse_more().is_err() {
            return;
        }
        loop {
            match self.channel.next() {
                Ok(Some((Kind::Log, range))) => {
                    if self.log(range).is_err() {
                        return;
                    }
                }
                Err(_) => return,
                Ok(Some(_)) => {}
                Ok(None) if self.channel.receive_now() == Ok(true) => {}
                Ok(None) => return,
            }
        }
    }

    /// Whether the daemon has neither begun the request nor said anything about it.
    fn was_not_begun(&self) -> bool {
        !self.heard && self.channel.is_drained() && !self.reservation.was_begun()
    }

    /// The daemon has failed: an error page if the client has seen nothing yet, else the response is cut.
    fn fail(mut self, fault: Fault) -> Result<End, Fault> {
        if self.sink.was_answered() {
            return Ok(End::Broken(EmbeddedSink::ANSWERED));
        }
        if self.sink.can_be_taken_back() {
            self.sink.take_back();
            if matches!(fault, Fault::Daemon { error: ChannelError::Frame(_), .. }) {
                self.request.close_connection_afterwards();
            }
            return Err(fault);
        }
        fault.answer(self.request);
        self.cut();
        Ok(End::Broken(Status::OK))
    }

    /// Ends a response that is not complete so that the client can tell. Nothing follows one that is.
    fn cut(&mut self) {
        if self.reply.is_complete() {
            self.request.close_connection_afterwards();
        } else {
            self.sink.cut();
        }
    }

    /// Looks at one frame, or waits for more to look at.
    fn step(&mut self) -> Result<Option<End>, Stop> {
        if let Some((kind, range)) = self.channel.next()? {
            self.heard = true;
            return self.take(kind, range);
        }
        if let Some(want) = self.wanted {
            self.give_body(want)?;
            return Ok(None);
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

    fn take(&mut self, kind: Kind, range: Range<usize>) -> Result<Option<End>, Stop> {
        match kind {
            Kind::Head => self.take_head(range)?,
            Kind::Data | Kind::Part => self.pass(kind, range)?,
            Kind::File => self.pass_file(range)?,
            Kind::Want => self.take_want(range)?,
            Kind::Log => self.log(range)?,
            Kind::End => return self.end().map(Some),
            Kind::Abort => return self.abort(range).map(Some),
            Kind::Changed if self.reply.is_untouched() => return Ok(Some(End::Changed)),
            Kind::Changed | Kind::Request | Kind::Body | Kind::LastBody | Kind::BodyFailed => {
                return Err(FrameError::Unexpected(kind).into());
            }
        }
        Ok(None)
    }

    /// Writes an entry of the application, unless the request has said too much already.
    fn log(&mut self, range: Range<usize>) -> Result<(), Stop> {
        let entry = read_entry(self.channel.payload(range)).ok_or(FrameError::Payload(Kind::Log))?;
        let bytes = entry.text.len() + entry.details.iter().map(String::len).sum::<usize>();
        match self.log.admit(1 + entry.details.len(), bytes) {
            Verdict::Write => entry.write(self.request),
            Verdict::LeaveOutAndTell => {
                let text = "WSGI1110: the request logs more than a daemon may; what is beyond is left out".to_owned();
                Entry::of_module(Level::Warning, text).write(self.request);
            }
            Verdict::LeaveOut => {}
        }
        Ok(())
    }

    fn take_head(&mut self, range: Range<usize>) -> Result<(), Stop> {
        let (head, length) = self.reply.head(self.channel.payload(range), self.request.is_head())?;
        let longest = self.group.config.header_buffer_size - 2;
        let too_long = |name| Stop::Fault(Fault::HeaderTooLong(name, longest));
        if head.status_line().len() > longest {
            return Err(too_long("status line".to_owned()));
        }
        if let Some((name, _)) = head.headers().find(|(name, value)| name.len() + value.len() + 2 > longest) {
            return Err(too_long(String::from_utf8_lossy(name).into_owned()));
        }
        self.response = match self.replacement(&head) {
            Some(replacement) => Response::Replaced(replacement),
            None => self.start(&head, length),
        };
        Ok(())
    }

    /// What takes the place of a response with this head, if anything.
    fn replacement(&mut self, head: &ResponseHead) -> Option<Replacement> {
        if head.status() == Status::HTTP_OK.code()
            && let Some(path) = values(head, "Location").last().filter(|location| location.starts_with(b"/"))
        {
            return Some(Replacement::Resource(path.to_vec()));
        }
        if !self.settings.error_override || !(400..600).contains(&head.status()) {
            return None;
        }
        for challenge in values(head, "WWW-Authenticate") {
            self.sink.challenge(challenge);
        }
        Some(Replacement::Page(Status::of(head.status())))
    }

    fn start(&mut self, head: &ResponseHead, length: Option<u64>) -> Response<'r> {
        self.sink.start(head, length.filter(|_| head.status() != NO_CONTENT));
        let config = &self.group.config;
        let limit = config.response_socket_timeout.or(config.socket_timeout);
        let _limit = limit.and_then(|limit| SocketTimeout::set(self.request, limit));
        if head.has_no_body() { Response::WithoutBody { _limit } } else { Response::Passed { _limit } }
    }

    fn pass(&mut self, kind: Kind, range: Range<usize>) -> Result<(), Stop> {
        match self.response {
            Response::None => return Err(FrameError::Unexpected(kind).into()),
            Response::Replaced(_) => return Ok(()),
            Response::Passed { .. } => self.reply.body(kind, range.len() as u64)?,
            Response::WithoutBody { .. } => return Ok(self.reply.body(kind, range.len() as u64)?),
        }
        let is_last = self.channel.peek() == Some(Kind::End);
        let data = self.channel.payload(range);
        if is_last {
            // Together with the end of the response, in one write.
            self.sink.keep(data);
            return Ok(());
        }
        if kind == Kind::Part {
            return Ok(self.sink.forward(data)?);
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
        let FilePart { offset, length, complete } = fields.next().ok_or(broken)?;
        let descriptor = self.channel.take_descriptor().ok_or(broken)?;
        if !holds(&descriptor, offset, length) {
            return Err(broken.into());
        }
        match self.response {
            Response::None => return Err(FrameError::Unexpected(Kind::File).into()),
            Response::Replaced(_) => return Ok(()),
            Response::Passed { .. } => self.reply.body(Kind::File, length)?,
            Response::WithoutBody { .. } => return Ok(self.reply.body(Kind::File, length)?),
        }
        if complete {
            self.reply.complete()?;
        }
        self.unflushed = 0;
        Ok(self.sink.send_file(FileRange { descriptor, offset, length }, complete)?)
    }

    /// The application reads the request body.
    fn take_want(&mut self, range: Range<usize>) -> Result<(), Stop> {
        let want = Fields(self.channel.payload(range)).next::<u32>().ok_or(FrameError::Payload(Kind::Want))?;
        if want == 0 {
            // No answer. A failure shows at the next read.
            let _ = self.body.read_now(0, &mut Vec::new());
        } else if self.wanted.replace((want as usize).min(PIECE)).is_some() {
            return Err(FrameError::Unexpected(Kind::Want).into());
        }
        Ok(())
    }

    /// Gives the daemon what has arrived of the request body, or waits for the client and for the daemon, whoever moves
    /// first: other threads of the application may answer meanwhile.
    fn give_body(&mut self, want: usize) -> Result<(), Stop> {
        if self.unflushed > 0 {
            // The client may wait for it before it sends more.
            if self.channel.receive_now()? {
                return Ok(());
            }
            self.flush()?;
        }
        let mut piece = Vec::new();
        match self.body.read_now(want, &mut piece) {
            Ok(Arrived::Nothing(_)) => {
                self.body.wait_or(self.channel.descriptor());
                self.channel.receive_now()?;
            }
            Ok(arrived) => {
                self.wanted = None;
                let kind = if matches!(arrived, Arrived::All) { Kind::LastBody } else { Kind::Body };
                self.channel.out().extend_from_slice(&frame::header(kind, piece.len()));
                self.answer(&piece)?;
            }
            Err(error) => {
                self.wanted = None;
                frame::push(self.channel.out(), Kind::BodyFailed, error.0.as_bytes());
                self.answer(&[])?;
            }
        }
        Ok(())
    }

    /// Sends what the daemon wanted. One that waits no longer has closed the connection, and may have answered before.
    fn answer(&mut self, data: &[u8]) -> Result<(), Stop> {
        match self.channel.send_with(data) {
            Err(ChannelError::Closed | ChannelError::Reset) => Ok(()),
            sent => Ok(sent?),
        }
    }

    fn end(&mut self) -> Result<End, Stop> {
        if self.sink.was_answered() {
            return Ok(self.over(EmbeddedSink::ANSWERED));
        }
        if let Response::Replaced(_) = self.response {
            return self.end_replaced();
        }
        self.reply.end()?;
        self.sink.end()?;
        if self.body.is_unread() {
            self.sink.push_out();
        }
        self.reply.close();
        self.check_drained()?;
        Ok(self.over(Status::OK))
    }

    /// The request is over. A daemon that does not wait for the piece of the body that it wanted closes the connection.
    fn over(&self, status: Status) -> End {
        if self.wanted.is_some() { End::Broken(status) } else { End::Served(status) }
    }

    /// Something else takes the place of the response, now that this is over.
    fn end_replaced(&mut self) -> Result<End, Stop> {
        self.check_drained()?;
        match core::mem::replace(&mut self.response, Response::None) {
            Response::Replaced(replacement) => Ok(replacement.into()),
            _ => Err(FrameError::Unexpected(Kind::End).into()),
        }
    }

    /// A request is over with the frame that ends it: what follows would be taken for the response to the next one.
    fn check_drained(&self) -> Result<(), FrameError> {
        if self.channel.is_drained() { Ok(()) } else { Err(FrameError::BehindTheEnd) }
    }

    /// The response will not be complete.
    fn abort(&mut self, range: Range<usize>) -> Result<End, Stop> {
        let broken = FrameError::Payload(Kind::Abort);
        let mut fields = Fields(self.channel.payload(range));
        let code: u16 = fields.next().ok_or(broken)?;
        let short: Option<Short> = fields.next();
        if code != 0 && !(400..600).contains(&code) {
            return Err(broken.into());
        }
        self.check_drained()?;
        if self.sink.was_answered() {
            return Ok(self.over(EmbeddedSink::ANSWERED));
        }
        if code != 0 && self.sink.can_be_taken_back() {
            self.sink.take_back();
            let status = if self.body.timed_out() { Status::REQUEST_TIMEOUT } else { Status::of(code) };
            return Ok(self.over(self.sink.refusal().unwrap_or(status)));
        }
        if let Response::Replaced(_) = self.response {
            return self.end_replaced();
        }
        if let Some(Short { announced, given }) = short {
            if !self.reply.is_complete() && self.sink.end_short()? {
                self.reply.close();
                return Ok(End::Served(Status::OK));
            }
            Fault::Short { announced, given }.answer(self.request);
        }
        self.cut();
        Ok(self.over(Status::OK))
    }
}
