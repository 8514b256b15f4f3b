//! `sys.stderr` and `sys.stdout` become lines of the error log: those of the
//! request that the writing thread runs, or else of the server.

use crate::wsgi::Wsgi;
use crate::wsgi::application::text_stream;
use crate::wsgi::errors::LogStream;
use parking_lot::Mutex;
use pyo3::prelude::*;

/// Replaces both streams in the interpreter attached to.
///
/// # Errors
/// What CPython raises.
pub(crate) fn replace(py: Python<'_>, wsgi: &Wsgi, report: fn(&str)) -> PyResult<()> {
    let sys = py.import("sys")?;
    for (attribute, name) in [("stderr", "<stderr>"), ("stdout", "<stdout>")] {
        let stream = LogStream::Process { name, partial: Mutex::new(Vec::new()), report };
        let stream = wsgi.log_stream.instance(py, stream)?;
        sys.setattr(attribute, text_stream(py, wsgi, stream.as_any())?)?;
    }
    Ok(())
}
