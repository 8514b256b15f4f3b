//! What finalizers and callbacks raise while an interpreter ends, and nobody can catch.
//!
//! CPython takes `sys.meta_path` away before it takes modules apart. From then on each `__del__` and each callback of a weak
//! reference that imports something raises ImportError, also where that is the fault of nobody: one line in three for each
//! object, thousands for an application with as many. `finish` puts a hook before the one that is there, which leaves these
//! out. Everything else is told as before.

use super::class::{Arguments, Class, ClassType, Method, Object, Returns, none};
use core::ffi::CStr;
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// How CPython begins to say that it imports nothing any more.
const NO_IMPORTS: &str = "sys.meta_path is None";

/// `sys.unraisablehook` of an interpreter that ends.
struct Hook {
    before: Py<PyAny>,
}

impl Class for Hook {
    const NAME: &'static CStr = c"mod_wsgi.UnraisableHook";
    const METHODS: &'static [Method] = &[Method::positional(c"unraisablehook", Hook::tell), Method::END];
}

impl Hook {
    fn tell<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let py = this.py();
        let Some(unraisable) = arguments.get(0) else { return none(py) };
        if unraisable.getattr("exc_value").is_ok_and(|error| is_only_the_end(&error)) {
            return none(py);
        }
        this.before.bind(py).call1((unraisable,))
    }
}

fn is_only_the_end(error: &Bound<'_, PyAny>) -> bool {
    error.is_instance_of::<PyImportError>() && error.str().is_ok_and(|text| text.to_string().starts_with(NO_IMPORTS))
}

/// Has the interpreter attached to leave out what is only its end.
///
/// # Errors
/// What CPython raises.
pub(super) fn leave_out_the_end(py: Python<'_>) -> PyResult<()> {
    let sys = py.import("sys")?;
    let before = sys.getattr("unraisablehook")?.unbind();
    let hook = ClassType::<Hook>::new(py)?.instance(py, Hook { before })?;
    sys.setattr("unraisablehook", hook.bound_method(0)?)
}
