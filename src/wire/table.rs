//! The table of a process group in shared memory: which of its processes take requests, and who has their threads.
//!
//! The children of httpd choose a process here and wait here until one has a thread to spare, so a request that waits
//! is in no process's hands and is lost with none. The supervisor and the daemons say here what state they are in.
//!
//! Each request thread of a process is a *seat* here. A child takes a seat for a request, the thread that serves the
//! request has the seat as well, and it is free when both have let go: a thread whose client is gone still works, and no
//! other request is sent to it. A seat is one word that names who has it, so that it changes hands at once, and what a
//! child that crashed had taken can be told from the rest.
//!
//! How many wait, which child of httpd has which row, and which requests a process left untouched when it ended, stands in
//! memory that the daemons do not have: what a broken or hostile process writes into the table is gone with that process,
//! when the supervisor tidies up behind it.
//!
//! A seat is taken before the state is looked at, and a process that is to leave changes its state before it looks at its
//! seats: one of the two always sees the other, so no request reaches a process that has gone.

use crate::unix::{futex, shared::SharedWords};
use crate::wire::fields::payload;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use core::time::Duration;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use num_enum::FromPrimitive;
use std::time::Instant;

/// What a place in the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromPrimitive)]
#[repr(u32)]
pub(crate) enum State {
    /// No process.
    #[num_enum(default)]
    Empty = 0,
    /// A process that does not take requests yet.
    Starting = 1,
    /// A process that takes requests.
    Ready = 2,
    /// A process that finishes what it has.
    Draining = 3,
}

impl State {
    /// Whatever stands in the word: what is no state of ours is no process.
    fn of(stage: u32) -> Self {
        Self::from(stage & ((1 << STATE_BITS) - 1))
    }
}

/// Words that concern the whole group.
#[repr(usize)]
enum Head {
    /// Moves whenever a request that waits may have become possible.
    Changes,
    /// Not zero while requests wait, so that whoever frees a thread need not ask the system to wake no one. What decides
    /// is [`Queue::Waiting`].
    Sleepers,
    /// Moves whenever a new edition of the code is in place, or has failed.
    Editions,
    /// The newest edition that a process is ready with.
    ReadyEdition,
    /// Whether a new edition is being brought in.
    Replacing,
    /// How many new editions failed to load.
    Failures,
    Length,
}

/// So many changes that failed are known, each hashed into two words behind the head: they are not tried again.
const FAILED_AT_MOST: usize = 8;
/// Where the places begin.
const PLACES_START: usize = Head::Length as usize + 2 * FAILED_AT_MOST;

/// Words of one process, before its seats.
#[repr(usize)]
enum Place {
    /// The [`State`], and a count of the processes that this place has had: connections belong to one of them.
    Stage,
    Edition,
    /// Counts the reservations, to tell one from the next.
    Turns,
    Process,
    Length,
}

/// Words that only httpd's processes and the supervisor have, before the rows of the children. Behind those are the
/// [`Untouched`] of each seat.
#[repr(usize)]
enum Queue {
    /// How many requests wait.
    Waiting,
    Length,
}

/// Words of one child of httpd, in the queue. The table has a copy of the first one, for daemons without a supervisor.
#[repr(usize)]
enum Child {
    Process,
    Waiting,
    Length,
}

/// Words of one seat, in the queue: the last reservation whose request the process had not begun when it ended. Its child
/// may look only when the next process has the place, and all seats are free again.
#[repr(usize)]
enum Untouched {
    /// Which process of the place that was; 0 is none.
    Incarnation,
    Ticket,
    Length,
}

/// How many bits of [`Place::Stage`] the state takes.
const STATE_BITS: u32 = 2;

/// A child of httpd has the seat.
const KEPT: u32 = 1 << 31;
/// The process has it: a thread serves the request, or will find that nobody waits for it any more.
const SERVED: u32 = 1 << 30;
/// The process has had it, and the child knows or will hear.
const DONE: u32 = 1 << 29;
/// The rest says which reservation it is: the child's row, and a turn.
const TICKET: u32 = DONE - 1;
const TURN_BITS: u32 = 14;
/// The row of a child that has none.
const NO_CHILD: u32 = TICKET >> TURN_BITS;

/// The table of one process group.
pub(crate) struct Table {
    words: SharedWords,
    queue: SharedWords,
    places: usize,
    children: usize,
    threads: u32,
    /// At most as many requests wait.
    backlog: u32,
    look_again: Duration,
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
    pub(crate) place: usize,
    pub(crate) incarnation: u32,
    pub(crate) edition: u32,
    pub(crate) seat: Seat,
}

/// A seat of a process and the reservation that it is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) number: u32,
    pub(crate) ticket: u32,
}

payload! { Seat { number, ticket } }

/// A seat that a thread of the process has, until it is dropped.
pub(crate) struct TakenSeat<'t> {
    table: &'t Table,
    place: usize,
    seat: Seat,
}

/// What the seats of a process tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Occupation {
    /// Seats that are not free.
    taken: u32,
    /// Those that the process has and no child waits for: it may be stuck.
    left: u32,
}

/// A change is noticed at the latest after this time, should its waking have been lost with a process.
/// Those who look again wait behind those who have come meanwhile, so it is seldom.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl Table {
    /// A table for `places` processes of `threads` threads each, used by as many children of httpd as `children`.
    ///
    /// # Errors
    /// The system has no memory left.
    pub(crate) fn new(places: usize, children: usize, threads: u32, backlog: u32) -> nix::Result<Self> {
        let children = children.min(NO_CHILD as usize);
        let of_places = places * (Place::Length as usize + threads as usize);
        let words = SharedWords::new(PLACES_START + of_places + children)?;
        let of_children = Queue::Length as usize + children * Child::Length as usize;
        let queue = SharedWords::new(of_children + places * threads as usize * Untouched::Length as usize)?;
        Ok(Self { words, queue, places, children, threads, backlog, look_again: LOOK_AGAIN })
    }

    /// What the daemons have of it.
    pub(crate) fn memory(&self) -> &SharedWords {
        &self.words
    }

    fn head(&self, word: Head) -> &AtomicU32 {
        &self.words[word as usize]
    }

    fn place_start(&self, place: usize) -> usize {
        PLACES_START + place * (Place::Length as usize + self.threads as usize)
    }

    fn of_place(&self, place: usize, word: Place) -> &AtomicU32 {
        &self.words[self.place_start(place) + word as usize]
    }

    fn seats(&self, place: usize) -> &[AtomicU32] {
        &self.words[self.place_start(place) + Place::Length as usize..][..self.threads as usize]
    }

    fn waiting(&self) -> &AtomicU32 {
        &self.queue[Queue::Waiting as usize]
    }

    fn of_child(&self, child: usize, word: Child) -> &AtomicU32 {
        &self.queue[Queue::Length as usize + child * Child::Length as usize + word as usize]
    }

    fn untouched(&self, place: usize, seat: usize) -> &[AtomicU32] {
        let start = Queue::Length as usize + self.children * Child::Length as usize;
        let number = place * self.threads as usize + seat;
        &self.queue[start + number * Untouched::Length as usize..][..Untouched::Length as usize]
    }

    /// The process of a child, as daemons see it.
    fn process_of_child(&self, child: usize) -> &AtomicU32 {
        &self.words[self.place_start(self.places) + child]
    }

    /// How many processes there is room for.
    pub(crate) fn places(&self) -> usize {
        self.places
    }

    pub(crate) fn state(&self, place: usize) -> State {
        State::of(self.of_place(place, Place::Stage).load(SeqCst))
    }

    fn incarnation(&self, place: usize) -> u32 {
        self.of_place(place, Place::Stage).load(SeqCst) >> STATE_BITS
    }

    /// Goes from one state to another, if it is in that one.
    fn change_state(&self, place: usize, incarnation: u32, from: State, to: State) -> bool {
        let stage = |state: State| incarnation << STATE_BITS | state as u32;
        self.of_place(place, Place::Stage).compare_exchange(stage(from), stage(to), SeqCst, SeqCst).is_ok()
    }

    fn set_state(&self, place: usize, state: State) {
        let set = |stage: u32| Some(stage >> STATE_BITS << STATE_BITS | state as u32);
        let _ = self.of_place(place, Place::Stage).fetch_update(SeqCst, SeqCst, set);
    }

    /// How many requests have a thread of the process, served or about to be.
    pub(crate) fn in_flight(&self, place: usize) -> u32 {
        self.occupation(place).taken
    }

    /// How many requests the process has begun and not ended.
    pub(crate) fn being_served(&self, place: usize) -> usize {
        self.seats(place).iter().filter(|seat| seat.load(SeqCst) & SERVED != 0).count()
    }

    fn occupation(&self, place: usize) -> Occupation {
        self.seats(place).iter().fold(Occupation::default(), |so_far, seat| {
            let word = seat.load(SeqCst);
            let is_left = word & SERVED != 0 && word & KEPT == 0;
            Occupation { taken: so_far.taken + u32::from(word != 0), left: so_far.left + u32::from(is_left) }
        })
    }

    /// How many requests wait, as far as that may be, and how many may wait.
    pub(crate) fn queue(&self) -> (u32, u32) {
        // Those that find the queue full count for a moment.
        (self.waiting().load(SeqCst).min(self.backlog), self.backlog)
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
        if self.head(Head::Sleepers).load(SeqCst) > 0 {
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
        let last = self.incarnation(place);
        let next = last.wrapping_add(1);
        self.of_place(place, Place::Stage).store(next << STATE_BITS | State::Starting as u32, SeqCst);
        self.of_place(place, Place::Edition).store(edition, SeqCst);
        self.of_place(place, Place::Process).store(0, SeqCst);
        for (number, seat) in self.seats(place).iter().enumerate() {
            self.note_untouched(place, number, last, seat.load(SeqCst));
            seat.store(0, SeqCst);
        }
    }

    /// Remembers what the word of a seat tells of the last process, which has ended.
    fn note_untouched(&self, place: usize, seat: usize, incarnation: u32, word: u32) {
        let untouched = self.untouched(place, seat);
        // Never one process with the request of another.
        untouched[Untouched::Incarnation as usize].store(0, SeqCst);
        if word & !TICKET == KEPT {
            untouched[Untouched::Ticket as usize].store(word & TICKET, SeqCst);
            untouched[Untouched::Incarnation as usize].store(incarnation, SeqCst);
        }
    }

    /// Says which process a place has, in the log's words.
    pub(crate) fn name_process(&self, place: usize, process: u32) {
        self.of_place(place, Place::Process).store(process, SeqCst);
    }

    /// The process takes requests from now on, unless it has been told to end meanwhile.
    pub(crate) fn ready(&self, place: usize) {
        if !self.change_state(place, self.incarnation(place), State::Starting, State::Ready) {
            return;
        }
        // Not the greatest so far: any number may stand there.
        let ready = (0..self.places).filter(|place| self.state(*place) == State::Ready);
        let newest = ready.map(|place| self.edition(place)).max().unwrap_or_default();
        self.head(Head::ReadyEdition).store(newest, SeqCst);
        self.tell(i32::MAX);
        self.tell_of_edition();
    }

    /// The process takes no further request.
    pub(crate) fn drain(&self, place: usize) {
        self.set_state(place, State::Draining);
    }

    /// The process is gone.
    pub(crate) fn clear(&self, place: usize) {
        self.set_state(place, State::Empty);
        // There are never more sleepers than requests that wait, unless the process wrote what makes no sense.
        let waiting = self.waiting().load(SeqCst);
        let heal = |sleepers: u32| (sleepers > waiting).then_some(waiting);
        let _ = self.head(Head::Sleepers).fetch_update(SeqCst, SeqCst, heal);
    }

    /// No process has this place, whatever one of another place has written there.
    pub(crate) fn tidy(&self, place: usize) {
        if self.state(place) != State::Empty {
            self.clear(place);
        }
    }

    /// The changes that failed.
    fn failed(&self) -> &[[AtomicU32; 2]] {
        self.words[Head::Length as usize..PLACES_START].as_chunks().0
    }

    /// Asks for a new edition on account of a change; `false` if one is under way, or if this change failed before.
    pub(crate) fn ask_for_new_edition(&self, change: u64) -> bool {
        let is_it =
            |[low, high]: &[AtomicU32; 2]| change == u64::from(low.load(SeqCst)) | u64::from(high.load(SeqCst)) << 32;
        !self.failed().iter().any(is_it) && self.head(Head::Replacing).compare_exchange(0, 1, SeqCst, SeqCst).is_ok()
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

    /// The new edition did not load, or takes too long: who waits for it goes on with the old one.
    pub(crate) fn edition_failed(&self, change: u64) {
        let number = self.head(Head::Failures).load(SeqCst) as usize;
        let [low, high] = &self.failed()[number % FAILED_AT_MOST];
        low.store(change as u32, SeqCst);
        high.store((change >> 32) as u32, SeqCst);
        self.head(Head::Failures).fetch_add(1, SeqCst);
        self.end_replacing();
    }

    /// The new edition has loaded, however late, and is being brought in: no change counts as failed any more.
    pub(crate) fn edition_loaded(&self) {
        self.failed().iter().flatten().for_each(|word| word.store(0, SeqCst));
        self.head(Head::Replacing).store(1, SeqCst);
    }

    /// What a supervisor that has died left undone is ended. Returns the newest edition that there is.
    pub(crate) fn take_over(&self) -> u32 {
        self.end_replacing();
        self.head(Head::ReadyEdition).load(SeqCst)
    }

    // The side of the request threads.

    /// Takes the seat that a child keeps for a request; `None` if it does not wait for the answer any more.
    pub(crate) fn take_kept_seat(&self, place: usize, seat: Seat) -> Option<TakenSeat<'_>> {
        let word = self.seats(place).get(seat.number as usize)?;
        if word.compare_exchange(KEPT | seat.ticket, KEPT | SERVED | seat.ticket, SeqCst, SeqCst).is_ok() {
            return Some(TakenSeat { table: self, place, seat });
        }
        if word.compare_exchange(SERVED | seat.ticket, 0, SeqCst, SeqCst).is_ok() {
            self.tell(1);
        }
        None
    }

    /// Changes who has a seat, if it is still taken for that reservation.
    fn hand_over(&self, place: usize, seat: Seat, change: impl Fn(u32) -> u32) {
        let theirs = |word: u32| (word & TICKET == seat.ticket && word != 0).then(|| change(word));
        let changed = self.seats(place)[seat.number as usize].fetch_update(SeqCst, SeqCst, theirs);
        if changed.is_ok_and(|before| change(before) == 0) {
            self.tell(1);
        }
    }

    /// Takes back what children of httpd that are gone had taken. For the supervisor.
    pub(crate) fn forget_dead_children(&self) {
        for child in 0..self.children {
            if is_dead(self.of_child(child, Child::Process)) {
                self.forget(child);
            }
        }
    }

    /// Whether any child of httpd may have a request here, as a daemon without a supervisor sees it. Takes back what those
    /// that are gone had taken.
    pub(crate) fn has_children(&self) -> bool {
        let mut has_any = false;
        for child in 0..self.children {
            let name = self.process_of_child(child);
            if is_dead(name) {
                self.take_back_seats(child);
                name.store(0, SeqCst);
            }
            has_any |= name.load(SeqCst) != 0;
        }
        has_any
    }

    fn take_back_seats(&self, child: usize) {
        let is_theirs = |word: u32| word & KEPT != 0 && (word & TICKET) >> TURN_BITS == child as u32;
        for place in 0..self.places {
            for seat in self.seats(place) {
                let _ = seat.fetch_update(SeqCst, SeqCst, |word| is_theirs(word).then(|| without_child(word)));
            }
        }
    }

    fn forget(&self, child: usize) {
        self.take_back_seats(child);
        let waiting = self.of_child(child, Child::Waiting).swap(0, SeqCst);
        subtract(self.head(Head::Sleepers), waiting);
        subtract(self.waiting(), waiting);
        self.process_of_child(child).store(0, SeqCst);
        self.of_child(child, Child::Process).store(0, SeqCst);
        self.tell(i32::MAX);
    }

    // The side of the children of httpd.

    /// Takes a row for this child of httpd; without one, what it has taken stays taken if it crashes.
    pub(crate) fn enter_child(&self, process: u32) -> Option<usize> {
        (0..self.children).find(|child| {
            let owner = self.of_child(*child, Child::Process);
            if owner.load(SeqCst) == process {
                // An earlier process of the same number is gone.
                self.forget(*child);
            }
            let is_taken = owner.compare_exchange(0, process, SeqCst, SeqCst).is_ok();
            if is_taken {
                self.process_of_child(*child).store(process, SeqCst);
            }
            is_taken
        })
    }

    /// Keeps a thread of a process for a request, waiting for one until `until`.
    /// Prefers processes with the newest code, then those with the fewest requests under way.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) fn reserve(
        &self,
        child: Option<usize>,
        first: usize,
        until: Option<Instant>,
    ) -> Result<Reservation<'_>, Refusal> {
        // Who comes when others wait goes behind them.
        if self.waiting().load(SeqCst) == 0
            && let Some(reservation) = self.try_reserve(child, first)
        {
            return Ok(reservation);
        }
        let _waiting = Waiting::new(self, child)?;
        let mut is_new = true;
        loop {
            let seen = self.head(Head::Changes).load(SeqCst);
            // Whatever a process has written there: who frees a thread is to wake this one.
            let _ = self.head(Head::Sleepers).compare_exchange(0, 1, SeqCst, SeqCst);
            if !(is_new && self.spare() < self.waiting().load(SeqCst))
                && let Some(reservation) = self.try_reserve(child, first)
            {
                return Ok(reservation);
            }
            is_new = false;
            let left = until.map_or(self.look_again, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(Refusal::TimeUp);
            }
            futex::wait(self.head(Head::Changes), seen, left.min(self.look_again));
        }
    }

    /// How many requests could begin now.
    fn spare(&self) -> u32 {
        let ready = (0..self.places).filter(|place| self.state(*place) == State::Ready);
        ready.map(|place| self.threads.saturating_sub(self.in_flight(place))).sum()
    }

    fn try_reserve(&self, child: Option<usize>, first: usize) -> Option<Reservation<'_>> {
        loop {
            let ready = (0..self.places).filter(|place| self.state(*place) == State::Ready);
            // The turn goes round among those that are ready, or the first of them would also have those of all others.
            let count = ready.clone().count().max(1);
            let ready = ready.cycle().skip(first % count).take(count);
            let free = ready
                .map(|place| (place, self.occupation(place)))
                .filter(|(_, occupation)| occupation.taken < self.threads);
            // A process that has left requests unanswered has the next ones only if no other has a thread to spare.
            let rank = |(place, occupation): &(usize, Occupation)| {
                (core::cmp::Reverse(self.edition(*place)), occupation.left, occupation.taken)
            };
            let (place, _) = free.min_by_key(rank)?;
            if let Some(reservation) = self.take_seat(child, place) {
                return Some(reservation);
            }
        }
    }

    /// Takes a free seat of the process, unless it leaves in the meantime.
    fn take_seat(&self, child: Option<usize>, place: usize) -> Option<Reservation<'_>> {
        let turn = self.of_place(place, Place::Turns).fetch_add(1, SeqCst) & ((1 << TURN_BITS) - 1);
        let ticket = child.map_or(NO_CHILD, |child| child as u32) << TURN_BITS | turn;
        let take = |word: &AtomicU32| {
            word.load(SeqCst) == 0 && word.compare_exchange(0, KEPT | ticket, SeqCst, SeqCst).is_ok()
        };
        let number = self.seats(place).iter().position(take)?;
        let (incarnation, edition) = (self.incarnation(place), self.edition(place));
        let seat = Seat { number: number as u32, ticket };
        let reservation = Reservation { table: self, place, incarnation, edition, seat };
        // Another process may have begun here, and have freed all seats of the one before.
        let is_taken = self.seats(place)[number].load(SeqCst) == KEPT | ticket;
        (is_taken && self.state(place) == State::Ready).then_some(reservation)
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
            futex::wait(self.head(Head::Editions), seen, left.min(self.look_again));
        }
    }
}

/// Counts a request as one that waits.
struct Waiting<'t> {
    table: &'t Table,
    child: Option<usize>,
}

impl<'t> Waiting<'t> {
    fn new(table: &'t Table, child: Option<usize>) -> Result<Self, Refusal> {
        if let Some(child) = child {
            table.of_child(child, Child::Waiting).fetch_add(1, SeqCst);
        }
        let waiting = Self { table, child };
        let before = table.waiting().fetch_add(1, SeqCst);
        table.head(Head::Sleepers).fetch_add(1, SeqCst);
        if before >= table.backlog { Err(Refusal::QueueFull) } else { Ok(waiting) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let table = self.table;
        subtract(table.head(Head::Sleepers), 1);
        subtract(table.waiting(), 1);
        if let Some(child) = self.child {
            subtract(table.of_child(child, Child::Waiting), 1);
        }
        // A waking meant for this request must not be lost with it, and those who came meanwhile took it for one that waits.
        if table.waiting().load(SeqCst) > 0 && table.spare() > 0 {
            table.tell(1);
        }
    }
}

impl Reservation<'_> {
    /// The process does not answer: the seat is the process's, which frees it when it comes to the request or has ended it.
    pub(crate) fn abandon(&self) {
        self.table.hand_over(self.place, self.seat, |word| match word & (KEPT | DONE) {
            KEPT => SERVED | self.seat.ticket,
            _ => without_child(word),
        });
    }

    /// Whether the process has begun the request: until then another one may have it.
    pub(crate) fn was_begun(&self) -> bool {
        let seat = self.seat.number as usize;
        if self.table.seats(self.place)[seat].load(SeqCst) == KEPT | self.seat.ticket {
            return false;
        }
        // The next process may have the place.
        let untouched = self.table.untouched(self.place, seat);
        let process = || untouched[Untouched::Incarnation as usize].load(SeqCst);
        let ticket = || untouched[Untouched::Ticket as usize].load(SeqCst);
        !(process() == self.incarnation && ticket() == self.seat.ticket && process() == self.incarnation)
    }

    /// The process does not listen any more: nobody is sent there before the supervisor knows that it has ended.
    pub(crate) fn report_gone(&self) {
        self.table.change_state(self.place, self.incarnation, State::Ready, State::Draining);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.table.hand_over(self.place, self.seat, without_child);
    }
}

impl Drop for TakenSeat<'_> {
    fn drop(&mut self) {
        let ticket = self.seat.ticket;
        self.table.hand_over(self.place, self.seat, |word| match word & (KEPT | SERVED) {
            SERVED => 0,
            both if both == KEPT | SERVED => KEPT | DONE | ticket,
            _ => word,
        });
    }
}

/// Whether a word names a process that is gone.
fn is_dead(word: &AtomicU32) -> bool {
    let process = word.load(SeqCst) as i32;
    process != 0 && kill(Pid::from_raw(process), None) == Err(Errno::ESRCH)
}

/// A seat that the child lets go of.
fn without_child(word: u32) -> u32 {
    if word & KEPT == 0 {
        word
    } else if word & SERVED == 0 {
        0
    } else {
        word & !KEPT
    }
}

/// Never below zero, whatever a broken process may have written.
fn subtract(word: &AtomicU32, count: u32) {
    let _ = word.fetch_update(SeqCst, SeqCst, |value| Some(value.saturating_sub(count)));
}

#[cfg(test)]
mod tests;
