//! The events of a request: `request_started`, `response_started`, `request_exception` and `request_finished`.

use super::environ::{Key, Start, Variable, seconds};
use super::errors::RequestErrors;
use super::events;
use super::gateway::{ExchangeLease, QueueTimes, Raised};
use super::meter::{CpuTime, Meter};
use super::presence::Ticket;
use crate::python::thread_state;
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

/// Tells of an event of a request, which `fill` describes. Does nothing if no one wants to know, or if the request is
/// over. Returns the payload as subscribers have left it.
///
/// # Errors
/// `mod_wsgi.RequestTimeout`, which was meant for the request, hit a subscriber. Everything else that goes wrong is logged.
pub(super) fn tell<'py>(
    py: Python<'py>,
    ticket: &Ticket,
    errors: &RequestErrors,
    name: &str,
    fill: impl FnOnce(&Bound<'py, PyDict>) -> PyResult<()>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    if !ticket.has_subscribers(py) {
        return Ok(None);
    }
    let Some(data) = ticket.data(py) else { return Ok(None) };
    let payload = PyDict::new(py);
    let filled = payload.set_item("request_data", data).and_then(|()| {
        let id = ticket.id(py).map_or(Ok(()), |id| payload.set_item("request_id", id));
        id.and_then(|()| fill(&payload))
    });
    let place = ticket.place();
    let mut failed = |error: PyErr| {
        if error.is_instance(py, place.request_timeout.bind(py)) {
            return Err(error);
        }
        let exit = error.is_instance_of::<PySystemExit>(py);
        errors.exception(py, if exit { Raised::ExitOfSubscriber } else { Raised::BySubscriber }, &error);
        Ok(())
    };
    if let Err(error) = filled {
        return failed(error).map(|()| None);
    }
    events::tell(name, &payload, &[place.subscribers.bind(py)], &mut failed)?;
    Ok(Some(payload))
}

/// What is told of a request at its start and at its end.
pub(super) struct Story<'a> {
    pub(super) ticket: &'a Ticket,
    pub(super) errors: &'a RequestErrors,
    pub(super) exchange: &'a ExchangeLease,
    pub(super) application_start: Start,
}

/// How a request has ended, as `request_finished` tells it and metrics count it.
pub(super) struct Ending {
    pub(super) status: u16,
    /// When the application was done, in seconds since the epoch, and how long that took. The first is its start and that
    /// time: it is not what the time of day is, if that was set meanwhile.
    pub(super) finish: f64,
    pub(super) time: f64,
    /// Where it was measured.
    pub(super) cpu: Option<CpuTime>,
    pub(super) input_reads: u64,
    pub(super) input_length: u64,
    pub(super) output_length: u64,
}

impl Story<'_> {
    /// `request_started`. Returns what is to be called, if anyone had a say in that: subscribers may put another application
    /// in the place of `application`.
    ///
    /// # Errors
    /// See [`tell`].
    pub(super) fn started<'py>(
        &self,
        environ: &Bound<'py, PyDict>,
        application: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = environ.py();
        let payload = tell(py, self.ticket, self.errors, "request_started", |payload| {
            let (callable, queue) = self.common(payload)?;
            payload.set_item("callable_object", callable)?;
            payload.set_item("application_object", application)?;
            payload.set_item("request_environ", environ)?;
            payload.set_item("daemon_connects", queue.map_or(0, |queue| queue.connects))?;
            payload.set_item("daemon_restarts", queue.map_or(0, |queue| queue.restarts))?;
            payload.set_item("application_start", self.application_start.time)
        })?;
        Ok(payload.and_then(|payload| payload.get_item("application_object").ok().flatten()))
    }

    /// `request_exception`, after the exception has been logged. It is too late to end the request for its time.
    pub(super) fn raised(&self, py: Python<'_>, error: &PyErr) {
        let _ = tell(py, self.ticket, self.errors, "request_exception", |payload| {
            let info = (error.get_type(py), error.value(py), error.traceback(py));
            payload.set_item("exception_info", info)
        });
    }

    /// `request_finished`. It is too late to end the request for its time.
    pub(super) fn finished(&self, py: Python<'_>, meter: Option<&Meter>, ending: &Ending) {
        let _ = tell(py, self.ticket, self.errors, "request_finished", |payload| {
            let _ = self.common(payload)?;
            payload.set_item("application_finish", ending.finish)?;
            payload.set_item("application_time", ending.time)?;
            payload.set_item("status", ending.status)?;
            payload.set_item("input_reads", ending.input_reads)?;
            payload.set_item("input_length", ending.input_length)?;
            payload.set_item("output_length", ending.output_length)?;
            meter.map_or(Ok(()), |meter| measured(payload, meter, ending.cpu))
        });
    }

    /// When the host had the request, and when it waited.
    pub(super) fn times(&self, py: Python<'_>) -> (i64, Option<QueueTimes>) {
        let times = self.exchange.look(py, |exchange| {
            let facts = exchange.facts();
            (facts.request_start(), facts.queue_times())
        });
        times.unwrap_or_default()
    }

    /// The process that httpd serves the request with, and the name of the callable.
    fn process_and_callable(&self, py: Python<'_>) -> (u32, Vec<u8>) {
        let (mut process, mut callable) = (0, Vec::new());
        let mut visit = |variable: Variable<'_>, value: &[u8]| match variable {
            Variable::Known(Key::ServerPid) => {
                process = core::str::from_utf8(value).ok().and_then(|pid| pid.parse().ok()).unwrap_or_default();
            }
            Variable::Known(Key::CallableObject) => callable = value.to_vec(),
            _ => {}
        };
        let _ = self.exchange.look(py, |exchange| exchange.facts().variables(&mut visit));
        (process, callable)
    }

    /// What both tell; returns the name of the callable, and when the request waited.
    fn common<'py>(&self, payload: &Bound<'py, PyDict>) -> PyResult<(Bound<'py, PyString>, Option<QueueTimes>)> {
        let py = payload.py();
        let (process, callable) = self.process_and_callable(py);
        let (request_start, queue) = self.times(py);
        let time = |of: fn(QueueTimes) -> i64| queue.map_or(0.0, |queue| seconds(of(queue)));
        payload.set_item("server_pid", process)?;
        payload.set_item("thread_id", thread_state::number())?;
        payload.set_item("request_start", seconds(request_start))?;
        payload.set_item("queue_start", time(|queue| queue.queue_start))?;
        payload.set_item("daemon_start", time(|queue| queue.daemon_start))?;
        Ok((crate::python::text::latin1(py, &callable), queue))
    }
}

fn measured(payload: &Bound<'_, PyDict>, meter: &Meter, cpu: Option<CpuTime>) -> PyResult<()> {
    payload.set_item("input_time", meter.input_time())?;
    payload.set_item("output_writes", meter.output_writes())?;
    payload.set_item("output_time", meter.output_time())?;
    payload.set_item("gil_wait_time", meter.gil_wait_time())?;
    payload.set_item("gil_wait_count", meter.gil_wait_count())?;
    if let Some(cpu) = cpu {
        payload.set_item("cpu_user_time", cpu.user)?;
        payload.set_item("cpu_system_time", cpu.system)?;
        payload.set_item("cpu_time", cpu.user + cpu.system)?;
    }
    Ok(())
}

/// `response_started`, before status and headers are looked at: subscribers may change the list in place.
///
/// # Errors
/// See [`tell`].
pub(super) fn response_started(
    py: Python<'_>,
    ticket: &Ticket,
    errors: &RequestErrors,
    status: &Bound<'_, PyAny>,
    headers: &Bound<'_, PyAny>,
    exc_info: Option<&Bound<'_, PyTuple>>,
) -> PyResult<()> {
    let told = tell(py, ticket, errors, "response_started", |payload| {
        payload.set_item("response_status", status)?;
        payload.set_item("response_headers", headers)?;
        payload.set_item("exception_info", exc_info)
    });
    told.map(drop)
}
