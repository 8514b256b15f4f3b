//! The socket of the client: how long it may take, and the wait for more bytes of it.

use super::request::Request;
use crate::ffi;
use crate::unix::readiness::wait_for;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::OnceLock;

/// Another time limit for reads and writes of the client's socket, until it is dropped.
pub(crate) struct SocketTimeout<'r> {
    request: &'r Request<'r>,
    before: ffi::apr_interval_time_t,
}

impl<'r> SocketTimeout<'r> {
    /// Sets the limit; `None` if there is no socket, as there may be none below HTTP/2.
    pub(crate) fn set(request: &'r Request<'r>, limit: Duration) -> Option<Self> {
        let socket = socket(request)?;
        let mut before = 0;
        // SAFETY: REQUEST: the socket is that of the connection.
        if unsafe { ffi::apr_socket_timeout_get(socket, &mut before) } != 0 {
            return None;
        }
        let limit = i64::try_from(limit.as_micros()).unwrap_or(i64::MAX);
        // SAFETY: REQUEST: the socket is that of the connection.
        let status = unsafe { ffi::apr_socket_timeout_set(socket, limit) };
        (status == 0).then_some(Self { request, before })
    }
}

impl Drop for SocketTimeout<'_> {
    fn drop(&mut self) {
        if let Some(socket) = socket(self.request) {
            // SAFETY: REQUEST: the socket is that of the connection.
            unsafe { ffi::apr_socket_timeout_set(socket, self.before) };
        }
    }
}

fn socket(request: &Request<'_>) -> Option<*mut ffi::apr_socket_t> {
    // SAFETY: REQUEST: the connection outlives the request.
    let socket = unsafe { ffi::ap_get_conn_socket(request.connection()) };
    (!socket.is_null()).then_some(socket)
}

/// How long a thread waits before it looks again, where the socket may have more for a filter than the client has sent: time
/// limits that filters have (mod_reqtimeout) show in a read only.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The same where there is nothing that tells of more bytes, as below HTTP/2: at first, and in the end.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(25);
/// So many times in a row the socket may have bytes in which a filter sees none of the body. Beyond it there are pauses.
const FRUITLESS: u32 = 64;

/// What a client is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// It sends something.
    Receive,
    /// It takes something.
    Send,
}

/// The wait for a client. It needs nothing of the request, which other threads use meanwhile, and may go on
/// when that is over: then the descriptor may be another one's, and a wait ends for nothing.
pub(crate) struct ClientWait {
    /// The client's socket.
    descriptor: Option<RawFd>,
    events: i16,
    /// The time limit of the socket.
    pub(crate) limit: Option<Duration>,
    /// Ends the wait.
    end: OnceLock<Option<EventFd>>,
    /// The next pause, in microseconds.
    pause: AtomicU64,
    /// How many times in a row the socket has moved for nothing.
    fruitless: AtomicU32,
    /// Whether the last wait has ended because the socket has moved.
    moved: AtomicBool,
}

impl ClientWait {
    /// The wait for the client of `request`.
    pub(crate) fn new(request: &Request<'_>, direction: Direction) -> Self {
        let descriptor = if request.is_on_secondary_connection() { None } else { descriptor(request) };
        Self {
            descriptor,
            events: if direction == Direction::Receive { libc::POLLIN } else { libc::POLLOUT },
            limit: limit(request),
            end: OnceLock::new(),
            pause: AtomicU64::new(0),
            fruitless: AtomicU32::new(0),
            moved: AtomicBool::new(false),
        }
    }

    /// Whether a wait would end at once. Where there is no socket to ask nobody knows before trying.
    pub(crate) fn is_over(&self) -> bool {
        self.moved.load(Ordering::Relaxed)
            || self.descriptor.is_none()
            || wait_for([(self.descriptor, self.events)], Duration::ZERO)[0]
    }

    /// It was worth while.
    pub(crate) fn note_success(&self) {
        self.pause.store(0, Ordering::Relaxed);
        self.fruitless.store(0, Ordering::Relaxed);
        self.moved.store(false, Ordering::Relaxed);
    }

    /// Whether the last wait has ended because the client has moved.
    pub(crate) fn has_moved(&self) -> bool {
        self.moved.swap(false, Ordering::Relaxed)
    }

    /// From now on [`Self::end`] ends waits.
    pub(crate) fn can_be_ended(&self) {
        self.end.get_or_init(|| EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).ok());
    }

    /// Ends the wait of a thread, and all further ones.
    pub(crate) fn end(&self) {
        if let Some(Some(end)) = self.end.get() {
            let _ = end.write(1);
        }
    }

    /// Waits for the client, at most for `left`. Others may use the request meanwhile. Something to read from `other`, if
    /// that is given, ends the wait too.
    pub(crate) fn wait(&self, left: Option<Duration>, other: Option<RawFd>) {
        if self.descriptor.is_none() && self.events == libc::POLLOUT {
            // Nobody tells whether there is room: the next write waits for it.
            return;
        }
        let end = self.end.get();
        // Where no descriptor could be made for it, the end of the request is seen late.
        let longest = if let Some(None) = end { LONGEST_PAUSE } else { LOOK_AGAIN };
        let blind = self.descriptor.is_none() || self.fruitless.load(Ordering::Relaxed) >= FRUITLESS;
        let time = if blind { self.next_pause() } else { longest };
        let time = left.map_or(time, |left| left.min(time));
        let end = end.and_then(Option::as_ref).map(AsRawFd::as_raw_fd);
        let client = self.descriptor.filter(|_| !blind);
        if wait_for([(client, self.events), (end, libc::POLLIN), (other, libc::POLLIN)], time)[0] {
            self.moved.store(true, Ordering::Relaxed);
            self.fruitless.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn next_pause(&self) -> Duration {
        let pause = Duration::from_micros(self.pause.load(Ordering::Relaxed)).max(FIRST_PAUSE);
        let next = (pause + pause / 2).min(LONGEST_PAUSE);
        self.pause.store(u64::try_from(next.as_micros()).unwrap_or(0), Ordering::Relaxed);
        pause
    }
}

fn descriptor(request: &Request<'_>) -> Option<RawFd> {
    let mut descriptor = -1;
    // SAFETY: REQUEST: the socket is that of the connection.
    let status = unsafe { ffi::apr_os_sock_get(&mut descriptor, socket(request)?) };
    (status == 0 && descriptor >= 0).then_some(descriptor)
}

/// How long a read of the client's socket may take; a secondary connection has the limit of its server.
fn limit(request: &Request<'_>) -> Option<Duration> {
    if request.is_on_secondary_connection() {
        return Some(request.server().timeout());
    }
    let mut limit = 0;
    // SAFETY: REQUEST: the socket is that of the connection.
    let status = unsafe { ffi::apr_socket_timeout_get(socket(request)?, &mut limit) };
    // A negative one is none.
    u64::try_from(limit).ok().filter(|_| status == 0).map(Duration::from_micros)
}
