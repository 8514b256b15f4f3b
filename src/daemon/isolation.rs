//! What a new daemon leaves behind of what it was forked with: the shared memory of httpd, of its modules and of other
//! groups, the logs of other servers, and every descriptor that is not its own.
//!
//! The supervisor has all of it. A daemon runs code that httpd and the other groups need not trust: a scoreboard that it
//! can write to would be a way into httpd's parent, and a cache of TLS sessions holds their secrets.

use super::control::Line;
use super::generation::Group;
use super::scores::Asking;
use crate::apache::log;
use crate::unix::descriptors::{self, Kept};
use crate::unix::{shared, signals};
use std::os::fd::AsFd;

/// Keeps the lines to the supervisor and the log of the server that declares the group. To be called once, before the
/// daemon opens anything.
///
/// # Errors
/// The system refuses, and the daemon has more than it should.
pub(crate) fn isolate(group: &Group, line: &Line, asking: Option<&Asking>) -> nix::Result<()> {
    shared::forsake_all_but(&group.memory())?;
    signals::let_go();
    log::belong_to(group.server);
    let log = group.server.error_log();
    let mut kept = vec![line.as_fd()];
    kept.extend(asking.map(AsFd::as_fd));
    if let Some(log) = log {
        descriptors::redirect_standard_error(log)?;
        kept.push(log);
    }
    descriptors::close_others(&Kept { descriptors: &kept, syslog: log.is_none() })
}
