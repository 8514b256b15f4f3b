//! SIGWINCH of httpd's parent (`apachectl graceful-stop`), handed to httpd some time later, so that whoever sends requests
//! here can be told first.
//!
//! Called in the parent, once httpd has set its own handler: whenever a child has been started. A second SIGWINCH is
//! handed on at once. The time is kept by a timer of the system, which children do not inherit.

use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering::SeqCst};
use core::time::Duration;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::sync::OnceLock;

/// What httpd does about the signal: a handler, as a pointer.
static HTTPD: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
/// Sends SIGWINCH to this process when the time is up.
static TIMER: OnceLock<Timer> = OnceLock::new();
/// The process that hands the signal on late.
static PROCESS: AtomicI32 = AtomicI32::new(0);
static MICROSECONDS: AtomicU64 = AtomicU64::new(0);
/// Called when the time begins. Safe in a signal handler.
static BEGUN: OnceLock<fn()> = OnceLock::new();
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);

struct Timer(libc::timer_t);

// SAFETY: SYSTEM: a number of the kernel's that any thread may use.
unsafe impl Send for Timer {}
// SAFETY: SYSTEM: a number of the kernel's that any thread may use.
unsafe impl Sync for Timer {}

impl Timer {
    fn new() -> Option<Self> {
        // SAFETY: SYSTEM: all zeroes is a valid record.
        let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGWINCH;
        let mut timer = ptr::null_mut();
        // SAFETY: SYSTEM: both records are ours.
        let status = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) };
        (status == 0).then_some(Self(timer))
    }

    /// Safe in a signal handler, as timer_settime(2) is.
    fn start(&self, time: Duration) -> bool {
        let value = libc::timespec {
            tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        let once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = libc::itimerspec { it_interval: once, it_value: value };
        // SAFETY: SYSTEM: the timer is this process's, and stays for its life.
        unsafe { libc::timer_settime(self.0, 0, &setting, ptr::null_mut()) == 0 }
    }
}

/// Hands the signal to httpd after `time`, which is not zero; `begun` is called when that begins, within a signal handler.
/// Where httpd does nothing about the signal yet, nothing changes.
pub(crate) fn put_off(time: Duration, begun: fn()) {
    if TIMER.get().is_none() {
        let Some(timer) = Timer::new() else { return };
        let _ = TIMER.set(timer);
    }
    MICROSECONDS.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), SeqCst);
    PROCESS.store(std::process::id() as i32, SeqCst);
    BEGUN.get_or_init(|| begun);
    let action = SigAction::new(SigHandler::Handler(note_signal), SaFlags::empty(), SigSet::empty());
    // SAFETY: SIGNAL-SAFE: `note_signal` is safe in a signal handler.
    let Ok(before) = (unsafe { sigaction(Signal::SIGWINCH, &action) }) else { return };
    match before.handler() {
        SigHandler::Handler(handler) if handler as *const () == note_signal as *const () => {}
        SigHandler::Handler(handler) => HTTPD.store(handler as *mut (), SeqCst),
        _ => {
            // SAFETY: SYSTEM: what was there before is as good as it was.
            let _ = unsafe { sigaction(Signal::SIGWINCH, &before) };
        }
    }
}

extern "C" fn note_signal(signal: c_int) {
    // SAFETY: SIGNAL-SAFE: getpid(2) is safe in a signal handler.
    let is_parent = unsafe { libc::getpid() } == PROCESS.load(SeqCst);
    if is_parent && !HAS_BEGUN.swap(true, SeqCst) {
        if let Some(begun) = BEGUN.get() {
            begun();
        }
        let time = Duration::from_micros(MICROSECONDS.load(SeqCst));
        if TIMER.get().is_some_and(|timer| timer.start(time)) {
            return;
        }
    }
    let handler = HTTPD.load(SeqCst);
    if !handler.is_null() {
        // SAFETY: SIGNAL-OF-HTTPD: a handler that was set for this very signal.
        let handler: extern "C" fn(c_int) = unsafe { core::mem::transmute(handler) };
        handler(signal);
    }
}
