//! Messages over a local socket, with descriptors.

use core::time::Duration;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// How long the system waits for the other side of a connection, for each read and each write; `None` is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeLimits {
    pub(crate) read: Option<Duration>,
    pub(crate) write: Option<Duration>,
}

impl TimeLimits {
    /// Has `stream`, whose limits these are, wait as long as `new` says.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn replace(&mut self, stream: &UnixStream, new: Self) -> std::io::Result<()> {
        // Most requests of a connection have the same.
        if *self != new {
            *self = new;
            stream.set_read_timeout(new.read)?;
            stream.set_write_timeout(new.write)?;
        }
        Ok(())
    }
}

/// Receives what is there into `room`, and the descriptors that come with it into `descriptors`.
/// `control` is memory for the latter (`cmsg_space!`). 0 is the end.
///
/// # Errors
/// What the system says; an interruption by a signal is none.
pub(crate) fn receive(
    socket: impl AsFd,
    room: &mut [u8],
    control: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
    flags: MsgFlags,
) -> nix::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    let mut room = [IoSliceMut::new(room)];
    let message = loop {
        match recvmsg::<UnixAddr>(socket, &mut room, Some(control), flags | MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
            Ok(message) => break (message.bytes, message.cmsgs()?.collect::<Vec<_>>()),
        }
    };
    for control in message.1 {
        if let ControlMessageOwned::ScmRights(received) = control {
            // SAFETY: the kernel has just made them for this process.
            descriptors.extend(received.into_iter().map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }));
        }
    }
    Ok(message.0)
}

/// Closes the descriptor of that number if it is a socket that someone listens on.
pub(crate) fn close_if_listening(number: RawFd) {
    let mut listens: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the out parameters are ours; a number that is no socket is an error.
    let status = unsafe {
        libc::getsockopt(number, libc::SOL_SOCKET, libc::SO_ACCEPTCONN, (&raw mut listens).cast(), &mut length)
    };
    if status == 0 && listens != 0 {
        // SAFETY: httpd's own record of it is never used in this process, which only runs our code from here on.
        unsafe { libc::close(number) };
    }
}

/// Sends all of `first` and then of `second`, and a copy of `descriptor` with the first byte.
///
/// # Errors
/// What the system says; an interruption by a signal is none, and no signal tells of a broken connection.
pub(crate) fn send(
    socket: impl AsFd,
    mut first: &[u8],
    mut second: &[u8],
    descriptor: Option<&OwnedFd>,
) -> nix::Result<()> {
    let socket = socket.as_fd().as_raw_fd();
    let raw: Vec<RawFd> = descriptor.iter().map(|descriptor| descriptor.as_raw_fd()).collect();
    let with_descriptor = [ControlMessage::ScmRights(&raw)];
    let mut control = if raw.is_empty() { &[][..] } else { &with_descriptor[..] };
    while !first.is_empty() || !second.is_empty() {
        let parts = [IoSlice::new(first), IoSlice::new(second)];
        match sendmsg::<UnixAddr>(socket, &parts, control, MsgFlags::MSG_NOSIGNAL, None) {
            Ok(sent) => {
                control = &[];
                let of_first = sent.min(first.len());
                first = &first[of_first..];
                second = &second[sent - of_first..];
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
