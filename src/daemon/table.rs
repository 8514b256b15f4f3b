//! The table of a process group in shared memory: which of its processes take requests, and how many are under way.
//!
//! The children of httpd choose a process here and wait here until one has a thread to spare, so a request that waits
//! is in no process's hands and is lost with none. The supervisor and the daemons say here what state they are in.
//!
//! A request is counted before the state is looked at, and a process that is to leave changes its state before it looks
//! at the count: one of the two always sees the other, so no request reaches a process that has gone.

use crate::unix::{futex, shared::SharedWords};
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use core::time::Duration;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::time::Instant;

/// What a place in the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum State {
    /// No process.
    Empty = 0,
    /// A process that does not take requests yet.
    Starting = 1,
    /// A process that takes requests.
    Ready = 2,
    /// A process that finishes what it has.
    Draining = 3,
}

/// Words that concern the whole group.
#[repr(usize)]
enum Head {
    /// Moves whenever a request that waits may have become possible.
    Changes,
    /// How many requests wait.
    Waiting,
    /// Moves whenever a new edition of the code is in place, or has failed.
    Editions,
    /// The newest edition that a process is ready with.
    ReadyEdition,
    /// Whether a new edition is being brought in.
    Replacing,
    /// How many new editions failed to load.
    Failures,
    /// The change that failed last, hashed: it is not tried again.
    FailedLow,
    FailedHigh,
    Length,
}

/// Words of one process.
#[repr(usize)]
enum Place {
    State,
    /// Counts the processes that this place has had: connections belong to one of them.
    Incarnation,
    Edition,
    InFlight,
    Process,
    Length,
}

/// Words of one child of httpd, before its counts of requests in each place.
#[repr(usize)]
enum Tenant {
    Process,
    Waiting,
    Length,
}

/// The table of one process group.
pub(crate) struct Table {
    words: SharedWords,
    places: usize,
    tenants: usize,
    threads: u32,
    /// At most as many requests wait.
    backlog: u32,
}

/// Why a request gets no process now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As many requests wait as may.
    QueueFull,
    /// The time is up.
    TimeUp,
}

/// A thread of a process that is kept for one request.
pub(crate) struct Reservation<'t> {
    table: &'t Table,
    tenant: Option<usize>,
    pub(crate) place: usize,
    pub(crate) incarnation: u32,
    pub(crate) edition: u32,
}

/// A change is noticed at the latest after this time, should its waking have been lost with a process.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

impl Table {
    /// A table for `places` processes of `threads` threads each, used by as many children of httpd as `tenants`.
    ///
    /// # Errors
    /// The system has no memory left.
    pub(crate) fn new(places: usize, tenants: usize, threads: u32, backlog: u32) -> nix::Result<Self> {
        let words =
            Head::Length as usize + places * Place::Length as usize + tenants * (Tenant::Length as usize + places);
        Ok(Self { words: SharedWords::new(words)?, places, tenants, threads, backlog })
    }

    /// Lets go of the table, in a process that has no business with it: it looks empty from then on.
    ///
    /// # Errors
    /// The system has no memory left.
    pub(crate) fn forsake(&self) -> nix::Result<()> {
        self.words.forsake()
    }

    fn head(&self, word: Head) -> &AtomicU32 {
        &self.words[word as usize]
    }

    fn of_place(&self, place: usize, word: Place) -> &AtomicU32 {
        &self.words[Head::Length as usize + place * Place::Length as usize + word as usize]
    }

    fn tenant_start(&self, tenant: usize) -> usize {
        Head::Length as usize + self.places * Place::Length as usize + tenant * (Tenant::Length as usize + self.places)
    }

    fn of_tenant(&self, tenant: usize, word: Tenant) -> &AtomicU32 {
        &self.words[self.tenant_start(tenant) + word as usize]
    }

    fn tenant_in_flight(&self, tenant: usize, place: usize) -> &AtomicU32 {
        &self.words[self.tenant_start(tenant) + Tenant::Length as usize + place]
    }

    /// How many processes there is room for.
    pub(crate) fn places(&self) -> usize {
        self.places
    }

    pub(crate) fn state(&self, place: usize) -> State {
        match self.of_place(place, Place::State).load(SeqCst) {
            1 => State::Starting,
            2 => State::Ready,
            3 => State::Draining,
            _ => State::Empty,
        }
    }

    pub(crate) fn in_flight(&self, place: usize) -> u32 {
        self.of_place(place, Place::InFlight).load(SeqCst)
    }

    pub(crate) fn process(&self, place: usize) -> u32 {
        self.of_place(place, Place::Process).load(SeqCst)
    }

    pub(crate) fn edition(&self, place: usize) -> u32 {
        self.of_place(place, Place::Edition).load(SeqCst)
    }

    /// Tells those who wait that a process may have become free for them.
    fn tell(&self, count: i32) {
        self.head(Head::Changes).fetch_add(1, SeqCst);
        if self.head(Head::Waiting).load(SeqCst) > 0 {
            futex::wake(self.head(Head::Changes), count);
        }
    }

    fn tell_of_edition(&self) {
        self.head(Head::Editions).fetch_add(1, SeqCst);
        futex::wake(self.head(Head::Editions), i32::MAX);
    }

    // The side of the supervisor and of the daemons.

    /// Takes an empty place for a process that is about to start.
    pub(crate) fn begin(&self, place: usize, edition: u32) {
        self.of_place(place, Place::Incarnation).fetch_add(1, SeqCst);
        self.of_place(place, Place::Edition).store(edition, SeqCst);
        self.of_place(place, Place::InFlight).store(0, SeqCst);
        self.of_place(place, Place::Process).store(0, SeqCst);
        for tenant in 0..self.tenants {
            self.tenant_in_flight(tenant, place).store(0, SeqCst);
        }
        self.of_place(place, Place::State).store(State::Starting as u32, SeqCst);
    }

    /// Says which process a place has, in the log's words.
    pub(crate) fn name_process(&self, place: usize, process: u32) {
        self.of_place(place, Place::Process).store(process, SeqCst);
    }

    /// The process takes requests from now on.
    pub(crate) fn ready(&self, place: usize) {
        self.of_place(place, Place::State).store(State::Ready as u32, SeqCst);
        self.head(Head::ReadyEdition).fetch_max(self.edition(place), SeqCst);
        self.tell(i32::MAX);
        self.tell_of_edition();
    }

    /// The process takes no further request.
    pub(crate) fn drain(&self, place: usize) {
        self.of_place(place, Place::State).store(State::Draining as u32, SeqCst);
    }

    /// The process is gone.
    pub(crate) fn clear(&self, place: usize) {
        self.of_place(place, Place::State).store(State::Empty as u32, SeqCst);
    }

    /// Asks for a new edition on account of a change; `false` if one is under way, or if this change failed before.
    pub(crate) fn ask_for_new_edition(&self, change: u64) -> bool {
        let failed = u64::from(self.head(Head::FailedLow).load(SeqCst))
            | u64::from(self.head(Head::FailedHigh).load(SeqCst)) << 32;
        change != failed && self.head(Head::Replacing).compare_exchange(0, 1, SeqCst, SeqCst).is_ok()
    }

    /// Whether a new edition has been asked for and is not in place yet.
    pub(crate) fn is_replacing(&self) -> bool {
        self.head(Head::Replacing).load(SeqCst) != 0
    }

    /// The new edition is in place.
    pub(crate) fn end_replacing(&self) {
        self.head(Head::Replacing).store(0, SeqCst);
        self.tell_of_edition();
    }

    /// The new edition did not load.
    pub(crate) fn edition_failed(&self, change: u64) {
        self.head(Head::FailedLow).store(change as u32, SeqCst);
        self.head(Head::FailedHigh).store((change >> 32) as u32, SeqCst);
        self.head(Head::Failures).fetch_add(1, SeqCst);
        self.end_replacing();
    }

    /// Takes back what children of httpd that are gone had counted.
    pub(crate) fn forget_dead_tenants(&self) {
        for tenant in 0..self.tenants {
            let process = self.of_tenant(tenant, Tenant::Process).load(SeqCst) as i32;
            if process != 0 && kill(Pid::from_raw(process), None) == Err(Errno::ESRCH) {
                self.forget(tenant);
            }
        }
    }

    fn forget(&self, tenant: usize) {
        for place in 0..self.places {
            let count = self.tenant_in_flight(tenant, place).swap(0, SeqCst);
            subtract(self.of_place(place, Place::InFlight), count);
        }
        let waiting = self.of_tenant(tenant, Tenant::Waiting).swap(0, SeqCst);
        subtract(self.head(Head::Waiting), waiting);
        self.of_tenant(tenant, Tenant::Process).store(0, SeqCst);
        self.tell(i32::MAX);
    }

    // The side of the children of httpd.

    /// Takes a row for this child of httpd; without one its counts stay if it crashes.
    pub(crate) fn move_in(&self, process: u32) -> Option<usize> {
        (0..self.tenants).find(|tenant| {
            let owner = self.of_tenant(*tenant, Tenant::Process);
            if owner.load(SeqCst) == process {
                // An earlier process of the same number is gone.
                self.forget(*tenant);
            }
            owner.compare_exchange(0, process, SeqCst, SeqCst).is_ok()
        })
    }

    /// Keeps a thread of a process for a request, waiting for one until `until`.
    /// Prefers processes with the newest code, then those with the fewest requests under way.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) fn reserve(
        &self,
        tenant: Option<usize>,
        first: usize,
        until: Option<Instant>,
    ) -> Result<Reservation<'_>, Refusal> {
        // Who comes when others wait goes behind them.
        if self.head(Head::Waiting).load(SeqCst) == 0
            && let Some(reservation) = self.try_reserve(tenant, first)
        {
            return Ok(reservation);
        }
        let _waiting = Waiting::new(self, tenant)?;
        let mut is_new = true;
        loop {
            let seen = self.head(Head::Changes).load(SeqCst);
            if !(is_new && self.spare() < self.head(Head::Waiting).load(SeqCst))
                && let Some(reservation) = self.try_reserve(tenant, first)
            {
                return Ok(reservation);
            }
            is_new = false;
            let left = until.map_or(LOOK_AGAIN, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                // A waking meant for this request must not be lost with it.
                self.tell(1);
                return Err(Refusal::TimeUp);
            }
            futex::wait(self.head(Head::Changes), seen, left.min(LOOK_AGAIN));
        }
    }

    /// How many requests could begin now.
    fn spare(&self) -> u32 {
        let ready = (0..self.places).filter(|place| self.state(*place) == State::Ready);
        ready.map(|place| self.threads.saturating_sub(self.in_flight(place))).sum()
    }

    fn try_reserve(&self, tenant: Option<usize>, first: usize) -> Option<Reservation<'_>> {
        loop {
            let free = (0..self.places)
                .map(|offset| (first + offset) % self.places)
                .filter(|place| self.state(*place) == State::Ready && self.in_flight(*place) < self.threads);
            let place = free.min_by_key(|place| (core::cmp::Reverse(self.edition(*place)), self.in_flight(*place)))?;
            let reservation = self.count(tenant, place);
            let before = self.of_place(place, Place::InFlight).fetch_add(1, SeqCst);
            if before < self.threads && self.state(place) == State::Ready {
                return Some(reservation);
            }
        }
    }

    /// Notes a request in the child's own row first, so that a crash leaves nothing behind that no one can take back.
    fn count(&self, tenant: Option<usize>, place: usize) -> Reservation<'_> {
        let incarnation = self.of_place(place, Place::Incarnation).load(SeqCst);
        if let Some(tenant) = tenant {
            self.tenant_in_flight(tenant, place).fetch_add(1, SeqCst);
        }
        Reservation { table: self, tenant, place, incarnation, edition: self.edition(place) }
    }

    /// Waits until a process is ready with newer code than `edition`, or that code has failed to load.
    pub(crate) fn wait_for_newer(&self, edition: u32, until: Instant) {
        let failures = self.head(Head::Failures).load(SeqCst);
        loop {
            let seen = self.head(Head::Editions).load(SeqCst);
            let newer = self.head(Head::ReadyEdition).load(SeqCst) > edition;
            let over = self.head(Head::Replacing).load(SeqCst) == 0;
            let left = until.saturating_duration_since(Instant::now());
            if newer || over || self.head(Head::Failures).load(SeqCst) != failures || left.is_zero() {
                return;
            }
            futex::wait(self.head(Head::Editions), seen, left.min(LOOK_AGAIN));
        }
    }
}

/// Counts a request as one that waits.
struct Waiting<'t> {
    table: &'t Table,
    tenant: Option<usize>,
}

impl<'t> Waiting<'t> {
    fn new(table: &'t Table, tenant: Option<usize>) -> Result<Self, Refusal> {
        if let Some(tenant) = tenant {
            table.of_tenant(tenant, Tenant::Waiting).fetch_add(1, SeqCst);
        }
        let waiting = Self { table, tenant };
        let before = table.head(Head::Waiting).fetch_add(1, SeqCst);
        if before >= table.backlog { Err(Refusal::QueueFull) } else { Ok(waiting) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        subtract(self.table.head(Head::Waiting), 1);
        if let Some(tenant) = self.tenant {
            subtract(self.table.of_tenant(tenant, Tenant::Waiting), 1);
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        // Another process may have the place by now: its count is not touched.
        if self.table.of_place(self.place, Place::Incarnation).load(SeqCst) == self.incarnation {
            subtract(self.table.of_place(self.place, Place::InFlight), 1);
            if let Some(tenant) = self.tenant {
                subtract(self.table.tenant_in_flight(tenant, self.place), 1);
            }
        }
        self.table.tell(1);
    }
}

/// Never below zero, whatever a broken process may have written.
fn subtract(word: &AtomicU32, count: u32) {
    let _ = word.fetch_update(SeqCst, SeqCst, |value| Some(value.saturating_sub(count)));
}
