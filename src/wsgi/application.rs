//! One call of an application: environ, callable, result, `close()`.

use super::Wsgi;
use super::environ;
use super::errors::{LogStream, RequestErrors};
use super::gateway::{Exchange, ExchangeLease, Outcome, Raised};
use super::input::Input;
use super::iteration;
use super::observer::{Ending, Observed, Observer, Watched};
use super::start_response::{Adapter, START_RESPONSE, SendError};
use crate::metrics::{RequestMeter, clock::Moment};
use crate::python::class::Object;
use crate::python::{Attached, copy, references_to};
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
pub(crate) struct ErrorsStream {
    errors: Arc<RequestErrors>,
    stream: Py<PyAny>,
    binary: Py<PyAny>,
}

impl ErrorsStream {
    /// # Errors
    /// What CPython raises.
    pub(crate) fn new(py: Python<'_>, wsgi: &Wsgi) -> PyResult<Self> {
        let errors = Arc::new(RequestErrors::default());
        let binary = wsgi.log_stream.instance(py, LogStream::Request(errors.clone()))?;
        let stream = text_stream(py, wsgi, binary.as_any())?.unbind();
        Ok(Self { errors, stream, binary: binary.as_any().clone().unbind() })
    }

    /// The stream as Python sees it.
    pub(crate) fn stream<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.stream.bind(py)
    }

    /// The lease of the exchange that is lent next.
    pub(crate) fn next_lease(&self) -> ExchangeLease {
        ExchangeLease::next(&self.errors.exchange)
    }

    /// Lends `exchange` by `lease` while `body` runs. What is written to the stream and to the standard streams goes to its
    /// log.
    pub(crate) fn lend<R>(
        &self,
        py: Python<'_>,
        lease: &ExchangeLease,
        exchange: &mut (dyn Exchange + '_),
        body: impl FnOnce() -> R,
    ) -> R {
        self.errors.learn(exchange.log());
        lease.lend(py, exchange, || self.errors.during(py, body))
    }

    /// Whether no one has used the stream or holds a reference to it or to what is below it.
    fn is_untouched(&self, py: Python<'_>) -> bool {
        !self.errors.is_touched()
            && references_to(self.stream.bind(py)) == 1
            && references_to(self.binary.bind(py)) == 2
    }
}

impl Kept {
    pub(crate) fn new(py: Python<'_>, wsgi: &Wsgi, application_group: &str) -> PyResult<Self> {
        let environ = environ::Template::new(py, wsgi, application_group)?;
        Ok(Self { environ, errors: RefCell::new(None) })
    }

    /// The stream of the last request if no one has used or kept it, else a new one:
    /// most requests log nothing, and a text stream is dear to make.
    fn take_errors(&self, py: Python<'_>, wsgi: &Wsgi) -> PyResult<ErrorsStream> {
        if let Some(kept) = self.errors.take() {
            return Ok(kept);
        }
        ErrorsStream::new(py, wsgi)
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

/// Calls `application` for the request behind `exchange`, which is `watched`, and sends what it returns.
///
/// # Errors
/// The objects of the request could not be made; the application was not called.
pub(crate) fn run(
    attached: &Attached<'_>,
    wsgi: &Wsgi,
    kept: &Kept,
    watched: &Watched,
    application: &Bound<'_, PyAny>,
    exchange: &mut (dyn Exchange + '_),
) -> PyResult<Outcome> {
    let py = attached.py;
    let Watched { observer, request } = watched;
    let meter = observer.meter(py, *request);
    let stream = kept.take_errors(py, wsgi)?;
    let (errors, lease) = (&stream.errors, stream.next_lease());
    let input = wsgi.input.instance(py, Input::new(lease.clone(), meter.clone()))?;
    let adapter = Adapter::new(lease.clone(), watched.clone(), errors.clone(), meter.clone());
    let adapter = wsgi.adapter.instance(py, adapter)?;
    let facts = exchange.facts();
    let (environ, application_start) = kept.environ.build(py, wsgi, facts, input.as_any(), stream.stream(py))?;
    let _record = environ::lend_record(wsgi, facts, &environ)?;
    let observed = Observed { request: *request, errors, exchange: &lease, application_start };
    let observer = &**observer;
    let call = Call { wsgi, observer, observed, adapter: &adapter, input: &input, meter: meter.as_deref() };
    let outcome = stream.lend(py, &lease, exchange, || {
        let outcome = call.run(application, environ);
        adapter.stop_sending();
        outcome
    });
    kept.give_back(py, stream);
    Ok(outcome)
}

/// One call of an application, and who is told about it.
struct Call<'a, 'py> {
    wsgi: &'a Wsgi,
    observer: &'a dyn Observer,
    observed: Observed<'a>,
    adapter: &'a Object<'py, Adapter>,
    input: &'a Object<'py, Input>,
    meter: Option<&'a RequestMeter>,
}

impl<'py> Call<'_, 'py> {
    fn run(&self, application: &Bound<'py, PyAny>, environ: Bound<'py, PyDict>) -> Outcome {
        let sent = match self.call(application, environ) {
            Ok(result) => {
                let sent = self.report(iteration::send(self.wsgi, self.adapter, &result));
                self.close(&result);
                sent
            }
            Err(error) => self.report(Err(SendError::Python(error))),
        };
        self.observer.finished(self.adapter.py(), &self.observed, self.meter, &|| self.ending(sent));
        match (sent, self.adapter.count()) {
            (Outcome::Complete, Some(count)) if count.is_short() && !self.adapter.has_no_body() => {
                Outcome::Short { announced: count.announced().unwrap_or_default(), given: count.given() }
            }
            (outcome, _) => outcome,
        }
    }

    fn call(&self, application: &Bound<'py, PyAny>, environ: Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let chosen = self.observer.started(&self.observed, &environ, application)?;
        let start_response = self.adapter.bound_method(START_RESPONSE)?;
        chosen.as_ref().unwrap_or(application).call1((environ, start_response))
    }

    /// Logs an exception as soon as it is known: before `close()` has its say.
    fn report(&self, sent: Result<(), SendError>) -> Outcome {
        let py = self.adapter.py();
        if let Err(SendError::Python(error)) = &sent {
            copy::leave_by_exit(py, error);
        }
        match sent {
            Ok(()) => Outcome::Complete,
            Err(SendError::ClientGone(_)) => Outcome::ClientGone,
            Err(SendError::Answered) => Outcome::Answered,
            Err(SendError::Python(error)) if self.wsgi.is_request_timeout(py, &error) => Outcome::TimedOut,
            Err(SendError::Python(error)) => {
                let exit = error.is_instance_of::<PySystemExit>(py);
                self.tell_raised(if exit { Raised::Exit } else { Raised::ByApplication }, &error);
                Outcome::Raised
            }
        }
    }

    fn tell_raised(&self, raised: Raised, error: &PyErr) {
        let py = self.adapter.py();
        self.observed.errors.exception(py, raised, error);
        self.observer.raised(py, &self.observed, error);
    }

    /// Calls `close()` of the result, once, if it has one; an exception from it changes nothing but the log.
    fn close(&self, result: &Bound<'py, PyAny>) {
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
            && !self.wsgi.is_request_timeout(py, &error)
        {
            self.tell_raised(Raised::ByClose, &error);
        }
    }

    fn ending(&self, sent: Outcome) -> Ending {
        let timed_out = sent == Outcome::TimedOut;
        let (input_reads, input_length) = self.input.counts();
        let start = self.observed.application_start;
        let finish = start.time + Moment::now().since(start.moment).as_secs_f64();
        let time = finish - start.time;
        Ending {
            status: if timed_out { GATEWAY_TIMEOUT } else { self.adapter.status().unwrap_or(FAILED) },
            finish,
            time,
            cpu: self.meter.and_then(|meter| meter.cpu_time(time)),
            input_reads,
            input_length,
            output_length: self.adapter.count().map_or(0, |count| count.given()),
        }
    }
}

/// What is told of a request that took too long ...
const GATEWAY_TIMEOUT: u16 = 504;
/// ... and of one whose application did not come to choose a status.
const FAILED: u16 = 500;
