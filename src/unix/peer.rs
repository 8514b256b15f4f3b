//! Who is on the other side of a local connection.

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use std::os::fd::{AsFd, AsRawFd};

/// The process that has made a connection, as the kernel has noted it then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) process: i32,
    pub(crate) user: u32,
    /// All groups that it belonged to.
    pub(crate) groups: Vec<u32>,
}

/// More than a process can belong to (NGROUPS_MAX).
const GROUPS_AT_MOST: usize = 65_536;

/// # Errors
/// The descriptor is no local socket.
pub(crate) fn peer(socket: impl AsFd) -> nix::Result<Peer> {
    let credentials = getsockopt(&socket, PeerCredentials)?;
    let mut groups = further_groups(&socket)?;
    groups.push(credentials.gid());
    Ok(Peer { process: credentials.pid(), user: credentials.uid(), groups })
}

/// The supplementary groups (`SO_PEERGROUPS`).
fn further_groups(socket: &impl AsFd) -> nix::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut length = size_of_val(&groups[..]) as libc::socklen_t;
        // SAFETY: SYSTEM: the out parameters are ours, and the length is that of the memory.
        let status = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &mut length,
            )
        };
        let found = length as usize / size_of::<libc::gid_t>();
        match Errno::result(status) {
            Err(Errno::ERANGE) if found > groups.len() && found <= GROUPS_AT_MOST => groups.resize(found, 0),
            Err(error) => return Err(error),
            Ok(_) => {
                groups.truncate(found);
                return Ok(groups);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{getegid, geteuid, getgroups, getpid};
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_other_side_of_a_pair_is_this_process() {
        let (here, _there) = UnixStream::pair().expect("a pair");
        let peer = peer(&here).expect("a local socket");
        assert_eq!((peer.process, peer.user), (getpid().as_raw(), geteuid().as_raw()));
        let own: Vec<_> = getgroups().expect("groups").iter().map(|group| group.as_raw()).collect();
        assert!(peer.groups.contains(&getegid().as_raw()) && own.iter().all(|group| peer.groups.contains(group)));
    }
}
