//! Who watches a request: all that this directory knows of events, of metrics, and of what Python code may ask about
//! requests. `events` implements it.

use super::environ::Start;
use super::errors::RequestErrors;
use super::gateway::ExchangeLease;
use crate::metrics::{CpuTime, RequestMeter, Transfer};
use crate::python::detached::{self, Detached};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::sync::Arc;
use std::time::Instant;

/// Watches the requests that one thread runs in one interpreter. Other threads of an application may call what belongs to a
/// request, so that each request has a number; what is told of one that is over is passed over.
pub(crate) trait Observer: Send + Sync {
    /// What measures the request, if anyone wants to know what it uses.
    fn meter(&self, py: Python<'_>, request: u64) -> Option<Arc<RequestMeter>>;

    /// The application is about to be called. Returns what is to be called in its place, if it is not `application`.
    ///
    /// # Errors
    /// `mod_wsgi.RequestTimeout`, which was meant for the request.
    fn started<'py>(
        &self,
        call: &Observed<'_>,
        environ: &Bound<'py, PyDict>,
        application: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>>;

    /// `start_response` is called. Status and headers have not been looked at: the list may be changed in place.
    ///
    /// # Errors
    /// `mod_wsgi.RequestTimeout`, which was meant for the request.
    fn response_started(
        &self,
        request: u64,
        errors: &RequestErrors,
        status: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyTuple>>,
    ) -> PyResult<()>;

    /// The application let an exception through, which has been logged.
    fn raised(&self, py: Python<'_>, call: &Observed<'_>, error: &PyErr);

    /// The application is done. `ending` is put together if anyone wants to know.
    fn finished(&self, py: Python<'_>, call: &Observed<'_>, meter: Option<&RequestMeter>, ending: &dyn Fn() -> Ending);
}

/// One request of an observer. It may outlive the request.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) request: u64,
}

/// A call of an application, as its observer sees it.
pub(crate) struct Observed<'a> {
    pub(crate) request: u64,
    pub(crate) errors: &'a RequestErrors,
    pub(crate) exchange: &'a ExchangeLease,
    pub(crate) application_start: Start,
}

/// How a request has ended.
pub(crate) struct Ending {
    pub(crate) status: u16,
    /// When the application was done, in seconds since the epoch, and how long that took. The first is its start and that
    /// time: it is not what the time of day is, if that was set meanwhile.
    pub(crate) finish: f64,
    pub(crate) time: f64,
    /// Where it was measured.
    pub(crate) cpu: Option<CpuTime>,
    pub(crate) input_reads: u64,
    pub(crate) input_length: u64,
    pub(crate) output_length: u64,
}

/// Runs `body` detached; `meter`, if there is one, learns how long that took, and how long the way back.
pub(super) fn detached<R: Send>(
    py: Python<'_>,
    meter: Option<&Arc<RequestMeter>>,
    transfer: Transfer,
    body: impl for<'a> FnOnce(&Detached<'a>) -> R + Send,
) -> R {
    let Some(meter) = meter else { return detached::detached(py, body) };
    let left = Instant::now();
    let (value, back) = detached::detached(py, |detached| (body(detached), Instant::now()));
    meter.note(transfer, back - left, back.elapsed());
    value
}
