//! The request body for `wsgi.input`, over httpd's input filters.

use crate::apache::body::{BodyError as HostError, Input, Taken};
use crate::apache::client_socket::Direction;
use crate::apache::refusal;
use crate::apache::request::Request;
use crate::python::other_thread::this_thread;
use crate::request::client::Patience;
use crate::unix::fork;
use crate::wsgi::gateway::{Arrived, ArrivingBody, BodyError};
use core::sync::atomic::{AtomicBool, Ordering};
use std::os::fd::RawFd;

/// The body of an embedded request.
pub(crate) struct EmbeddedBody<'r> {
    request: &'r Request<'r>,
    input: Input<'r>,
    /// Set when httpd has answered the client itself: no output of the application may follow.
    answered: &'r AtomicBool,
    timed_out: bool,
    ended: bool,
    /// Nothing is to be read: this is the page for another request, which has failed.
    empty: bool,
    /// The thread that has the request, and takes it back from others.
    thread: u64,
    patience: Patience<'r>,
}

impl<'r> EmbeddedBody<'r> {
    pub(crate) fn new(request: &'r Request<'r>, answered: &'r AtomicBool) -> Self {
        Self {
            request,
            input: Input::new(request),
            answered,
            timed_out: false,
            ended: false,
            empty: request.is_error_document(),
            thread: this_thread(),
            patience: Patience::new(request, Direction::Receive),
        }
    }

    /// Whether the client was too slow with its body.
    pub(crate) fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// Whether there may be more of the body than was read.
    pub(crate) fn is_unread(&self) -> bool {
        !self.ended && self.request.has_body()
    }

    /// After a read for which nothing had arrived: waits for more, or until there is something to read from `other`.
    pub(crate) fn wait_or(&self, other: RawFd) {
        self.patience.wait_or(other);
    }

    /// Has a thread that waits for the client ask once more.
    pub(crate) fn end_wait(&self) {
        self.patience.end();
    }

    fn failure(&mut self, error: HostError) -> BodyError {
        match error {
            HostError::Answered => {
                // Where httpd was held back the application may still answer.
                if refusal::status_of(self.request).is_none() {
                    self.answered.store(true, Ordering::Relaxed);
                }
                BodyError("the request body was refused by the server".into())
            }
            HostError::Connection(error) => {
                self.timed_out |= error.is_timeout();
                BodyError(format!("the request body cannot be read: {error}"))
            }
        }
    }

    /// Nothing has arrived: how to wait, unless the client has had its time.
    fn wait(&mut self) -> Result<Arrived, BodyError> {
        // The thread that has the request takes it back from others, not from itself.
        let is_other = this_thread() != self.thread;
        self.patience.wait(is_other).map(Arrived::Nothing).map_err(|error| {
            self.request.close_connection_afterwards();
            self.failure(HostError::Connection(error))
        })
    }
}

/// The connection is not a copy's.
fn check_ours() -> Result<(), BodyError> {
    let refused = || BodyError("a process that the application has forked has no request body".into());
    if fork::is_copy() { Err(refused()) } else { Ok(()) }
}

impl ArrivingBody for EmbeddedBody<'_> {
    fn read_now(&mut self, want: usize, into: &mut Vec<u8>) -> Result<Arrived, BodyError> {
        if self.empty {
            return Ok(Arrived::All);
        }
        check_ours()?;
        if want == 0 {
            self.input.invite();
            return Ok(Arrived::Some);
        }
        match self.input.read_now(want, into).map_err(|error| self.failure(error))? {
            Taken::Nothing => return self.wait(),
            Taken::All => self.ended = true,
            Taken::Some => {}
        }
        self.patience.note_success();
        Ok(if self.ended { Arrived::All } else { Arrived::Some })
    }
}
