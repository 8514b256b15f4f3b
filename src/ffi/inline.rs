//! C macros and inline functions of httpd and APR, rewritten.
//!
//! bindgen cannot see them, and a cdylib links with any symbol missing: calling
//! one as a function would fail at `LoadModule` only.

use super::{ap_conf_vector_t, apr_bucket, apr_bucket_brigade, module};
use core::ffi::c_void;

/// `ap_get_module_config` of http_config.h: the slot of `module` in a configuration vector.
///
/// # Safety
/// `vector` is a configuration vector of httpd and `module` is loaded.
pub(crate) unsafe fn ap_get_module_config(vector: *const ap_conf_vector_t, module: *const module) -> *mut c_void {
    // SAFETY: CONTRACT: `module` is loaded.
    let index = unsafe { (*module).module_index } as usize;
    // SAFETY: HTTPD: the vector has a slot for the index of every loaded module.
    let slot = unsafe { vector.cast::<*mut c_void>().add(index) };
    // SAFETY: HTTPD: the vector has a slot for the index of every loaded module.
    unsafe { *slot }
}

/// `ap_set_module_config` of http_config.h.
///
/// # Safety
/// `vector` is a configuration vector of httpd and `module` is loaded.
pub(crate) unsafe fn ap_set_module_config(vector: *mut ap_conf_vector_t, module: *const module, value: *mut c_void) {
    // SAFETY: CONTRACT: `module` is loaded.
    let index = unsafe { (*module).module_index } as usize;
    // SAFETY: HTTPD: the vector has a slot for the index of every loaded module.
    let slot = unsafe { vector.cast::<*mut c_void>().add(index) };
    // SAFETY: HTTPD: the vector has a slot for the index of every loaded module.
    unsafe { *slot = value }
}

/// `APR_BRIGADE_SENTINEL`: the pseudo bucket that closes the ring. `link` is the
/// first member of `apr_bucket`, so the head of the ring passes for one.
///
/// # Safety
/// `brigade` is alive.
pub(crate) unsafe fn brigade_sentinel(brigade: *mut apr_bucket_brigade) -> *mut apr_bucket {
    // SAFETY: CONTRACT: the brigade is alive.
    unsafe { (&raw mut (*brigade).list).cast::<apr_bucket>() }
}

/// `APR_BRIGADE_FIRST`.
///
/// # Safety
/// `brigade` is alive.
pub(crate) unsafe fn brigade_first(brigade: *mut apr_bucket_brigade) -> *mut apr_bucket {
    // SAFETY: CONTRACT: the brigade is alive.
    unsafe { (*brigade).list.next }
}

/// `APR_BRIGADE_INSERT_TAIL`.
///
/// # Safety
/// `brigade` is alive, `bucket` is alive and in no brigade.
pub(crate) unsafe fn brigade_insert_tail(brigade: *mut apr_bucket_brigade, bucket: *mut apr_bucket) {
    // SAFETY: BRIGADE: the brigade is alive.
    let sentinel = unsafe { brigade_sentinel(brigade) };
    // SAFETY: BRIGADE: the sentinel stands for the head of a ring that is never broken.
    let last = unsafe { (*sentinel).link.prev };
    // SAFETY: BRIGADE: the bucket is alive and linked nowhere else.
    unsafe { (*bucket).link.next = sentinel };
    // SAFETY: BRIGADE: the bucket is alive and linked nowhere else.
    unsafe { (*bucket).link.prev = last };
    // SAFETY: BRIGADE: `last` is in the ring, or is the sentinel itself.
    unsafe { (*last).link.next = bucket };
    // SAFETY: BRIGADE: the sentinel is in the ring.
    unsafe { (*sentinel).link.prev = bucket };
}

/// `apr_bucket_read`.
///
/// # Safety
/// `bucket` is alive; the bytes returned live as long as the bucket does.
pub(crate) unsafe fn bucket_read(
    bucket: *mut apr_bucket,
    block: super::apr_read_type_e,
) -> Result<(*const u8, usize), super::apr_status_t> {
    // SAFETY: CONTRACT: the bucket is alive.
    let kind = unsafe { (*bucket).type_ };
    // SAFETY: BRIGADE: the type of a bucket outlives it.
    let kind = unsafe { &*kind };
    let Some(read) = kind.read else { return Ok((core::ptr::null(), 0)) };
    let mut data = core::ptr::null();
    let mut length = 0;
    // SAFETY: BRIGADE: `read` is the bucket type's own function and both out parameters are ours.
    let status = unsafe { read(bucket, &mut data, &mut length, block) };
    if status == super::APR_SUCCESS as i32 { Ok((data.cast(), length)) } else { Err(status) }
}

/// `apr_bucket_delete`.
///
/// # Safety
/// `bucket` is alive, in a brigade, and not used afterwards.
pub(crate) unsafe fn bucket_delete(bucket: *mut apr_bucket) {
    // SAFETY: CONTRACT: the bucket is alive.
    let removed = unsafe { &*bucket };
    let (next, previous) = (removed.link.next, removed.link.prev);
    let (data, free) = (removed.data, removed.free);
    // SAFETY: BRIGADE: the type of a bucket outlives it.
    let kind = unsafe { &*removed.type_ };
    // SAFETY: BRIGADE: the ring of a brigade is never broken.
    unsafe { (*next).link.prev = previous };
    // SAFETY: BRIGADE: the ring of a brigade is never broken.
    unsafe { (*previous).link.next = next };
    if let Some(destroy) = kind.destroy {
        // SAFETY: BRIGADE: the bucket type's own function, with its own data.
        unsafe { destroy(data) };
    }
    if let Some(free) = free {
        // SAFETY: BRIGADE: the function that the bucket came with.
        unsafe { free(bucket.cast()) };
    }
}

/// `APR_BUCKET_IS_METADATA`.
///
/// # Safety
/// `bucket` is alive.
pub(crate) unsafe fn bucket_is_metadata(bucket: *const apr_bucket) -> bool {
    // SAFETY: CONTRACT: the bucket is alive.
    let kind = unsafe { (*bucket).type_ };
    // SAFETY: BRIGADE: the type of a bucket outlives it.
    let kind = unsafe { &*kind };
    kind.is_metadata != 0
}

/// `APR_BUCKET_IS_EOS`.
///
/// # Safety
/// `bucket` is alive.
pub(crate) unsafe fn bucket_is_eos(bucket: *const apr_bucket) -> bool {
    // SAFETY: CONTRACT: the bucket is alive.
    let kind = unsafe { (*bucket).type_ };
    core::ptr::eq(kind, &raw const super::apr_bucket_type_eos)
}

/// The status of an error bucket (`AP_BUCKET_IS_ERROR`); `None` for any other bucket.
///
/// # Safety
/// `bucket` is alive.
pub(crate) unsafe fn bucket_error_status(bucket: *const apr_bucket) -> Option<core::ffi::c_int> {
    // SAFETY: CONTRACT: the bucket is alive.
    let kind = unsafe { (*bucket).type_ };
    if !core::ptr::eq(kind, &raw const super::ap_bucket_type_error) {
        return None;
    }
    // SAFETY: CONTRACT: the bucket is alive.
    let error = unsafe { (*bucket).data }.cast::<super::ap_bucket_error>();
    // SAFETY: BRIGADE: the data of an error bucket is such a record.
    Some(unsafe { (*error).status })
}
