//! One call of an application: environ, callable, result, `close()`.

use super::Wsgi;
use super::environ;
use super::errors::{LogStream, RequestErrors};
use super::gateway::{ErrorLog, Gateway, Outcome, Raised};
use super::input::Input;
use super::iteration;
use super::start_response::{Adapter, START_RESPONSE, SendError};
use crate::python::Attached;
use crate::python::class::Object;
use core::cell::RefCell;
use pyo3::exceptions::{PyAttributeError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use std::sync::Arc;

/// What a thread keeps from one request of an interpreter to the next.
pub(crate) struct Kept {
    pub(crate) environ: environ::Template,
    errors: RefCell<Option<ErrorsStream>>,
}

/// A `wsgi.errors` and the Rust side of it.
struct ErrorsStream {
    errors: Arc<RequestErrors>,
    stream: Py<PyAny>,
    binary: Py<PyAny>,
}

impl ErrorsStream {
    /// Whether no one has used the stream or holds a reference to it or to what is below it.
    fn is_untouched(&self, py: Python<'_>) -> bool {
        !self.errors.is_touched() && self.stream.get_refcnt(py) == 1 && self.binary.get_refcnt(py) == 2
    }
}

impl Kept {
    pub(crate) fn new(py: Python<'_>, wsgi: &Wsgi, application_group: &str) -> PyResult<Self> {
        Ok(Self { environ: environ::Template::new(py, wsgi, application_group)?, errors: RefCell::new(None) })
    }

    /// The stream of the last request if no one has used or kept it, else a new one:
    /// most requests log nothing, and a text stream is dear to make.
    fn take_errors(&self, py: Python<'_>, wsgi: &Wsgi) -> PyResult<ErrorsStream> {
        if let Some(kept) = self.errors.take() {
            return Ok(kept);
        }
        let errors = Arc::new(RequestErrors::default());
        let binary = wsgi.log_stream.instance(py, LogStream::Request(errors.clone()))?;
        let stream = text_stream(py, wsgi, binary.as_any())?.unbind();
        Ok(ErrorsStream { errors, stream, binary: binary.as_any().clone().unbind() })
    }

    fn give_back(&self, py: Python<'_>, stream: ErrorsStream) {
        if stream.is_untouched(py) {
            self.errors.replace(Some(stream));
        }
    }
}

/// A text stream over a binary log stream, as `wsgi.errors` and the standard streams are.
///
/// # Errors
/// What CPython raises.
pub(crate) fn text_stream<'py>(
    py: Python<'py>,
    wsgi: &Wsgi,
    binary: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let options = PyDict::new(py);
    for (name, value) in [("encoding", "utf-8"), ("errors", "replace")] {
        options.set_item(name, value)?;
    }
    options.set_item("line_buffering", true)?;
    options.set_item("write_through", true)?;
    wsgi.text_stream.bind(py).call((binary,), Some(&options))
}

/// Runs `body` with an error stream whose lines go to `log`, as do those of the standard streams meanwhile.
///
/// # Errors
/// The stream cannot be made; `body` did not run.
pub(crate) fn with_errors<R>(
    py: Python<'_>,
    wsgi: &Wsgi,
    log: &mut (dyn ErrorLog + '_),
    body: impl FnOnce(&Bound<'_, PyAny>) -> R,
) -> PyResult<R> {
    let errors = Arc::new(RequestErrors::default());
    let binary = wsgi.log_stream.instance(py, LogStream::Request(errors.clone()))?;
    let stream = text_stream(py, wsgi, binary.as_any())?;
    Ok(errors.log.lend(py, log, || errors.during(py, || body(&stream))))
}

/// Calls `application` for the request behind `gateway` and sends what it returns.
///
/// # Errors
/// The objects of the request could not be made; the application was not called.
pub(crate) fn run(
    attached: &Attached<'_>,
    wsgi: &Wsgi,
    kept: &Kept,
    application: &Bound<'_, PyAny>,
    gateway: Gateway<'_>,
) -> PyResult<Outcome> {
    let py = attached.py;
    let stream = kept.take_errors(py, wsgi)?;
    let input = wsgi.input.instance(py, Input::default())?;
    let adapter = wsgi.adapter.instance(py, Adapter::default())?;
    let environ = kept.environ.build(py, wsgi, gateway.facts, input.as_any(), stream.stream.bind(py))?;
    let _record = environ::lend_record(wsgi, gateway.facts, &environ)?;
    let errors = &stream.errors;
    let outcome = errors.log.lend(py, gateway.log, || {
        errors.during(py, || {
            input.body.lend(py, gateway.body, || {
                adapter.sink.lend(py, gateway.sink, || call(wsgi, errors, &adapter, application, environ))
            })
        })
    });
    kept.give_back(py, stream);
    Ok(outcome)
}

fn call(
    wsgi: &Wsgi,
    errors: &RequestErrors,
    adapter: &Object<'_, Adapter>,
    application: &Bound<'_, PyAny>,
    environ: Bound<'_, PyDict>,
) -> Outcome {
    let py = adapter.py();
    let result =
        adapter.bound_method(START_RESPONSE).and_then(|start_response| application.call1((environ, start_response)));
    let sent = match result {
        Ok(result) => {
            let sent = iteration::send(wsgi, adapter, &result);
            let sent = report(wsgi, py, errors, sent);
            close(wsgi, errors, &result);
            sent
        }
        Err(error) => report(wsgi, py, errors, Err(SendError::Python(error))),
    };
    match (sent, adapter.count()) {
        (Outcome::Complete, Some(count)) if count.is_short() && !adapter.has_no_body() => {
            Outcome::Short { announced: count.announced().unwrap_or_default(), given: count.given() }
        }
        (outcome, _) => outcome,
    }
}

/// Logs an exception as soon as it is known: before `close()` has its say.
fn report(wsgi: &Wsgi, py: Python<'_>, errors: &RequestErrors, sent: Result<(), SendError>) -> Outcome {
    match sent {
        Ok(()) => Outcome::Complete,
        Err(SendError::ClientGone(_)) => Outcome::ClientGone,
        Err(SendError::Answered) => Outcome::Answered,
        Err(SendError::Python(error)) if wsgi.is_request_timeout(py, &error) => Outcome::TimedOut,
        Err(SendError::Python(error)) => {
            let exit = error.is_instance_of::<PySystemExit>(py);
            errors.exception(py, if exit { Raised::Exit } else { Raised::ByApplication }, &error);
            Outcome::Raised
        }
    }
}

/// Calls `close()` of the result, once, if it has one; an exception from it changes nothing but the log.
fn close(wsgi: &Wsgi, errors: &RequestErrors, result: &Bound<'_, PyAny>) {
    if result.is_exact_instance_of::<PyList>() || result.is_exact_instance_of::<PyTuple>() {
        return;
    }
    let py = result.py();
    let closed = match result.getattr("close") {
        Ok(close) => close.call0().map(drop),
        Err(error) if error.is_instance_of::<PyAttributeError>(py) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = closed
        && !wsgi.is_request_timeout(py, &error)
    {
        errors.exception(py, Raised::ByClose, &error);
    }
}
