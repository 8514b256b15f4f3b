//! APR pools: memory that lives until the pool is cleared.
//!
//! `'p` is the life of the pool. A value with `Drop` is given to the pool
//! together with a cleanup, so it is dropped exactly when its memory goes.

use crate::ffi;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// A pool of httpd that is alive for `'p`.
#[derive(Clone, Copy)]
pub(crate) struct Pool<'p> {
    raw: NonNull<ffi::apr_pool_t>,
    life: PhantomData<&'p ffi::apr_pool_t>,
}

impl<'p> Pool<'p> {
    /// # Safety
    /// POOL: `raw` is a pool that outlives `'p` and that no other thread uses meanwhile.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::apr_pool_t) -> Self {
        // SAFETY: httpd never hands out a null pool.
        let raw = unsafe { NonNull::new_unchecked(raw) };
        Self { raw, life: PhantomData }
    }

    pub(crate) fn as_raw(self) -> *mut ffi::apr_pool_t {
        self.raw.as_ptr()
    }

    /// Copies `text` into the pool as a C string; a NUL inside ends it early for C.
    pub(crate) fn c_string(self, text: &[u8]) -> *const core::ffi::c_char {
        // SAFETY: POOL; `text` is readable for its own length.
        unsafe { ffi::apr_pstrmemdup(self.as_raw(), text.as_ptr().cast(), text.len() as ffi::apr_size_t) }
    }

    /// Copies `text` into the pool.
    pub(crate) fn text(self, text: &str) -> PoolStr {
        // SAFETY: POOL; the source is readable for its own length.
        let copy = unsafe { ffi::apr_pstrmemdup(self.as_raw(), text.as_ptr().cast(), text.len() as ffi::apr_size_t) };
        PoolStr { start: copy.cast(), length: text.len() }
    }

    /// Copies `items` into the pool.
    pub(crate) fn slice<T: Copy>(self, items: &[T]) -> PoolSlice<T> {
        const { assert!(align_of::<T>() <= 8, "pools align to 8 bytes") };
        // SAFETY: POOL.
        let start = unsafe { ffi::apr_palloc(self.as_raw(), size_of_val(items) as ffi::apr_size_t) }.cast::<T>();
        // SAFETY: the memory is ours, large enough, and aligned.
        unsafe { start.copy_from_nonoverlapping(items.as_ptr(), items.len()) };
        PoolSlice { start, length: items.len() }
    }

    /// Moves a plain value into the pool. `Copy`: nothing is dropped with it.
    pub(crate) fn alloc<T: Copy>(self, value: T) -> &'p mut T {
        const { assert!(align_of::<T>() <= 8, "pools align to 8 bytes") };
        // SAFETY: POOL.
        let raw = unsafe { ffi::apr_palloc(self.as_raw(), size_of::<T>() as ffi::apr_size_t) }.cast::<T>();
        // SAFETY: the memory is ours, large enough, and aligned.
        unsafe { raw.write(value) };
        // SAFETY: it holds a value now, and nothing else refers to it.
        unsafe { &mut *raw }
    }

    /// Gives `value` to the pool, which drops it when it is cleared.
    pub(crate) fn own<T>(self, value: T) -> &'p mut T {
        let raw = Box::into_raw(Box::new(value));
        // SAFETY: POOL; the cleanup matches the type, and runs once, when the pool is cleared.
        unsafe {
            ffi::apr_pool_cleanup_register(
                self.as_raw(),
                raw.cast(),
                Some(drop_box::<T>),
                Some(ffi::apr_pool_cleanup_null),
            );
        }
        // SAFETY: the box is alive until the cleanup runs, and nothing else refers to it.
        unsafe { &mut *raw }
    }

    /// Runs `cleanup` when the pool is cleared, in this process only (not in children that exec).
    pub(crate) fn on_clear(self, cleanup: impl FnOnce() + 'static) {
        struct Cleanup(Option<Box<dyn FnOnce()>>);
        impl Drop for Cleanup {
            fn drop(&mut self) {
                if let Some(run) = self.0.take() {
                    run();
                }
            }
        }
        self.own(Cleanup(Some(Box::new(cleanup))));
    }
}

/// Text in a pool, for settings that live in the same pool and are copied about with it.
///
/// Settings never outlive their pool (POOL), so the text is borrowed through them.
#[derive(Clone, Copy)]
pub(crate) struct PoolStr {
    start: *const u8,
    length: usize,
}

// SAFETY: the text never changes.
unsafe impl Send for PoolStr {}
// SAFETY: the text never changes.
unsafe impl Sync for PoolStr {}

impl PoolStr {
    /// The text between `prefix` and `suffix`, if it has both.
    pub(crate) fn between(self, prefix: &str, suffix: &str) -> Option<Self> {
        let inner = self.strip_prefix(prefix)?.strip_suffix(suffix)?;
        Some(Self { start: inner.as_ptr(), length: inner.len() })
    }

    /// The texts before and after the first `separator`.
    pub(crate) fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = str::split_once(&self, separator)?;
        let part = |text: &str| Self { start: text.as_ptr(), length: text.len() };
        Some((part(before), part(after)))
    }
}

impl core::ops::Deref for PoolStr {
    type Target = str;

    fn deref(&self) -> &str {
        // SAFETY: POOL: made from a text of that length, in a pool that outlives the settings that hold this.
        let bytes = unsafe { core::slice::from_raw_parts(self.start, self.length) };
        // SAFETY: made from UTF-8.
        unsafe { core::str::from_utf8_unchecked(bytes) }
    }
}

/// Values in a pool, as [`PoolStr`] is text in one.
#[derive(Clone, Copy)]
pub(crate) struct PoolSlice<T> {
    start: *const T,
    length: usize,
}

impl<T> core::ops::Deref for PoolSlice<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: POOL: made from that many values, in a pool that outlives the settings that hold this.
        unsafe { core::slice::from_raw_parts(self.start, self.length) }
    }
}

impl<T> From<&'static [T]> for PoolSlice<T> {
    fn from(items: &'static [T]) -> Self {
        Self { start: items.as_ptr(), length: items.len() }
    }
}

impl<T: PartialEq> PartialEq for PoolSlice<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for PoolSlice<T> {}

impl<T: core::fmt::Debug> core::fmt::Debug for PoolSlice<T> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&**self, formatter)
    }
}

impl From<&'static str> for PoolStr {
    fn from(text: &'static str) -> Self {
        Self { start: text.as_ptr(), length: text.len() }
    }
}

#[cfg(test)]
impl PoolStr {
    /// Text that is made up while a test runs, where there is no pool.
    pub(crate) fn leaked(text: &str) -> Self {
        Self::from(&*text.to_owned().leak())
    }
}

impl PartialEq for PoolStr {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for PoolStr {}

impl core::fmt::Debug for PoolStr {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&**self, formatter)
    }
}

impl core::fmt::Display for PoolStr {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(self)
    }
}

/// The cleanup of [`Pool::own`].
unsafe extern "C" fn drop_box<T>(raw: *mut c_void) -> ffi::apr_status_t {
    super::boundary::guard((), || {
        // SAFETY: `raw` is the box that `own` leaked; APR runs a cleanup once.
        drop(unsafe { Box::from_raw(raw.cast::<T>()) });
    });
    0
}
