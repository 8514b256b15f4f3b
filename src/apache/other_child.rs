//! Processes of the parent that are no children of the MPM ("other children" of APR): the MPM, which waits for all
//! processes, tells of their end.

use super::boundary::guard;
use super::pool::Forked;
use super::server::Server;
use crate::ffi;
use crate::unix::fork;
use core::ffi::{c_int, c_void};
use nix::unistd::Pid;
use parking_lot::Mutex;

/// Called with the id of a process that has ended.
pub(crate) type Ended = fn(i32);

static ENDED: Mutex<Option<Ended>> = Mutex::new(None);

/// Forks a process that is no child of the MPM. `body` is all that it does; what it returns is its exit status.
///
/// # Errors
/// The system allows no further process.
pub(crate) fn fork(body: impl FnOnce(Forked) -> i32) -> nix::Result<Pid> {
    fork::fork(|| {
        // SAFETY: CONFIGURATION: the new process leaves by `_exit` when `body` returns, with the pools as they are.
        body(unsafe { Forked::new() })
    })
}

/// Has `ended` called when the process ends, until [`forget`]. All processes share one function.
pub(crate) fn watch(server: Server<'_>, process: i32, ended: Ended) {
    *ENDED.lock() = Some(ended);
    // SAFETY: CONFIGURATION: the server is alive.
    let httpd = unsafe { (*server.as_raw()).process };
    // SAFETY: HTTPD: it describes this process, as long as that lives.
    let pool = unsafe { (*httpd).pool };
    // Not the pool of the configuration: a supervisor may outlive that.
    // SAFETY: POOL: the pool of the process.
    let raw =
        unsafe { ffi::apr_palloc(pool, size_of::<ffi::apr_proc_t>() as ffi::apr_size_t) }.cast::<ffi::apr_proc_t>();
    // SAFETY: STRUCTURE: all zeroes is a process without streams.
    let mut description: ffi::apr_proc_t = unsafe { core::mem::zeroed() };
    description.pid = process;
    // SAFETY: STRUCTURE: the memory is ours and large enough.
    unsafe { raw.write(description) };
    // SAFETY: HTTPD: the description lives as long as the pool.
    unsafe { ffi::apr_proc_other_child_register(raw, Some(maintain), key(process), core::ptr::null_mut(), pool) };
}

/// Does not care for the process any more.
pub(crate) fn forget(process: i32) {
    // SAFETY: HTTPD: a key that is not registered is ignored.
    unsafe { ffi::apr_proc_other_child_unregister(key(process)) };
}

/// What APR knows the process by: never followed as a pointer.
fn key(process: i32) -> *mut c_void {
    core::ptr::without_provenance_mut(process as usize)
}

unsafe extern "C" fn maintain(reason: c_int, key: *mut c_void, _status: c_int) {
    guard((), || {
        if reason == ffi::APR_OC_REASON_DEATH as c_int || reason == ffi::APR_OC_REASON_LOST as c_int {
            let process = key.addr() as i32;
            forget(process);
            let ended = *ENDED.lock();
            if let Some(ended) = ended {
                ended(process);
            }
        }
    });
}
