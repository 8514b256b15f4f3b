//! A pointer of the host, lent to extension modules in a `PyCapsule` for as long as a request runs.
//!
//! Python code may keep the capsule; the pointer in it ends with the request. CPython
//! does not let it be taken out, so at the end the capsule gets a name that no one
//! asks for, and a pointer to memory that stays and holds nothing.

use core::ffi::c_void;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU8;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::CStr;

/// Lends a pointer. Extension modules take it with `PyCapsule_GetPointer(capsule, NULL)`.
pub(crate) struct LentCapsule<'py>(Bound<'py, PyAny>);

/// What late use finds: `PyCapsule_GetPointer` with no name raises ValueError.
const EXPIRED: &CStr = c"expired: the request is over";

/// What a capsule leads to that is asked by its new name: zeroes, which are null pointers and empty values.
static NOTHING: [AtomicU8; 4096] = [const { AtomicU8::new(0) }; 4096];

impl<'py> LentCapsule<'py> {
    /// A capsule without a name.
    ///
    /// # Errors
    /// What CPython raises.
    pub(crate) fn new(py: Python<'py>, pointer: NonNull<c_void>) -> PyResult<Self> {
        // SAFETY: ATTACHED; not null; no name, and nothing to be done when the capsule is freed.
        let raw = unsafe { ffi::PyCapsule_New(pointer.as_ptr(), core::ptr::null(), None) };
        // SAFETY: ATTACHED; an owned reference, or null with an exception set.
        unsafe { Bound::from_owned_ptr_or_err(py, raw) }.map(Self)
    }

    pub(crate) fn object(&self) -> &Bound<'py, PyAny> {
        &self.0
    }
}

impl Drop for LentCapsule<'_> {
    fn drop(&mut self) {
        // The name first: from here on no one gets the old pointer.
        // SAFETY: ATTACHED; a capsule, and a name that is static.
        let renamed = unsafe { ffi::PyCapsule_SetName(self.0.as_ptr(), EXPIRED.as_ptr()) };
        let nothing = NOTHING.as_ptr().cast_mut().cast();
        // SAFETY: ATTACHED; a capsule, and a pointer that is not null.
        let emptied = unsafe { ffi::PyCapsule_SetPointer(self.0.as_ptr(), nothing) };
        // Both refuse what is no capsule, and nothing else.
        debug_assert!(renamed == 0 && emptied == 0);
    }
}
