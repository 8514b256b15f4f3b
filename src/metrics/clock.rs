//! How long something took, whatever is done to the time of day meanwhile.
//!
//! A duration is the difference of two moments of the monotonic clock, which all processes of a machine share and nobody
//! sets. httpd says when it had a request by the time of day alone, which is set now and then, by years where a machine
//! starts without a battery. So a [`Timeline`] remembers how far the two clocks were apart, and since when, and finds the
//! moment at which it was that time of day.

use core::cell::RefCell;
use core::time::Duration;
use nix::time::{ClockId, clock_gettime};
use std::sync::OnceLock;

/// A moment of the monotonic clock, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64);

/// A time of day, in microseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeOfDay(pub(crate) i64);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(microseconds(ClockId::CLOCK_MONOTONIC))
    }

    /// What another process of this machine has from [`Self::number`].
    pub(crate) fn of_number(number: i64) -> Self {
        Self(number)
    }

    pub(crate) fn number(self) -> i64 {
        self.0
    }

    /// The time since `earlier`; none if that was later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let time = u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default();
        Duration::from_micros(time)
    }
}

impl TimeOfDay {
    pub(crate) fn now() -> Self {
        Self(microseconds(ClockId::CLOCK_REALTIME))
    }
}

fn microseconds(clock: ClockId) -> i64 {
    // Both clocks are there on every Linux.
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000 + time.tv_nsec() / 1000)
}

/// Less than that is no jump: the clocks are read one after the other, by a thread that may have to wait in between.
const TOLERANCE: i64 = 1_000_000;
/// As many jumps are remembered.
const JUMPS: usize = 8;

/// How far the time of day was from the monotonic clock.
#[derive(Clone, Debug)]
struct Timeline(Vec<Stretch>);

/// A stretch of time in which nobody has set the time of day.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// The time of day less the monotonic clock.
    distance: i64,
    /// When it was seen last that the time of day was another one: the stretch began later than that.
    after: i64,
    /// When this one was seen first and last.
    first: i64,
    last: i64,
}

impl Timeline {
    /// A timeline that begins at `moment`; all that was before, since the machine started, is taken to be of the same stretch.
    fn new(moment: Moment, time: TimeOfDay) -> Self {
        let distance = time.0.saturating_sub(moment.0);
        Self(vec![Stretch { distance, after: 0, first: moment.0, last: moment.0 }])
    }

    /// It is `time` at `moment`.
    fn note(&mut self, moment: Moment, time: TimeOfDay) {
        let distance = time.0.saturating_sub(moment.0);
        let after = match self.0.last_mut() {
            Some(last) if last.distance.abs_diff(distance) <= TOLERANCE.unsigned_abs() => {
                last.last = last.last.max(moment.0);
                return;
            }
            last => last.map_or(0, |last| last.last),
        };
        if self.0.len() > JUMPS {
            self.0.remove(0);
        }
        self.0.push(Stretch { distance, after, first: moment.0, last: moment.0 });
    }

    /// The last moment at which it was that time of day, as far as is known.
    fn moment_of(&self, time: TimeOfDay) -> Option<Moment> {
        let mut end = self.0.last()?.last;
        for stretch in self.0.iter().rev() {
            let moment = time.0.saturating_sub(stretch.distance);
            let after = stretch.after.saturating_sub(TOLERANCE);
            if (after..=end.saturating_add(TOLERANCE)).contains(&moment) {
                return Some(Moment(moment));
            }
            end = stretch.first;
        }
        None
    }
}

/// What the clocks said when this process began, or a process that it was forked from.
static BEGINNING: OnceLock<(Moment, TimeOfDay)> = OnceLock::new();

thread_local! {
    /// A thread has one of its own: it may look at it for every request.
    static TIMELINE: RefCell<Option<Timeline>> = const { RefCell::new(None) };
}

/// Looks at the clocks for the first time. A jump that was before is not known of.
pub(crate) fn begin() {
    BEGINNING.get_or_init(|| (Moment::now(), TimeOfDay::now()));
}

/// The time from `time` to `until`, as the monotonic clock has it; none if nobody knows when it was that time of day.
pub(crate) fn from_time_of_day(time: TimeOfDay, until: Moment) -> Duration {
    let beginning = *BEGINNING.get_or_init(|| (Moment::now(), TimeOfDay::now()));
    let moment = TIMELINE.with_borrow_mut(|timeline| {
        let timeline = timeline.get_or_insert_with(|| Timeline::new(beginning.0, beginning.1));
        timeline.note(Moment::now(), TimeOfDay::now());
        timeline.moment_of(time)
    });
    moment.map_or(Duration::ZERO, |moment| until.since(moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const YEAR: i64 = 365 * 24 * 3600 * SECOND;
    /// The time of day less the monotonic clock, to begin with.
    const START: i64 = 50 * YEAR;

    fn timeline() -> Timeline {
        Timeline::new(Moment(2 * SECOND), TimeOfDay(START + 2 * SECOND))
    }

    fn note(timeline: &mut Timeline, moment: i64, distance: i64) {
        timeline.note(Moment(moment), TimeOfDay(moment + distance));
    }

    #[test]
    fn a_time_of_day_is_the_moment_that_it_was() {
        let mut timeline = timeline();
        note(&mut timeline, 10 * SECOND, START);
        assert_eq!(timeline.moment_of(TimeOfDay(START + 7 * SECOND)), Some(Moment(7 * SECOND)));
        // Before the first look at the clocks, and a little later than the last one.
        assert_eq!(timeline.moment_of(TimeOfDay(START + SECOND)), Some(Moment(SECOND)));
        assert_eq!(timeline.moment_of(TimeOfDay(START + 10 * SECOND + 5)), Some(Moment(10 * SECOND + 5)));
        // Nobody was there, and the machine was not on.
        assert_eq!(timeline.moment_of(TimeOfDay(START + YEAR)), None);
        assert_eq!(timeline.moment_of(TimeOfDay(0)), None);
    }

    #[test]
    fn a_jump_after_a_request_has_come_adds_nothing_to_its_time() {
        for jump in [56 * YEAR, -30 * YEAR, 3600 * SECOND, -3600 * SECOND] {
            let mut timeline = timeline();
            let came = TimeOfDay(START + 7 * SECOND);
            note(&mut timeline, 9 * SECOND, START + jump);
            assert_eq!(timeline.moment_of(came), Some(Moment(7 * SECOND)), "{jump}");
            // A request that comes afterwards is of the new time, also where the old one was never seen again.
            note(&mut timeline, 20 * SECOND, START + jump);
            assert_eq!(timeline.moment_of(TimeOfDay(START + jump + 19 * SECOND)), Some(Moment(19 * SECOND)), "{jump}");
        }
    }

    #[test]
    fn the_first_request_after_a_jump_is_of_the_new_time() {
        let mut timeline = timeline();
        note(&mut timeline, 9000 * SECOND, START + YEAR);
        assert_eq!(timeline.moment_of(TimeOfDay(START + YEAR + 8999 * SECOND)), Some(Moment(8999 * SECOND)));
    }

    #[test]
    fn a_clock_that_is_adjusted_slowly_does_not_jump() {
        let mut timeline = timeline();
        for second in 0..1000 {
            note(&mut timeline, second * SECOND, START + second % 3 * 1000);
        }
        assert_eq!(timeline.0.len(), 1);
    }

    #[test]
    fn jumps_are_not_remembered_for_ever() {
        let mut timeline = timeline();
        for jump in 1..100 {
            note(&mut timeline, jump * SECOND, START + jump * YEAR);
        }
        assert_eq!(timeline.0.len(), JUMPS + 1);
        assert_eq!(timeline.moment_of(TimeOfDay(START)), None);
        let latest = TimeOfDay(START + 99 * YEAR + 99 * SECOND);
        assert_eq!(timeline.moment_of(latest), Some(Moment(99 * SECOND)));
    }

    #[test]
    fn a_moment_before_another_is_no_time_after_it() {
        assert_eq!(Moment(5).since(Moment(2)), Duration::from_micros(3));
        assert_eq!(Moment(2).since(Moment(5)), Duration::ZERO);
        assert_eq!(Moment(i64::MIN).since(Moment(i64::MAX)), Duration::ZERO);
        assert_eq!(Moment::of_number(Moment(7).number()), Moment(7));
    }

    #[test]
    fn the_time_since_now_is_short() {
        begin();
        let time = from_time_of_day(TimeOfDay::now(), Moment::now());
        assert!(time < Duration::from_secs(60), "{time:?}");
        assert_eq!(from_time_of_day(TimeOfDay(TimeOfDay::now().0 + YEAR), Moment::now()), Duration::ZERO);
    }
}
