//! The connections that a child of httpd keeps to daemons: a request takes one and gives it back.

use crate::daemon::generation::{self, Group};
use crate::unix::socket::{self, TimeLimits};
use crate::wire::table::Reservation;
use parking_lot::Mutex;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

/// A connection that is not in use.
pub(crate) struct Connection {
    pub(crate) stream: UnixStream,
    /// The process that it leads to.
    incarnation: u32,
    limits: TimeLimits,
    /// Whether it has carried a request before.
    used: bool,
}

/// What this child of httpd keeps for a group.
pub(crate) struct Mine {
    pub(crate) group: &'static Group<'static>,
    /// Its row in the table of the group.
    pub(crate) child: Option<usize>,
    /// Connections of each place.
    idle: Vec<Mutex<Vec<Connection>>>,
}

static MINE: OnceLock<Vec<Mine>> = OnceLock::new();
/// What this child of httpd keeps for `group`.
pub(crate) fn mine(group: &Group) -> Option<&'static Mine> {
    let all = MINE.get_or_init(|| {
        let groups = generation::mine().map_or(&[][..], |generation| &generation.groups);
        groups.iter().map(Mine::new).collect()
    });
    all.iter().find(|mine| core::ptr::eq(mine.group, group))
}

impl Mine {
    fn new(group: &'static Group<'static>) -> Self {
        let idle = (0..group.table.places()).map(|_| Mutex::default()).collect();
        Self { group, child: group.table.enter_child(std::process::id()), idle }
    }

    /// A connection to the process that `reservation` is for.
    pub(crate) fn connect(&self, reservation: &Reservation<'_>, limits: TimeLimits) -> std::io::Result<Connection> {
        let mut idle = self.idle[reservation.place].lock();
        // Those of an earlier process lead nowhere. Over one that waits nothing is said: it would be taken for the response
        // to the next request.
        idle.retain(|connection| connection.incarnation == reservation.incarnation);
        let kept = core::iter::from_fn(|| idle.pop()).find(|connection| socket::is_silent(&connection.stream));
        drop(idle);
        if let Some(mut connection) = kept {
            connection.limits.replace(&connection.stream, limits)?;
            return Ok(connection);
        }
        let stream = UnixStream::connect(&self.group.sockets[reservation.place])?;
        let incarnation = reservation.incarnation;
        let mut none = TimeLimits::default();
        none.replace(&stream, limits)?;
        Ok(Connection { stream, incarnation, limits, used: false })
    }

    pub(crate) fn keep(&self, place: usize, mut connection: Connection) {
        connection.used = true;
        self.idle[place].lock().push(connection);
    }

    /// The process has not read what was sent over `connection`.
    pub(crate) fn note_unread(&self, reservation: &Reservation<'_>, connection: &Connection) {
        if connection.used {
            // It may have closed this one only; a new one tells.
            self.idle[reservation.place].lock().clear();
        } else {
            reservation.report_gone();
        }
    }
}
