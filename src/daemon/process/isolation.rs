//! What a new daemon leaves behind of what it was forked with: the shared memory of httpd, of its modules and of other
//! groups, the logs of other servers, and every descriptor that is not its own.
//!
//! The supervisor has all of it. A daemon runs code that httpd and the other groups need not trust: a scoreboard that it
//! can write to would be a way into httpd's parent, and a cache of TLS sessions holds their secrets.

use crate::apache::log;
use crate::daemon::generation::Group;
use crate::unix::descriptors::{self, Kept};
use crate::unix::{shared, signals};
use crate::wire::control::Line;
use crate::wire::scores::Asking;
use std::os::fd::{AsFd, OwnedFd};

/// Keeps the lines to the supervisor and `log`, which takes the place of the log of the server that declares the group. To
/// be called once, before the daemon opens anything.
///
/// # Errors
/// The system refuses, and the daemon has more than it should.
pub(crate) fn isolate(group: &Group<'static>, line: &Line, asking: Option<&Asking>, log: OwnedFd) -> nix::Result<()> {
    shared::give_up_all_but(&group.memory())?;
    signals::let_go();
    log::belong_to(group.server);
    let file = group.server.error_log();
    let mut kept = vec![line.as_fd()];
    kept.extend(asking.map(AsFd::as_fd));
    if let Some(file) = file {
        // httpd knows the log by the number of its descriptor.
        descriptors::put_in_place(&log, file)?;
        descriptors::redirect_standard_output(&log)?;
        kept.push(file);
    }
    descriptors::close_others(&Kept { descriptors: &kept, syslog: file.is_none() })
}
