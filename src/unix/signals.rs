//! Signals as input: a handler writes each one's number into a pipe, which the main thread reads with everything else.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering};
use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use nix::unistd::pipe2;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

/// The write end of the pipe, and the process that it belongs to.
static PIPE: AtomicI32 = AtomicI32::new(-1);
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// The signals of this process, to be read.
pub(crate) struct Signals {
    pipe: OwnedFd,
}

impl Signals {
    /// Turns `signals` into input of this process, lets the ones in `ignored` pass without effect, and blocks none.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub(crate) fn new(signals: &[Signal], ignored: &[Signal]) -> nix::Result<Self> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        PROCESS.store(std::process::id() as i32, Ordering::SeqCst);
        let before = PIPE.swap(write.into_raw_fd(), Ordering::SeqCst);
        if before >= 0 {
            // The pipe of the process that this one was forked from.
            let _ = nix::unistd::close(before);
        }
        for signal in signals {
            set(*signal, SigHandler::Handler(note))?;
        }
        for signal in ignored {
            set(*signal, SigHandler::SigIgn)?;
        }
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        Ok(Self { pipe: read })
    }

    /// The next signal, if there is one.
    pub(crate) fn next(&self) -> Option<Signal> {
        let mut number = [0];
        match nix::unistd::read(&self.pipe, &mut number) {
            Ok(1) => Signal::try_from(i32::from(number[0])).ok(),
            _ => None,
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// Forgets the pipe of the process that this one was forked from; signals have no effect until [`Signals::new`].
pub(crate) fn let_go() {
    let before = PIPE.swap(-1, Ordering::SeqCst);
    if before >= 0 {
        let _ = nix::unistd::close(before);
    }
}

fn set(signal: Signal, handler: SigHandler) -> nix::Result<()> {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: SIGNAL-SAFE: `note` is safe in a signal handler.
    unsafe { sigaction(signal, &action) }.map(drop)
}

/// Signals that wait, from just before a fork until each side can tell which of the two processes they are for.
pub(crate) struct Held(SigSet);

impl Held {
    /// # Errors
    /// None that the system documents.
    pub(crate) fn new() -> nix::Result<Self> {
        let mut before = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
        Ok(Self(before))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None);
    }
}

/// Has `signals` end this process, which was forked while they were [`Held`], until it minds them itself.
pub(crate) fn let_end(signals: &[Signal]) {
    reset(signals);
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// Gives `signals` their default effect again, in a process that is about to be left to others.
pub(crate) fn reset(signals: &[Signal]) {
    for signal in signals {
        let _ = set(*signal, SigHandler::SigDfl);
    }
}

extern "C" fn note(signal: c_int) {
    // SAFETY: SIGNAL-SAFE: getpid(2) is safe in a signal handler.
    if unsafe { libc::getpid() } != PROCESS.load(Ordering::SeqCst) {
        // An application forked without exec: its process is none of ours, and would not read it.
        // SAFETY: SIGNAL-SAFE: _exit(2) is safe in a signal handler.
        unsafe { libc::_exit(255) };
    }
    let number = [signal as u8];
    // SAFETY: SIGNAL-SAFE: so is __errno_location.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: SIGNAL-SAFE: the location is this thread's.
    let kept = unsafe { *errno };
    // SAFETY: SIGNAL-SAFE: write(2) is safe in a signal handler; a full pipe holds signals enough.
    unsafe { libc::write(PIPE.load(Ordering::SeqCst), number.as_ptr().cast(), 1) };
    // SAFETY: SIGNAL-SAFE: the location is this thread's.
    unsafe { *errno = kept };
}
