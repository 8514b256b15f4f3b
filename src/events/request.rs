//! The events of a request: `request_started`, `response_started`, `request_exception` and `request_finished`.

use super::running::ThreadPlace;
use super::subscribers;
use crate::metrics::{CpuTime, RequestMeter};
use crate::python::thread_state;
use crate::wsgi::environ::{Key, Variable, seconds};
use crate::wsgi::errors::RequestErrors;
use crate::wsgi::gateway::{QueueTimes, Raised};
use crate::wsgi::observer::{Ending, Observed};
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

/// Tells of an event of a request, which `fill` describes. Does nothing if no one wants to know, or if the request is
/// over. Returns the payload as subscribers have left it.
///
/// # Errors
/// `mod_wsgi.RequestTimeout`, which was meant for the request, hit a subscriber. Everything else that goes wrong is logged.
fn tell<'py>(
    place: &ThreadPlace,
    py: Python<'py>,
    (request, errors): (u64, &RequestErrors),
    name: &str,
    fill: impl FnOnce(&Bound<'py, PyDict>) -> PyResult<()>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    if !place.has_subscribers(py) {
        return Ok(None);
    }
    let Some(data) = place.data(py, request) else { return Ok(None) };
    let payload = PyDict::new(py);
    let filled = payload.set_item("request_data", data).and_then(|()| {
        let id = place.id(py, request).map_or(Ok(()), |id| payload.set_item("request_id", id));
        id.and_then(|()| fill(&payload))
    });
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
    subscribers::tell(name, &payload, &[place.subscribers.bind(py)], &mut failed)?;
    Ok(Some(payload))
}

/// `request_started`. Returns what is to be called, if anyone had a say in that: subscribers may put another application in
/// the place of `application`.
///
/// # Errors
/// See [`tell`].
pub(super) fn started<'py>(
    place: &ThreadPlace,
    call: &Observed<'_>,
    environ: &Bound<'py, PyDict>,
    application: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let payload = tell(place, environ.py(), (call.request, call.errors), "request_started", |payload| {
        let (callable, queue) = common(call, payload)?;
        payload.set_item("callable_object", callable)?;
        payload.set_item("application_object", application)?;
        payload.set_item("request_environ", environ)?;
        payload.set_item("daemon_connects", queue.map_or(0, |queue| queue.connects))?;
        payload.set_item("daemon_restarts", queue.map_or(0, |queue| queue.restarts))?;
        payload.set_item("application_start", call.application_start.time)
    })?;
    Ok(payload.and_then(|payload| payload.get_item("application_object").ok().flatten()))
}

/// `request_exception`, after the exception has been logged. It is too late to end the request for its time.
pub(super) fn raised(place: &ThreadPlace, py: Python<'_>, call: &Observed<'_>, error: &PyErr) {
    let _ = tell(place, py, (call.request, call.errors), "request_exception", |payload| {
        let info = (error.get_type(py), error.value(py), error.traceback(py));
        payload.set_item("exception_info", info)
    });
}

/// `request_finished`. It is too late to end the request for its time.
pub(super) fn finished(
    place: &ThreadPlace,
    py: Python<'_>,
    call: &Observed<'_>,
    meter: Option<&RequestMeter>,
    ending: &Ending,
) {
    let _ = tell(place, py, (call.request, call.errors), "request_finished", |payload| {
        let _ = common(call, payload)?;
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
pub(super) fn times(call: &Observed<'_>, py: Python<'_>) -> (i64, Option<QueueTimes>) {
    let times = call.exchange.look(py, |exchange| {
        let facts = exchange.facts();
        (facts.request_start(), facts.queue_times())
    });
    times.unwrap_or_default()
}

/// The process that httpd serves the request with, and the name of the callable.
fn process_and_callable(call: &Observed<'_>, py: Python<'_>) -> (u32, Vec<u8>) {
    let (mut process, mut callable) = (0, Vec::new());
    let mut visit = |variable: Variable<'_>, value: &[u8]| match variable {
        Variable::Known(Key::ServerPid) => {
            process = core::str::from_utf8(value).ok().and_then(|pid| pid.parse().ok()).unwrap_or_default();
        }
        Variable::Known(Key::CallableObject) => callable = value.to_vec(),
        _ => {}
    };
    let _ = call.exchange.look(py, |exchange| exchange.facts().variables(&mut visit));
    (process, callable)
}

/// What start and end both tell; returns the name of the callable, and when the request waited.
fn common<'py>(
    call: &Observed<'_>,
    payload: &Bound<'py, PyDict>,
) -> PyResult<(Bound<'py, PyString>, Option<QueueTimes>)> {
    let py = payload.py();
    let (process, callable) = process_and_callable(call, py);
    let (request_start, queue) = times(call, py);
    let time = |of: fn(QueueTimes) -> i64| queue.map_or(0.0, |queue| seconds(of(queue)));
    payload.set_item("server_pid", process)?;
    payload.set_item("thread_id", thread_state::number())?;
    payload.set_item("request_start", seconds(request_start))?;
    payload.set_item("queue_start", time(|queue| queue.queue_start))?;
    payload.set_item("daemon_start", time(|queue| queue.daemon_start))?;
    Ok((crate::python::text::latin1(py, &callable), queue))
}

fn measured(payload: &Bound<'_, PyDict>, meter: &RequestMeter, cpu: Option<CpuTime>) -> PyResult<()> {
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
    place: &ThreadPlace,
    request: u64,
    errors: &RequestErrors,
    status: &Bound<'_, PyAny>,
    headers: &Bound<'_, PyAny>,
    exc_info: Option<&Bound<'_, PyTuple>>,
) -> PyResult<()> {
    let told = tell(place, status.py(), (request, errors), "response_started", |payload| {
        payload.set_item("response_status", status)?;
        payload.set_item("response_headers", headers)?;
        payload.set_item("exception_info", exc_info)
    });
    told.map(drop)
}
