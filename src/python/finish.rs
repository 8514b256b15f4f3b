//! The end of Python in this process: threads are joined, exit functions run and
//! interpreters are taken down, under a time limit.
//!
//! Called once, on the thread that started Python, when the other threads of the
//! host have ended.

use super::interpreter::{self, Interpreter};
use super::thread_state::{self, Attached, attach};
use super::unraisable;
use crate::unix::last_line;
use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use core::time::Duration;
use pyo3::ffi;
use pyo3::prelude::*;

/// Thread states must not be touched any more.
static FINISHED: AtomicBool = AtomicBool::new(false);

/// Whether Python has ended, or is being left as it is.
pub(crate) fn has_finished() -> bool {
    FINISHED.load(Ordering::Acquire)
}

/// Ends Python, within the time that [`leave_after`] has set: a thread that will not end, or an
/// extension that hangs, costs no more than that.
///
/// With `keep` interpreters are left as they are: nothing is joined, run or taken down.
pub(crate) fn finish(keep: bool) {
    if keep || thread_state::is_attached() || interpreter::main().is_none() {
        // A signal interrupted this thread inside Python, which cannot be entered again from here.
        FINISHED.store(true, Ordering::Release);
        set_alarm(Duration::ZERO);
        return;
    }
    let _slices = super::short_slices();
    let mut clean = true;
    for interpreter in interpreter::all().into_iter().rev() {
        attach(interpreter, run_exit_work);
        if !interpreter.is_main() {
            clean &= end(interpreter);
        }
    }
    if let Some(main) = interpreter::main() {
        finalize(main, clean);
    }
    FINISHED.store(true, Ordering::Release);
    set_alarm(Duration::ZERO);
}

/// What a Python process does when it ends: joins its threads, runs `atexit`, flushes its streams.
fn run_exit_work(attached: &Attached<'_>) {
    let py = attached.py;
    for (module, function) in [("threading", "_shutdown"), ("atexit", "_run_exitfuncs")] {
        if let Err(error) = py.import(module).and_then(|module| module.call_method0(function)) {
            error.write_unraisable(py, None);
        }
    }
    attached.interpreter.scripts.clear();
    if let Err(error) = unraisable::leave_out_the_end(py) {
        error.write_unraisable(py, None);
    }
}

/// Ends a sub-interpreter; `false` if other threads still have states in it, which CPython takes for a fatal error.
fn end(interpreter: &'static Interpreter) -> bool {
    let state = thread_state::release(interpreter);
    let end = || {
        if let Some(first) = interpreter.take_abandoned() {
            // SAFETY: THREAD-STATE: its thread has cleared it and ended, and it is not current: another one is.
            unsafe { ffi::PyThreadState_Delete(first.as_ptr()) };
        }
        // SAFETY: THREAD-STATE: attached, and the interpreter is alive.
        let first = unsafe { ffi::PyInterpreterState_ThreadHead(interpreter.as_raw()) };
        // SAFETY: THREAD-STATE: the list has at least this thread's state.
        let alone = first == state && unsafe { ffi::PyThreadState_Next(first) }.is_null();
        if alone {
            // SAFETY: THREAD-STATE: the state is current and the only one of its interpreter. None is current
            // afterwards.
            unsafe { ffi::Py_EndInterpreter(state) };
        }
        alone
    };
    // SAFETY: THREAD-STATE: the state was made by this thread, which is detached; `end` says whether it is gone.
    unsafe { thread_state::with_released(state, end) }
}

/// Finalises the main interpreter, unless a sub-interpreter is left: finalisation would end that too, fatally.
fn finalize(main: &'static Interpreter, clean: bool) {
    let state = thread_state::release(main);
    FINISHED.store(true, Ordering::Release);
    if clean {
        // SAFETY: THREAD-STATE: this thread made the state, and is detached.
        unsafe { ffi::PyEval_RestoreThread(state) };
        // SAFETY: THREAD-STATE: on the thread that initialised Python, attached to the main interpreter.
        unsafe { ffi::Py_FinalizeEx() };
    }
}

/// The exit status of the process when the time is up, and that time in milliseconds.
static STATUS: AtomicI32 = AtomicI32::new(0);
static LIMIT: AtomicU64 = AtomicU64::new(0);

/// Ends the process when the time is up.
extern "C" fn leave(_signal: c_int) {
    let limit = LIMIT.load(Ordering::Relaxed);
    let (seconds, tenths) = (limit / 1000, limit % 1000 / 100);
    let text = "WSGI1142: Python did not shut down within";
    match tenths {
        0 => last_line::write("warn", format_args!("{text} {seconds} s; exiting anyway")),
        _ => last_line::write("warn", format_args!("{text} {seconds}.{tenths} s; exiting anyway")),
    }
    // SAFETY: SYSTEM: _exit(2) is safe in a signal handler.
    unsafe { libc::_exit(STATUS.load(Ordering::Relaxed)) }
}

/// Has the process leave at once with `status` when `time` has passed, unless Python has ended; zero is no limit.
pub(crate) fn leave_after(time: Duration, status: i32) {
    STATUS.store(status, Ordering::Relaxed);
    LIMIT.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    // SAFETY: SYSTEM: all zeroes is a valid sigaction and a valid signal set.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = leave as extern "C" fn(c_int) as usize;
    // SAFETY: SYSTEM: the structure is complete.
    unsafe { libc::sigaction(libc::SIGALRM, &action, core::ptr::null_mut()) };
    // SAFETY: SYSTEM: the structure is complete.
    let mut set: libc::sigset_t = unsafe { core::mem::zeroed() };
    // SAFETY: SYSTEM: the set is ours.
    unsafe { libc::sigaddset(&mut set, libc::SIGALRM) };
    // SAFETY: SYSTEM: httpd's children block signals in some threads; this one has to take the alarm.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, core::ptr::null_mut()) };
    set_alarm(time);
}

/// Has SIGALRM sent when `time` has passed; zero takes it back.
fn set_alarm(time: Duration) {
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let value = libc::timeval {
        tv_sec: time.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_usec: time.subsec_micros().into(),
    };
    let timer = libc::itimerval { it_interval: never, it_value: value };
    // SAFETY: SYSTEM: the structure is complete; the previous one is not asked for.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, core::ptr::null_mut()) };
}
