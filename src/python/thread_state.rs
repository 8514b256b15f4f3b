//! Thread states: one per thread and interpreter, made at first use, kept by the
//! thread, given up when the thread ends.
//!
//! `PyGILState_*` means the main interpreter and cannot choose another, so it is
//! not the mechanism here. It still tells the truth inside: since 3.12 attaching
//! a thread state also makes it the one that `PyGILState_Ensure` finds, which is
//! how pyo3's own bookkeeping (`Python::attach_unchecked`) nests below.

use super::Interpreter;
use super::exhaustion::NO_THREAD_STATE;
use crate::unix::fork;
use pyo3::{Python, ffi};
use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Proof that this thread is attached to an interpreter, and what the thread keeps for it.
pub(crate) struct Attached<'py> {
    pub(crate) py: Python<'py>,
    pub(crate) interpreter: &'static Interpreter,
    slot: Rc<Slot>,
}

impl Attached<'_> {
    /// What this thread keeps for this interpreter, made at first use.
    pub(crate) fn kept<T: Any>(&self, make: impl FnOnce() -> T) -> &T {
        let kept = self.slot.kept.get_or_init(|| Box::new(make()));
        #[expect(clippy::expect_used, reason = "one caller, one type")]
        kept.downcast_ref().expect("a thread keeps one kind of value per interpreter")
    }
}

/// A thread's thread state for one interpreter.
struct Slot {
    interpreter: &'static Interpreter,
    state: *mut ffi::PyThreadState,
    /// Whether CPython made the state together with the interpreter.
    first: bool,
    kept: OnceCell<Box<dyn Any>>,
}

/// All thread states of one thread. What is left of them when the thread ends stays: exit(3) ends the thread also where a
/// signal has interrupted it inside of Python, and what is kept there must not be dropped then.
struct ThreadStates(ManuallyDrop<RefCell<Vec<Rc<Slot>>>>);

thread_local! {
    static THREAD: ThreadStates = const { ThreadStates(ManuallyDrop::new(RefCell::new(Vec::new()))) };
    /// How many scopes this thread is in that may be attached.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    static NUMBER: Cell<Option<i64>> = const { Cell::new(None) };
}

/// The next thread's number; 0 is the process's main thread, which starts Python.
static NEXT_NUMBER: AtomicI64 = AtomicI64::new(0);

/// This thread's number within the process, counted from the first thread that asked.
pub(crate) fn number() -> i64 {
    NUMBER.get().unwrap_or_else(|| {
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    })
}

/// Whether this thread may be attached: a signal handler that interrupts it must leave Python alone.
pub(crate) fn is_attached() -> bool {
    INSIDE.get() > 0
}

/// Attaches this thread to `interpreter`, runs `body`, detaches.
///
/// Not to be nested: a thread that is inside `body` is attached already.
pub(crate) fn attach<R>(interpreter: &'static Interpreter, body: impl for<'py> FnOnce(&Attached<'py>) -> R) -> R {
    /// What the application has forked ends here, on unwinding too: it is none of the host's processes.
    struct LeaveIfCopy;
    impl Drop for LeaveIfCopy {
        fn drop(&mut self) {
            fork::leave_if_copy();
        }
    }
    let _leave = LeaveIfCopy;
    let (slot, main) = THREAD.with(|thread| (thread.slot(interpreter), thread.main_state()));
    // SAFETY: THREAD-STATE: both thread states are this thread's own, and it is detached: `attach` does not nest.
    unsafe { enter(slot.state, main, |py| body(&Attached { py, interpreter, slot })) }
}

/// The interpreter of that name, if this thread has met it.
pub(crate) fn known(name: &str) -> Option<&'static Interpreter> {
    THREAD.with(|thread| {
        let slots = thread.0.borrow();
        slots.iter().map(|slot| slot.interpreter).find(|interpreter| interpreter.name() == name)
    })
}

/// This thread's thread state of `interpreter`.
pub(super) fn of(interpreter: &'static Interpreter) -> *mut ffi::PyThreadState {
    THREAD.with(|thread| thread.slot(interpreter)).state
}

/// Adopts the thread state that is current on this thread (CPython made it together
/// with the interpreter), runs `body` with it, and detaches.
///
/// # Safety
/// The current thread state is one of `interpreter`, made by this thread.
pub(crate) unsafe fn adopt<R>(interpreter: &'static Interpreter, body: impl for<'py> FnOnce(&Attached<'py>) -> R) -> R {
    // SAFETY: CONTRACT: a thread state is current.
    let state = unsafe { ffi::PyThreadState_Get() };
    let slot = Rc::new(Slot { interpreter, state, first: true, kept: OnceCell::new() });
    THREAD.with(|thread| thread.0.borrow_mut().push(slot.clone()));
    // SAFETY: THREAD-STATE: it is current; attaching again below is what every other use does.
    unsafe { ffi::PyEval_SaveThread() };
    attach(interpreter, body)
}

impl ThreadStates {
    fn slot(&self, interpreter: &'static Interpreter) -> Rc<Slot> {
        let slots = self.0.borrow();
        if let Some(slot) = slots.iter().find(|slot| core::ptr::eq(slot.interpreter, interpreter)) {
            return slot.clone();
        }
        drop(slots);
        self.add(interpreter)
    }

    #[cold]
    fn add(&self, interpreter: &'static Interpreter) -> Rc<Slot> {
        // Before 3.12 the first thread state of a thread is the one that PyGILState_Ensure finds for ever: it has to be the main one.
        if cfg!(not(Py_3_12))
            && !interpreter.is_main()
            && let Some(main) = super::interpreter::main()
        {
            self.slot(main);
        }
        // SAFETY: THREAD-STATE: the interpreter is alive; making a thread state needs no attached thread.
        let state = unsafe { ffi::PyThreadState_New(interpreter.as_raw()) };
        assert!(!state.is_null(), "{NO_THREAD_STATE}");
        let slot = Rc::new(Slot { interpreter, state, first: false, kept: OnceCell::new() });
        self.0.borrow_mut().push(slot.clone());
        slot
    }

    /// This thread's state of the main interpreter, if it has one.
    fn main_state(&self) -> Option<*mut ffi::PyThreadState> {
        if cfg!(Py_3_12) {
            return None;
        }
        self.0.borrow().iter().find(|slot| slot.interpreter.is_main()).map(|slot| slot.state)
    }
}

impl Drop for ThreadStates {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Gives up this thread's thread states as its end would, at a time of the thread's own choice. It is detached.
pub(crate) fn give_up() {
    THREAD.with(ThreadStates::give_up);
}

impl ThreadStates {
    /// The thread ends: its thread states go, the main interpreter's last.
    fn give_up(&self) {
        if super::finish::has_finished() {
            return;
        }
        let _inside = Inside::new();
        let main = self.main_state();
        let mut slots = core::mem::take(&mut *self.0.borrow_mut());
        slots.sort_by_key(|slot| !slot.interpreter.is_main());
        while let Some(slot) = slots.pop() {
            let Some(Slot { interpreter, state, first, kept }) = Rc::into_inner(slot) else { continue };
            // SAFETY: THREAD-STATE: the thread states are this thread's own, and it is detached.
            unsafe { enter(state, main, |_| drop(kept)) };
            // SAFETY: THREAD-STATE: the thread states are this thread's own, and it is detached.
            unsafe { ffi::PyEval_RestoreThread(state) };
            // SAFETY: THREAD-STATE: it is current, and nothing refers to it any more.
            unsafe { ffi::PyThreadState_Clear(state) };
            if first && cfg!(not(Py_3_12)) {
                // SAFETY: THREAD-STATE: it is current.
                unsafe { ffi::PyEval_SaveThread() };
                interpreter.abandon(state);
                continue;
            }
            // SAFETY: THREAD-STATE: it is current and cleared.
            unsafe { ffi::PyThreadState_DeleteCurrent() };
        }
    }
}

/// Drops what this thread keeps for `interpreter` and returns its thread state, which
/// the thread no longer owns: for the end of the interpreter.
pub(crate) fn release(interpreter: &'static Interpreter) -> *mut ffi::PyThreadState {
    let (slot, main) = THREAD.with(|thread| (thread.slot(interpreter), thread.main_state()));
    THREAD.with(|thread| thread.0.borrow_mut().retain(|other| !Rc::ptr_eq(other, &slot)));
    let state = slot.state;
    if let Some(Slot { kept, .. }) = Rc::into_inner(slot) {
        // SAFETY: THREAD-STATE: the thread states are this thread's own, and it is detached.
        unsafe { enter(state, main, |_| drop(kept)) };
    }
    state
}

/// Runs `body` attached with a state that [`release`] returned. `body` may end the
/// interpreter, and with it the state: it returns whether it did.
///
/// # Safety
/// This thread made `state`, and is detached.
#[cfg(Py_3_12)]
pub(super) unsafe fn with_released(state: *mut ffi::PyThreadState, body: impl FnOnce() -> bool) -> bool {
    // SAFETY: CONTRACT: this thread made `state`, and is detached.
    unsafe { ffi::PyEval_RestoreThread(state) };
    let ended = body();
    if !ended {
        // SAFETY: THREAD-STATE: still attached.
        unsafe { ffi::PyEval_SaveThread() };
    }
    ended
}

/// Runs `body` attached with a state that [`release`] returned. Finalizers that it runs
/// call our classes, which before 3.12 have to find pyo3's bookkeeping in place.
///
/// # Safety
/// This thread made `state`, and is detached.
#[cfg(not(Py_3_12))]
pub(super) unsafe fn with_released(state: *mut ffi::PyThreadState, body: impl FnOnce() -> bool) -> bool {
    let main = THREAD.with(ThreadStates::main_state);
    // SAFETY: CONTRACT: this thread made `state`, and is detached; the main state is current again afterwards.
    unsafe { enter(state, main, |_| body()) }
}

/// Runs `body` attached with `state`.
///
/// # Safety
/// This thread made `state` (and `main`), and is detached.
#[cfg(Py_3_12)]
unsafe fn enter<R>(
    state: *mut ffi::PyThreadState,
    _main: Option<*mut ffi::PyThreadState>,
    body: impl FnOnce(Python<'_>) -> R,
) -> R {
    // SAFETY: CONTRACT: this thread made `state` (and `main`), and is detached.
    let _detach = unsafe { Detach::after_restoring(state) };
    // SAFETY: ATTACHED: just above.
    unsafe { Python::attach_unchecked(body) }
}

/// Runs `body` attached with `state`. Before 3.12 pyo3's bookkeeping has to find the
/// main thread state current, so that one is swapped in meanwhile. The lock is waited for
/// with `state`: only threads of the same interpreter are asked to give it up.
///
/// # Safety
/// This thread made `state` and `main`, and is detached.
#[cfg(not(Py_3_12))]
unsafe fn enter<R>(
    state: *mut ffi::PyThreadState,
    main: Option<*mut ffi::PyThreadState>,
    body: impl FnOnce(Python<'_>) -> R,
) -> R {
    struct SwapBack(*mut ffi::PyThreadState);
    impl Drop for SwapBack {
        fn drop(&mut self) {
            // SAFETY: THREAD-STATE: the lock is held, and the thread state is this thread's.
            unsafe { ffi::PyThreadState_Swap(self.0) };
        }
    }
    let main = main.unwrap_or(state);
    // SAFETY: CONTRACT: this thread made `state` and `main`, and is detached.
    let _detach = unsafe { Detach::after_restoring(state) };
    // SAFETY: THREAD-STATE: the lock is held, and the thread state is this thread's.
    unsafe { ffi::PyThreadState_Swap(main) };
    let swapped = |py: Python<'_>| {
        let _back = SwapBack(main);
        // SAFETY: THREAD-STATE: the lock is held, and the thread state is this thread's.
        unsafe { ffi::PyThreadState_Swap(state) };
        body(py)
    };
    // SAFETY: ATTACHED: just above.
    unsafe { Python::attach_unchecked(swapped) }
}

/// A scope in which this thread may be attached. It begins before the first call that attaches and ends after the last one
/// that detaches: a signal between the two finds a thread that is counted as attached, never the other way round.
pub(super) struct Inside;

impl Inside {
    pub(super) fn new() -> Self {
        INSIDE.set(INSIDE.get() + 1);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
    }
}

/// Detaches at the end of a scope, on unwinding too.
struct Detach {
    /// Dropped after [`Drop::drop`] has detached.
    _inside: Inside,
}

impl Detach {
    /// # Safety
    /// This thread made `state`, and is detached.
    unsafe fn after_restoring(state: *mut ffi::PyThreadState) -> Self {
        let inside = Inside::new();
        // SAFETY: CONTRACT: this thread made `state`, and is detached.
        unsafe { ffi::PyEval_RestoreThread(state) };
        Self { _inside: inside }
    }
}

impl Drop for Detach {
    fn drop(&mut self) {
        // SAFETY: THREAD-STATE: the thread is attached: whatever detached inside has attached again.
        unsafe { ffi::PyEval_SaveThread() };
    }
}
