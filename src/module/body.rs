//! The request body for `wsgi.input`, over httpd's input filters.

use crate::apache::body::{BodyError as HostError, Input};
use crate::apache::refusal;
use crate::apache::request::Request;
use crate::observe::threads::Phase;
use crate::observe::watch;
use crate::wsgi::gateway::{BodyError, RequestBody};
use core::sync::atomic::{AtomicBool, Ordering};

/// The body of an embedded request.
pub(crate) struct EmbeddedBody<'r> {
    request: Request<'r>,
    input: Input<'r>,
    /// Set when httpd has answered the client itself: no output of the application may follow.
    answered: &'r AtomicBool,
    timed_out: bool,
    /// Nothing is to be read: this is the page for another request, which has failed.
    empty: bool,
}

impl<'r> EmbeddedBody<'r> {
    pub(crate) fn new(request: Request<'r>, answered: &'r AtomicBool) -> Self {
        Self { request, input: Input::new(request), answered, timed_out: false, empty: request.is_error_document() }
    }

    /// Whether the client was too slow with its body.
    pub(crate) fn timed_out(&self) -> bool {
        self.timed_out
    }
}

impl RequestBody for EmbeddedBody<'_> {
    fn read(&mut self, want: usize, into: &mut Vec<u8>) -> Result<bool, BodyError> {
        if self.empty {
            return Ok(true);
        }
        if want == 0 {
            self.input.invite();
            return Ok(false);
        }
        let _phase = watch::in_phase(Phase::Reading);
        self.input.read(want, into).map_err(|error| match error {
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
        })
    }
}
