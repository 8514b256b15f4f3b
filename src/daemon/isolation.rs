//! What a new daemon leaves behind of what it was forked with: the tables of other groups, the logs of other servers, and
//! every descriptor that is not its own.
//!
//! The supervisor has all of it, for all groups. A daemon runs code that need not be trusted by the other groups.

use super::control::Line;
use super::generation::{Generation, Group};
use crate::apache::log;
use crate::unix::descriptors::{self, Kept};
use crate::unix::signals;
use std::os::fd::AsFd;

/// Keeps `line` and the log of the server that declares the group. To be called once, before the daemon opens anything.
///
/// # Errors
/// The system refuses, and the daemon has more than it should.
pub(crate) fn isolate(generation: &Generation, group: &Group, line: &Line) -> nix::Result<()> {
    for other in generation.groups.iter().filter(|other| !core::ptr::eq(*other, group)) {
        other.table.forsake()?;
        other.pass.forsake()?;
    }
    signals::let_go();
    log::belong_to(group.server);
    let log = group.server.error_log();
    let mut kept = vec![line.as_fd()];
    if let Some(log) = log {
        descriptors::redirect_standard_error(log)?;
        kept.push(log);
    }
    descriptors::close_others(&Kept { descriptors: &kept, syslog: log.is_none() })
}
