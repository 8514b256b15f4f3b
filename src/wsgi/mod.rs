#![forbid(unsafe_code)]
//! PEP 3333 and nothing else.
//!
//! Written once against the traits in [`gateway`]; knows neither httpd nor
//! sockets, so every rule of the PEP is tested here in milliseconds, on a real
//! interpreter and without a server.

pub(crate) mod application;
pub(crate) mod environ;
pub(crate) mod errors;
pub(crate) mod file_wrapper;
pub(crate) mod gateway;
pub(crate) mod input;
pub(crate) mod iteration;
pub(crate) mod observer;
pub(crate) mod response;

pub(crate) mod start_response;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use crate::python::class::ClassType;
use environ::Keys;
use errors::LogStream;
use input::Input;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::PyType;
use start_response::Adapter;

/// What one interpreter needs to serve: its classes and the keys of its environs.
pub(crate) struct Wsgi {
    pub(crate) input: ClassType<Input>,
    pub(crate) log_stream: ClassType<LogStream>,
    pub(crate) adapter: ClassType<Adapter>,
    pub(crate) file_wrapper: file_wrapper::FileWrapper,
    /// `mod_wsgi.RequestTimeout`
    pub(crate) request_timeout: Py<PyType>,
    /// `io.TextIOWrapper`
    pub(crate) text_stream: Py<PyAny>,
    pub(crate) keys: Keys,
    pub(crate) process: gateway::ProcessFacts,
}

impl Wsgi {
    /// Makes all of it in the interpreter attached to.
    ///
    /// # Errors
    /// What CPython raises.
    pub(crate) fn new(py: Python<'_>, process: gateway::ProcessFacts) -> PyResult<Self> {
        Ok(Self {
            input: ClassType::new(py)?,
            log_stream: ClassType::new(py)?,
            adapter: ClassType::new(py)?,
            file_wrapper: file_wrapper::FileWrapper::new(py)?,
            request_timeout: request_timeout_class(py)?,
            text_stream: py.import("io")?.getattr("TextIOWrapper")?.unbind(),
            keys: Keys::new(py),
            process,
        })
    }

    /// Whether an exception says that the request has taken too long.
    pub(crate) fn is_request_timeout(&self, py: Python<'_>, error: &PyErr) -> bool {
        error.is_instance(py, self.request_timeout.bind(py))
    }
}

/// The exception that ends a request which takes too long. No `Exception`, so that applications do not catch it by accident.
fn request_timeout_class(py: Python<'_>) -> PyResult<Py<PyType>> {
    let base = py.get_type::<PyBaseException>();
    let text = c"Raised in a request that has taken longer than request-timeout allows.";
    PyErr::new_type(py, c"mod_wsgi.RequestTimeout", Some(text), Some(&base), None)
}
