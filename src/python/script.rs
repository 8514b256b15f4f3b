//! Script modules: a file is executed as a module, once per interpreter, and
//! again when it has changed.
//!
//! A thread keeps the applications it has called and checks one generation
//! number; the table of scripts is locked only when that number has moved.

use super::thread_state::Attached;
use super::{generation, loading, short_slices, text, traceback};
use core::cell::RefCell;
use md5::{Digest, Md5};
use parking_lot::{Condvar, Mutex};
use pyo3::exceptions::{PySystemExit, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::CString;
use std::path::Path;
use std::rc::Rc;

/// The scripts of one interpreter.
#[derive(Default)]
pub(crate) struct Scripts {
    table: Mutex<HashMap<Box<[u8]>, Entry>>,
    loaded: Condvar,
}

enum Entry {
    /// A thread is executing it; the others wait, detached.
    Loading,
    Loaded(Py<PyModule>),
}

/// A script as a request names it.
#[derive(Clone, Debug)]
pub(crate) struct Script<'a> {
    pub(crate) path: &'a [u8],
    /// The path that the module is named after, which is the same unless letter case is to be ignored.
    pub(crate) module_path: Cow<'a, [u8]>,
    /// When the file changed last, in microseconds since the epoch.
    pub(crate) modified: i64,
    /// What the script's own `reload_required` is asked about.
    pub(crate) resource: &'a [u8],
    pub(crate) reloading: Reloading,
    /// The name of the callable in the script.
    pub(crate) callable: &'a str,
}

/// What happens when the file of a loaded script has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reloading {
    /// Nothing, and no one looks: `WSGIScriptReloading Off`.
    Off,
    /// It is executed again in this interpreter.
    Here,
    /// The caller is told ([`LoadError::Changed`]): another process is to load it.
    Elsewhere,
}

/// Why there is no application to call.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The file cannot be read or is no Python.
    Source(PyErr),
    /// The module raised while it was executed.
    Raised(PyErr),
    /// The module raised SystemExit.
    Exited(PyErr),
    /// The module has no such callable.
    NoCallable,
    /// The file has changed since it was loaded, and is not to be loaded again here.
    Changed,
}

/// What happens to a script, for the log of the request that causes it.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// It is about to be executed; `again` if it was before.
    Loading { again: bool },
    /// It has been executed.
    Loaded,
    /// Its `reload_required` raised, which counts as no.
    ReloadRequiredRaised(&'a [String]),
}

/// Tells of events.
pub(crate) type Announce<'a> = &'a dyn Fn(Event<'_>);

/// The applications that one thread has called in one interpreter.
#[derive(Default)]
pub(crate) struct Applications(RefCell<Vec<Rc<Known>>>);

/// An application as a thread keeps it. Shared by `Rc`, so that a request touches
/// no reference count that other threads touch too.
pub(crate) struct Known {
    path: Box<[u8]>,
    callable: Box<str>,
    generation: u64,
    modified: i64,
    application: Py<PyAny>,
    /// `reload_required` of the script, which is asked at every request.
    reload_required: Option<Py<PyAny>>,
}

impl Known {
    pub(crate) fn application<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.application.bind(py)
    }

    fn is(&self, script: &Script<'_>) -> bool {
        &*self.path == script.path && &*self.callable == script.callable
    }

    fn is_current(&self, script: &Script<'_>, generation: u64) -> bool {
        self.generation == generation && (script.reloading == Reloading::Off || self.modified == script.modified)
    }

    /// Whether the script itself wants to be loaded again.
    fn wants_reload(&self, py: Python<'_>, script: &Script<'_>, announce: Announce<'_>) -> bool {
        let function = self.reload_required.as_ref().filter(|_| script.reloading != Reloading::Off);
        function.is_some_and(|function| asks_for_reload(function.bind(py), script, announce))
    }
}

/// A thread serves few scripts; a site with more of them still works, by the table.
const KNOWN_AT_MOST: usize = 32;

impl Applications {
    /// The application of `script`, loaded or reloaded if need be.
    ///
    /// # Errors
    /// See [`LoadError`]; nothing is kept of a script that failed, so the next request tries again.
    pub(crate) fn find(
        &self,
        attached: &Attached<'_>,
        script: &Script<'_>,
        announce: Announce<'_>,
    ) -> Result<Rc<Known>, LoadError> {
        // Read first: whatever changes from here on makes what is found now out of date.
        let generation = generation::current();
        let known = self.0.borrow().iter().find(|known| known.is(script)).cloned();
        let known = known.filter(|known| known.is_current(script, generation));
        let reload = match known {
            Some(known) if !known.wants_reload(attached.py, script, announce) => return Ok(known),
            Some(_) => Reload::Wanted,
            None => Reload::Ask,
        };
        let slices = short_slices();
        let module = attached.interpreter.scripts.module(attached, script, reload, announce)?;
        drop(slices);
        let globals = module.dict();
        let callable = || globals.get_item(script.callable).ok().flatten().ok_or(LoadError::NoCallable);
        // Only names that exist are minded: a client may have a say in the name. Read again, now that a change would tell.
        callable()?;
        generation::mind(script.callable);
        let application = callable()?;
        let reload_required = globals.get_item("reload_required").ok().flatten();
        let known = Rc::new(Known {
            path: script.path.into(),
            callable: script.callable.into(),
            generation,
            modified: script.modified,
            application: application.unbind(),
            reload_required: reload_required.map(Bound::unbind),
        });
        if generation::is_settled() {
            self.keep(known.clone());
        }
        Ok(known)
    }

    fn keep(&self, known: Rc<Known>) {
        let mut all = self.0.borrow_mut();
        let same = all.iter().position(|other| other.path == known.path && other.callable == known.callable);
        let dropped = match same {
            Some(at) => Some(all.swap_remove(at)),
            None if all.len() >= KNOWN_AT_MOST => Some(all.swap_remove(0)),
            None => None,
        };
        all.push(known);
        // Dropping an application may run Python code, which may come back here.
        drop(all);
        drop(dropped);
    }
}

/// What is known of a script's own wish to be loaded again: it is asked once per request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reload {
    Ask,
    Wanted,
}

impl Scripts {
    /// Loads a script before any request asks for it.
    ///
    /// # Errors
    /// See [`LoadError`]; nothing is kept of a script that failed.
    pub(crate) fn preload(
        &self,
        attached: &Attached<'_>,
        script: &Script<'_>,
        announce: Announce<'_>,
    ) -> Result<(), LoadError> {
        self.module(attached, script, Reload::Ask, announce).map(drop)
    }

    /// The module of `script`, executed now if it was not, or if it has changed.
    fn module<'py>(
        &self,
        attached: &Attached<'py>,
        script: &Script<'_>,
        reload: Reload,
        announce: Announce<'_>,
    ) -> Result<Bound<'py, PyModule>, LoadError> {
        let py = attached.py;
        let mut table = self.table.lock();
        loop {
            match table.get(&*script.module_path) {
                Some(Entry::Loading) => {
                    // NOTHING-HELD: the lock is given back before this thread attaches again.
                    drop(table);
                    py.detach(|| self.wait_while_loading(&script.module_path));
                    table = self.table.lock();
                }
                Some(Entry::Loaded(module)) => {
                    let module = module.bind(py).clone();
                    drop(table);
                    if reload == Reload::Ask && !has_changed(&module, script, announce) {
                        return Ok(module);
                    }
                    if script.reloading == Reloading::Elsewhere {
                        return Err(LoadError::Changed);
                    }
                    table = self.table.lock();
                    let same =
                        matches!(table.get(&*script.module_path), Some(Entry::Loaded(other)) if other.is(&module));
                    if same {
                        let old = table.insert((*script.module_path).into(), Entry::Loading);
                        drop(table);
                        drop(old);
                        return self.load(attached, script, announce, true);
                    }
                }
                None => {
                    table.insert((*script.module_path).into(), Entry::Loading);
                    drop(table);
                    return self.load(attached, script, announce, false);
                }
            }
        }
    }

    fn wait_while_loading(&self, path: &[u8]) {
        let mut table = self.table.lock();
        while matches!(table.get(path), Some(Entry::Loading)) {
            self.loaded.wait(&mut table);
        }
    }

    fn load<'py>(
        &self,
        attached: &Attached<'py>,
        script: &Script<'_>,
        announce: Announce<'_>,
        again: bool,
    ) -> Result<Bound<'py, PyModule>, LoadError> {
        /// Lets the waiting threads go on, whatever happens.
        struct Finish<'a>(&'a Scripts, &'a [u8], Option<Py<PyModule>>);
        impl Drop for Finish<'_> {
            fn drop(&mut self) {
                let mut table = self.0.table.lock();
                match self.2.take() {
                    Some(module) => table.insert(self.1.into(), Entry::Loaded(module)),
                    None => table.remove(self.1),
                };
                generation::advance();
                self.0.loaded.notify_all();
            }
        }
        announce(Event::Loading { again });
        let mut finish = Finish(self, &script.module_path, None);
        let module = loading::during(attached, script.path, || execute(attached.py, script))?;
        finish.2 = Some(module.clone().unbind());
        announce(Event::Loaded);
        Ok(module)
    }

    /// Forgets all modules, at the interpreter's end.
    pub(crate) fn clear(&self) {
        let modules = core::mem::take(&mut *self.table.lock());
        drop(modules);
    }
}

/// The name under which a script's module stands in `sys.modules`.
fn module_name(path: &[u8]) -> String {
    let mut name = String::from("_mod_wsgi_");
    for byte in Md5::digest(path) {
        name.push_str(&format!("{byte:02x}"));
    }
    name
}

/// Whether a loaded module must be executed again.
fn has_changed(module: &Bound<'_, PyModule>, script: &Script<'_>, announce: Announce<'_>) -> bool {
    if script.reloading == Reloading::Off {
        return false;
    }
    let loaded = module.dict().get_item("__mtime__").ok().flatten().and_then(|time| time.extract::<i64>().ok());
    if loaded != Some(script.modified) {
        return true;
    }
    let function = module.dict().get_item("reload_required").ok().flatten();
    function.is_some_and(|function| asks_for_reload(&function, script, announce))
}

/// What the script's own `reload_required` says; an exception means no.
fn asks_for_reload(function: &Bound<'_, PyAny>, script: &Script<'_>, announce: Announce<'_>) -> bool {
    let answer =
        function.call1((text::filesystem(function.py(), script.resource),)).and_then(|answer| answer.is_truthy());
    answer.unwrap_or_else(|error| {
        announce(Event::ReloadRequiredRaised(&traceback::lines(function.py(), &error)));
        false
    })
}

fn execute<'py>(py: Python<'py>, script: &Script<'_>) -> Result<Bound<'py, PyModule>, LoadError> {
    let path = text::filesystem(py, script.path);
    let name = module_name(&script.module_path);
    let code = compile(py, script, &path).map_err(LoadError::Source)?;
    let raised = |error| LoadError::of_raised(py, error);
    let module = new_module(py, &name, &path, script).map_err(raised)?;
    let modules = py.import("sys").and_then(|sys| sys.getattr("modules")).map_err(raised)?;
    modules.set_item(&name, &module).map_err(raised)?;
    match evaluate(&code, &module.dict()).and_then(|()| generation::watch(&module.dict())) {
        Ok(()) => Ok(module),
        Err(error) => {
            // A module that failed leaves no trace, as after a failed import.
            let _ = modules.del_item(&name);
            Err(raised(error))
        }
    }
}

/// Reads as bytes, so that the source's own encoding line counts.
fn compile<'py>(py: Python<'py>, script: &Script<'_>, path: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    use std::os::unix::ffi::OsStrExt;
    let file = Path::new(std::ffi::OsStr::from_bytes(script.path));
    let source = py.detach(|| std::fs::read(file))?;
    let source = CString::new(source).map_err(|_| PyValueError::new_err("source code cannot contain null bytes"))?;
    // Not the builtin `compile`: on a free-threaded build that one leaves constants with
    // reference counts that all threads then contend for.
    // SAFETY: ATTACHED; a C string and a str.
    let raw = unsafe {
        ffi::Py_CompileStringObject(source.as_ptr(), path.as_ptr(), ffi::Py_file_input, core::ptr::null_mut(), -1)
    };
    // SAFETY: ATTACHED; an owned reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, raw) }
}

fn new_module<'py>(
    py: Python<'py>,
    name: &str,
    path: &Bound<'py, PyAny>,
    script: &Script<'_>,
) -> PyResult<Bound<'py, PyModule>> {
    let loader = py.import("importlib.machinery")?.getattr("SourceFileLoader")?.call1((name, path))?;
    let options = PyDict::new(py);
    options.set_item("loader", &loader)?;
    let spec = py.import("importlib.util")?.getattr("spec_from_file_location")?.call((name, path), Some(&options))?;
    let module = PyModule::new(py, name)?;
    let globals = module.dict();
    globals.set_item("__builtins__", py.import("builtins")?)?;
    globals.set_item("__file__", path)?;
    globals.set_item("__loader__", loader)?;
    globals.set_item("__spec__", spec)?;
    globals.set_item("__package__", py.None())?;
    globals.set_item("__cached__", py.None())?;
    globals.set_item("__mtime__", script.modified)?;
    Ok(module)
}

fn evaluate(code: &Bound<'_, PyAny>, globals: &Bound<'_, PyDict>) -> PyResult<()> {
    // SAFETY: ATTACHED; a code object and a dict.
    let raw = unsafe { ffi::PyEval_EvalCode(code.as_ptr(), globals.as_ptr(), globals.as_ptr()) };
    // SAFETY: ATTACHED; an owned reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(code.py(), raw) }.map(drop)
}

impl LoadError {
    /// What it is when code raises this, the script's or, for a signal's handler, any other.
    fn of_raised(py: Python<'_>, error: PyErr) -> Self {
        if error.is_instance_of::<PySystemExit>(py) { Self::Exited(error) } else { Self::Raised(error) }
    }

    /// The exception's report, if there is one.
    pub(crate) fn lines(&self, py: Python<'_>) -> Vec<String> {
        self.exception().map_or_else(Vec::new, |error| traceback::lines(py, error))
    }

    /// The exception, if there is one.
    pub(crate) fn exception(&self) -> Option<&PyErr> {
        match self {
            Self::Source(error) | Self::Raised(error) | Self::Exited(error) => Some(error),
            Self::NoCallable | Self::Changed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::module_name;

    #[test]
    fn a_module_is_named_after_the_md5_of_its_path() {
        assert_eq!(module_name(b"/srv/app.wsgi"), "_mod_wsgi_295f8766fc4bd953ab4cd252da58a6a3");
    }
}
