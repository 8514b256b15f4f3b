//! Lends something that a request owns to Python objects, and takes it back.
//!
//! A Python object outlives its request whenever an application keeps it. So it never holds the request: it holds a
//! [`Lease`], which is good for as long as the request lends what it has. Late use finds the loan empty.
//!
//! One mutex guards what is lent, whoever uses it. Nobody waits for it while attached to Python: who waits shows a
//! [`Detached`]. What need not be done at once ([`Lease::defer`]) waits for nobody: whoever gives the mutex back does it.

use super::detached::{Detached, detached};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use parking_lot::{Mutex, MutexGuard};
use pyo3::Python;
use std::sync::Arc;

/// A kind of thing to lend: a trait object, for any life of what it borrows.
pub(crate) trait Lendable: 'static {
    type At<'a>: ?Sized + Send + 'a;

    /// It is taken back: whoever waits for something of it, without the mutex, is to stop that. Does not block.
    fn taken_back(lent: &mut Self::At<'_>);
}

/// The place for something lent. It serves one lending after the other.
pub(crate) struct Loan<K: Lendable> {
    lent: Mutex<Option<Pointer<K>>>,
    /// The lending that is under way; 0 if none is. Changes under the mutex.
    current: AtomicU64,
    /// How many leases there have been.
    leases: AtomicU64,
    /// Locked for moments only.
    deferred: Mutex<Deferred<K>>,
    has_deferred: AtomicBool,
}

struct Pointer<K: Lendable>(NonNull<K::At<'static>>, PhantomData<K>);

// SAFETY: LENT: the pointer is followed only under the mutex, and what it points to is Send.
unsafe impl<K: Lendable> Send for Pointer<K> {}

impl<K: Lendable> Pointer<K> {
    fn of<'a>(value: &mut K::At<'a>) -> Self {
        let pointer: NonNull<K::At<'a>> = NonNull::from(value);
        // SAFETY: LENT: both are pointers to the same type but for a lifetime. `Lease::lend` empties the place before
        // the value can be used or dropped by its owner, on unwinding too.
        Self(unsafe { core::mem::transmute_copy(&pointer) }, PhantomData)
    }

    fn follow(&mut self) -> &mut K::At<'static> {
        // SAFETY: LENT: the lender keeps the value alive and untouched until the place is emptied under the mutex,
        // which the caller holds: it has the place itself.
        unsafe { self.0.as_mut() }
    }
}

type Job<K> = Box<dyn for<'j> FnOnce(&mut <K as Lendable>::At<'j>) + Send>;

/// What whoever gives the mutex back is to do before.
struct Deferred<K: Lendable> {
    jobs: Vec<Job<K>>,
    weight: usize,
    /// Nobody would do it.
    closed: bool,
}

/// So much may be deferred, in bytes of memory. Whoever has more waits.
const MOST_DEFERRED: usize = 256 << 10;
/// So often in a row a thread does what others have deferred meanwhile.
const MOST_ROUNDS: usize = 100;

impl<K: Lendable> Default for Loan<K> {
    fn default() -> Self {
        Self {
            lent: Mutex::new(None),
            current: AtomicU64::new(0),
            leases: AtomicU64::new(0),
            deferred: Mutex::new(Deferred { jobs: Vec::new(), weight: 0, closed: true }),
            has_deferred: AtomicBool::new(false),
        }
    }
}

type Place<'l, K> = MutexGuard<'l, Option<Pointer<K>>>;

impl<K: Lendable> Loan<K> {
    /// The lease of what is lent now; a void one if nothing is.
    pub(crate) fn current(self: &Arc<Self>) -> Lease<K> {
        Lease { loan: self.clone(), number: self.current.load(Ordering::Acquire) }
    }

    /// Whether something is lent now.
    pub(crate) fn is_lent(&self) -> bool {
        self.current.load(Ordering::Acquire) != 0
    }

    fn use_place<R>(&self, place: &mut Place<'_, K>, number: u64, body: impl FnOnce(&mut K::At<'_>) -> R) -> Option<R> {
        if self.current.load(Ordering::Relaxed) != number {
            return None;
        }
        place.as_mut().map(|pointer| body(pointer.follow()))
    }

    /// Gives the mutex back. Returns whether something was deferred meanwhile.
    fn unlock(&self, place: Place<'_, K>) -> bool {
        drop(place);
        // Whoever defers something notes it first, then looks whether the mutex is free: one of both sees the other.
        fence(Ordering::SeqCst);
        self.has_deferred.load(Ordering::Relaxed)
    }

    fn give_back(&self, place: Place<'_, K>, detached: &Detached<'_>) {
        if self.unlock(place) {
            self.do_deferred(detached);
        }
    }

    /// Does what was deferred, unless another thread has the mutex: that will. Threads that defer without end keep nobody
    /// here for ever: they do it themselves.
    #[cold]
    fn do_deferred(&self, _: &Detached<'_>) {
        for _ in 0..MOST_ROUNDS {
            let Some(mut place) = self.lent.try_lock() else { return };
            self.do_jobs(&mut place);
            if !self.unlock(place) {
                return;
            }
        }
    }

    fn do_jobs(&self, place: &mut Place<'_, K>) {
        let jobs = {
            let mut deferred = self.deferred.lock();
            deferred.weight = 0;
            self.has_deferred.store(false, Ordering::Relaxed);
            core::mem::take(&mut deferred.jobs)
        };
        if let Some(pointer) = place.as_mut() {
            jobs.into_iter().for_each(|job| job(pointer.follow()));
        }
    }

    /// Lets nothing more be deferred. Returns whether nothing is.
    fn close(&self) -> bool {
        let mut deferred = self.deferred.lock();
        deferred.closed = true;
        deferred.jobs.is_empty()
    }

    /// Empties the place.
    fn empty(&self, place: &mut Place<'_, K>) {
        self.current.store(0, Ordering::Release);
        if let Some(mut pointer) = place.take() {
            K::taken_back(pointer.follow());
        }
    }

    fn open(&self, place: &mut Place<'_, K>, pointer: Pointer<K>, number: u64) {
        **place = Some(pointer);
        self.current.store(number, Ordering::Release);
        self.deferred.lock().closed = false;
    }
}

/// The right to use what is lent once.
pub(crate) struct Lease<K: Lendable> {
    loan: Arc<Loan<K>>,
    number: u64,
}

impl<K: Lendable> Clone for Lease<K> {
    fn clone(&self) -> Self {
        Self { loan: self.loan.clone(), number: self.number }
    }
}

impl<K: Lendable> Lease<K> {
    /// That of the next lending through `loan`.
    pub(crate) fn next(loan: &Arc<Loan<K>>) -> Self {
        Self { loan: loan.clone(), number: loan.leases.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// Lends `value` while `body` runs. At the end it waits, detached, for a thread that is using it.
    pub(crate) fn lend<'a, R>(&self, py: Python<'_>, value: &mut K::At<'a>, body: impl FnOnce() -> R) -> R {
        self.lend_and_wait(&|wait| detached(py, |_| wait()), value, body)
    }

    /// As [`Self::lend`]; `away` runs what may wait.
    fn lend_and_wait<'a, R>(
        &self,
        away: &dyn Fn(&mut (dyn FnMut() + Send)),
        value: &mut K::At<'a>,
        body: impl FnOnce() -> R,
    ) -> R {
        struct TakeBack<'l, K: Lendable>(&'l Loan<K>, &'l dyn Fn(&mut (dyn FnMut() + Send)));
        impl<K: Lendable> Drop for TakeBack<'_, K> {
            fn drop(&mut self) {
                let loan = self.0;
                if let Some(mut place) = loan.lent.try_lock()
                    && loan.close()
                {
                    return loan.empty(&mut place);
                }
                self.1(&mut || {
                    let mut place = loan.lent.lock();
                    loan.close();
                    loan.do_jobs(&mut place);
                    loan.empty(&mut place);
                });
            }
        }
        let (loan, number) = (&*self.loan, self.number);
        let mut pointer = Some(Pointer::of(value));
        let mut open = |mut place: Place<'_, K>| {
            if let Some(pointer) = pointer.take() {
                loan.open(&mut place, pointer, number);
            }
        };
        match loan.lent.try_lock() {
            Some(place) => open(place),
            // Someone finds out that an earlier lending is over.
            None => away(&mut || open(loan.lent.lock())),
        }
        let _take_back = TakeBack(loan, away);
        body()
    }

    /// Whether it is still lent. It may be over right after.
    pub(crate) fn is_lent(&self) -> bool {
        self.loan.current.load(Ordering::Acquire) == self.number && self.number != 0
    }

    /// Uses what is lent; `None` if that is over. Waits for a thread that is using it, and may wait in `body`, which runs
    /// no Python code.
    pub(crate) fn with<R>(&self, detached: &Detached<'_>, body: impl FnOnce(&mut K::At<'_>) -> R) -> Option<R> {
        let mut place = self.loan.lent.lock();
        let result = self.loan.use_place(&mut place, self.number, body);
        self.loan.give_back(place, detached);
        result
    }

    /// Uses what is lent for a moment: `body` does not block. Detaches only if another thread is using it; `None` if it is
    /// over.
    pub(crate) fn look<R: Send>(&self, py: Python<'_>, body: impl FnOnce(&mut K::At<'_>) -> R + Send) -> Option<R> {
        let Some(mut place) = self.loan.lent.try_lock() else {
            return detached(py, |detached| self.with(detached, body));
        };
        let result = self.loan.use_place(&mut place, self.number, body);
        if self.loan.unlock(place) {
            detached(py, |detached| self.loan.do_deferred(detached));
        }
        result
    }

    /// Has `job` done: at once, or by the thread that is using what is lent, when it no longer does. A thread that waits for
    /// a client keeps nobody waiting who has only this to do. `weight` is the memory of the job, in bytes: where that is too
    /// much it waits. `None` if it is over.
    pub(crate) fn defer(
        &self,
        detached: &Detached<'_>,
        weight: usize,
        job: impl for<'j> FnOnce(&mut K::At<'j>) + Send + 'static,
    ) -> Option<()> {
        let loan = &*self.loan;
        if let Some(mut place) = loan.lent.try_lock() {
            loan.do_jobs(&mut place);
            let done = loan.use_place(&mut place, self.number, job);
            loan.give_back(place, detached);
            return done;
        }
        {
            let mut deferred = loan.deferred.lock();
            if deferred.closed || !self.is_lent() {
                return None;
            }
            if deferred.weight + weight > MOST_DEFERRED {
                drop(deferred);
                return self.with(detached, job);
            }
            deferred.weight += weight;
            deferred.jobs.push(Box::new(job));
            loan.has_deferred.store(true, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        loan.do_deferred(detached);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Counting;

    impl Lendable for Counting {
        type At<'a> = Counter<'a>;

        fn taken_back(lent: &mut Self::At<'_>) {
            lent.is_back = true;
        }
    }

    /// No atomic: two threads at once would lose counts, and a thread sanitizer would say so.
    struct Counter<'a> {
        count: &'a mut u64,
        is_back: bool,
    }

    /// Uses a lease as long as it is good; returns how often it was.
    fn use_up(lease: &Lease<Counting>, by: impl Fn(&Lease<Counting>, &Detached<'_>) -> Option<()>) -> u64 {
        let detached = Detached::never_attached();
        (0..).take_while(|_| by(lease, &detached).is_some()).count() as u64
    }

    /// Lends a counter to four threads for a moment; returns the count, and how often each thread thinks it has counted.
    fn lend_once(loan: &Arc<Loan<Counting>>) -> (u64, u64) {
        let lease = Lease::next(loan);
        let mut count = 0;
        let mut counter = Counter { count: &mut count, is_back: false };
        let with = |lease: &Lease<Counting>, detached: &Detached<'_>| {
            lease.with(detached, |counter: &mut Counter<'_>| *counter.count += 1)
        };
        let defer = |lease: &Lease<Counting>, detached: &Detached<'_>| {
            lease.defer(detached, 1, |counter: &mut Counter<'_>| *counter.count += 1)
        };
        let done = std::thread::scope(|scope| {
            let (waiting, deferring) = lease.lend_and_wait(&|wait| wait(), &mut counter, || {
                let waiting: Vec<_> = (0..2).map(|_| scope.spawn(|| use_up(&lease, with))).collect();
                let deferring: Vec<_> = (0..2).map(|_| scope.spawn(|| use_up(&lease, defer))).collect();
                std::thread::sleep(Duration::from_millis(2));
                (waiting, deferring)
            });
            waiting.into_iter().chain(deferring).map(|thread| thread.join().expect("no panic")).sum::<u64>()
        });
        assert!(counter.is_back, "nobody was told of the end");
        (count, done)
    }

    #[test]
    fn one_thread_at_a_time_has_what_is_lent_and_nothing_deferred_is_lost() {
        let loan = Arc::default();
        for _ in 0..20 {
            let (count, done) = lend_once(&loan);
            assert_eq!(count, done);
        }
    }

    #[test]
    fn a_lease_is_good_for_one_lending() {
        let loan = Arc::<Loan<Counting>>::default();
        let (old, new, detached) = (Lease::next(&loan), Lease::next(&loan), Detached::never_attached());
        let mut count = 0;
        let mut counter = Counter { count: &mut count, is_back: false };
        let seen = new.lend_and_wait(&|wait| wait(), &mut counter, || {
            let used = [&old, &new].map(|lease| lease.with(&detached, |counter| *counter.count += 1).is_some());
            (used, [old.is_lent(), new.is_lent(), loan.current().is_lent()])
        });
        assert_eq!(seen, ([false, true], [false, true, true]));
        assert_eq!([old.is_lent(), new.is_lent(), loan.current().is_lent()], [false; 3]);
        assert_eq!((new.with(&detached, |_| ()), count), (None, 1));
    }
}
