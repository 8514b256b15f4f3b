//! `mod_ssl.is_https()` and `mod_ssl.var_lookup(name)`, for as long as the script is asked.

use crate::apache::request::Request;
use crate::python::loan::{Lendable, Loan};
use crate::python::text;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyString, PyTuple};
use std::ffi::CString;
use std::sync::Arc;

struct RequestLoan;

impl Lendable for RequestLoan {
    type At<'a> = Request<'a>;
}

/// Runs `body` while both functions in `environ` know the request.
///
/// # Errors
/// What CPython raises when they are made; `body` did not run.
pub(super) fn lend<R>(environ: &Bound<'_, PyDict>, mut request: Request<'_>, body: impl FnOnce() -> R) -> PyResult<R> {
    let py = environ.py();
    let loan: Arc<Loan<RequestLoan>> = Arc::default();
    let lent = loan.clone();
    let is_https = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let [] = arguments.as_slice() else { return Err(PyTypeError::new_err("is_https() takes no arguments")) };
        lent.with(|request| u8::from(request.is_over_tls())).ok_or_else(over)
    };
    let lent = loan.clone();
    let var_lookup = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        let [name] = arguments.as_slice() else {
            return Err(PyTypeError::new_err("var_lookup() takes exactly 1 argument"));
        };
        let name = variable_name(name)?;
        let value = lent.with(|request| request.tls_variable(&name).map(<[u8]>::to_vec)).ok_or_else(over)?;
        Ok(value.map(|value| text::latin1(arguments.py(), &value).unbind()))
    };
    environ.set_item("mod_ssl.is_https", PyCFunction::new_closure(py, Some(c"is_https"), None, is_https)?)?;
    environ.set_item("mod_ssl.var_lookup", PyCFunction::new_closure(py, Some(c"var_lookup"), None, var_lookup)?)?;
    Ok(loan.lend(py, &mut request, body))
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
