//! What the module `mod_wsgi` has for events and requests, and the events of the process.

use super::Surroundings;
use super::restrictions::InfoLog;
use crate::events::Serving;
use crate::events::running::{ACTIVE_REQUESTS, REQUEST_DATA, RequestFunctions};
use crate::events::subscribers::ProcessEvent;
use crate::python::class::ClassType;
use crate::python::{Attached, interpreter, traceback};
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule};
use std::ffi::CString;

/// Puts the functions and lists into `module`. Returns the function that makes `active_requests`: whoever asks for it once
/// has it kept up to date.
///
/// # Errors
/// What CPython raises.
pub(super) fn install<'py>(
    module: &Bound<'py, PyModule>,
    serving: &Serving,
    surroundings: &Surroundings,
) -> PyResult<Bound<'py, PyAny>> {
    const SOURCE: &str = include_str!("events.py");
    let py = module.py();
    let requests =
        ClassType::<RequestFunctions>::new(py)?.instance(py, RequestFunctions(serving.active_requests.clone()))?;
    let log = ClassType::<InfoLog>::new(py)?.instance(py, InfoLog(surroundings.log_info))?;
    let namespace = PyDict::new(py);
    namespace.set_item("__name__", "mod_wsgi")?;
    namespace.set_item("log", log.bound_method(0)?)?;
    namespace.set_item("in_process_group", !surroundings.process_group.is_empty())?;
    let lists = [
        ("event_callbacks", &serving.events.all),
        ("shutdown_callbacks", &serving.events.stopping),
        ("signal_callbacks", &serving.events.signal),
    ];
    for (name, list) in lists {
        namespace.set_item(name, list)?;
        module.setattr(name, list)?;
    }
    py.run(&CString::new(SOURCE)?, Some(&namespace), None)?;
    for name in ["subscribe_events", "subscribe_shutdown", "subscribe_signals"] {
        module.setattr(name, namespace.as_any().get_item(name)?)?;
    }
    module.setattr("request_data", requests.bound_method(REQUEST_DATA)?)?;
    requests.bound_method(ACTIVE_REQUESTS)
}

/// Tells the subscribers of all interpreters of an event of the process, on this thread, which is detached.
pub(crate) fn publish(event: ProcessEvent<'_>, log_error: fn(&str)) {
    for interpreter in interpreter::all() {
        interpreter.run(|attached| publish_here(attached, event, log_error));
    }
}

fn publish_here(attached: &Attached<'_>, event: ProcessEvent<'_>, log_error: fn(&str)) {
    let py = attached.py;
    let Some(serving) = attached.interpreter.belongings::<Serving>() else { return };
    let mut failed = |error: &PyErr| {
        let exit = error.is_instance_of::<PySystemExit>(py);
        let (code, class) = (if exit { "WSGI0190" } else { "WSGI0112" }, traceback::class_name(py, error));
        let first = format!("{code}: a function subscribed to events of the process raised {class}");
        let lines = traceback::lines(py, error);
        py.detach(|| core::iter::once(&first).chain(&lines).for_each(|line| log_error(line)));
    };
    if let Err(error) = serving.events.publish(py, event, &mut failed) {
        failed(&error);
    }
}
