//! Whether requests can be served: by httpd's own processes, and by a process group.

use crate::daemon::generation::Group;
use crate::daemon::process::start::is_service;
use crate::wire::table::State;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
use parking_lot::Mutex;

/// What has become of Python in this child of httpd.
static PYTHON: AtomicU8 = AtomicU8::new(NOT_WANTED);
const NOT_WANTED: u8 = 0;
const STARTED: u8 = 1;
const FAILED: u8 = 2;

/// Scripts that were to be loaded when this child of httpd started, and could not: application group and path.
static NOT_LOADED: Mutex<Vec<(String, Vec<u8>)>> = Mutex::new(Vec::new());

/// Python has started in this child of httpd, or has not.
pub(crate) fn note_python(started: bool) {
    PYTHON.store(if started { STARTED } else { FAILED }, Relaxed);
}

/// Whether Python runs in this child of httpd.
pub(crate) fn runs_python() -> bool {
    PYTHON.load(Relaxed) == STARTED
}

/// A script that was to be loaded beforehand could not be.
pub(crate) fn note_not_loaded(application_group: &str, path: &[u8]) {
    NOT_LOADED.lock().push((application_group.to_owned(), path.to_vec()));
}

/// A script has been loaded, for a request.
pub(crate) fn note_loaded(application_group: &str, path: &[u8]) {
    NOT_LOADED.lock().retain(|(group, script)| group != application_group || script != path);
}

/// Why requests that no group serves cannot be served now.
pub(crate) fn of_embedded() -> Result<(), String> {
    if PYTHON.load(Relaxed) == FAILED {
        return Err("Python does not start in httpd's own processes".into());
    }
    match NOT_LOADED.lock().len() {
        0 => Ok(()),
        number => Err(format!("{} in httpd's own processes", scripts_not_loaded(number as u64))),
    }
}

fn scripts_not_loaded(number: u64) -> String {
    if number == 1 { "1 application does not load".into() } else { format!("{number} applications do not load") }
}

/// Why requests for the group cannot be served now. A group of services, which takes none, is as good as ready when it
/// has a process.
pub(crate) fn of_group(group: &Group) -> Result<(), String> {
    let places = || (0..group.table.places()).filter_map(|place| Some((place, group.roll.get(place)?)));
    let name = &group.config.name;
    let fail = |why: String| Err(format!("process group '{name}': {why}"));
    if is_service(group) {
        return if places().next().is_some() { Ok(()) } else { fail("no process".into()) };
    }
    let taking: Vec<_> = places().filter(|(place, _)| group.table.state(*place) == State::Ready).collect();
    if taking.is_empty() {
        let starting = places().filter(|(place, _)| group.table.state(*place) == State::Starting).count();
        return fail(format!("no process is ready, {starting} starting"));
    }
    if let Some(failed) = taking.iter().map(|(_, process)| process.failed).min().filter(|failed| *failed > 0) {
        return fail(scripts_not_loaded(failed));
    }
    let (waiting, limit) = group.table.queue();
    // Nobody may wait where the limit is 0.
    if waiting >= limit.max(1) {
        fail(format!("the queue is full, {waiting} of {limit} requests wait"))
    } else {
        Ok(())
    }
}
