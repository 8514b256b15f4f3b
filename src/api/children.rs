//! Child processes that applications start, in Python: none of it is on the way of a request.

use crate::python::class::{Arguments, Class, ClassType, Method, Object, Returns, boolean};
use crate::python::{Attached, interpreter};
use core::ffi::CStr;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::CString;

/// A function of Python that tells whether the process could be forked from this interpreter.
struct MayFork {
    is_main: bool,
}

impl Class for MayFork {
    const NAME: &'static CStr = c"mod_wsgi.MayFork";
    const METHODS: &'static [Method] = &[Method::positional(c"may_fork", MayFork::may_fork), Method::END];
}

impl MayFork {
    /// CPython's child of a fork deletes all interpreters but the main one, and fails: "not main interpreter" in one of
    /// them, a crash where there are others.
    fn may_fork<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        boolean(this.py(), this.is_main && interpreter::is_only_one())
    }
}

/// Prepares the interpreter attached to, before code of an application imports what starts processes.
///
/// # Errors
/// What CPython raises.
pub(crate) fn prepare(attached: &Attached<'_>) -> PyResult<()> {
    const SOURCE: &str = include_str!("children.py");
    let py = attached.py;
    let may_fork = MayFork { is_main: attached.interpreter.is_main() };
    let may_fork = ClassType::new(py)?.instance(py, may_fork)?.bound_method(0)?;
    let namespace = PyDict::new(py);
    namespace.set_item("__name__", "mod_wsgi")?;
    py.run(&CString::new(SOURCE)?, Some(&namespace), None)?;
    namespace.as_any().get_item("prepare")?.call1((may_fork,)).map(drop)
}
