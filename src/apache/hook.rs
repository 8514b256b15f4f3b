//! Registration of hooks, and the C functions that httpd calls: each turns raw
//! pointers into safe words once and lets no panic through.

use super::{boundary::guard, pool::Pool, request::Request, server::Server, status::Status};
use crate::ffi;
use core::ffi::{CStr, c_char, c_int};

/// A function that httpd asks about a request.
pub(crate) trait RequestHook {
    /// The answer to httpd.
    fn run(request: Request<'_>) -> Status;
}

/// A function that httpd calls in a new child process.
pub(crate) trait ChildHook {
    /// `pool` is cleared when the child leaves.
    fn run(pool: Pool<'static>, server: Server<'static>);
}

/// A function that httpd calls when a configuration has been read.
pub(crate) trait ConfigHook {
    /// An error text stops start-up.
    fn run(pool: Pool<'_>, server: Server<'_>) -> Result<(), String>;
}

unsafe extern "C" fn request_hook<H: RequestHook>(raw: *mut ffi::request_rec) -> c_int {
    guard(Status::INTERNAL_SERVER_ERROR, || {
        // SAFETY: REQUEST: httpd lends the request to this thread until the hook returns.
        H::run(unsafe { Request::from_raw(raw) })
    })
    .0
}

unsafe extern "C" fn child_hook<H: ChildHook>(pool: *mut ffi::apr_pool_t, server: *mut ffi::server_rec) {
    guard((), || {
        // SAFETY: POOL: the pool of a child ends with the process.
        let pool = unsafe { Pool::from_raw(pool) };
        // SAFETY: the main server of a child lives as long as the process.
        H::run(pool, unsafe { Server::from_raw(server) });
    });
}

unsafe extern "C" fn config_hook<H: ConfigHook>(
    pool: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temporary: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
) -> c_int {
    guard(ffi::HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        // SAFETY: POOL: the pool of the configuration.
        let pool = unsafe { Pool::from_raw(pool) };
        // SAFETY: the main server of the configuration that was just read.
        let server = unsafe { Server::from_raw(server) };
        match H::run(pool, server) {
            Ok(()) => ffi::OK as c_int,
            Err(text) => {
                super::log::server(Some(server), super::log::Level::Critical, &text);
                ffi::HTTP_INTERNAL_SERVER_ERROR as c_int
            }
        }
    })
}

/// When a hook runs among those of the other modules.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    /// Modules whose hook runs earlier; the list ends with a null.
    pub(crate) after: &'a [*const c_char],
    /// Modules whose hook runs later; the list ends with a null.
    pub(crate) before: &'a [*const c_char],
}

impl Order<'_> {
    fn lists(&self) -> (*const *const c_char, *const *const c_char) {
        let list = |modules: &[*const c_char]| if modules.is_empty() { core::ptr::null() } else { modules.as_ptr() };
        (list(self.after), list(self.before))
    }
}

const MIDDLE: c_int = ffi::APR_HOOK_MIDDLE as c_int;

/// Registers `H` for the phase that maps a URL to a file.
pub(crate) fn translate_name<H: RequestHook>(order: Order<'_>) {
    let (after, before) = order.lists();
    // SAFETY: httpd calls this during registration; it copies the lists.
    unsafe { ffi::ap_hook_translate_name(Some(request_hook::<H>), after, before, MIDDLE) };
}

/// Registers `H` for the phase that makes the response.
pub(crate) fn handler<H: RequestHook>() {
    // SAFETY: httpd calls this during registration.
    unsafe { ffi::ap_hook_handler(Some(request_hook::<H>), core::ptr::null(), core::ptr::null(), MIDDLE) };
}

/// Registers `H` for the start of each child process.
pub(crate) fn child_init<H: ChildHook>() {
    // SAFETY: httpd calls this during registration.
    unsafe { ffi::ap_hook_child_init(Some(child_hook::<H>), core::ptr::null(), core::ptr::null(), MIDDLE) };
}

/// Registers `H` for the end of reading a configuration.
pub(crate) fn post_config<H: ConfigHook>() {
    // SAFETY: httpd calls this during registration.
    unsafe { ffi::ap_hook_post_config(Some(config_hook::<H>), core::ptr::null(), core::ptr::null(), MIDDLE) };
}

/// The source file name that identifies a module in hook order lists, e.g. `mod_alias.c`.
pub(crate) const fn module_name(name: &'static CStr) -> *const c_char {
    name.as_ptr()
}
