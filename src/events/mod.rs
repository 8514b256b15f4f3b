#![forbid(unsafe_code)]
//! What is told of requests and of the process: events for functions that the application has subscribed, the requests that
//! run for those who ask, and metrics for those who record. It is the observer of `wsgi`, which knows none of this.

mod request;
pub(crate) mod running;
mod sample;
pub(crate) mod slow_record;
pub(crate) mod subscribers;
#[cfg(test)]
mod tests;

use crate::wsgi::Wsgi;
use crate::wsgi::gateway::ProcessFacts;
use pyo3::prelude::*;
use running::ActiveRequests;
use std::sync::Arc;
use subscribers::Events;

/// What one interpreter serves with, and who is told of it.
pub(crate) struct Serving {
    pub(crate) wsgi: Wsgi,
    pub(crate) events: Events,
    pub(crate) active_requests: Arc<ActiveRequests>,
}

impl Serving {
    /// Makes all of it in the interpreter attached to.
    ///
    /// # Errors
    /// What CPython raises.
    pub(crate) fn new(py: Python<'_>, process: ProcessFacts) -> PyResult<Self> {
        let (events, active_requests) = (Events::new(py), Arc::default());
        Ok(Self { wsgi: Wsgi::new(py, process)?, events, active_requests })
    }
}
