//! `wsgi.file_wrapper`: the class, and the question whether a result of it can be sent as a file.

use super::gateway::FileRange;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyType};
use std::fs::{File, metadata};

/// Makes the class in the interpreter attached to.
///
/// # Errors
/// What CPython raises.
pub(crate) fn class(py: Python<'_>) -> PyResult<Py<PyType>> {
    const SOURCE: &str = include_str!("file_wrapper.py");
    let source = std::ffi::CString::new(SOURCE)?;
    let namespace = PyDict::new(py);
    namespace.set_item("__name__", "mod_wsgi")?;
    py.run(&source, Some(&namespace), None)?;
    let class =
        namespace.get_item("FileWrapper")?.ok_or_else(|| PyRuntimeError::new_err("FileWrapper is not defined"))?;
    Ok(class.cast_into::<PyType>()?.unbind())
}

/// The rest of the file that `wrapper` wraps, from its current position, if it is a
/// regular file that can be opened once more. A descriptor of its own lets the
/// server send it after the application has closed its file.
pub(crate) fn file_of(wrapper: &Bound<'_, PyAny>) -> Option<FileRange> {
    let filelike = wrapper.getattr("filelike").ok()?;
    let descriptor: i32 = filelike.call_method0("fileno").ok()?.extract().ok()?;
    let position = filelike.call_method0("tell").ok()?;
    let offset: u64 = position.cast::<PyInt>().ok()?.extract().ok()?;
    let path = format!("/proc/self/fd/{descriptor}");
    if !metadata(&path).ok()?.is_file() {
        return None;
    }
    let file = File::open(&path).ok()?;
    let length = file.metadata().ok()?.len().saturating_sub(offset);
    Some(FileRange { descriptor: file.into(), offset, length })
}
