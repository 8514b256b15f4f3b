//! A request of a daemon, as `wsgi/` sees it: the traits of `wsgi/gateway` over a conversation with a child of httpd.

use crate::apache::log::Level;
use crate::daemon::log_frame::write_entry;
use crate::daemon::process::activity::Activity;
use crate::daemon::process::child_wait::ChildWait;
use crate::metrics::clock::{Moment, TimeOfDay};
use crate::python::other_thread::this_thread;
use crate::request::log_entry::{Entry, EntryLog, EntryWriter};
use crate::unix::socket::TimeLimits;
use crate::wire::channel::{Channel, ChannelError};
use crate::wire::fields::Field;
use crate::wire::frame::{self, Kind, PIECE};
use crate::wire::request_head::{RequestHead, Variables};
use crate::wire::response::{BodyLength, FilePart, HeadStart, Header, Short};
use crate::wsgi::environ::Variable;
use crate::wsgi::gateway::{
    Arrived, ArrivingBody, BodyError, ErrorLog, Exchange, FileRange, QueueTimes, RequestFacts, ResponseSink, SinkError,
    Written,
};
use crate::wsgi::response::ResponseHead;
use core::ops::Range;
use parking_lot::Mutex;
use std::os::fd::RawFd;

/// What an environ is made of.
pub(crate) struct DaemonFacts<'a> {
    pub(crate) head: RequestHead<'a>,
    pub(crate) variables: Variables<'a>,
    /// When this process had the request.
    pub(crate) daemon_start: TimeOfDay,
    pub(crate) daemon_moment: Moment,
}

impl RequestFacts for DaemonFacts<'_> {
    fn variables(&self, visit: &mut dyn FnMut(Variable<'_>, &[u8])) {
        self.variables.visit(visit);
    }

    fn request_start(&self) -> i64 {
        self.head.request_start
    }

    fn request_id(&self) -> Option<&[u8]> {
        self.variables.request_id()
    }

    fn queue_times(&self) -> Option<QueueTimes> {
        Some(QueueTimes {
            queue_start: self.head.queue_start,
            daemon_start: self.daemon_start.0,
            server: self.head.server_time,
            queue: self.daemon_moment.since(self.head.queue_moment),
            daemon_moment: self.daemon_moment,
            connects: self.head.tries.connects,
            restarts: self.head.tries.restarts,
        })
    }
}

/// The conversation about one request: body, response and log share it, one at a time. Nobody waits for the child's next
/// word while it has the conversation.
pub(crate) struct Conversation<'c> {
    channel: Mutex<Channel<'c>>,
    activity: Activity,
    /// How long the child may take for each word.
    limits: TimeLimits,
    /// What `LogLevel` lets through for the request, in syslog's order.
    log_level: u8,
}

impl<'c> Conversation<'c> {
    pub(crate) fn new(channel: Channel<'c>, activity: Activity, limits: TimeLimits, log_level: u8) -> Self {
        Self { channel: Mutex::new(channel), activity, limits, log_level }
    }

    fn descriptor(&self) -> RawFd {
        self.channel.lock().descriptor()
    }

    /// Whether the connection is good for another request.
    ///
    /// # Errors
    /// See [`Channel::check`].
    pub(crate) fn check(&self) -> Result<(), ChannelError> {
        self.channel.lock().check()
    }

    /// Says in the log that the child has not moved in time. Others it will say itself, or is not there to.
    fn report_timeout(channel: &Channel<'_>, error: ChannelError, what: &str) {
        if error == ChannelError::TimedOut {
            let child = channel.other_side().unwrap_or_default();
            let text = format!("WSGI1050: httpd's child {child} {what} (socket-timeout)");
            crate::daemon::process::start::log_of_daemon(Level::Warning, &text);
        }
    }

    /// Appends an entry for the log to what is to be sent.
    fn put_entry(channel: &mut Channel<'_>, entry: &Entry) {
        let out = channel.out();
        let start = frame::open(out, Kind::Log);
        write_entry(entry, out);
        frame::close(out, start);
    }
}

impl EntryWriter for &Conversation<'_> {
    fn passes(&self, level: Level) -> bool {
        level.passes(self.log_level.into())
    }

    /// The child writes them; without a child it is this process that does.
    fn write(&self, entries: &[Entry]) {
        let mut channel = self.channel.lock();
        entries.iter().for_each(|entry| Conversation::put_entry(&mut channel, entry));
        if channel.send().is_err() {
            entries.iter().for_each(crate::daemon::process::start::log_without_request);
        }
    }
}

/// All that a daemon does for one request.
pub(crate) struct DaemonExchange<'a, 's, 'c> {
    facts: &'a DaemonFacts<'a>,
    /// The thread that has the request, and takes it back from others.
    thread: u64,
    body: DaemonBody<'a, 'c>,
    sink: &'a mut DaemonSink<'s, 'c>,
    log: EntryLog<&'a Conversation<'c>>,
}

impl<'a, 's, 'c> DaemonExchange<'a, 's, 'c> {
    pub(crate) fn new(
        facts: &'a DaemonFacts<'a>,
        conversation: &'a Conversation<'c>,
        sink: &'a mut DaemonSink<'s, 'c>,
    ) -> Self {
        let thread = this_thread();
        Self { facts, thread, body: DaemonBody::new(conversation), sink, log: EntryLog(conversation) }
    }

    /// Remembers that other threads than that of the request use it.
    fn note_thread(&mut self) {
        if this_thread() != self.thread {
            (self.body.shared, self.sink.shared) = (true, true);
        }
    }
}

impl Exchange for DaemonExchange<'_, '_, '_> {
    fn facts(&self) -> &dyn RequestFacts {
        self.facts
    }

    fn body(&mut self) -> &mut dyn ArrivingBody {
        self.note_thread();
        &mut self.body
    }

    fn sink(&mut self) -> &mut dyn ResponseSink {
        self.note_thread();
        self.sink
    }

    fn log(&mut self) -> &mut dyn ErrorLog {
        self.note_thread();
        &mut self.log
    }

    fn taken_back(&mut self) {
        self.body.end_wait();
    }
}

/// The request body.
pub(crate) struct DaemonBody<'a, 'c> {
    conversation: &'a Conversation<'c>,
    /// The wait for the piece that was asked for.
    wait: ChildWait,
    /// Whether other threads than that of the request use the exchange.
    shared: bool,
}

impl<'a, 'c> DaemonBody<'a, 'c> {
    fn new(conversation: &'a Conversation<'c>) -> Self {
        let wait = ChildWait::to_receive(conversation.descriptor(), conversation.limits.read);
        Self { conversation, wait, shared: false }
    }

    /// Has a thread that waits look again. The piece that it waits for may come when nobody takes it any more.
    fn end_wait(&mut self) {
        if self.wait.is_under_way() {
            self.conversation.channel.lock().note_out_of_step();
            self.wait.end();
        }
    }

    /// Asks for a piece of at most `want` bytes; for 0 there is no answer.
    fn ask(channel: &mut Channel<'_>, want: usize) -> Result<(), ChannelError> {
        let start = frame::open(channel.out(), Kind::Want);
        (want.min(PIECE) as u32).put(channel.out());
        frame::close(channel.out(), start);
        channel.send()
    }

    /// The answer, as far as it is there.
    fn answer(channel: &mut Channel<'_>) -> Result<Option<(Kind, Range<usize>)>, ChannelError> {
        loop {
            if let Some(answer) = channel.next()? {
                return Ok(Some(answer));
            }
            if !channel.receive_now()? {
                return Ok(None);
            }
        }
    }

    fn failure(channel: &Channel<'_>, error: ChannelError) -> BodyError {
        Conversation::report_timeout(channel, error, "did not send the next part of a request body in time");
        BodyError(format!("the request body cannot be read: {error}"))
    }
}

impl ArrivingBody for DaemonBody<'_, '_> {
    fn read_now(&mut self, want: usize, into: &mut Vec<u8>) -> Result<Arrived, BodyError> {
        self.conversation.activity.note();
        let mut channel = self.conversation.channel.lock();
        if want == 0 {
            return Self::ask(&mut channel, want).map(|()| Arrived::Some).map_err(|e| Self::failure(&channel, e));
        }
        let answer = if self.wait.is_under_way() {
            Self::answer(&mut channel)
        } else {
            // The answer takes the time that the child takes.
            self.wait.begin();
            Self::ask(&mut channel, want).map(|()| None)
        };
        let Some((kind, range)) = answer.map_err(|error| Self::failure(&channel, error))? else {
            return self.wait.next(self.shared).map(Arrived::Nothing).ok_or_else(|| {
                channel.note_out_of_step();
                Self::failure(&channel, ChannelError::TimedOut)
            });
        };
        self.wait.note_success();
        match kind {
            Kind::Body | Kind::LastBody => {
                into.extend_from_slice(channel.payload(range));
                Ok(if kind == Kind::LastBody { Arrived::All } else { Arrived::Some })
            }
            Kind::BodyFailed => Err(BodyError(String::from_utf8_lossy(channel.payload(range)).into_owned())),
            _ => Err(BodyError("the server sent something else than the request body".into())),
        }
    }
}

/// So much of a response is sent at once where others must not wait for it.
const SHARED_PIECE: usize = 16 << 10;

/// The response.
pub(crate) struct DaemonSink<'a, 'c> {
    conversation: &'a Conversation<'c>,
    /// Whether the child may have something of the response.
    sent: bool,
    /// Whether other threads than that of the request use the exchange.
    shared: bool,
    /// The wait for room in the connection, where it is shared.
    wait: ChildWait,
}

impl<'a, 'c> DaemonSink<'a, 'c> {
    pub(crate) fn new(conversation: &'a Conversation<'c>) -> Self {
        let wait = ChildWait::to_send(conversation.descriptor(), conversation.limits.write);
        Self { conversation, sent: false, shared: false, wait }
    }

    /// Sends a piece of `data` if the child has room for it. A connection that takes anything takes as much.
    fn write_some(&mut self, kind: Kind, data: &[u8]) -> Result<Written, SinkError> {
        let mut channel = self.conversation.channel.lock();
        if !self.wait.is_over() {
            return match self.wait.next(false) {
                Some(wait) => Ok(Written::Some(0, wait)),
                None => Err(gone(&channel, ChannelError::TimedOut)),
            };
        }
        self.wait.note_success();
        let (piece, rest) = data.split_at(data.len().min(SHARED_PIECE));
        channel.out().extend_from_slice(&frame::header(kind, piece.len()));
        channel.send_with(piece).map_err(|error| gone(&channel, error))?;
        if rest.is_empty() {
            return Ok(Written::All);
        }
        Ok(self.wait.next(false).map_or(Written::All, |wait| Written::Some(piece.len(), wait)))
    }

    /// Ends the response, which is complete. Called detached: it may block.
    ///
    /// # Errors
    /// The child is gone.
    pub(crate) fn end(&mut self) -> Result<(), ChannelError> {
        let mut channel = self.conversation.channel.lock();
        frame::push(channel.out(), Kind::End, &[]);
        channel.send()
    }

    /// Ends the response, which is not complete; `status` and `entry` are for the client that has seen nothing of it yet,
    /// and for the log. Without a status (0) the client gets what there is, and the cut.
    ///
    /// # Errors
    /// The child is gone.
    pub(crate) fn abort(&mut self, status: u16, entry: Option<&Entry>) -> Result<(), ChannelError> {
        let mut channel = self.conversation.channel.lock();
        if !self.sent && status != 0 {
            channel.out().clear();
        }
        if let Some(entry) = entry {
            Conversation::put_entry(&mut channel, entry);
        }
        frame::push(channel.out(), Kind::Abort, &status.to_le_bytes());
        channel.send()
    }

    /// Ends the response, which lacks bytes that it announced. The child knows whether they are missing: a filter of httpd
    /// may have made the body.
    ///
    /// # Errors
    /// The child is gone.
    pub(crate) fn end_short(&mut self, announced: u64, given: u64) -> Result<(), ChannelError> {
        let mut channel = self.conversation.channel.lock();
        let out = channel.out();
        let start = frame::open(out, Kind::Abort);
        0_u16.put(out);
        Short { announced, given }.put(out);
        frame::close(out, start);
        channel.send()
    }

    /// Sends a piece of the body in frames of a kind, as far as there is room where others must not wait.
    fn send(&mut self, kind: Kind, data: &[u8]) -> Result<Written, SinkError> {
        self.conversation.activity.note();
        self.sent = true;
        if self.shared && !data.is_empty() {
            return self.write_some(kind, data);
        }
        let mut channel = self.conversation.channel.lock();
        if data.is_empty() {
            frame::push(channel.out(), kind, &[]);
            channel.send().map_err(|error| gone(&channel, error))?;
            return Ok(Written::All);
        }
        for piece in data.chunks(PIECE) {
            channel.out().extend_from_slice(&frame::header(kind, piece.len()));
            channel.send_with(piece).map_err(|error| gone(&channel, error))?;
        }
        Ok(Written::All)
    }

    /// Sends the request away: a process with newer code is to serve it.
    ///
    /// # Errors
    /// The child is gone.
    pub(crate) fn send_away(&mut self) -> Result<(), ChannelError> {
        let mut channel = self.conversation.channel.lock();
        channel.out().clear();
        frame::push(channel.out(), Kind::Changed, &[]);
        channel.send()
    }
}

fn gone(channel: &Channel<'_>, error: ChannelError) -> SinkError {
    Conversation::report_timeout(channel, error, "did not take the next part of a response in time");
    SinkError::ClientGone(format!("the response cannot be sent: {error}"))
}

impl ResponseSink for DaemonSink<'_, '_> {
    fn start(&mut self, head: &ResponseHead, length: Option<u64>) {
        let mut channel = self.conversation.channel.lock();
        if let Some(entry) = Entry::left_out(head) {
            Conversation::put_entry(&mut channel, &entry);
        }
        let out = channel.out();
        let start = frame::open(out, Kind::Head);
        HeadStart { length: BodyLength(length), status_line: head.status_line() }.put(out);
        // The length stands before them.
        for (name, value) in head.end_to_end_headers().filter(|(name, _)| !name.eq_ignore_ascii_case(b"content-length"))
        {
            Header { name, value }.put(out);
        }
        frame::close(out, start);
    }

    fn write(&mut self, data: &[u8]) -> Result<Written, SinkError> {
        self.send(Kind::Data, data)
    }

    fn pass_on(&mut self, data: &[u8]) -> Result<Written, SinkError> {
        self.send(Kind::Part, data)
    }

    fn keep(&mut self, data: &[u8]) {
        let mut channel = self.conversation.channel.lock();
        for piece in data.chunks(PIECE) {
            frame::push(channel.out(), Kind::Data, piece);
        }
    }

    fn send_file(&mut self, file: FileRange, complete: bool) -> Result<(), SinkError> {
        self.conversation.activity.note();
        self.sent = true;
        let mut channel = self.conversation.channel.lock();
        let out = channel.out();
        let start = frame::open(out, Kind::File);
        FilePart { offset: file.offset, length: file.length, complete }.put(out);
        frame::close(out, start);
        channel.send_with_descriptor(&file.descriptor).map_err(|error| gone(&channel, error))
    }
}
