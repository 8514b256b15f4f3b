//! Messages over a local socket, with descriptors.

use core::time::Duration;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, recv, sendmsg};
use std::io::IoSlice;
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

/// Memory for what comes with a message: one descriptor. What has no room in it the kernel does not hand out.
#[derive(Default)]
pub(crate) struct Control([u64; 3]);

/// Receives what is there into `room`, and the descriptors that come with it into `descriptors`. 0 is the end.
///
/// # Errors
/// What the system says; an interruption by a signal is none.
pub(crate) fn receive(
    socket: impl AsFd,
    room: &mut [u8],
    control: &mut Control,
    descriptors: &mut Vec<OwnedFd>,
    flags: MsgFlags,
) -> nix::Result<usize> {
    let socket = socket.as_fd().as_raw_fd();
    let flags = (flags | MsgFlags::MSG_CMSG_CLOEXEC).bits();
    let mut part = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: SYSTEM: zeroes are a header of a message with nothing in it.
    let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control.0);
    let length = loop {
        // SAFETY: SYSTEM: the header names memory that is lent to this function.
        match Errno::result(unsafe { libc::recvmsg(socket, &raw mut message, flags) }) {
            Err(Errno::EINTR) => {}
            received => break received?,
        }
    };
    take_descriptors(&message, descriptors);
    Ok(length.unsigned_abs())
}

/// Owns the descriptors of a message. Of one that was cut there may be some all the same, and no one else knows them.
fn take_descriptors(message: &libc::msghdr, into: &mut Vec<OwnedFd>) {
    // SAFETY: SYSTEM: the kernel has filled in the header, whose memory is alive and aligned.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: SYSTEM: null, or a part of that memory.
    while let Some(header) = unsafe { next.as_ref() } {
        if (header.cmsg_level, header.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            // SAFETY: SYSTEM: only computes an address.
            let first = unsafe { libc::CMSG_DATA(header) }.cast::<RawFd>();
            // SAFETY: SYSTEM: only computes a number.
            let bytes = header.cmsg_len.saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize);
            for number in 0..bytes / size_of::<RawFd>() {
                // SAFETY: SYSTEM: the length in the header says that it is there.
                let descriptor = unsafe { first.wrapping_add(number).read_unaligned() };
                // SAFETY: SYSTEM: the kernel has just made it for this process.
                into.push(unsafe { OwnedFd::from_raw_fd(descriptor) });
            }
        }
        // SAFETY: SYSTEM: the kernel has just made it for this process.
        next = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
}

/// Whether the connection is open, and there is nothing to receive.
pub(crate) fn is_silent(socket: &UnixStream) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(socket.as_raw_fd(), &mut [0], flags) == Err(Errno::EAGAIN)
}

/// Closes the descriptor of that number if it is a socket that someone listens on.
pub(crate) fn close_if_listening(number: RawFd) {
    let mut listens: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: SYSTEM: the out parameters are ours; a number that is no socket is an error.
    let status = unsafe {
        libc::getsockopt(number, libc::SOL_SOCKET, libc::SO_ACCEPTCONN, (&raw mut listens).cast(), &mut length)
    };
    if status == 0 && listens != 0 {
        // SAFETY: SYSTEM: httpd's own record of it is never used in this process, which only runs our code from here
        // on.
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
