//! The audit of extension modules in a process without the GIL.
//!
//! With the GIL switched off explicitly, CPython imports an extension that has
//! not declared `Py_MOD_GIL_NOT_USED` without a word: its warning belongs to
//! switching the GIL back on, which an explicit setting forbids. So every import
//! of an extension passes through here: `_imp.create_dynamic`, which importlib
//! looks up each time, is wrapped.

use super::class::{Arguments, Class, ClassType, Method, Object, Returns};
use core::ffi::{CStr, c_int};
use parking_lot::Mutex;
use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::HashSet;

unsafe extern "C" {
    /// module_gil.c: 1 declared, 0 not declared, -1 no module object.
    fn mod_wsgi_declares_gil_not_used(module: *mut ffi::PyObject) -> c_int;
}

/// What is done about an extension that has not declared itself safe.
#[derive(Clone, Copy)]
pub(crate) struct Policy {
    /// Its import fails.
    pub(crate) refuse: bool,
    /// Writes one line for the operator.
    pub(crate) report: fn(&str),
    /// Hears the name of each such module once.
    pub(crate) note: fn(&str),
}

/// Extensions already reported in this process, by name and file.
static REPORTED: Mutex<Option<HashSet<(String, String)>>> = Mutex::new(None);

/// The names of the extensions that have not declared themselves safe, in order.
pub(crate) fn reported() -> Vec<String> {
    let reported = REPORTED.lock();
    let mut names: Vec<_> = reported.iter().flatten().map(|(name, _)| name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// The replacement of `_imp.create_dynamic`.
struct CreateDynamic {
    original: Py<PyAny>,
    policy: Policy,
}

impl Class for CreateDynamic {
    const NAME: &'static CStr = c"mod_wsgi.CreateDynamic";
    const METHODS: &'static [Method] = &[Method::positional(c"create_dynamic", CreateDynamic::create), Method::END];
}

impl CreateDynamic {
    /// `create_dynamic(spec[, file])`: as CPython's, then the check.
    fn create<'py>(this: &Object<'py, Self>, arguments: Arguments<'_, 'py>) -> Returns<'py> {
        let py = this.py();
        let spec = arguments.get(0).map(|spec| spec.to_owned());
        let original = this.original.bind(py);
        let module = match (&spec, arguments.get(1)) {
            (Some(spec), Some(file)) => original.call1((spec, file)),
            (Some(spec), None) => original.call1((spec,)),
            (None, _) => original.call0(),
        }?;
        let Some(spec) = spec else { return Ok(module) };
        if !declares_gil_not_used(&module) {
            this.policy.handle(&spec, &module)?;
        }
        Ok(module)
    }
}

fn declares_gil_not_used(module: &Bound<'_, PyAny>) -> bool {
    // SAFETY: ATTACHED; the module is alive.
    unsafe { mod_wsgi_declares_gil_not_used(module.as_ptr()) != 0 }
}

impl Policy {
    fn handle(self, spec: &Bound<'_, PyAny>, module: &Bound<'_, PyAny>) -> PyResult<()> {
        let attribute = |name: &str| {
            let value = spec.getattr(name).and_then(|value| value.extract::<String>());
            value.unwrap_or_else(|_| "(unknown)".to_owned())
        };
        let (name, file) = (attribute("name"), attribute("origin"));
        let verdict = if self.refuse { "refused by WSGIFreeThreadingAudit Strict" } else { "it may not be safe" };
        let text =
            format!("extension module '{name}' ({file}) does not declare that it runs without the GIL: {verdict}");
        if REPORTED.lock().get_or_insert_default().insert((name.clone(), file)) {
            (self.report)(&text);
            (self.note)(&name);
        }
        if !self.refuse {
            return Ok(());
        }
        // A single-phase extension stands in sys.modules already, where the next import would find it.
        let modules = spec.py().import("sys")?.getattr("modules")?;
        if modules.call_method1("get", (&name,))?.is(module) {
            modules.del_item(&name)?;
        }
        Err(PyImportError::new_err(text))
    }
}

/// Puts the audit in place in the interpreter attached to, and looks at the
/// extensions that its start-up has imported already.
///
/// # Errors
/// What CPython raises.
pub(crate) fn install(py: Python<'_>, policy: Policy) -> PyResult<()> {
    let importer = py.import("_imp")?;
    let original = importer.getattr("create_dynamic")?.unbind();
    let wrapper = ClassType::<CreateDynamic>::new(py)?.instance(py, CreateDynamic { original, policy })?;
    importer.setattr("create_dynamic", wrapper.bound_method(0)?)?;
    let modules = py.import("sys")?.getattr("modules")?.call_method0("copy")?.cast_into::<PyDict>()?;
    for (_, module) in modules.iter() {
        if is_extension(&module)? && !declares_gil_not_used(&module) {
            // Too late to refuse: it is imported, and start-up needed it.
            Policy { refuse: false, ..policy }.handle(&module.getattr("__spec__")?, &module)?;
        }
    }
    Ok(())
}

fn is_extension(module: &Bound<'_, PyAny>) -> PyResult<bool> {
    let loader = module.py().import("importlib.machinery")?.getattr("ExtensionFileLoader")?;
    let spec = module.getattr("__spec__").ok().filter(|spec| !spec.is_none());
    spec.map_or(Ok(false), |spec| spec.getattr("loader")?.is_instance(&loader))
}
