//! Events: what happens to requests and to the process, told to functions that the application has subscribed.
//!
//! A subscriber is called as `callback(name, **payload)`. A dictionary that it returns is merged into the payload
//! for those after it. Nothing that it raises stops the others.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// The lists of subscribers of one interpreter: `mod_wsgi.event_callbacks` and its like.
pub(crate) struct Events {
    /// To all events.
    pub(crate) all: Py<PyList>,
    /// To `process_stopping` alone.
    pub(crate) stopping: Py<PyList>,
    /// To `process_signal` alone.
    pub(crate) signal: Py<PyList>,
}

/// What an event of the process is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessEvent<'a> {
    /// `process_stopping`, and the reason.
    Stopping(&'a str),
    /// `process_signal`: its name and number.
    Signal(&'a str, i32),
}

impl Events {
    pub(super) fn new(py: Python<'_>) -> Self {
        let list = || PyList::empty(py).unbind();
        Self { all: list(), stopping: list(), signal: list() }
    }

    /// Tells of an event of the process. `failed` is given what subscribers raise.
    ///
    /// # Errors
    /// The payload cannot be made.
    pub(crate) fn publish(
        &self,
        py: Python<'_>,
        event: ProcessEvent<'_>,
        failed: &mut dyn FnMut(&PyErr),
    ) -> PyResult<()> {
        let payload = PyDict::new(py);
        let (name, own) = match event {
            ProcessEvent::Stopping(reason) => {
                payload.set_item("shutdown_reason", reason)?;
                ("process_stopping", &self.stopping)
            }
            ProcessEvent::Signal(name, number) => {
                payload.set_item("signame", name)?;
                payload.set_item("signum", number)?;
                ("process_signal", &self.signal)
            }
        };
        tell(name, &payload, &[self.all.bind(py), own.bind(py)], &mut |error| {
            failed(&error);
            Ok(())
        })
    }
}

/// Calls the subscribers in `lists`, as they are now, one after the other.
///
/// # Errors
/// What `failed` makes of an exception that a subscriber raised: the others are not called then.
pub(super) fn tell(
    name: &str,
    payload: &Bound<'_, PyDict>,
    lists: &[&Bound<'_, PyList>],
    failed: &mut dyn FnMut(PyErr) -> PyResult<()>,
) -> PyResult<()> {
    // A tuple is made of a list while no one changes it.
    let subscribers: Vec<_> = lists.iter().map(|list| list.to_tuple()).collect();
    for subscriber in subscribers.iter().flat_map(|subscribers| subscribers.iter_borrowed()) {
        let told = subscriber.call((name,), Some(payload)).and_then(|returned| match returned.cast::<PyDict>() {
            Ok(changes) => payload.update(changes.as_mapping()),
            Err(_) => Ok(()),
        });
        if let Err(error) = told {
            failed(error)?;
        }
    }
    Ok(())
}
