//! httpd's error log. Lines carry the module's name, the level and, for a request, the client.

use super::log_json::{self, Said};
use super::{pool::Pool, request::Request, server::Server};
use crate::ffi;
use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicPtr, Ordering};
use num_enum::{IntoPrimitive, TryFromPrimitive};
use std::ffi::CString;
use std::sync::OnceLock;

/// A level of `LogLevel`: its number is syslog's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub(crate) enum Level {
    Critical = ffi::APLOG_CRIT as u8,
    Error = ffi::APLOG_ERR as u8,
    Warning = ffi::APLOG_WARNING as u8,
    Notice = ffi::APLOG_NOTICE as u8,
    Info = ffi::APLOG_INFO as u8,
    Debug = ffi::APLOG_DEBUG as u8,
}

impl Level {
    /// The name that `LogLevel` has for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Critical => "crit",
            Self::Error => "error",
            Self::Warning => "warn",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// Whether `LogLevel` lets it through where that is `allowed`, a number in syslog's order. Notices always pass.
    pub(crate) fn passes(self, allowed: i32) -> bool {
        self == Self::Notice || i32::from(u8::from(self)) <= allowed
    }
}

/// Where something was logged, shown by `%F` of ErrorLogFormat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    file: CString,
    line: c_int,
}

impl Source {
    pub(crate) fn new(file: &str, number: u32) -> Self {
        // httpd escapes what it writes of a line, and not of this.
        let file: String = file.chars().map(|sign| if sign.is_control() { '?' } else { sign }).collect();
        Self { file: line(&file), line: c_int::try_from(number).unwrap_or(0) }
    }

    pub(crate) fn file(&self) -> &[u8] {
        self.file.to_bytes()
    }

    pub(crate) fn line(&self) -> u32 {
        self.line.unsigned_abs()
    }

    /// What httpd is told of it.
    fn parts(source: Option<&Self>) -> (&CStr, c_int) {
        source.map_or((FILE, 0), |source| (&source.file, source.line))
    }
}

/// Where this module logs something. Where in the Rust source a line comes from helps no operator.
const FILE: &CStr = c"mod_wsgi";

fn module_index() -> c_int {
    // SAFETY: HTTPD: null before the module is registered, else the module record, which is static.
    unsafe { super::this_module().as_ref() }.map_or(ffi::APLOG_NO_MODULE, |module| module.module_index)
}

/// httpd's formatter cuts at a NUL, so does this.
fn line(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}

/// Says which level counts in the place of `LogLevel`, if one does.
static CHOSEN: OnceLock<fn() -> Option<Level>> = OnceLock::new();

/// Has `chosen` asked, for each line, which level counts in the place of `LogLevel`. It must not wait for anything.
pub(crate) fn ask_for_level(chosen: fn() -> Option<Level>) {
    let _ = CHOSEN.set(chosen);
}

/// The level that counts where `LogLevel` says `configured`.
fn in_force(configured: i32) -> i32 {
    CHOSEN.get().and_then(|chosen| chosen()).map_or(configured, |level| level as i32)
}

/// The level that httpd is told of a line: it drops what `configured` does not let through, but for notices.
fn shown(level: Level, configured: i32) -> c_int {
    let shown = if level.passes(configured) { level } else { Level::Notice };
    shown as c_int
}

/// What `LogLevel` says for the request, in syslog's order.
fn configured_for_request(request: &Request<'_>) -> i32 {
    // SAFETY: REQUEST.
    unsafe { ffi::ap_get_request_module_loglevel(request.as_raw(), module_index()) }
}

/// What `LogLevel` says for the server, which is alive.
fn configured_for_server(server: *const ffi::server_rec) -> i32 {
    // SAFETY: CONFIGURATION: the caller passes a server that is alive.
    unsafe { ffi::ap_get_server_module_loglevel(server, module_index()) }
}

/// What is let through for the request, in syslog's order.
pub(crate) fn request_level(request: &Request<'_>) -> i32 {
    in_force(configured_for_request(request))
}

/// Whether `LogLevel` lets a line of this level through for the request.
pub(crate) fn request_logs(request: &Request<'_>, level: Level) -> bool {
    level.passes(request_level(request))
}

/// Whether `LogLevel` lets a line of this level through for the server.
fn server_logs(server: *const ffi::server_rec, level: Level) -> bool {
    level.passes(in_force(configured_for_server(server)))
}

/// One line about a request.
pub(crate) fn request(request: &Request<'_>, level: Level, text: &str) {
    request_at(request, level, None, text);
}

/// One line about a request, logged at `source`.
pub(crate) fn request_at(request: &Request<'_>, level: Level, source: Option<&Source>, text: &str) {
    if !request_logs(request, level) {
        return;
    }
    let (line, (file, number)) = (line(text), Source::parts(source));
    let shown = shown(level, configured_for_request(request));
    // SAFETY: REQUEST; the format takes exactly one string.
    unsafe {
        ffi::ap_log_rerror_(
            file.as_ptr(),
            number,
            module_index(),
            shown,
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
    for server in owner.main().into_iter().flat_map(Server::and_following) {
        owner.log_for(server);
    }
}

/// The server that lines about the whole process go to; null before there is one.
fn owner() -> *mut ffi::server_rec {
    let owner = OWNER.load(Ordering::Relaxed);
    // SAFETY: HTTPD: httpd sets this before it starts children, and only then.
    if owner.is_null() { unsafe { ffi::ap_server_conf } } else { owner }
}

/// Whether `LogLevel` lets a line of this level about the whole process through.
pub(crate) fn process_logs(level: Level) -> bool {
    let owner = owner();
    !owner.is_null() && server_logs(owner, level)
}

/// One line about a server, or about the whole process (then in the log of the server that it belongs to) if `server` is
/// none.
pub(crate) fn server(server: Option<Server<'_>>, level: Level, text: &str) {
    server_at(server, level, None, text);
}

/// One line as [`server`] writes it, logged at `source`.
pub(crate) fn server_at(server: Option<Server<'_>>, level: Level, source: Option<&Source>, text: &str) {
    let raw = server.map_or_else(owner, Server::as_raw);
    if raw.is_null() || !server_logs(raw, level) {
        return;
    }
    if log_json::is_on() && put_json(raw, level, &Said { text, source, ..Said::default() }) {
        return;
    }
    let (line, (file, number)) = (line(text), Source::parts(source));
    let shown = shown(level, configured_for_server(raw));
    // SAFETY: CONFIGURATION: the server is alive; the format takes exactly one string.
    unsafe {
        ffi::ap_log_error_(file.as_ptr(), number, module_index(), shown, 0, raw, c"%s".as_ptr(), line.as_ptr());
    }
}

/// Writes JSON to the log of a server that is not null; `false` if that is no file.
fn put_json(raw: *mut ffi::server_rec, level: Level, said: &Said<'_>) -> bool {
    // SAFETY: CONFIGURATION: the caller passes a server that is alive.
    log_json::put(unsafe { Server::from_raw(raw) }, level, said)
}

/// Several lines as [`server`] writes one, the first of which says what they are: they stay together.
pub(crate) fn server_lines(server: Option<Server<'_>>, level: Level, text: &str, details: &[String]) {
    let raw = server.map_or_else(owner, Server::as_raw);
    if raw.is_null() || !server_logs(raw, level) {
        return;
    }
    if log_json::is_on() && put_json(raw, level, &Said { text, details, ..Said::default() }) {
        return;
    }
    self::server(server, level, text);
    details.iter().for_each(|line| self::server(server, level, line));
}

/// One line as [`server`] writes it, from a script that is being loaded: `origin` says so where a line is text.
pub(crate) fn server_script(level: Level, script: &str, origin: &str, text: &str) {
    let raw = owner();
    if raw.is_null() || !server_logs(raw, level) {
        return;
    }
    if !log_json::is_on() || !put_json(raw, level, &Said { text, script: Some(script), ..Said::default() }) {
        server(None, level, &format!("{origin}{text}"));
    }
}

/// Adds a word to the server's description (`Server` header, by `ServerTokens`).
pub(crate) fn add_version_component(pool: Pool<'_>, component: &CStr) {
    // SAFETY: POOL; httpd copies the text.
    unsafe { ffi::ap_add_version_component(pool.as_raw(), component.as_ptr()) };
}
