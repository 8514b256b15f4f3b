//! What Python's collector of garbage has done in the interpreters of this process.
//!
//! A function among `gc.callbacks` of each interpreter notes collections, and is asked for them here.

use crate::python::interpreter;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::ffi::CString;

/// Two rows of three numbers, three of them more for each generation, and three single ones.
pub(super) const NUMBERS: usize = 18;

/// A collection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Collection {
    /// Seconds since the epoch.
    pub(super) stamp: f64,
    /// In seconds.
    pub(super) duration: f64,
    pub(super) generation: u64,
    pub(super) collected: u64,
    pub(super) uncollectable: u64,
}

/// Has collections noted in the interpreter attached to.
///
/// # Errors
/// What CPython raises.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    const SOURCE: &str = include_str!("gc.py");
    let namespace = PyDict::new(py);
    namespace.set_item("__name__", "mod_wsgi")?;
    py.run(&CString::new(SOURCE)?, Some(&namespace), None)?;
    namespace.as_any().get_item("install")?.call0().map(drop)
}

/// What all interpreters have, added up, and the collections since the last time. Attaches to each of them.
///
/// One datagram stands for the process: the consumer's page fails from a datagram on that names an interpreter.
pub(super) fn look() -> ([u64; NUMBERS], Vec<Collection>) {
    let (mut sum, mut collections) = ([0; NUMBERS], Vec::new());
    for (number, interpreter) in interpreter::all().into_iter().enumerate() {
        let seen = interpreter.run(|attached| drain(attached.py).ok().flatten());
        let Some((numbers, events)) = seen else { continue };
        for (at, (sum, value)) in sum.iter_mut().zip(numbers).enumerate() {
            // Thresholds, and whether it is enabled, are those of the main interpreter.
            let is_setting = (3..6).contains(&at) || at == 15;
            if !is_setting || number == 0 {
                *sum = u64::wrapping_add(*sum, value);
            }
        }
        collections.extend(events);
    }
    (sum, collections)
}

/// As `gc.py` has it: the fields of [`Collection`].
type Event = (f64, f64, u64, u64, u64);

fn drain(py: Python<'_>) -> PyResult<Option<(Vec<u64>, Vec<Collection>)>> {
    let callbacks = py.import("gc")?.getattr("callbacks")?.cast_into::<PyList>()?;
    // An application may remove what it finds there.
    let ours = |callback: &Bound<'_, PyAny>| {
        let name = callback.getattr("__name__").and_then(|name| name.extract::<String>());
        name.is_ok_and(|name| name == "_gc_callback") && callback.hasattr("drain").unwrap_or(false)
    };
    let Some(callback) = callbacks.iter().find(ours) else { return Ok(None) };
    let (numbers, events): (Vec<i64>, Vec<Event>) = callback.call_method0("drain")?.extract()?;
    let numbers = numbers.into_iter().map(|value| u64::try_from(value).unwrap_or(0)).collect();
    let events = events.into_iter().map(|(stamp, duration, generation, collected, uncollectable)| Collection {
        stamp,
        duration,
        generation,
        collected,
        uncollectable,
    });
    Ok(Some((numbers, events.collect())))
}
