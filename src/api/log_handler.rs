//! `mod_wsgi.LogHandler`: a handler of `logging` that writes to httpd's error log.
//!
//! The class is made when an application first asks for it (`late`).

use super::Surroundings;
use crate::python::class::{Arguments, Class, ClassType, Method, Object, Returns, none};
use crate::wsgi::errors;
use crate::wsgi::gateway::{Record, Severity, Source};
use core::ffi::CStr;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString};
use std::ffi::CString;

/// The log of the server, for what belongs to no request.
#[derive(Clone, Copy)]
pub(crate) struct ServerLog {
    /// Whether a record of that severity would be written.
    pub(crate) takes: fn(Severity) -> bool,
    pub(crate) write: fn(&Record<'_>),
}

/// The function that makes the class in the interpreter attached to.
///
/// # Errors
/// What CPython raises.
pub(super) fn maker<'py>(py: Python<'py>, surroundings: &Surroundings) -> Returns<'py> {
    ClassType::<LogWriter>::new(py)?.instance(py, LogWriter(surroundings.server_log))?.bound_method(MAKE)
}

/// Puts a handler on the root logger of the interpreter attached to, whose level is that of the server's log if that takes
/// more than warnings (`WSGILogHandler`).
///
/// # Errors
/// What CPython raises: `logging` may be a module of the application's own.
pub(crate) fn install_on_root(py: Python<'_>, log: ServerLog) -> PyResult<()> {
    const SOURCE: &str = include_str!("log_root.py");
    let level = match () {
        () if (log.takes)(Severity::Debug) => 10,
        () if (log.takes)(Severity::Info) => 20,
        () => 30,
    };
    let namespace = PyDict::new(py);
    namespace.set_item("__name__", "mod_wsgi")?;
    py.run(&CString::new(SOURCE)?, Some(&namespace), None)?;
    let class = py.import("mod_wsgi")?.getattr("LogHandler")?;
    namespace.as_any().get_item("install")?.call1((class, level)).map(drop)
}

/// Writes to the log of the request that the thread runs, or else to that of the server.
struct LogWriter(ServerLog);

impl Class for LogWriter {
    const NAME: &'static CStr = c"mod_wsgi.LogWriter";
    const METHODS: &'static [Method] = &[
        Method::positional(c"takes", LogWriter::takes),
        Method::positional(c"write", LogWriter::write),
        Method::positional(c"make", LogWriter::make),
        Method::END,
    ];
}

/// Where they stand in the table of methods.
const TAKES: usize = 0;
const WRITE: usize = 1;
const MAKE: usize = 2;

impl LogWriter {
    fn make<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        const SOURCE: &str = include_str!("log_handler.py");
        arguments.expect_none()?;
        let py = this.py();
        let namespace = PyDict::new(py);
        namespace.set_item("__name__", "mod_wsgi")?;
        py.run(&CString::new(SOURCE)?, Some(&namespace), None)?;
        namespace.as_any().get_item("make")?.call1((this.bound_method(TAKES)?, this.bound_method(WRITE)?))
    }

    fn takes<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let (py, severity) = (this.py(), severity(argument(arguments, 0)?)?);
        let takes = errors::takes(severity).unwrap_or_else(|| (this.0.takes)(severity));
        Ok(takes.into_pyobject(py)?.to_owned().into_any())
    }

    fn write<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let py = this.py();
        let severity = severity(argument(arguments, 0)?)?;
        let text = encodable(argument(arguments, 1)?.cast::<PyString>()?)?;
        let file = argument(arguments, 2)?.cast::<PyString>().ok().map(encodable).transpose()?;
        let line = argument(arguments, 3)?.cast::<PyInt>().ok().and_then(|line| line.extract::<u32>().ok());
        let source = file.as_deref().zip(line).map(|(file, line)| Source { file, line });
        let record = Record { severity, text: &text, source };
        if errors::record(py, &record).is_none() {
            let write = this.0.write;
            py.detach(|| write(&record));
        }
        none(py)
    }
}

/// The text; what UTF-8 does not have is replaced, as in the streams of the log.
fn encodable(text: &Bound<'_, PyString>) -> PyResult<String> {
    text.extract().or_else(|_| {
        let bytes: Vec<u8> = text.call_method1("encode", ("utf-8", "replace"))?.extract()?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    })
}

fn argument<'a, 'py>(arguments: Arguments<'a, 'py>, index: usize) -> PyResult<Bound<'py, PyAny>> {
    let argument = arguments.get(index).ok_or_else(|| PyTypeError::new_err("an argument is missing"))?;
    Ok(argument.to_owned())
}

/// The severity of a level of `logging`.
///
/// # Errors
/// TypeError if it is no number.
fn severity(level: Bound<'_, PyAny>) -> PyResult<Severity> {
    let number = level.cast::<PyInt>().map_err(|_| PyTypeError::new_err("the level of a record is no int"))?;
    // One that is too large for this is graver, or less grave, than any other.
    let number: i64 = number.extract().or_else(|_| PyResult::Ok(if number.gt(0)? { i64::MAX } else { i64::MIN }))?;
    Ok(match number {
        50.. => Severity::Critical,
        40.. => Severity::Error,
        30.. => Severity::Warning,
        20.. => Severity::Info,
        _ => Severity::Debug,
    })
}
