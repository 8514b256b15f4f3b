//! Whether a user may enter directories, as the system decides it: with access control lists and all else that the bits
//! of a mode do not show.
//!
//! `module/home_access` asks, in the parent of httpd, about users that its processes are to become. Nothing is changed.

use super::fork;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, AccessFlags, Gid, Uid};
use std::path::{Path, PathBuf};

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// All groups of the process.
    pub(crate) groups: Vec<u32>,
}

/// A directory, and what a process has to be able to do there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    /// To read the list of its files, and not only to pass through.
    pub(crate) is_listed: bool,
}

/// What the exit status of the process that looks can say: 0, or the number of a directory. From 101 on it is a panic.
const MOST: usize = 100;

/// The exit status where the process could not become the user, which is for the start of that process to say.
const UNKNOWN: i32 = 255;

/// The first of these directories that the system refuses: to `identity` inside of `root`, or to this process itself if
/// there is no identity to take on. Only the first 100 are looked at.
pub(crate) fn first_refused<'d>(
    identity: Option<&Identity>,
    root: Option<&Path>,
    directories: &'d [Directory],
) -> Option<&'d Directory> {
    let directories = &directories[..directories.len().min(MOST)];
    let refused = || directories.iter().position(is_refused);
    let index = match identity {
        None => refused(),
        // Another process: to change back the user of this one would need rights that it has just given away.
        Some(identity) => {
            let status = ask_a_process(|| match become_user(identity, root) {
                Ok(()) => refused().and_then(|index| i32::try_from(index + 1).ok()).unwrap_or(0),
                Err(_) => UNKNOWN,
            });
            status.and_then(|status| usize::try_from(status).ok()).and_then(|status| status.checked_sub(1))
        }
    };
    index.and_then(|index| directories.get(index))
}

/// The exit status of a process that does this.
fn ask_a_process(body: impl FnOnce() -> i32) -> Option<i32> {
    let pid = fork::fork(body).ok()?;
    loop {
        match waitpid(pid, None) {
            Ok(WaitStatus::Exited(_, status)) => return Some(status),
            Err(nix::errno::Errno::EINTR) => {}
            _ => return None,
        }
    }
}

fn become_user(identity: &Identity, root: Option<&Path>) -> nix::Result<()> {
    if let Some(root) = root {
        unistd::chroot(root)?;
        unistd::chdir("/")?;
    }
    let groups: Vec<_> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    unistd::setgroups(&groups)?;
    unistd::setgid(Gid::from_raw(identity.gid))?;
    unistd::setuid(Uid::from_raw(identity.uid))
}

/// A directory that is not there is not refused.
fn is_refused(directory: &Directory) -> bool {
    let list = if directory.is_listed { AccessFlags::R_OK } else { AccessFlags::empty() };
    unistd::access(&*directory.path, AccessFlags::X_OK | list) == Err(nix::errno::Errno::EACCES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    /// Below a temporary directory, one with these rights.
    fn with_mode(mode: u32) -> (tempfile::TempDir, Vec<Directory>) {
        let root = tempfile::tempdir().expect("a temporary directory");
        set_permissions(root.path(), Permissions::from_mode(0o755)).expect("our own");
        let path = root.path().join("inner");
        std::fs::create_dir(&path).expect("our own");
        set_permissions(&path, Permissions::from_mode(mode)).expect("our own");
        (root, vec![Directory { path, is_listed: false }])
    }

    const NOBODY: Identity = Identity { uid: 65534, gid: 65534, groups: Vec::new() };

    #[test]
    fn who_may_enter_is_decided_for_the_user_and_all_groups() {
        if !unistd::geteuid().is_root() {
            println!("not shown: the tests run without root");
            return;
        }
        for (mode, groups, is_refused) in
            [(0o700, vec![], true), (0o701, vec![], false), (0o710, vec![0], false), (0o710, vec![1], true)]
        {
            let (_root, directories) = with_mode(mode);
            let identity = Identity { groups, ..NOBODY };
            let refused = first_refused(Some(&identity), None, &directories);
            assert_eq!(refused.is_some(), is_refused, "{mode:o} {identity:?}");
        }
    }

    #[test]
    fn a_directory_to_list_needs_more_than_one_to_pass() {
        if !unistd::geteuid().is_root() {
            println!("not shown: the tests run without root");
            return;
        }
        let (_root, mut directories) = with_mode(0o711);
        assert_eq!(first_refused(Some(&NOBODY), None, &directories), None);
        directories[0].is_listed = true;
        assert_eq!(first_refused(Some(&NOBODY), None, &directories), Some(&directories[0]));
    }

    #[test]
    fn what_is_not_there_is_not_refused() {
        let missing = [Directory { path: "/no/such/directory".into(), is_listed: true }];
        assert_eq!(first_refused(None, None, &missing), None);
    }
}
