//! `mod_ssl.is_https()` and `mod_ssl.var_lookup(name)`, for as long as the script is asked.

use crate::python::text;
use crate::wsgi::gateway::ExchangeLease;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyString, PyTuple};
use std::ffi::CString;

/// Puts both functions into `environ`: they know the request of `exchange`.
///
/// # Errors
/// What CPython raises when they are made.
pub(super) fn offer(environ: &Bound<'_, PyDict>, exchange: &ExchangeLease) -> PyResult<()> {
    let py = environ.py();
    let lent = exchange.clone();
    let is_https = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let [] = arguments.as_slice() else { return Err(PyTypeError::new_err("is_https() takes no arguments")) };
        lent.look(arguments.py(), |exchange| u8::from(exchange.is_over_tls())).ok_or_else(over)
    };
    let lent = exchange.clone();
    let var_lookup = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let [name] = arguments.as_slice() else {
            return Err(PyTypeError::new_err("var_lookup() takes exactly 1 argument"));
        };
        let name = variable_name(name)?;
        let value = lent.look(arguments.py(), |exchange| exchange.tls_variable(&name)).ok_or_else(over)?;
        Ok(value.map(|value| text::latin1(arguments.py(), &value).unbind()))
    };
    environ.set_item("mod_ssl.is_https", PyCFunction::new_closure(py, Some(c"is_https"), None, is_https)?)?;
    environ.set_item("mod_ssl.var_lookup", PyCFunction::new_closure(py, Some(c"var_lookup"), None, var_lookup)?)
}

fn over() -> PyErr {
    PyRuntimeError::new_err("the request is over")
}

fn variable_name(name: &Bound<'_, PyAny>) -> PyResult<CString> {
    let bytes = if let Ok(name) = name.cast::<PyString>() {
        text::latin1_bytes(name).map_err(|_| PyTypeError::new_err("the name of a variable must be latin-1"))?.to_vec()
    } else if let Ok(name) = name.cast::<PyBytes>() {
        name.as_bytes().to_vec()
    } else {
        return Err(PyTypeError::new_err("the name of a variable must be str or bytes"));
    };
    CString::new(bytes).map_err(|_| PyTypeError::new_err("the name of a variable must not contain a null character"))
}
