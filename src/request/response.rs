//! The response of an application, over httpd's output filters.

use crate::apache::brigade::{FilePart, Output, PassError, Tail};
use crate::apache::client_socket::Direction;
use crate::apache::refusal;
use crate::apache::request::Request;
use crate::apache::status::{AprError, Status};
use crate::observe::threads::Phase;
use crate::observe::watch;
use crate::request::client::Patience;
use crate::request::log_entry::Entry;
use crate::unix::fork;
use crate::wsgi::gateway::{FileRange, ResponseSink, SinkError, Written};
use crate::wsgi::response::ResponseHead;
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::time::Instant;

/// So much is sent at once where a thread must not wait for the client: a socket that takes anything takes as much.
const PIECE: usize = 8 << 10;

/// For so long an application may go on behind the head of a response to HEAD.
const HEAD_ALONE_TIME: Duration = Duration::from_secs(5);

const CHALLENGE: &CStr = c"WWW-Authenticate";

/// The response of an embedded request.
pub(crate) struct EmbeddedSink<'r> {
    request: &'r Request<'r>,
    output: Output<'r>,
    /// The last bytes of the response, waiting for its end so that both go out in one write.
    kept: Vec<u8>,
    has_length: bool,
    /// Whether httpd's filters have seen the response.
    passed: bool,
    /// Whether the application has given any byte of the body.
    has_body: bool,
    /// Whether the end of the response has been passed as well.
    ended: bool,
    sendfile: bool,
    /// Whether other threads use what this belongs to. It is theirs while a client takes its time.
    shared: bool,
    patience: Patience<'r>,
    answered: &'r AtomicBool,
    /// What a filter that changes content returned: it has failed.
    filter_failure: Option<AprError>,
    /// The status that the request had before the response began.
    status_before: i32,
    /// How many challenges (WWW-Authenticate) this response has added to those of others.
    challenges: usize,
    /// When the application first gave more than the head of a response to HEAD.
    head_alone_since: Option<Instant>,
}

impl<'r> EmbeddedSink<'r> {
    pub(crate) fn new(request: &'r Request<'r>, sendfile: bool, answered: &'r AtomicBool) -> Self {
        let output = Output::new(request);
        Self {
            request,
            output,
            kept: Vec::new(),
            has_length: false,
            passed: false,
            has_body: false,
            ended: false,
            sendfile,
            shared: false,
            patience: Patience::new(request, Direction::Send),
            answered,
            filter_failure: None,
            status_before: request.status(),
            challenges: 0,
            head_alone_since: None,
        }
    }

    /// The status with which httpd has refused the body of the request, if it has.
    pub(crate) fn refusal(&self) -> Option<Status> {
        refusal::status_of(self.request).map(Status)
    }

    /// Adds a challenge, which an error page keeps: a 401 usually is one.
    pub(crate) fn challenge(&mut self, value: &[u8]) {
        self.challenges += 1;
        self.request.err_headers_out().add(self.request.pool(), CHALLENGE.to_bytes(), value);
    }

    /// Takes back what the application has said, so that an error page can take its place. What other modules have put
    /// into the response is for that page too: cookies, and the challenges of the request that an error document is for.
    pub(crate) fn take_back(&mut self) {
        self.request.reset_response(self.status_before);
        let own = core::mem::take(&mut self.challenges);
        if own == 0 {
            return;
        }
        let headers = self.request.err_headers_out();
        let all: Vec<&[u8]> = headers.values(CHALLENGE).collect();
        headers.remove(CHALLENGE);
        for value in &all[..all.len().saturating_sub(own)] {
            headers.add(self.request.pool(), CHALLENGE.to_bytes(), value);
        }
    }

    /// Other threads use what this belongs to, too.
    pub(crate) fn share(&mut self) {
        self.shared = true;
    }

    /// Sends the first part of `data`, unless the client has no room for it.
    fn write_some(&mut self, data: &[u8]) -> Result<Written, SinkError> {
        if !self.patience.is_over() {
            let wait = self.patience.wait(false);
            return wait.map(|client| Written::Some(0, client)).map_err(unsent);
        }
        self.patience.note_success();
        let (first, rest) = data.split_at(data.len().min(PIECE));
        self.send(first, Tail::Flush)?;
        if rest.is_empty() {
            return Ok(Written::All);
        }
        let wait = self.patience.wait(false);
        wait.map(|client| Written::Some(first.len(), client)).map_err(unsent)
    }

    /// Whether an error page can take the place of the response. The application has failed before it has given anything to
    /// httpd's filters; or a filter has, and nothing has left those that change content.
    pub(crate) fn can_be_taken_back(&self) -> bool {
        let is_here = !self.passed || (self.filter_failure.is_some() && !self.output.has_begun());
        is_here && !self.was_answered()
    }

    /// What a filter that changes content returned, if one has failed.
    pub(crate) fn filter_failure(&self) -> Option<AprError> {
        self.filter_failure
    }

    /// Whether httpd has answered in the application's place.
    pub(crate) fn was_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// The connection is not a copy's.
    fn check_ours() -> Result<(), SinkError> {
        let gone = || SinkError::ClientGone("a process that the application has forked sends no response".into());
        if fork::is_copy() { Err(gone()) } else { Ok(()) }
    }

    fn send(&mut self, data: &[u8], tail: Tail) -> Result<(), SinkError> {
        Self::check_ours()?;
        if !self.goes_on()? {
            return Ok(());
        }
        self.passed = true;
        self.has_body |= !data.is_empty();
        if tail != Tail::End && self.request.is_head() && self.output.has_begun() {
            return self.leave_out();
        }
        let _phase = watch::in_phase(Phase::Writing);
        let passed = self.output.send(data, tail);
        self.outcome(passed)
    }

    /// What follows the head of a response to HEAD goes nowhere: the client has all that it asked for, and may be gone. Over
    /// HTTP/2 its stream is over, so that nothing else would tell an application whose response never ends.
    fn leave_out(&mut self) -> Result<(), SinkError> {
        let since = *self.head_alone_since.get_or_insert_with(Instant::now);
        if self.request.protocol().starts_with(b"HTTP/2") && since.elapsed() > HEAD_ALONE_TIME {
            return Err(SinkError::ClientGone("the client asked for the head alone, and has it".to_owned()));
        }
        Ok(())
    }

    /// Whether the filters are to get more: not where one of them has ended the response in the application's place.
    fn goes_on(&self) -> Result<bool, SinkError> {
        if self.was_answered() {
            return Err(SinkError::Answered);
        }
        match self.filter_failure {
            Some(error) => Err(unsent(error)),
            None => Ok(!self.output.is_replaced()),
        }
    }

    fn outcome(&mut self, passed: Result<(), PassError>) -> Result<(), SinkError> {
        match passed {
            Ok(()) => Ok(()),
            Err(PassError::Answered) => {
                self.answered.store(true, Ordering::Relaxed);
                Err(SinkError::Answered)
            }
            // A client that asked for the head alone leaves when it has that.
            Err(PassError::ClientGone(_)) if self.request.is_head() && self.output.has_begun() => Ok(()),
            Err(PassError::ClientGone(error)) => Err(unsent(error)),
            Err(PassError::Filter(error)) => {
                self.filter_failure = Some(error);
                Err(unsent(error))
            }
        }
    }

    /// Takes bytes that httpd may hold back until [`Self::flush`], or until there are more.
    ///
    /// # Errors
    /// The client is gone, or httpd has answered.
    pub(crate) fn forward(&mut self, data: &[u8]) -> Result<(), SinkError> {
        self.send(data, Tail::More)
    }

    /// Sends on what httpd holds back.
    ///
    /// # Errors
    /// The client is gone, or httpd has answered.
    pub(crate) fn flush(&mut self) -> Result<(), SinkError> {
        self.send(&[], Tail::Flush)
    }

    /// Ends a response that is complete. Called detached: it may block.
    ///
    /// # Errors
    /// The client is gone, or httpd has answered.
    pub(crate) fn end(&mut self) -> Result<(), SinkError> {
        if self.ended {
            return Ok(());
        }
        if !refusal::take_rest(self.request, Duration::ZERO) {
            // The client is not to wait for its own body; only the end does, for a moment.
            let kept = core::mem::take(&mut self.kept);
            self.send(&kept, Tail::Flush)?;
            refusal::take_rest(self.request, refusal::REST_TIME);
        }
        let kept = core::mem::take(&mut self.kept);
        let has_body = self.has_body || !kept.is_empty();
        if has_body && self.wants_part() {
            // Where a filter makes the body, its answer to the first brigade has an end, and is httpd's to cut.
            self.send(&kept, Tail::More)?;
            self.output.leave_ranges_alone();
            return self.send(&[], Tail::End);
        }
        if self.has_length || kept.is_empty() {
            return self.send(&kept, Tail::End);
        }
        // Together with the end httpd would announce a length that the application did not.
        self.send(&kept, Tail::More)?;
        self.send(&[], Tail::End)
    }

    /// Whether the client asks for a part of the resource.
    fn wants_part(&self) -> bool {
        self.request.headers_in().get(c"Range").is_some()
    }

    /// Ends a response that lacks bytes which it announced; `false` if it has to be cut. It has not where a filter has made
    /// the body in the application's place. Called detached: it may block.
    ///
    /// # Errors
    /// The client is gone, or httpd has answered.
    pub(crate) fn end_short(&mut self) -> Result<bool, SinkError> {
        let kept = core::mem::take(&mut self.kept);
        if self.has_body || !kept.is_empty() {
            self.send(&kept, Tail::Flush)?;
            return Ok(self.output.is_replaced());
        }
        self.output.hold_empty_end();
        self.ended = true;
        self.send(&[], Tail::End)?;
        Ok(!self.output.has_held_end())
    }

    /// The response has ended, and part of the request body is still to come: the client does not wait for that.
    pub(crate) fn push_out(&mut self) {
        if !self.was_answered() && !self.request.is_sub_request() {
            self.output.flush_connection();
        }
    }

    /// Ends a response that is not complete so that the client can tell.
    pub(crate) fn cut(&mut self) {
        let kept = core::mem::take(&mut self.kept);
        if !self.ended {
            // The head must be on its way, and what filters hold back.
            let _ = self.send(&kept, Tail::Flush);
        }
        if !self.was_answered() && !self.output.is_replaced() {
            watch::note_cut();
            self.output.cut();
        }
    }

    /// What the handler returns when the response is httpd's.
    pub(crate) const ANSWERED: Status = Status::ANSWERED_BY_FILTER;
}

impl ResponseSink for EmbeddedSink<'_> {
    fn start(&mut self, head: &ResponseHead, length: Option<u64>) {
        let (request, pool) = (self.request, self.request.pool());
        request.set_status(head.status(), head.status_line());
        for (name, value) in head.end_to_end_headers() {
            if name.eq_ignore_ascii_case(b"content-type") {
                if !value.is_empty() {
                    request.set_content_type(value);
                }
            } else if name.eq_ignore_ascii_case(b"www-authenticate") {
                self.challenge(value);
            } else if !name.eq_ignore_ascii_case(b"content-length") {
                request.headers_out().add(pool, name, value);
            }
        }
        if let Some(length) = length.and_then(|length| i64::try_from(length).ok()) {
            request.set_content_length(length);
            self.has_length = true;
        }
        if let Some(entry) = Entry::left_out(head) {
            entry.write(request);
        }
    }

    fn write(&mut self, data: &[u8]) -> Result<Written, SinkError> {
        Self::check_ours()?;
        let kept = core::mem::take(&mut self.kept);
        if !kept.is_empty() {
            self.send(&kept, Tail::More)?;
        }
        if self.shared {
            return self.write_some(data);
        }
        self.send(data, Tail::Flush)?;
        Ok(Written::All)
    }

    fn pass_on(&mut self, data: &[u8]) -> Result<Written, SinkError> {
        if self.shared {
            return self.write(data);
        }
        self.forward(data)?;
        Ok(Written::All)
    }

    fn keep(&mut self, data: &[u8]) {
        self.kept.extend_from_slice(data);
    }

    fn send_file(&mut self, file: FileRange, complete: bool) -> Result<(), SinkError> {
        Self::check_ours()?;
        if !self.goes_on()? {
            return Ok(());
        }
        self.passed = true;
        self.has_body = true;
        self.ended = complete;
        let refuses = || self.request.headers_out().get(c"Accept-Ranges").is_some_and(|units| units == b"none");
        if self.wants_part() && refuses() {
            self.output.leave_ranges_alone();
        }
        let tail = if complete { Tail::End } else { Tail::Flush };
        let FileRange { descriptor, offset, length } = file;
        let _phase = watch::in_phase(Phase::Writing);
        let part = FilePart { descriptor, offset, length, sendfile: self.sendfile };
        let passed = self.output.send_file(part, tail);
        self.outcome(passed)
    }
}

fn unsent(error: AprError) -> SinkError {
    SinkError::ClientGone(format!("the response cannot be sent: {error}"))
}
