//! `WSGIRestrictStdin`, `WSGIRestrictStdout` and `WSGIRestrictSignal`, in Python: none of it is on the way of a request.

use crate::python::class::{Arguments, Class, ClassType, Method, Object, Returns, none};
use core::ffi::CStr;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::CString;

/// What is kept from the code of an interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restrictions {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) signal: bool,
}

/// A function of Python that writes a line to the server's log, at level info.
pub(super) struct InfoLog(pub(super) fn(&str));

impl Class for InfoLog {
    const NAME: &'static CStr = c"mod_wsgi.InfoLog";
    const METHODS: &'static [Method] = &[Method::positional(c"log", InfoLog::log), Method::END];
}

impl InfoLog {
    fn log<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let line = arguments.get(0).ok_or_else(|| PyTypeError::new_err("a line is missing"))?;
        (this.0)(&line.extract::<String>()?);
        none(this.py())
    }
}

/// Puts the restrictions in place in the interpreter attached to.
///
/// # Errors
/// What CPython raises.
pub(crate) fn apply(py: Python<'_>, restrictions: Restrictions, log_info: fn(&str)) -> PyResult<()> {
    const SOURCE: &str = include_str!("restrictions.py");
    let log = ClassType::<InfoLog>::new(py)?.instance(py, InfoLog(log_info))?.bound_method(0)?;
    let namespace = PyDict::new(py);
    namespace.set_item("__name__", "mod_wsgi")?;
    py.run(&CString::new(SOURCE)?, Some(&namespace), None)?;
    let arguments = (restrictions.stdin, restrictions.stdout, restrictions.signal, log);
    namespace.as_any().get_item("restrict")?.call1(arguments)?;
    Ok(())
}
