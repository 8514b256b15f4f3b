//! `apr_table_t`: names and values as httpd keeps headers, notes and environments. Names compare without case.

use super::{bytes, pool::Pool};
use crate::ffi;
use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// A table that is alive for `'p`.
#[derive(Clone, Copy)]
pub(crate) struct Table<'p> {
    raw: NonNull<ffi::apr_table_t>,
    life: PhantomData<&'p ffi::apr_table_t>,
}

impl<'p> Table<'p> {
    /// # Safety
    /// POOL: `raw` is a table that outlives `'p` and that no other thread uses meanwhile.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::apr_table_t) -> Self {
        // SAFETY: REQUEST: httpd never leaves the tables of a request null.
        let raw = unsafe { NonNull::new_unchecked(raw) };
        Self { raw, life: PhantomData }
    }

    /// The value of the first entry of that name.
    pub(crate) fn get(self, name: &CStr) -> Option<&'p [u8]> {
        // SAFETY: POOL.
        let value = unsafe { ffi::apr_table_get(self.raw.as_ptr(), name.as_ptr()) };
        // SAFETY: REQUEST: values live as long as the table's pool.
        unsafe { bytes(value) }
    }

    /// The values of all entries of that name, in their order.
    pub(crate) fn values(self, name: &'static CStr) -> impl Iterator<Item = &'p [u8]> {
        self.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.to_bytes())).map(|(_, value)| value)
    }

    /// Adds an entry beside those of the same name. Name and value are copied into `pool`.
    pub(crate) fn add(self, pool: Pool<'p>, name: &[u8], value: &[u8]) {
        let (name, value) = (pool.c_string(name), pool.c_string(value));
        // SAFETY: POOL; both strings are in the pool of the table.
        unsafe { ffi::apr_table_addn(self.raw.as_ptr(), name, value) }
    }

    /// Puts an entry in the place of all of the same name. Name and value are copied into `pool`.
    pub(crate) fn set(self, pool: Pool<'p>, name: &CStr, value: &[u8]) {
        let (name, value) = (pool.c_string(name.to_bytes()), pool.c_string(value));
        // SAFETY: POOL; both strings are in the pool of the table.
        unsafe { ffi::apr_table_setn(self.raw.as_ptr(), name, value) }
    }

    /// Removes all entries.
    pub(crate) fn remove(self, name: &CStr) {
        // SAFETY: POOL: the table is alive; APR only compares the name.
        unsafe { ffi::apr_table_unset(self.raw.as_ptr(), name.as_ptr()) }
    }

    pub(crate) fn clear(self) {
        // SAFETY: POOL.
        unsafe { ffi::apr_table_clear(self.raw.as_ptr()) }
    }

    /// All entries in their order. A value that a module left null is skipped as empty.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'p [u8], &'p [u8])> {
        // SAFETY: POOL.
        let array = unsafe { ffi::apr_table_elts(self.raw.as_ptr()) };
        // SAFETY: REQUEST: the array is part of the table.
        let array = unsafe { &*array };
        let entries: &'p [ffi::apr_table_entry_t] = if array.nelts == 0 {
            &[]
        } else {
            // SAFETY: REQUEST: the array of a table holds `nelts` entries.
            unsafe { core::slice::from_raw_parts(array.elts.cast(), array.nelts as usize) }
        };
        entries.iter().filter_map(|entry| {
            // SAFETY: REQUEST: keys live as long as the table's pool.
            let key = unsafe { bytes(entry.key) }?;
            // SAFETY: REQUEST: so do values.
            Some((key, unsafe { bytes(entry.val) }.unwrap_or_default()))
        })
    }
}
