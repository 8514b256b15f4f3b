use super::*;
use core::sync::atomic::{AtomicBool, AtomicU32 as Count};
use std::sync::mpsc;
use std::thread;

const LONG: Duration = Duration::from_secs(3600);

/// A table whose processes are all ready, where nobody looks again: a waking that is lost is a test that hangs.
fn table(places: usize, threads: u32, backlog: u32) -> Table {
    let mut table = Table::new(places, 8, threads, backlog).expect("shared memory");
    table.look_again = LONG;
    (0..places).for_each(|place| start(&table, place, 0));
    table
}

fn start(table: &Table, place: usize, edition: u32) {
    table.begin(place, edition);
    table.ready(place);
}

fn now(table: &Table) -> Result<Reservation<'_>, Refusal> {
    table.reserve(None, 0, Some(Instant::now()))
}

fn refusal(reserved: Result<Reservation<'_>, Refusal>) -> Option<Refusal> {
    reserved.err()
}

#[test]
fn a_seat_is_free_when_both_sides_have_let_go() {
    let table = table(1, 1, 10);
    let kept = now(&table).expect("a thread is free");
    assert_eq!(refusal(now(&table)), Some(Refusal::TimeUp));
    assert!(!kept.was_begun());
    let taken_seat = table.take_kept_seat(0, kept.seat).expect("the request is waited for");
    assert!(kept.was_begun());
    drop(kept);
    assert_eq!((table.in_flight(0), table.being_served(0)), (1, 1), "its client is gone, and it still works");
    drop(taken_seat);
    assert_eq!(table.in_flight(0), 0);
    let kept = now(&table).expect("the thread is free again");
    drop(table.take_kept_seat(0, kept.seat));
    assert!(kept.was_begun());
    assert_eq!(table.in_flight(0), 1, "its child has not let go");
    drop(kept);
    assert_eq!(table.in_flight(0), 0);
}

#[test]
fn what_a_process_had_not_begun_when_it_ended_is_known_when_the_next_one_has_its_place() {
    let table = table(1, 2, 10);
    let (untouched, begun) = (now(&table).expect("a thread"), now(&table).expect("another one"));
    let taken_seat = table.take_kept_seat(0, begun.seat);
    table.clear(0);
    assert!(!untouched.was_begun() && begun.was_begun());
    start(&table, 0, 0);
    assert!(!untouched.was_begun() && begun.was_begun(), "the next process has the seats");
    assert!(table.take_kept_seat(0, untouched.seat).is_none(), "it does not serve what was meant for the one before");
    let theirs = [now(&table).expect("a thread"), now(&table).expect("another one")];
    let sat = theirs.each_ref().map(|kept| table.take_kept_seat(0, kept.seat));
    assert!(!untouched.was_begun() && begun.was_begun(), "and serves others with them");
    drop((taken_seat, sat, theirs));
    start(&table, 0, 0);
    assert!(untouched.was_begun(), "what is not known any more is not tried again");
}

#[test]
fn what_was_not_begun_is_of_one_process_and_one_turn() {
    let table = table(1, 1, 10);
    let untouched = now(&table).expect("a thread");
    let Reservation { place, edition, seat, .. } = untouched;
    start(&table, 0, 0);
    let kept = now(&table).expect("a thread");
    let taken_seat = table.take_kept_seat(0, kept.seat);
    // The number of the turn begins again after some time.
    let same = Reservation { table: &table, place, incarnation: kept.incarnation, edition, seat };
    assert!(!untouched.was_begun() && same.was_begun());
    core::mem::forget(same);
    drop((taken_seat, kept));
}

#[test]
fn a_request_that_was_given_up_is_not_begun_and_has_its_thread_until_the_process_comes_to_it() {
    let table = table(1, 2, 10);
    let kept = now(&table).expect("a thread");
    let seat = kept.seat;
    kept.abandon();
    drop(kept);
    assert_eq!(table.in_flight(0), 1);
    assert!(table.take_kept_seat(0, seat).is_none());
    assert_eq!(table.in_flight(0), 0);
    assert!(table.take_kept_seat(0, seat).is_none(), "of a request that is long over");
    assert!(table.take_kept_seat(0, Seat { number: 2, ..seat }).is_none(), "there is no such thread");
}

#[test]
fn a_request_that_ends_while_it_is_given_up_leaves_nothing() {
    for order in [[0, 1], [1, 0]] {
        let table = table(1, 1, 10);
        let kept = now(&table).expect("a thread");
        let mut taken_seat = table.take_kept_seat(0, kept.seat);
        for side in order {
            if side == 0 { kept.abandon() } else { drop(taken_seat.take()) }
        }
        assert_eq!(table.in_flight(0), 0, "{order:?}");
    }
}

#[test]
fn the_newest_code_comes_first_then_who_answers_then_who_has_least_to_do() {
    let table = table(3, 4, 10);
    table.drain(2);
    let first = now(&table).expect("a thread");
    let second = now(&table).expect("a thread");
    assert_ne!(first.place, second.place);
    let stopped = first.place;
    first.abandon();
    drop(first);
    for _ in 0..3 {
        let kept = now(&table).expect("a thread");
        assert_ne!(kept.place, stopped);
        core::mem::forget(kept);
    }
    assert_eq!(now(&table).expect("the last resort").place, stopped);
    start(&table, 2, 1);
    assert_eq!(now(&table).expect("a thread").place, 2);
}

#[test]
fn processes_with_nothing_to_do_take_turns() {
    let table = table(5, 1, 10);
    [1, 2].iter().for_each(|place| table.drain(*place));
    let turns = (0..6).map(|turn| table.reserve(None, turn, None).expect("a thread").place);
    assert_eq!(turns.collect::<Vec<_>>(), [0, 3, 4, 0, 3, 4]);
}

#[test]
fn a_process_that_was_told_to_end_while_it_started_does_not_become_ready() {
    let table = table(1, 1, 10);
    table.begin(0, 0);
    table.drain(0);
    table.ready(0);
    assert_eq!(table.state(0), State::Draining);
}

#[test]
fn a_process_that_is_reported_gone_gets_no_request_but_its_successor_does() {
    let table = table(1, 2, 10);
    let kept = now(&table).expect("a thread");
    kept.report_gone();
    assert_eq!(refusal(now(&table)), Some(Refusal::TimeUp));
    table.clear(0);
    start(&table, 0, 0);
    kept.report_gone();
    drop(kept);
    assert_eq!(table.state(0), State::Ready, "the report was about its predecessor");
    assert_eq!(table.in_flight(0), 0);
}

#[test]
fn no_more_wait_than_may() {
    let table = table(1, 1, 2);
    let kept = now(&table).expect("a thread");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| table.reserve(None, 0, None).map(drop).expect("its turn comes"));
        }
        wait_for_waiters(&table, 2);
        assert_eq!(refusal(table.reserve(None, 0, None)), Some(Refusal::QueueFull));
        drop(kept);
    });
    assert_eq!(table.waiting().load(SeqCst), 0);
}

fn wait_for_waiters(table: &Table, count: u32) {
    while table.waiting().load(SeqCst) < count {
        thread::yield_now();
    }
}

fn wait_until_asleep(thread: nix::unistd::Pid) {
    let stat = format!("/proc/self/task/{thread}/stat");
    while !std::fs::read_to_string(&stat).expect("a thread of ours").contains(") S ") {
        thread::yield_now();
    }
}

#[test]
fn who_waits_longest_is_first() {
    let table = table(1, 1, 100);
    let kept = now(&table).expect("a thread");
    let (ended, order) = mpsc::channel();
    let (named, names) = mpsc::channel();
    thread::scope(|scope| {
        for number in 1..=8 {
            let (table, ended, named) = (&table, ended.clone(), named.clone());
            scope.spawn(move || {
                named.send(nix::unistd::gettid()).expect("the test listens");
                let kept = table.reserve(None, 0, None).expect("its turn comes");
                ended.send(number).expect("the test listens");
                drop(kept);
            });
            wait_for_waiters(table, number);
            wait_until_asleep(names.recv().expect("a thread has begun"));
        }
        drop(kept);
    });
    assert_eq!(order.try_iter().collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
}

#[test]
fn what_a_child_that_is_gone_had_taken_is_taken_back() {
    let table = table(1, 3, 10);
    let gone = dead_process();
    let child = table.enter_child(gone);
    assert_eq!(child, Some(0));
    let reserve = |child| table.reserve(child, 0, Some(Instant::now())).expect("a thread");
    let (unread, served) = (reserve(child), reserve(child));
    let taken_seat = table.take_kept_seat(0, served.seat).expect("the request is waited for");
    let other = table.enter_child(std::process::id());
    let alive = reserve(other);
    let (unread_seat, _) = (unread.seat, core::mem::forget((unread, served)));
    table.forget_dead_children();
    assert_eq!(table.in_flight(0), 2, "one is served, one belongs to a child that lives");
    assert!(table.take_kept_seat(0, unread_seat).is_none());
    drop((taken_seat, alive));
    assert_eq!(table.in_flight(0), 0);
    assert_eq!(table.enter_child(gone), Some(0), "the row is free");
}

/// The number of a process that has ended.
fn dead_process() -> u32 {
    let mut child = std::process::Command::new("true").spawn().expect("true runs");
    child.wait().expect("our child");
    child.id()
}

#[test]
fn a_change_that_a_dead_supervisor_left_half_done_does_not_bar_the_next() {
    let table = table(1, 1, 10);
    start(&table, 0, 3);
    assert!(table.ask_for_new_edition(1));
    assert!(!table.ask_for_new_edition(2));
    assert_eq!(table.take_over(), 3);
    assert!(table.ask_for_new_edition(2));
}

#[test]
fn changes_that_failed_are_not_tried_again_until_another_has_loaded() {
    let table = table(1, 1, 10);
    start(&table, 0, 3);
    for change in [1 << 40, 2] {
        assert!(table.ask_for_new_edition(change));
        table.edition_failed(change);
    }
    assert!(!table.ask_for_new_edition(1 << 40));
    assert!(!table.ask_for_new_edition(2));
    assert!(table.ask_for_new_edition(3));
    table.edition_loaded();
    assert!(table.is_replacing());
    table.end_replacing();
    assert!(table.ask_for_new_edition(2));
}

/// Children that reserve, threads that serve, and processes that are replaced, all at once.
#[test]
fn under_stress_none_is_lost_and_no_process_has_more_than_it_can() {
    const PLACES: usize = 3;
    const THREADS: u32 = 2;
    let table = table(PLACES, THREADS, 1000);
    let in_process: [Count; PLACES] = Default::default();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let children: Vec<_> = (0..8)
            .map(|number| {
                let (table, in_process) = (&table, &in_process);
                scope.spawn(move || (0..1500).for_each(|round| request(table, in_process, number, round)))
            })
            .collect();
        scope.spawn(|| {
            for place in (0..PLACES).cycle() {
                if over.load(SeqCst) {
                    return;
                }
                replace(&table, &in_process, place);
            }
        });
        let ended: Vec<_> = children.into_iter().map(thread::ScopedJoinHandle::join).collect();
        over.store(true, SeqCst);
        assert!(ended.into_iter().all(|child| child.is_ok()));
    });
    assert_eq!(table.waiting().load(SeqCst), 0);
    assert!((0..PLACES).all(|place| table.in_flight(place) == 0));

    fn request(table: &Table, in_process: &[Count], number: usize, round: usize) {
        let until = Some(Instant::now() + Duration::from_secs(60));
        let kept = table.reserve(Some(number), number + round, until).expect("a turn within a minute");
        let taken_seat = table.take_kept_seat(kept.place, kept.seat).expect("the request is waited for");
        let count = &in_process[kept.place];
        assert!(count.fetch_add(1, SeqCst) < THREADS, "more requests than threads");
        if round.is_multiple_of(7) {
            thread::yield_now();
        }
        count.fetch_sub(1, SeqCst);
        match round % 3 {
            0 => drop((kept, taken_seat)),
            1 => drop((taken_seat, kept)),
            _ => {
                kept.abandon();
                drop(taken_seat);
            }
        }
    }

    fn replace(table: &Table, in_process: &[Count], place: usize) {
        table.drain(place);
        while table.in_flight(place) > 0 {
            thread::yield_now();
        }
        assert_eq!(in_process[place].load(SeqCst), 0, "a request reached a process that has gone");
        table.clear(place);
        start(table, place, 0);
    }
}
