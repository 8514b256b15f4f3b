//! What a process that runs Python tells of itself, in shared memory: collections of garbage, extension modules that are
//! not declared safe without the GIL, and the thread that serves each request.
//!
//! A process writes to its own place only. A daemon process has this memory of its own group and may write anything there:
//! what is read is bounded, and shown as what that process says of itself.

use super::text;
use crate::unix::fork;
use crate::unix::shared::SharedCounters;
use core::ops::Range;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::time::Duration;
use parking_lot::Mutex;
use std::sync::OnceLock;

/// Words of a place, before those of its request threads.
const PROCESS: usize = 0;
const COLLECTIONS: Range<usize> = 1..4;
const COLLECTED: usize = 4;
/// Microseconds of all collections.
const PAUSES: usize = 5;
/// Microseconds of the longest one.
const LONGEST: usize = 6;
const UNDECLARED: usize = 7;
/// Bytes of the names.
const LENGTH: usize = 8;
/// Whether the process ends by itself.
const LEAVES: usize = 9;
const NAMES: Range<usize> = 10..48;
const HEAD: usize = 48;

/// Stands between two names.
const SEPARATOR: u8 = b'\n';
/// Generations that CPython counts collections by.
pub(crate) const GENERATIONS: usize = COLLECTIONS.end - COLLECTIONS.start;

/// The places of the processes of a group, or of httpd's own.
pub(crate) struct Bulletin {
    words: SharedCounters,
    places: usize,
    threads: usize,
}

/// What a process has told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Collections of garbage, by generation.
    pub(crate) collections: [u64; GENERATIONS],
    /// Objects that they have freed.
    pub(crate) collected: u64,
    pub(crate) pauses_microseconds: u64,
    pub(crate) longest_microseconds: u64,
    /// How many extension modules are not declared safe.
    pub(crate) undeclared: u64,
    /// Their names, as far as there is room.
    pub(crate) names: Vec<String>,
}

impl Bulletin {
    /// # Errors
    /// The system has no memory left.
    pub(crate) fn new(places: usize, threads: usize) -> nix::Result<Self> {
        Ok(Self { words: SharedCounters::new(places * (HEAD + threads))?, places, threads })
    }

    /// What a daemon process has of it.
    pub(crate) fn memory(&self) -> &SharedCounters {
        &self.words
    }

    fn place(&self, place: usize) -> &[AtomicU64] {
        let length = HEAD + self.threads;
        &self.words[place * length..][..length]
    }

    /// This process has that place from now on; what its predecessor told is gone.
    fn begin(&self, place: usize, process: u32) -> &[AtomicU64] {
        let words = self.place(place);
        words[PROCESS + 1..].iter().for_each(|word| word.store(0, Relaxed));
        words[PROCESS].store(process.into(), Release);
        words
    }

    /// Takes a free place for this process.
    fn take(&self, process: u32) -> Option<&[AtomicU64]> {
        let take =
            |place: &usize| self.place(*place)[PROCESS].compare_exchange(0, process.into(), AcqRel, Relaxed).is_ok();
        let place = (0..self.places).find(take)?;
        Some(self.begin(place, process))
    }

    /// Frees the places of processes that are gone.
    pub(super) fn free(&self, is_gone: impl Fn(u32) -> bool) {
        for place in 0..self.places {
            let process = self.process(place);
            if process != 0 && is_gone(process) {
                self.place(place)[PROCESS].store(0, Release);
            }
        }
    }

    /// The process of a place; 0 if it has none.
    pub(super) fn process(&self, place: usize) -> u32 {
        u32::try_from(self.place(place)[PROCESS].load(Acquire)).unwrap_or(0)
    }

    /// The processes that have told something.
    pub(crate) fn processes(&self) -> impl Iterator<Item = u32> {
        (0..self.places).map(|place| self.process(place)).filter(|process| *process != 0)
    }

    /// What a process has told, wherever its place is.
    pub(crate) fn find(&self, process: u32) -> Option<Told> {
        (0..self.places).find(|place| self.process(*place) == process).map(|place| self.read(place))
    }

    fn read(&self, place: usize) -> Told {
        let words = self.place(place);
        let load = |word: usize| words[word].load(Relaxed);
        let names = text::read(&words[NAMES], usize::try_from(load(LENGTH)).unwrap_or(usize::MAX));
        let names = names.split(|byte| *byte == SEPARATOR).filter(|name| !name.is_empty());
        Told {
            collections: core::array::from_fn(|generation| load(COLLECTIONS.start + generation)),
            collected: load(COLLECTED),
            pauses_microseconds: load(PAUSES),
            longest_microseconds: load(LONGEST),
            undeclared: load(UNDECLARED),
            names: names.map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
        }
    }

    /// Whether a process has said that it ends; `None` if it has no place.
    pub(super) fn leaves(&self, process: u32) -> Option<bool> {
        let place = (0..self.places).find(|place| self.process(*place) == process)?;
        Some(self.place(place)[LEAVES].load(Relaxed) != 0)
    }

    /// The thread of a daemon process that has served a seat last, by the system's number.
    pub(crate) fn thread(&self, process: u32, seat: usize) -> Option<u32> {
        let place = (0..self.places).find(|place| self.process(*place) == process)?;
        let word = self.place(place)[HEAD..].get(seat)?;
        u32::try_from(word.load(Relaxed)).ok().filter(|thread| *thread != 0)
    }
}

/// The place of this process.
static MINE: OnceLock<&'static [AtomicU64]> = OnceLock::new();
/// Held for a moment, where a name is added.
static NAMING: Mutex<()> = Mutex::new(());

/// This daemon process has that place.
pub(crate) fn begin(bulletin: &'static Bulletin, place: usize) {
    MINE.get_or_init(|| bulletin.begin(place, std::process::id()));
}

/// This child process of httpd takes a place.
pub(crate) fn begin_anywhere(bulletin: &'static Bulletin) {
    if let Some(words) = bulletin.take(std::process::id()) {
        MINE.get_or_init(|| words);
    }
}

/// A copy of the process (`os.fork()`) has nothing to tell.
fn mine() -> Option<&'static [AtomicU64]> {
    MINE.get().copied().filter(|_| !fork::is_copy())
}

/// This process ends, and nothing has killed it.
pub(crate) fn note_leaving() {
    if let Some(words) = mine() {
        words[LEAVES].store(1, Relaxed);
    }
}

/// Garbage has been collected.
pub(crate) fn note_collection(generation: usize, collected: u64, pause: Duration) {
    let Some(words) = mine() else { return };
    let microseconds = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
    words[COLLECTIONS.start + generation.min(GENERATIONS - 1)].fetch_add(1, Relaxed);
    words[COLLECTED].fetch_add(collected, Relaxed);
    words[PAUSES].fetch_add(microseconds, Relaxed);
    words[LONGEST].fetch_max(microseconds, Relaxed);
}

/// An extension module that is not declared safe has been imported, for the first time.
pub(crate) fn note_undeclared(name: &str) {
    let Some(words) = mine() else { return };
    let _naming = NAMING.lock();
    words[UNDECLARED].fetch_add(1, Relaxed);
    let length = usize::try_from(words[LENGTH].load(Relaxed)).unwrap_or(usize::MAX);
    let mut names = text::read(&words[NAMES], length);
    names.extend_from_slice(name.as_bytes());
    names.push(SEPARATOR);
    // A name that does not fit counts, and is not shown.
    if names.len() <= NAMES.len() * size_of::<u64>() {
        let length = text::write(&words[NAMES], &names);
        words[LENGTH].store(length as u64, Release);
    }
}

/// This thread of a daemon process serves that seat.
pub(crate) fn note_thread(seat: u32, thread: u32) {
    let Some(words) = MINE.get() else { return };
    if let Some(word) = words[HEAD..].get(seat as usize) {
        word.store(thread.into(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_place_is_taken_once_and_freed_when_its_process_is_gone() {
        let bulletin = Bulletin::new(2, 1).expect("memory");
        assert!(bulletin.take(11).is_some() && bulletin.take(12).is_some() && bulletin.take(13).is_none());
        bulletin.place(0)[PAUSES].store(5, Relaxed);
        assert_eq!(bulletin.find(11).map(|told| told.pauses_microseconds), Some(5));
        bulletin.free(|process| process == 11);
        assert_eq!((bulletin.find(11), bulletin.processes().collect::<Vec<_>>()), (None, vec![12]));
        assert!(bulletin.take(13).is_some());
        assert_eq!(bulletin.find(13), Some(Told::default()));
    }

    #[test]
    fn what_this_process_tells_can_be_read() {
        let bulletin: &'static Bulletin = Box::leak(Box::new(Bulletin::new(1, 2).expect("memory")));
        begin(bulletin, 0);
        note_collection(2, 7, Duration::from_micros(30));
        note_collection(9, 1, Duration::from_micros(10));
        note_undeclared("one");
        note_undeclared(&"long".repeat(200));
        note_undeclared("two");
        note_thread(1, 4711);
        note_thread(2, 4712);
        let told = bulletin.find(std::process::id()).expect("a place");
        let names = vec!["one".to_owned(), "two".to_owned()];
        let expected = Told {
            collections: [0, 0, 2],
            collected: 8,
            pauses_microseconds: 40,
            longest_microseconds: 30,
            undeclared: 3,
            names,
        };
        assert_eq!(told, expected);
        let thread = |seat| bulletin.thread(std::process::id(), seat);
        assert_eq!([thread(0), thread(1), thread(2)], [None, Some(4711), None]);
    }

    proptest! {
        #[test]
        fn any_words_can_be_read(words in proptest::collection::vec(any::<u64>(), HEAD + 1)) {
            let bulletin = Bulletin::new(1, 1).expect("memory");
            bulletin.place(0).iter().zip(&words).for_each(|(word, value)| word.store(*value, Relaxed));
            let told = bulletin.read(0);
            prop_assert!(told.names.iter().map(String::len).sum::<usize>() <= 3 * NAMES.len() * 8);
            let _ = bulletin.thread(words[0] as u32, 0);
        }
    }
}
