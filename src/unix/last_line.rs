//! A line of the error log from a signal handler, where httpd's own function must not be called: nothing is allocated here
//! and no lock is taken.
//!
//! `python/finish` writes one when a process exits before Python has shut down. The line has httpd's default format; an
//! `ErrorLogFormat` and a `LogLevel` do not reach it.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicI64, Ordering};
use nix::unistd::{getpid, gettid};

/// How far the time of the log is ahead of UTC, in seconds.
static OFFSET: AtomicI64 = AtomicI64::new(0);

/// Notes the time zone: to ask for it takes a lock. To be called when a process starts.
pub(crate) fn note_time_zone() {
    // SAFETY: SYSTEM: all zeroes is a valid tm.
    let mut parts: libc::tm = unsafe { core::mem::zeroed() };
    let now = now().0;
    // SAFETY: SYSTEM: both are our own; the result is null or the second.
    let known = !unsafe { libc::localtime_r(&now, &mut parts) }.is_null();
    if known {
        OFFSET.store(parts.tm_gmtoff, Ordering::Relaxed);
    }
}

/// Seconds and microseconds of the epoch.
fn now() -> (i64, i64) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: SIGNAL-SAFE: clock_gettime(2) may be called in a signal handler; the structure is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut time) };
    (time.tv_sec, time.tv_nsec / 1000)
}

/// Writes one line to standard error, which is httpd's error log.
pub(crate) fn write(level: &str, text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 512], length: 0 };
    let (seconds, micros) = now();
    let (process, thread) = (getpid(), gettid());
    let _ = line.write_time(seconds + OFFSET.load(Ordering::Relaxed), micros);
    let _ = writeln!(line, " [wsgi:{level}] [pid {process}:tid {thread}] {text}");
    // SAFETY: SIGNAL-SAFE: write(2) may be called in a signal handler; the bytes are ours.
    unsafe { libc::write(libc::STDERR_FILENO, line.bytes.as_ptr().cast(), line.length) };
}

/// A text that ends where there is no more room.
struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.length..];
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
        Ok(())
    }
}

const DAY: i64 = 86_400;
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Line {
    /// `[Mon Nov 30 13:50:00.000000 2026]`
    fn write_time(&mut self, seconds: i64, micros: i64) -> fmt::Result {
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let weekday = DAYS[days.rem_euclid(7) as usize];
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        let month = MONTHS[month as usize - 1];
        write!(self, "[{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02}.{micros:06} {year}]")
    }
}

/// Year, month (from 1) and day of the month, of a day since 1970-01-01. A year is taken to begin with March, so that the
/// day that some years have more is its last.
pub(crate) fn date(days: i64) -> (i64, i64, i64) {
    // 1970-01-01 is the day 719468 from 0000-03-01; 400 years have 146097 days.
    let from_march = days + 719_468;
    let (era, day_of_era) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64) -> String {
        let mut line = Line { bytes: [0; 512], length: 0 };
        line.write_time(seconds, 42).expect("it fits");
        String::from_utf8_lossy(&line.bytes[..line.length]).into_owned()
    }

    #[test]
    fn the_time_is_written_as_by_httpd() {
        assert_eq!(time(0), "[Thu Jan 01 00:00:00.000042 1970]");
        assert_eq!(time(951_782_399), "[Mon Feb 28 23:59:59.000042 2000]");
        assert_eq!(time(951_782_400), "[Tue Feb 29 00:00:00.000042 2000]");
        assert_eq!(time(1_796_046_600), "[Mon Nov 30 13:50:00.000042 2026]");
        assert_eq!(time(4_107_542_400), "[Mon Mar 01 00:00:00.000042 2100]");
        assert_eq!(time(-1), "[Wed Dec 31 23:59:59.000042 1969]");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        let mut line = Line { bytes: [0; 512], length: 0 };
        write!(line, "{:600}", "x").expect("nothing fails");
        assert_eq!(line.length, 512);
    }
}
