//! The time that all processes of the machine share, and that no one sets back.

use nix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds of the system's monotonic clock, the same in all processes.
pub(crate) fn now() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| time.tv_sec().unsigned_abs().saturating_mul(1_000_000) + time.tv_nsec().unsigned_abs() / 1000)
}

/// Seconds since the epoch.
pub(crate) fn epoch() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
