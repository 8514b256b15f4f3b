//! APR pools: memory that lives until the pool is cleared.
//!
//! `'p` is the life of the pool. A value with `Drop` is given to the pool
//! together with a cleanup, so it is dropped exactly when its memory goes.
//!
//! A configuration has a pool as well, and a life `'c` that is exact: what static memory keeps of it ([`Keep`]) is taken away
//! before that pool is cleared. `tests/lifetimes.rs` shows what the compiler refuses.

use crate::ffi;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use parking_lot::Mutex;

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
        // SAFETY: POOL: httpd never hands out a null pool.
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
    pub(crate) fn text(self, text: &str) -> &'p str {
        let copy = self.slice(text.as_bytes());
        // SAFETY: POOL: a copy of UTF-8.
        unsafe { core::str::from_utf8_unchecked(copy) }
    }

    /// Copies `items` into the pool. `Copy`: nothing is dropped with them.
    pub(crate) fn slice<T: Copy>(self, items: &[T]) -> &'p [T] {
        const { assert!(align_of::<T>() <= 8, "pools align to 8 bytes") };
        // SAFETY: POOL.
        let start = unsafe { ffi::apr_palloc(self.as_raw(), size_of_val(items) as ffi::apr_size_t) }.cast::<T>();
        // SAFETY: POOL: the memory is ours, large enough, and aligned.
        unsafe { start.copy_from_nonoverlapping(items.as_ptr(), items.len()) };
        // SAFETY: POOL: it holds that many values now, and nobody changes them.
        unsafe { core::slice::from_raw_parts(start, items.len()) }
    }

    /// Moves a plain value into the pool. `Copy`: nothing is dropped with it.
    pub(crate) fn alloc<T: Copy>(self, value: T) -> &'p mut T {
        const { assert!(align_of::<T>() <= 8, "pools align to 8 bytes") };
        // SAFETY: POOL.
        let raw = unsafe { ffi::apr_palloc(self.as_raw(), size_of::<T>() as ffi::apr_size_t) }.cast::<T>();
        // SAFETY: POOL: the memory is ours, large enough, and aligned.
        unsafe { raw.write(value) };
        // SAFETY: POOL: it holds a value now, and nothing else refers to it.
        unsafe { &mut *raw }
    }

    /// Gives `value` to the pool, which drops it when it is cleared. `'static`: the value borrows nothing, since nothing
    /// else would tell whether what it borrows is still there at that time.
    pub(crate) fn own<T: 'static>(self, value: T) -> &'p mut T {
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
        // SAFETY: POOL: the box is alive until the cleanup runs, and nothing else refers to it.
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

/// The life of a configuration. It is exact: neither a longer nor a shorter one can be taken for it, so that a value whose
/// type speaks of `'c` borrows from that configuration and not from something that ends before it.
#[derive(Clone, Copy)]
pub(crate) struct Life<'c>(PhantomData<fn(&'c ()) -> &'c ()>);

/// The pool of a configuration, which lives for exactly `'c`.
#[derive(Clone, Copy)]
pub(crate) struct ConfigurationPool<'c> {
    pool: Pool<'c>,
    life: Life<'c>,
}

impl<'c> ConfigurationPool<'c> {
    /// # Safety
    /// POOL: `raw` is the pool of a configuration, and `'c` is the life of that configuration: a parameter of the function
    /// that this is passed to.
    pub(super) unsafe fn from_raw(raw: *mut ffi::apr_pool_t) -> Self {
        // SAFETY: POOL: as this function's contract has it.
        let pool = unsafe { Pool::from_raw(raw) };
        Self { pool, life: Life(PhantomData) }
    }

    /// The pool, for what is not kept: a borrow of this value is shorter than `'c`.
    pub(crate) fn pool(&self) -> Pool<'_> {
        self.pool
    }

    pub(crate) fn life(self) -> Life<'c> {
        self.life
    }

    /// Keeps `value` in `place` until the configuration goes ([`OfConfiguration::end`]). A value that is there already is
    /// dropped.
    pub(crate) fn keep<K: OfConfiguration>(self, place: &'static Keep<K>, value: K::Of<'c>) {
        *place.0.lock() = Some(forget_life::<K>(value));
        self.pool.on_clear(move || {
            let kept = place.0.lock().take();
            if let Some(kept) = kept {
                K::end(kept);
            }
        });
    }
}

/// A type that may borrow from a configuration.
pub(crate) trait OfConfiguration: 'static {
    type Of<'c>;

    /// What is done with a kept value when its configuration goes.
    fn end(kept: Self::Of<'_>) {
        drop(kept);
    }
}

/// A place in static memory for a value that borrows from the configuration. [`ConfigurationPool::keep`] fills it, and
/// whoever looks is lent the value for a life that only the configuration has.
pub(crate) struct Keep<K: OfConfiguration>(Mutex<Option<K::Of<'static>>>);

impl<K: OfConfiguration> Keep<K> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Lends what is kept to `look`.
    pub(crate) fn with<R>(&self, look: impl for<'c> FnOnce(Life<'c>, Option<&mut K::Of<'c>>) -> R) -> R {
        let mut place = self.0.lock();
        let kept = place.as_mut().map(|kept| {
            let kept = core::ptr::from_mut(kept).cast::<K::Of<'_>>();
            // SAFETY: CONFIGURATION: the place is emptied before the configuration goes, and `look` knows nothing of how long
            // that is: it can neither keep a part of the value nor put anything shorter in.
            unsafe { &mut *kept }
        });
        look(Life(PhantomData), kept)
    }
}

/// The same value, which static memory can hold.
fn forget_life<K: OfConfiguration>(value: K::Of<'_>) -> K::Of<'static> {
    let value = ManuallyDrop::new(value);
    // SAFETY: CONFIGURATION: the type is the same but for a lifetime, and the value is moved, not copied. Callers let nobody
    // see it for longer than the configuration lives.
    unsafe { core::mem::transmute_copy(&*value) }
}

/// A process that was forked from httpd's parent: a child process of httpd, the supervisor, or a daemon process. It exits
/// with the configuration that it was forked with.
#[derive(Clone, Copy)]
pub(crate) struct Forked(());

impl Forked {
    /// # Safety
    /// CONFIGURATION: this process was forked after the configuration was read, and never clears its pool.
    pub(super) unsafe fn new() -> Self {
        Self(())
    }

    /// What borrows from the configuration lasts as long as this process.
    pub(crate) fn lasting<'c, K: OfConfiguration>(self, _: Life<'c>, value: K::Of<'c>) -> K::Of<'static> {
        forget_life::<K>(value)
    }
}

/// The cleanup of [`Pool::own`].
unsafe extern "C" fn drop_box<T>(raw: *mut c_void) -> ffi::apr_status_t {
    super::boundary::guard((), || {
        // SAFETY: POOL: `raw` is the box that `own` leaked; APR runs a cleanup once.
        drop(unsafe { Box::from_raw(raw.cast::<T>()) });
    });
    0
}
