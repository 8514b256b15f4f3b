//! Waiting for one of several descriptors (poll(2)).

use core::time::Duration;
use std::os::fd::RawFd;

/// A descriptor, if there is one, and what it is waited for (`POLLIN`, `POLLOUT`).
pub(crate) type Asked = (Option<RawFd>, i16);

/// Waits until one of the descriptors is ready, or the time is over; says which are. One that is closed counts as ready, and
/// one that is another one's by now ends the wait for nothing.
pub(crate) fn wait_for<const N: usize>(asked: [Asked; N], time: Duration) -> [bool; N] {
    let mut asked = asked.map(|(fd, events)| libc::pollfd { fd: fd.unwrap_or(-1), events, revents: 0 });
    let time = i32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    // SAFETY: SYSTEM: the array is ours; a negative descriptor is passed over.
    unsafe { libc::poll(asked.as_mut_ptr(), asked.len() as libc::nfds_t, time) };
    asked.map(|asked| asked.revents != 0)
}
