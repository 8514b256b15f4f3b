//! Copies of this process, which applications make by `os.fork()`.
//!
//! Called where an exception of the application arrives. Never returns in a copy that wants to exit.

use crate::unix::fork;
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

/// The exit status of `sys.exit("text")`.
const FAILED: i32 = 1;

/// Ends this process if it is a copy and `error` is SystemExit (`sys.exit()`), with the exit status that it says.
pub(crate) fn leave_by_exit(py: Python<'_>, error: &PyErr) {
    if !fork::is_copy() || !error.is_instance_of::<PySystemExit>(py) {
        return;
    }
    let code = error.value(py).getattr("code").ok();
    let status = match code {
        Some(code) if code.is_none() => 0,
        Some(code) => code.extract().unwrap_or(FAILED),
        None => FAILED,
    };
    fork::leave(status);
}
