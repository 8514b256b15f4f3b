//! The multi-processing module: how many processes and threads serve.

use super::bytes;
use crate::ffi;
use core::ffi::c_int;

fn query(what: u32) -> c_int {
    let mut answer = 0;
    // SAFETY: HTTPD: the out parameter is ours; an unknown question leaves it as it is.
    unsafe { ffi::ap_mpm_query(what as c_int, &mut answer) };
    answer
}

/// Whether more than one request runs in a process at a time.
pub(crate) fn is_multithreaded() -> bool {
    query(ffi::AP_MPMQ_IS_THREADED) != ffi::AP_MPMQ_NOT_SUPPORTED as c_int && query(ffi::AP_MPMQ_MAX_THREADS) != 1
}

/// Whether more than one process may serve.
pub(crate) fn is_multiprocess() -> bool {
    query(ffi::AP_MPMQ_IS_FORKED) != ffi::AP_MPMQ_NOT_SUPPORTED as c_int && query(ffi::AP_MPMQ_MAX_DAEMONS) != 1
}

/// The most processes that may serve, at least 1.
pub(crate) fn maximum_processes() -> i32 {
    query(ffi::AP_MPMQ_MAX_DAEMONS).max(1)
}

/// The request threads of one process, at least 1.
pub(crate) fn threads_per_process() -> i32 {
    query(ffi::AP_MPMQ_MAX_THREADS).max(1)
}

/// The most processes that the MPM may ever have at once (`ServerLimit`), at least 1.
pub(crate) fn most_processes() -> i32 {
    query(ffi::AP_MPMQ_HARD_LIMIT_DAEMONS).max(1)
}

/// The most request threads that a process may ever have (`ThreadLimit`), at least 1.
pub(crate) fn most_threads() -> i32 {
    query(ffi::AP_MPMQ_HARD_LIMIT_THREADS).max(1)
}

/// How often the configuration has been read since httpd started.
pub(crate) fn generation() -> i32 {
    query(ffi::AP_MPMQ_GENERATION)
}

/// `event`, `worker`, `prefork`, ...
pub(crate) fn name() -> &'static [u8] {
    // SAFETY: HTTPD: a plain query.
    let name = unsafe { ffi::ap_show_mpm() };
    // SAFETY: HTTPD: a constant of the MPM.
    unsafe { bytes(name) }.unwrap_or_default()
}

/// Whether this is the first of the two times that httpd reads its configuration when it starts.
pub(crate) fn is_first_reading() -> bool {
    // SAFETY: HTTPD: a plain query.
    let state = unsafe { ffi::ap_state_query(ffi::AP_SQ_MAIN_STATE as c_int) };
    state == ffi::AP_SQ_MS_CREATE_PRE_CONFIG as c_int
}
