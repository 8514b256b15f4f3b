//! CPython's life in this process: start-up, the GIL's mode, interpreters, thread
//! states, classes, script modules, tracebacks and the end.
//!
//! Knows no httpd. Nothing made by Python is kept in a static of the process:
//! interpreters share none of it (SAFETY.md, ONE-INTERPRETER).

pub(crate) mod audit;
pub(crate) mod blocks;
pub(crate) mod capsule;
pub(crate) mod class;
pub(crate) mod config;
pub(crate) mod copy;
pub(crate) mod detached;
pub(crate) mod exhaustion;
pub(crate) mod finish;
pub(crate) mod garbage;
pub(crate) mod generation;
pub(crate) mod interpreter;
#[cfg(test)]
mod layout;
pub(crate) mod loading;
pub(crate) mod loan;
pub(crate) mod other_thread;
pub(crate) mod script;
mod sub_interpreter;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod text;
pub(crate) mod thread_state;
pub(crate) mod traceback;
mod unraisable;

pub(crate) use interpreter::Interpreter;
pub(crate) use thread_state::Attached;

use crate::unix::slices::ShortSlices;
use pyo3::prelude::*;

/// For as long as an interpreter starts or ends, a script is loaded or an exception is put into words. Before 3.14 a
/// free-threaded Python gives the processor away (sched_yield(2)) forty times whenever a thread takes a critical section
/// that it is in already. Classes that are made and files that are closed do so, and on a busy machine it takes a hundred
/// times as long as the work.
pub(crate) fn short_slices() -> Option<ShortSlices> {
    cfg!(all(Py_GIL_DISABLED, not(Py_3_14))).then(ShortSlices::new)
}

/// Collects garbage in the interpreter; returns how many objects could not be reached.
///
/// # Errors
/// What CPython raises.
pub(crate) fn collect_garbage(py: Python<'_>) -> PyResult<usize> {
    py.import("gc")?.call_method0("collect")?.extract()
}

/// How many references to `object` there are.
pub(crate) fn references_to(object: &Bound<'_, PyAny>) -> isize {
    // SAFETY: ATTACHED: the object is proof, and a reference to it.
    unsafe { pyo3::ffi::Py_REFCNT(object.as_ptr()) }
}
