//! Lends something that a request owns to a Python object, and takes it back.
//!
//! A Python object outlives its request whenever an application keeps it. So it
//! never holds the request: it holds a [`Loan`], which the request fills for as
//! long as it runs. Late use finds the loan empty.

use parking_lot::Mutex;
use pyo3::Python;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A kind of thing to lend: a trait object, for any life of what it borrows.
pub(crate) trait Lendable: 'static {
    type At<'a>: ?Sized + Send + 'a;
}

/// The place for something lent.
pub(crate) struct Loan<K: Lendable> {
    lent: Mutex<Option<Pointer<K>>>,
}

struct Pointer<K: Lendable>(NonNull<K::At<'static>>, PhantomData<K>);

// SAFETY: the pointer is followed only under the mutex, and what it points to is Send.
unsafe impl<K: Lendable> Send for Pointer<K> {}

impl<K: Lendable> Default for Loan<K> {
    fn default() -> Self {
        Self { lent: Mutex::new(None) }
    }
}

impl<K: Lendable> Loan<K> {
    /// Lends `value` while `body` runs. At the end it waits, detached, for a thread that is using it.
    pub(crate) fn lend<'a, R>(&self, py: Python<'_>, value: &mut K::At<'a>, body: impl FnOnce() -> R) -> R {
        struct TakeBack<'l, 'py, K: Lendable>(&'l Loan<K>, Python<'py>);
        impl<K: Lendable> Drop for TakeBack<'_, '_, K> {
            fn drop(&mut self) {
                match self.0.lent.try_lock() {
                    Some(mut lent) => *lent = None,
                    None => self.1.detach(|| *self.0.lent.lock() = None),
                }
            }
        }
        let pointer: NonNull<K::At<'a>> = NonNull::from(value);
        // SAFETY: both are pointers to the same type but for a lifetime. `TakeBack` empties the place
        // before `value` can be used or dropped by its owner, on unwinding too.
        let pointer: NonNull<K::At<'static>> = unsafe { core::mem::transmute_copy(&pointer) };
        *self.lent.lock() = Some(Pointer(pointer, PhantomData));
        let _take_back = TakeBack(self, py);
        body()
    }

    /// Uses what is lent; `None` if the request is over.
    ///
    /// Runs no Python code and holds the lock meanwhile: call it detached if `body` may block.
    pub(crate) fn with<R>(&self, body: impl FnOnce(&mut K::At<'_>) -> R) -> Option<R> {
        let mut lent = self.lent.lock();
        // SAFETY: the lender keeps the value alive and untouched until the place is emptied under this lock.
        lent.as_mut().map(|pointer| body(unsafe { pointer.0.as_mut() }))
    }

    /// Whether the request still runs. Waits, detached, for a thread that is using what is lent.
    pub(crate) fn is_lent(&self, py: Python<'_>) -> bool {
        self.look(py, |_| ()).is_some()
    }

    /// Uses what is lent for a moment, without detaching unless another thread is using it; `None` if the request is over.
    pub(crate) fn look<R: Send>(&self, py: Python<'_>, body: impl FnOnce(&mut K::At<'_>) -> R + Send) -> Option<R> {
        // SAFETY: as in `with`.
        let look = |pointer: &mut Pointer<K>| body(unsafe { pointer.0.as_mut() });
        match self.lent.try_lock() {
            Some(mut lent) => lent.as_mut().map(look),
            None => py.detach(|| self.lent.lock().as_mut().map(look)),
        }
    }
}
