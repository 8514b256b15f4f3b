//! Interpreters: the main one and one per named application group.
//!
//! An interpreter is made at first use and kept for the life of the process. The
//! list of them is locked only when a thread meets one for the first time; after
//! that the thread finds it in its own thread states.

use super::config::{self, GilMode, Options, StartError};
use super::script::Scripts;
use super::short_slices;
use super::thread_state::{self, Attached, attach};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};
use num_enum::{IntoPrimitive, TryFromPrimitive};
use parking_lot::Mutex;
use pyo3::panic::PanicException;
use pyo3::type_object::PyTypeInfo;
use pyo3::{PyErr, PyResult, ffi};
use std::any::Any;
use std::sync::OnceLock;

/// An interpreter of this process.
pub(crate) struct Interpreter {
    name: Box<str>,
    origin: Origin,
    raw: AtomicPtr<ffi::PyInterpreterState>,
    /// Whether its GIL is not one that it found: the main one's, or one of its own.
    own_gil: bool,
    /// The thread state that CPython made with it, once the thread that used it has ended: see [`Self::abandon`].
    abandoned: AtomicPtr<ffi::PyThreadState>,
    /// What the upper layers made for it: classes, constants.
    belongings: OnceLock<Box<dyn Any + Send + Sync>>,
    pub(crate) scripts: Scripts,
}

/// Makes the classes and streams of a new interpreter. Runs attached to it, before any application code.
pub(crate) type SetUp = fn(&Attached<'_>) -> PyResult<Box<dyn Any + Send + Sync>>;

/// Whether a sub-interpreter of that name gets a GIL of its own.
pub(crate) type OwnGil = fn(&str) -> bool;

struct Runtime {
    gil: GilMode,
    set_up: SetUp,
    own_gil: OwnGil,
    /// Held while an interpreter is being made, so that each is made once.
    making: Mutex<()>,
    /// Held for a moment only.
    interpreters: Mutex<Vec<&'static Interpreter>>,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Who thought of the name of an application group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub(crate) enum Origin {
    /// The configuration, which is finite.
    Configuration,
    /// A client, through its Host header or something else that it sends.
    Client,
}

/// As many interpreters of one process may have names that clients had a say in.
const BY_CLIENTS_AT_MOST: usize = 64;

/// Why an application group has no interpreter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InterpreterError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("Python was not started in this process")]
    NotStarted,
    #[error("Python was started in this process before, and cannot start twice")]
    StartedBefore,
    #[error(
        "interpreter '{0}' is not made: clients have led to {BY_CLIENTS_AT_MOST} of them already (WSGIApplicationGroup)"
    )]
    TooMany(String),
    #[error("interpreter '{name}' cannot be made: {reason}")]
    Make { name: String, reason: String },
}

/// Starts Python in this process with its main interpreter. The thread is detached afterwards.
///
/// # Errors
/// Python does not start, or the set-up of the main interpreter failed.
///
/// # Safety
/// AFTER-FORK: no other thread of the process runs yet, and Python was not started before.
pub(crate) unsafe fn start(options: &Options, set_up: SetUp, own_gil: OwnGil) -> Result<(), InterpreterError> {
    if RUNTIME.get().is_some() {
        return Err(InterpreterError::StartedBefore);
    }
    thread_state::number();
    let _slices = short_slices();
    // SAFETY: AFTER-FORK: no other thread of the process runs yet, and Python was not started before.
    unsafe { config::initialize(options) }?;
    let runtime = RUNTIME.get_or_init(|| Runtime {
        gil: options.gil,
        set_up,
        own_gil,
        making: Mutex::new(()),
        interpreters: Mutex::new(Vec::new()),
    });
    // SAFETY: THREAD-STATE: Python has just been initialised on this thread.
    let raw = unsafe { ffi::PyInterpreterState_Main() };
    let main = Interpreter::leak("", Origin::Configuration, raw, true);
    runtime.interpreters.lock().push(main);
    // SAFETY: THREAD-STATE: the thread state that initialisation made is current.
    let outcome = unsafe {
        thread_state::adopt(main, |attached| {
            // pyo3 compares every exception with this class of its own, which it makes once per process:
            // in the main interpreter, so that it never goes away.
            PanicException::type_object(attached.py);
            main.set_up(attached, runtime)
        })
    };
    outcome.map_err(|error| InterpreterError::Make { name: String::new(), reason: error })
}

/// The main interpreter, once Python has started.
pub(crate) fn main() -> Option<&'static Interpreter> {
    // Never removed and always the first; the lock is not needed often: threads keep what they found.
    RUNTIME.get()?.interpreters.lock().first().copied()
}

/// How the GIL works in this process, once Python has started.
pub(crate) fn gil_mode() -> Option<GilMode> {
    RUNTIME.get().map(|runtime| runtime.gil)
}

/// All interpreters, in the order they were made.
pub(crate) fn all() -> Vec<&'static Interpreter> {
    RUNTIME.get().map(|runtime| runtime.interpreters.lock().clone()).unwrap_or_default()
}

/// Whether the main interpreter is the only one, and no other is being made.
pub(crate) fn is_only_one() -> bool {
    RUNTIME.get().is_some_and(|runtime| !runtime.making.is_locked() && runtime.interpreters.lock().len() == 1)
}

/// One interpreter of each GIL: the main one, and those with a GIL of their own.
pub(crate) fn one_of_each_gil() -> Vec<&'static Interpreter> {
    all().into_iter().filter(|interpreter| interpreter.own_gil).collect()
}

/// Whether there is an interpreter of that name already.
pub(crate) fn exists(name: &str) -> bool {
    thread_state::known(name).is_some() || all().iter().any(|interpreter| &*interpreter.name == name)
}

/// The interpreter of that name, made now if there is none yet. The empty name is the main interpreter.
///
/// # Errors
/// See [`InterpreterError`].
pub(crate) fn named(name: &str, origin: Origin) -> Result<&'static Interpreter, InterpreterError> {
    if let Some(known) = thread_state::known(name) {
        return Ok(known);
    }
    let runtime = RUNTIME.get().ok_or(InterpreterError::NotStarted)?;
    // The thread is detached here, so waiting for another thread that makes the interpreter blocks no one.
    let _making = runtime.making.lock();
    let interpreters = all();
    if let Some(found) = interpreters.iter().find(|interpreter| &*interpreter.name == name) {
        return Ok(found);
    }
    let main = *interpreters.first().ok_or(InterpreterError::NotStarted)?;
    let by_clients = interpreters.iter().filter(|interpreter| interpreter.origin == Origin::Client).count();
    if origin == Origin::Client && by_clients >= BY_CLIENTS_AT_MOST {
        return Err(InterpreterError::TooMany(name.to_owned()));
    }
    let made = Interpreter::make(name, origin, main, runtime)
        .map_err(|reason| InterpreterError::Make { name: name.to_owned(), reason })?;
    runtime.interpreters.lock().push(made);
    Ok(made)
}

impl Interpreter {
    /// Interpreters live as long as the process.
    fn leak(name: &str, origin: Origin, raw: *mut ffi::PyInterpreterState, own_gil: bool) -> &'static Self {
        Box::leak(Box::new(Self {
            name: name.into(),
            origin,
            raw: AtomicPtr::new(raw),
            own_gil,
            abandoned: AtomicPtr::new(core::ptr::null_mut()),
            belongings: OnceLock::new(),
            scripts: Scripts::default(),
        }))
    }

    /// Makes a sub-interpreter from the main one.
    fn make(
        name: &str,
        origin: Origin,
        main: &'static Interpreter,
        runtime: &Runtime,
    ) -> Result<&'static Self, String> {
        let _slices = short_slices();
        let _inside = thread_state::Inside::new();
        // SAFETY: THREAD-STATE: this thread made the thread state, and is detached.
        unsafe { ffi::PyEval_RestoreThread(thread_state::of(main)) };
        let own_gil = (runtime.own_gil)(name);
        // SAFETY: THREAD-STATE: the main interpreter's thread state is current.
        match unsafe { new_interpreter(own_gil) } {
            Ok(raw) => {
                let made = Self::leak(name, origin, raw, own_gil);
                // SAFETY: THREAD-STATE: CPython left the new interpreter's first thread state current on this thread.
                unsafe { thread_state::adopt(made, |attached| made.set_up(attached, runtime)) }?;
                Ok(made)
            }
            Err(reason) => {
                // SAFETY: THREAD-STATE: after a failure the main thread state is current again.
                unsafe { ffi::PyEval_SaveThread() };
                Err(reason)
            }
        }
    }

    fn set_up(&self, attached: &Attached<'_>, runtime: &Runtime) -> Result<(), String> {
        let describe = |error: PyErr| super::traceback::lines(attached.py, &error).join("\n");
        let belongings = (runtime.set_up)(attached).map_err(describe)?;
        let _ = self.belongings.set(belongings);
        Ok(())
    }

    /// The name of the application group; empty for the main interpreter.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_main(&self) -> bool {
        self.name.is_empty()
    }

    /// Keeps the first thread state, cleared, instead of deleting it with its thread. Before 3.12 that
    /// one is part of the interpreter's own memory, and CPython takes it for the next thread
    /// state without having reset it, which it finds fatal.
    pub(super) fn abandon(&self, first: *mut ffi::PyThreadState) {
        self.abandoned.store(first, Ordering::Release);
    }

    /// The first thread state, if its thread has ended.
    pub(super) fn take_abandoned(&self) -> Option<NonNull<ffi::PyThreadState>> {
        NonNull::new(self.abandoned.swap(core::ptr::null_mut(), Ordering::AcqRel))
    }

    pub(super) fn as_raw(&self) -> *mut ffi::PyInterpreterState {
        self.raw.load(Ordering::Acquire)
    }

    /// What [`SetUp`] made.
    pub(crate) fn belongings<T: Any>(&self) -> Option<&T> {
        self.belongings.get()?.downcast_ref()
    }

    /// Runs `body` attached to this interpreter.
    pub(crate) fn run<R>(&'static self, body: impl for<'py> FnOnce(&Attached<'py>) -> R) -> R {
        attach(self, body)
    }
}

/// Makes an interpreter that shares the GIL of the main one (or, free-threaded, needs none),
/// or one with a GIL of its own: such a one refuses extensions that are not made for it, and daemon threads.
///
/// # Safety
/// A thread state of the main interpreter is current. Afterwards it is the new interpreter's, or on failure the same.
#[cfg(Py_3_12)]
unsafe fn new_interpreter(own_gil: bool) -> Result<*mut ffi::PyInterpreterState, String> {
    let mut state = core::ptr::null_mut();
    let mut config = ffi::_PyInterpreterConfig_LEGACY_INIT;
    if own_gil {
        config = ffi::_PyInterpreterConfig_INIT;
        config.allow_exec = 1;
    }
    // Its child would be ended by CPython ("not main interpreter").
    config.allow_fork = 0;
    // SAFETY: CONTRACT: a thread state of the main interpreter is current. Afterwards it is the new interpreter's, or
    // on failure the same.
    let status = unsafe { ffi::Py_NewInterpreterFromConfig(&mut state, &config) };
    // SAFETY: STRUCTURE: a status is a plain value.
    if unsafe { ffi::PyStatus_Exception(status) } != 0 || state.is_null() {
        return Err("CPython refused (Py_NewInterpreterFromConfig)".into());
    }
    // SAFETY: STRUCTURE: just made.
    Ok(unsafe { ffi::PyThreadState_GetInterpreter(state) })
}

/// # Safety
/// A thread state of the main interpreter is current. Afterwards it is the new interpreter's, or on failure the same.
#[cfg(not(Py_3_12))]
unsafe fn new_interpreter(_own_gil: bool) -> Result<*mut ffi::PyInterpreterState, String> {
    // SAFETY: CONTRACT: a thread state of the main interpreter is current. Afterwards it is the new interpreter's, or
    // on failure the same.
    let main = unsafe { ffi::PyThreadState_Get() };
    // SAFETY: CONTRACT: a thread state of the main interpreter is current. Afterwards it is the new interpreter's, or
    // on failure the same.
    let state = unsafe { ffi::Py_NewInterpreter() };
    if state.is_null() {
        // SAFETY: THREAD-STATE: the lock is held.
        unsafe { ffi::PyThreadState_Swap(main) };
        return Err("CPython refused (Py_NewInterpreter)".into());
    }
    // SAFETY: STRUCTURE: just made.
    Ok(unsafe { ffi::PyThreadState_GetInterpreter(state) })
}
