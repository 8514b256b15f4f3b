//! Leaving Python for a while, and the proof of it.
//!
//! Whatever may wait for a lock or for the other end of a connection asks for a [`Detached`]: a thread that is attached has
//! none, and everybody else who wants to run Python would wait with it.

use core::marker::PhantomData;
use pyo3::Python;

/// Proof that this thread is detached from Python. It does not leave the thread, nor the call that made it.
pub(crate) struct Detached<'a>(PhantomData<(&'a mut &'a (), *mut ())>);

/// Runs `body` detached.
pub(crate) fn detached<R: Send>(py: Python<'_>, body: impl for<'a> FnOnce(&Detached<'a>) -> R + Send) -> R {
    py.detach(|| body(&Detached(PhantomData)))
}

#[cfg(test)]
impl Detached<'_> {
    /// A thread of a test that has never been attached.
    pub(crate) fn never_attached() -> Self {
        Self(PhantomData)
    }
}
