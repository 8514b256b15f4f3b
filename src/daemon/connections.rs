//! The connections that a child of httpd keeps to daemons: a request takes one and gives it back.

use super::generation::{self, Group};
use super::table::Reservation;
use core::time::Duration;
use parking_lot::Mutex;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

/// A connection that is not in use.
pub(crate) struct Connection {
    pub(crate) stream: UnixStream,
    /// The process that it leads to.
    incarnation: u32,
    timeout: Duration,
    /// Whether it has carried a request before.
    used: bool,
}

/// What this child of httpd keeps for a group.
pub(crate) struct Mine {
    pub(crate) group: &'static Group,
    /// Its row in the table of the group.
    pub(crate) tenant: Option<usize>,
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
    fn new(group: &'static Group) -> Self {
        let idle = (0..group.table.places()).map(|_| Mutex::default()).collect();
        Self { group, tenant: group.table.move_in(std::process::id()), idle }
    }

    /// A connection to the process that `reservation` is for.
    pub(crate) fn connect(&self, reservation: &Reservation<'_>, timeout: Duration) -> std::io::Result<Connection> {
        let mut idle = self.idle[reservation.place].lock();
        // Those of an earlier process lead nowhere.
        idle.retain(|connection| connection.incarnation == reservation.incarnation);
        let kept = idle.pop();
        drop(idle);
        if let Some(mut connection) = kept {
            connection.set_timeout(timeout)?;
            return Ok(connection);
        }
        let stream = UnixStream::connect(&self.group.sockets[reservation.place])?;
        let incarnation = reservation.incarnation;
        let mut connection = Connection { stream, incarnation, timeout: Duration::ZERO, used: false };
        connection.set_timeout(timeout)?;
        Ok(connection)
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

impl Connection {
    fn set_timeout(&mut self, timeout: Duration) -> std::io::Result<()> {
        if self.timeout != timeout {
            self.timeout = timeout;
            let timeout = (!timeout.is_zero()).then_some(timeout);
            self.stream.set_read_timeout(timeout)?;
            self.stream.set_write_timeout(timeout)?;
        }
        Ok(())
    }
}
