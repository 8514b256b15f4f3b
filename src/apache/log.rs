//! httpd's error log. Lines carry the module's name, the level and, for a request, the client.

use super::{pool::Pool, request::Request, server::Server};
use crate::ffi;
use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicPtr, Ordering};
use std::ffi::CString;

/// A level of `LogLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub(crate) enum Level {
    Critical = ffi::APLOG_CRIT as i32,
    Error = ffi::APLOG_ERR as i32,
    Warning = ffi::APLOG_WARNING as i32,
    Notice = ffi::APLOG_NOTICE as i32,
    Info = ffi::APLOG_INFO as i32,
}

impl Level {
    /// The level of that number in syslog's order.
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        let all = [Self::Critical, Self::Error, Self::Warning, Self::Notice, Self::Info];
        all.into_iter().find(|level| *level as i32 == i32::from(number))
    }
}

/// Shown by `%F` of ErrorLogFormat. Where in the Rust source a line comes from helps no operator.
const FILE: &CStr = c"mod_wsgi";

fn module_index() -> c_int {
    // SAFETY: null before the module is registered, else the module record, which is static.
    unsafe { super::this_module().as_ref() }.map_or(ffi::APLOG_NO_MODULE, |module| module.module_index)
}

/// httpd's formatter cuts at a NUL, so does this.
fn line(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}

/// Whether `LogLevel` lets a line of this level through for the request.
pub(crate) fn request_logs(request: Request<'_>, level: Level) -> bool {
    // SAFETY: REQUEST.
    let allowed = unsafe { ffi::ap_get_request_module_loglevel(request.as_raw(), module_index()) };
    level as c_int <= allowed.max(ffi::APLOG_NOTICE as c_int)
}

/// Whether `LogLevel` lets a line of this level through for the server.
fn server_logs(server: *const ffi::server_rec, level: Level) -> bool {
    // SAFETY: the caller passes a server that is alive.
    let allowed = unsafe { ffi::ap_get_server_module_loglevel(server, module_index()) };
    level as c_int <= allowed.max(ffi::APLOG_NOTICE as c_int)
}

/// One line about a request.
pub(crate) fn request(request: Request<'_>, level: Level, text: &str) {
    if !request_logs(request, level) {
        return;
    }
    let line = line(text);
    // SAFETY: REQUEST; the format takes exactly one string.
    unsafe {
        ffi::ap_log_rerror_(
            FILE.as_ptr(),
            0,
            module_index(),
            level as c_int,
            0,
            request.as_raw(),
            c"%s".as_ptr(),
            line.as_ptr(),
        );
    }
}

/// The server that this process belongs to, if that is not the main one.
static OWNER: AtomicPtr<ffi::server_rec> = AtomicPtr::new(core::ptr::null_mut());

/// Has what this process logs go to the log of `owner`: lines about the process itself, and those about other servers,
/// whose logs are not for it. To be called while the process has one thread.
pub(crate) fn belong_to(owner: Server<'static>) {
    OWNER.store(owner.as_raw(), Ordering::Relaxed);
    for server in Server::main().into_iter().flat_map(Server::and_following) {
        owner.log_for(server);
    }
}

/// One line about a server, or about the whole process (then in the log of the server that it belongs to) if `server` is
/// none.
pub(crate) fn server(server: Option<Server<'_>>, level: Level, text: &str) {
    let owner = OWNER.load(Ordering::Relaxed);
    // SAFETY: httpd sets this before it starts children, and only then.
    let main = unsafe { ffi::ap_server_conf };
    let raw = server.map_or(if owner.is_null() { main } else { owner }, Server::as_raw);
    if raw.is_null() || !server_logs(raw, level) {
        return;
    }
    let line = line(text);
    // SAFETY: the server is alive; the format takes exactly one string.
    unsafe {
        ffi::ap_log_error_(FILE.as_ptr(), 0, module_index(), level as c_int, 0, raw, c"%s".as_ptr(), line.as_ptr());
    }
}

/// Adds a word to the server's description (`Server` header, by `ServerTokens`).
pub(crate) fn add_version_component(pool: Pool<'_>, component: &CStr) {
    // SAFETY: POOL; httpd copies the text.
    unsafe { ffi::ap_add_version_component(pool.as_raw(), component.as_ptr()) };
}
