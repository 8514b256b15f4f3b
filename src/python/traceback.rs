//! Exceptions as lines for a log.

use pyo3::prelude::*;
use pyo3::types::PyList;

/// The traceback and the exception as `traceback.print_exception` shows them, one
/// line each, blank ones left out. If that fails, what Rust knows of the exception. A line of advice may follow.
pub(crate) fn lines(py: Python<'_>, error: &PyErr) -> Vec<String> {
    let mut lines = formatted(py, error).unwrap_or_else(|_| vec![error.to_string()]);
    lines.extend(super::sub_interpreter::advice(error.value(py)));
    lines
}

fn formatted(py: Python<'_>, error: &PyErr) -> PyResult<Vec<String>> {
    // The first one imports modules with hundreds of classes, and each opens and closes files of source.
    let _slices = super::short_slices();
    let arguments = (error.get_type(py), error.value(py), error.traceback(py));
    let blocks = py.import("traceback")?.call_method1("format_exception", arguments)?;
    let mut lines = Vec::new();
    for block in blocks.cast::<PyList>()?.iter() {
        // A lone surrogate in a message must not lose the traceback.
        let block = block.call_method1("encode", ("utf-8", "backslashreplace"))?.extract::<Vec<u8>>()?;
        let block = String::from_utf8_lossy(&block);
        lines.extend(block.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
    }
    Ok(lines)
}

/// The name of the exception's class, for the first line of a report.
pub(crate) fn class_name(py: Python<'_>, error: &PyErr) -> String {
    error.get_type(py).name().map_or_else(|_| "exception".to_owned(), |name| name.to_string())
}
