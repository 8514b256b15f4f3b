//! Attributes of the module `mod_wsgi` that are made when an application first asks for them (PEP 562).

use crate::python::class::{Arguments, Class, ClassType, Method, Object, Returns};
use core::ffi::CStr;
use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyModule};

/// Names, and functions without arguments that make what they stand for.
struct LateAttributes(Py<PyDict>);

/// Has `module` make these when it is asked for them.
///
/// # Errors
/// What CPython raises.
pub(super) fn install(module: &Bound<'_, PyModule>, makers: &[(&str, Bound<'_, PyAny>)]) -> PyResult<()> {
    let py = module.py();
    let late = PyDict::new(py);
    makers.iter().try_for_each(|(name, make)| late.set_item(name, make))?;
    let late = ClassType::<LateAttributes>::new(py)?.instance(py, LateAttributes(late.unbind()))?;
    module.setattr("__getattr__", late.bound_method(0)?)?;
    module.setattr("__dir__", late.bound_method(1)?)
}

impl Class for LateAttributes {
    const NAME: &'static CStr = c"mod_wsgi.LateAttributes";
    const METHODS: &'static [Method] = &[
        Method::positional(c"__getattr__", LateAttributes::get),
        Method::positional(c"__dir__", LateAttributes::list),
        Method::END,
    ];
}

impl LateAttributes {
    fn get<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let py = this.py();
        let name = arguments.get(0).ok_or_else(|| PyTypeError::new_err("a name is missing"))?;
        let Some(make) = this.0.bind(py).get_item(name)? else {
            return Err(PyAttributeError::new_err(format!("module 'mod_wsgi' has no attribute {}", name.repr()?)));
        };
        // Threads that ask at the same time all get what the first of them has made.
        dictionary(py)?.call_method1("setdefault", (name, make.call0()?))
    }

    fn list<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        arguments.expect_none()?;
        let names = dictionary(this.py())?.cast_into::<PyDict>()?.copy()?;
        names.update(this.0.bind(this.py()).as_mapping())?;
        Ok(PyList::new(this.py(), names.keys())?.into_any())
    }
}

fn dictionary(py: Python<'_>) -> Returns<'_> {
    py.import("mod_wsgi")?.getattr("__dict__")
}
