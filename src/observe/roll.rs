//! The processes of a group, as its supervisor knows them, in shared memory that daemons do not have.

use super::clock;
use crate::unix::shared::SharedCounters;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Whether a process has been ready since the configuration was read.
const WAS_READY: usize = 0;
const HEAD: usize = 1;
/// Words of a place.
const PROCESS: usize = 0;
const STARTED: usize = 1;
const FAILED: usize = 2;
const LOADED: usize = 3;
const PLACE: usize = 4;

/// The roll of one group in one generation of the configuration.
pub(crate) struct Roll {
    words: SharedCounters,
    places: usize,
}

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Enrolled {
    pub(crate) process: u32,
    /// By `clock::now`.
    pub(crate) started: u64,
    /// Applications that do not load.
    pub(crate) failed: u64,
    /// Applications that it has loaded.
    pub(crate) loaded: u64,
}

impl Roll {
    /// # Errors
    /// The system has no memory left.
    pub(crate) fn new(places: usize) -> nix::Result<Self> {
        Ok(Self { words: SharedCounters::new(HEAD + places * PLACE)?, places })
    }

    fn place(&self, place: usize) -> &[AtomicU64] {
        &self.words[HEAD + place * PLACE..][..PLACE]
    }

    /// A process has been started there.
    pub(crate) fn enter(&self, place: usize, process: u32) {
        let words = self.place(place);
        words[STARTED].store(clock::now(), Relaxed);
        words[FAILED].store(0, Relaxed);
        words[LOADED].store(0, Relaxed);
        words[PROCESS].store(process.into(), Relaxed);
    }

    /// The process of that place has ended.
    pub(crate) fn leave(&self, place: usize) {
        self.place(place)[PROCESS].store(0, Relaxed);
    }

    /// How many applications the process has loaded, and how many it could not.
    pub(crate) fn note_applications(&self, place: usize, loaded: usize, failed: usize) {
        self.place(place)[LOADED].store(loaded as u64, Relaxed);
        self.place(place)[FAILED].store(failed as u64, Relaxed);
    }

    /// A process takes requests, with all its applications.
    pub(crate) fn note_ready(&self) {
        self.words[WAS_READY].store(1, Relaxed);
    }

    pub(crate) fn was_ready(&self) -> bool {
        self.words[WAS_READY].load(Relaxed) != 0
    }

    /// The process of a place, if it has one.
    pub(crate) fn get(&self, place: usize) -> Option<Enrolled> {
        if place >= self.places {
            return None;
        }
        let words = self.place(place);
        let process = u32::try_from(words[PROCESS].load(Relaxed)).ok().filter(|process| *process != 0)?;
        let load = |word: usize| words[word].load(Relaxed);
        Some(Enrolled { process, started: load(STARTED), failed: load(FAILED), loaded: load(LOADED) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_process_after_the_other() {
        let roll = Roll::new(2).expect("memory");
        assert_eq!((roll.get(0), roll.get(2)), (None, None));
        roll.enter(1, 77);
        roll.note_applications(1, 2, 1);
        let seen = roll.get(1).expect("a process");
        assert_eq!((seen.process, seen.failed, seen.loaded), (77, 1, 2));
        roll.leave(1);
        assert_eq!(roll.get(1), None);
        roll.enter(1, 78);
        assert_eq!(roll.get(1).map(|seen| (seen.process, seen.failed)), Some((78, 0)));
        assert!(!roll.was_ready());
        roll.note_ready();
        assert!(roll.was_ready());
    }
}
