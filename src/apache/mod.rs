//! Safe words for httpd: what the rest of the crate says instead of raw pointers.
//!
//! Knows httpd and APR, never Python. What it relies on is named in SAFETY.md;
//! the `unsafe` blocks here cite those names.

pub(crate) mod arguments;
pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod boundary;
pub(crate) mod brigade;
pub(crate) mod client_socket;
pub(crate) mod directive;
pub(crate) mod hook;
pub(crate) mod log;
pub(crate) mod log_json;
pub(crate) mod mpm;
pub(crate) mod mutex;
pub(crate) mod other_child;
pub(crate) mod passage;
pub(crate) mod pool;
pub(crate) mod refusal;
pub(crate) mod regex;
pub(crate) mod request;
pub(crate) mod runtime;
pub(crate) mod scoreboard;
pub(crate) mod server;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod unixd;

use crate::ffi;
use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicPtr, Ordering};

/// The module that this directory speaks for: whose slots hold settings, whose name lines are logged under.
static THIS_MODULE: AtomicPtr<ffi::module> = AtomicPtr::new(core::ptr::null_mut());

/// Says which module it is. Called when hooks are registered, at every load of the configuration.
pub(crate) fn speak_for(module: *mut ffi::module) {
    THIS_MODULE.store(module, Ordering::Relaxed);
}

fn this_module() -> *const ffi::module {
    THIS_MODULE.load(Ordering::Relaxed)
}

/// The bytes of a C string that httpd may leave null.
///
/// # Safety
/// `text` is null or a C string that outlives `'a`.
unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: CONTRACT: not null, so it is a C string that outlives 'a.
    Some(unsafe { CStr::from_ptr(text) }.to_bytes())
}
