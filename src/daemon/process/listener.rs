//! The socket of a daemon: made while it has the rights of httpd's parent, open to httpd's children only.

use crate::apache::unixd;
use crate::config::process_group::ProcessGroup;
use crate::daemon::generation::Group;
use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};
use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;
use std::io::{self, ErrorKind};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Listens at a place of the group; whoever had it before is gone.
///
/// # Errors
/// The directory of `WSGISocketPrefix` cannot be written to, or the socket not be given to httpd's children.
pub(crate) fn open(group: &Group, place: usize) -> io::Result<UnixListener> {
    let path = &group.sockets[place];
    let _ = std::fs::remove_file(path);
    let before = umask(Mode::S_IRWXG | Mode::S_IRWXO);
    let listener = UnixListener::bind(path);
    umask(before);
    let listener = listener?;
    give_to_children(&group.config, path)?;
    // The table keeps count of requests; the system has no need to.
    listen(&listener, Backlog::MAXCONN)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Only its owner may connect: the user that httpd's children run as, or `socket-user`.
fn give_to_children(config: &ProcessGroup, path: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let owner = config.socket_user.unwrap_or_else(unixd::user_id);
    std::os::unix::fs::lchown(path, Some(owner), None)
}

/// `send-buffer-size` and `receive-buffer-size`. Linux does not hand them on from the socket that connections come by.
fn set_buffers(stream: &UnixStream, config: &ProcessGroup) {
    // What the system does not grant it cuts.
    if let Some(size) = config.send_buffer_size {
        let _ = setsockopt(stream, sockopt::SndBuf, &size);
    }
    if let Some(size) = config.receive_buffer_size {
        let _ = setsockopt(stream, sockopt::RcvBuf, &size);
    }
}

/// A connection that was waiting to be accepted, if there is one.
///
/// # Errors
/// There is one, and the system or this process has no descriptor or no memory left for it.
pub(crate) fn accept(listener: &UnixListener, config: &ProcessGroup) -> io::Result<Option<UnixStream>> {
    match listener.accept() {
        Ok((stream, _)) => {
            set_buffers(&stream, config);
            Ok(Some(stream))
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => Ok(None),
        Err(error) => Err(error),
    }
}
