//! Text that crosses between bytes of the host and `str`.

use pyo3::exceptions::PyUnicodeDecodeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A `str` of the bytes as latin-1, which is how PEP 3333 carries bytes in native strings.
pub(crate) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    // SAFETY: ATTACHED; the bytes are readable for their length.
    let raw = unsafe {
        ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), bytes.len() as ffi::Py_ssize_t, core::ptr::null())
    };
    // SAFETY: OBJECT: an owned reference to a str.
    unsafe { owned_str(py, raw) }
}

/// A `str` of a file name: the filesystem encoding with surrogateescape, or latin-1 where that fails.
pub(crate) fn filesystem<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    // SAFETY: ATTACHED; the bytes are readable for their length.
    let raw = unsafe { ffi::PyUnicode_DecodeFSDefaultAndSize(bytes.as_ptr().cast(), bytes.len() as ffi::Py_ssize_t) };
    // SAFETY: ATTACHED; an owned reference, or null with an exception set.
    match unsafe { Bound::from_owned_ptr_or_err(py, raw) } {
        // SAFETY: OBJECT: the function returns a str.
        Ok(text) => unsafe { text.cast_into_unchecked() },
        Err(_) => latin1(py, bytes),
    }
}

/// An interned `str`, for names that come from the program and never from a client.
pub(crate) fn interned<'py>(py: Python<'py>, text: &'static core::ffi::CStr) -> Bound<'py, PyString> {
    // SAFETY: ATTACHED; a C string.
    let raw = unsafe { ffi::PyUnicode_InternFromString(text.as_ptr()) };
    // SAFETY: OBJECT: an owned reference to a str.
    unsafe { owned_str(py, raw) }
}

/// # Safety
/// `raw` is an owned reference to a str, or null because there is no memory, which panics.
unsafe fn owned_str(py: Python<'_>, raw: *mut ffi::PyObject) -> Bound<'_, PyString> {
    // SAFETY: ATTACHED: the token is the caller's.
    let object = unsafe { Bound::from_owned_ptr(py, raw) };
    // SAFETY: CONTRACT: a str.
    unsafe { object.cast_into_unchecked() }
}

/// The characters of `text` as latin-1 bytes.
///
/// # Errors
/// UnicodeEncodeError if a character is above U+00FF.
pub(crate) fn latin1_bytes<'a>(text: &'a Bound<'_, PyString>) -> PyResult<&'a [u8]> {
    let raw = text.as_ptr();
    // SAFETY: ATTACHED; a str object.
    let narrow = unsafe { ffi::PyUnicode_KIND(raw) } == ffi::PyUnicode_1BYTE_KIND;
    if !narrow {
        // SAFETY: ATTACHED; a str object. It fails, which is what sets the exception wanted.
        let encoded = unsafe { ffi::PyUnicode_AsLatin1String(raw) };
        // SAFETY: ATTACHED; an owned reference, or null with an exception set.
        drop(unsafe { Bound::from_owned_ptr_or_err(text.py(), encoded) }?);
        return Err(PyUnicodeDecodeError::new_err("str of wide characters encodes to latin-1"));
    }
    // SAFETY: ATTACHED; a str object whose characters are bytes.
    let data = unsafe { ffi::PyUnicode_1BYTE_DATA(raw) };
    // SAFETY: ATTACHED; a str object.
    let length = unsafe { ffi::PyUnicode_GET_LENGTH(raw) };
    // SAFETY: OBJECT: a str is immutable and lives as long as the borrow.
    Ok(unsafe { core::slice::from_raw_parts(data.cast(), length as usize) })
}
