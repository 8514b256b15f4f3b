//! Registration of hooks, and the C functions that httpd calls: each turns raw
//! pointers into safe words once and lets no panic through.

use super::pool::{ConfigurationPool, Forked, Pool};
use super::{boundary::guard, request::Request, server::Server, status::Status};
use crate::ffi;
use core::ffi::{c_char, c_int};

/// A function that httpd asks about a request.
pub(crate) trait RequestHook {
    /// The answer to httpd.
    fn run(request: &mut Request<'_>) -> Status;
}

/// A function that httpd calls in a new child process.
pub(crate) trait ChildHook {
    /// `pool` is cleared when the child leaves.
    fn run(child: Forked, pool: Pool<'static>, server: Server<'static>);
}

/// A function that httpd calls when a configuration has been read.
pub(crate) trait ConfigHook {
    /// An error text stops start-up.
    fn run<'c>(configuration: ConfigurationPool<'c>, server: Server<'c>) -> Result<(), String>;
}

/// A function that httpd calls right before its first child is made, when all is ready for children: not at a graceful
/// restart.
pub(crate) trait BeforeChildrenHook {
    /// An error text stops start-up.
    fn run() -> Result<(), String>;
}

/// Functions that httpd calls in its parent when a child has been started, and when one has ended.
pub(crate) trait ChildrenHook {
    /// `server` is the main one.
    fn started(server: Server<'_>);
    fn ended(process: u32);
}

/// A function that httpd calls in its parent every ten seconds or so.
pub(crate) trait MonitorHook {
    fn run();
}

/// What a module registers when httpd loads it.
pub(crate) trait Registration {
    /// `pool` is that of the configuration.
    fn run(pool: Pool<'_>);
}

/// `register_hooks` of the module record. httpd calls it whenever it loads the module: at start (twice) and at every restart.
pub(crate) unsafe extern "C" fn register_hooks<R: Registration>(pool: *mut ffi::apr_pool_t) {
    // SAFETY: POOL: the pool of the configuration that is about to be read.
    guard((), || R::run(unsafe { Pool::from_raw(pool) }));
}

unsafe extern "C" fn request_hook<H: RequestHook>(raw: *mut ffi::request_rec) -> c_int {
    guard(Status::INTERNAL_SERVER_ERROR, || {
        // SAFETY: REQUEST: httpd lends the request to this thread until the hook returns.
        H::run(&mut unsafe { Request::from_raw(raw) })
    })
    .0
}

unsafe extern "C" fn child_hook<H: ChildHook>(pool: *mut ffi::apr_pool_t, server: *mut ffi::server_rec) {
    guard((), || {
        // SAFETY: POOL: the pool of a child ends with the process.
        let pool = unsafe { Pool::from_raw(pool) };
        // SAFETY: CONFIGURATION: a child of httpd, which reads no further configuration.
        let child = unsafe { Forked::new() };
        // SAFETY: CONFIGURATION: the main server of a child lives as long as the process.
        H::run(child, pool, unsafe { Server::from_raw(server) });
    });
}

unsafe extern "C" fn config_hook<H: ConfigHook>(
    pool: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temporary: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
) -> c_int {
    guard(ffi::HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        // SAFETY: CONFIGURATION: the pool of the configuration that was just read; the hook works for any life of it.
        let configuration = unsafe { ConfigurationPool::from_raw(pool) };
        // SAFETY: CONFIGURATION: the main server of that configuration.
        let server = unsafe { Server::from_raw(server) };
        match H::run(configuration, server) {
            Ok(()) => ffi::OK as c_int,
            Err(text) => {
                super::log::server(Some(server), super::log::Level::Critical, &text);
                ffi::HTTP_INTERNAL_SERVER_ERROR as c_int
            }
        }
    })
}

unsafe extern "C" fn before_children_hook<H: BeforeChildrenHook>(
    _pool: *mut ffi::apr_pool_t,
    _scoreboard: ffi::ap_scoreboard_e,
) -> c_int {
    guard(ffi::HTTP_INTERNAL_SERVER_ERROR as c_int, || match H::run() {
        Ok(()) => ffi::OK as c_int,
        Err(text) => {
            super::log::server(None, super::log::Level::Critical, &text);
            ffi::HTTP_INTERNAL_SERVER_ERROR as c_int
        }
    })
}

unsafe extern "C" fn child_status_hook<H: ChildrenHook>(
    server: *mut ffi::server_rec,
    process: ffi::pid_t,
    _generation: ffi::ap_generation_t,
    _slot: c_int,
    status: ffi::mpm_child_status,
) {
    guard((), || {
        if status == ffi::MPM_CHILD_STARTED {
            // SAFETY: CONFIGURATION: the main server of the configuration that the child was made with.
            H::started(unsafe { Server::from_raw(server) });
        } else if status == ffi::MPM_CHILD_EXITED
            && let Ok(process) = u32::try_from(process)
        {
            H::ended(process);
        }
    });
}

unsafe extern "C" fn monitor_hook<H: MonitorHook>(_pool: *mut ffi::apr_pool_t, _server: *mut ffi::server_rec) -> c_int {
    guard(ffi::OK as c_int, || {
        H::run();
        ffi::OK as c_int
    })
}

/// Names of modules by their source files, e.g. `mod_alias.c`; the list ends with a null.
#[repr(transparent)]
pub(crate) struct ModuleNames<const N: usize>(pub(crate) [*const c_char; N]);

// SAFETY: CONSTANT: pointers to constants.
unsafe impl<const N: usize> Sync for ModuleNames<N> {}

const MIDDLE: c_int = ffi::APR_HOOK_MIDDLE as c_int;

/// Registers `H` for the phase that maps a URL to a file, after and before the hooks of other modules.
///
/// The lists are static: APR keeps the pointers and reads them when all modules have registered.
pub(crate) fn translate_name<H: RequestHook>(after: &'static ModuleNames<2>, before: &'static ModuleNames<3>) {
    // SAFETY: REGISTRATION: httpd calls this during registration; both lists end with a null and live for ever.
    unsafe { ffi::ap_hook_translate_name(Some(request_hook::<H>), after.0.as_ptr(), before.0.as_ptr(), MIDDLE) };
}

/// Registers `H` for the moment at which httpd has read a request, before anything is decided about it.
pub(crate) fn post_read_request<H: RequestHook>() {
    // SAFETY: REGISTRATION: httpd calls this during registration.
    unsafe { ffi::ap_hook_post_read_request(Some(request_hook::<H>), core::ptr::null(), core::ptr::null(), MIDDLE) };
}

/// Registers `H` for the last phase before the response: handler and type of the request are known.
pub(crate) fn fixups<H: RequestHook>() {
    // SAFETY: REGISTRATION: httpd calls this during registration.
    unsafe { ffi::ap_hook_fixups(Some(request_hook::<H>), core::ptr::null(), core::ptr::null(), MIDDLE) };
}

/// Registers `H` for the phase that makes the response.
pub(crate) fn handler<H: RequestHook>() {
    // SAFETY: REGISTRATION: httpd calls this during registration.
    unsafe { ffi::ap_hook_handler(Some(request_hook::<H>), core::ptr::null(), core::ptr::null(), MIDDLE) };
}

/// Registers `H` for the phase that decides which clients may come in. It is asked about each URL, whether or not
/// httpd redirects from one to the other.
pub(crate) fn access_checker<H: RequestHook>(after: &'static ModuleNames<2>, before: &'static ModuleNames<2>) {
    // SAFETY: REGISTRATION: httpd calls this during registration; both lists end with a null and live for ever.
    unsafe { ffi::ap_hook_access_checker(Some(request_hook::<H>), after.0.as_ptr(), before.0.as_ptr(), MIDDLE) };
}

/// Registers `H` for the start of each child process.
pub(crate) fn child_init<H: ChildHook>() {
    // SAFETY: REGISTRATION: httpd calls this during registration.
    unsafe { ffi::ap_hook_child_init(Some(child_hook::<H>), core::ptr::null(), core::ptr::null(), MIDDLE) };
}

/// Registers `H` for the end of reading a configuration.
pub(crate) fn post_config<H: ConfigHook>() {
    // SAFETY: REGISTRATION: httpd calls this during registration.
    unsafe { ffi::ap_hook_post_config(Some(config_hook::<H>), core::ptr::null(), core::ptr::null(), MIDDLE) };
}

/// Registers `H` for the check of a configuration that has just been read, which `apachectl configtest` makes as well.
/// The error log is not open yet when httpd starts: what `H` says goes to standard error then.
pub(crate) fn check_config<H: ConfigHook>() {
    // SAFETY: REGISTRATION: httpd calls this during registration.
    unsafe { ffi::ap_hook_check_config(Some(config_hook::<H>), core::ptr::null(), core::ptr::null(), MIDDLE) };
}

/// Registers `H` for the moment before the first child: behind httpd's own function, which makes the scoreboard, and before
/// those that tell others that httpd is ready.
pub(crate) fn before_children<H: BeforeChildrenHook>() {
    let next = MIDDLE + 1;
    // SAFETY: REGISTRATION: httpd calls this during registration.
    unsafe { ffi::ap_hook_pre_mpm(Some(before_children_hook::<H>), core::ptr::null(), core::ptr::null(), next) };
}

/// Registers `H` for the start and the end of each child.
pub(crate) fn children<H: ChildrenHook>() {
    // SAFETY: REGISTRATION: httpd calls this during registration.
    unsafe { ffi::ap_hook_child_status(Some(child_status_hook::<H>), core::ptr::null(), core::ptr::null(), MIDDLE) };
}

/// Registers `H` for what the parent looks after now and then.
pub(crate) fn monitor<H: MonitorHook>() {
    // SAFETY: REGISTRATION: httpd calls this during registration.
    unsafe { ffi::ap_hook_monitor(Some(monitor_hook::<H>), core::ptr::null(), core::ptr::null(), MIDDLE) };
}
