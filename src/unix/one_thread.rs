//! Whether this process has one thread only: then what C keeps for the whole process may be changed without a lock.

use nix::errno::Errno;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

/// The links of an empty directory, as `/proc/<pid>/task` counts them besides its threads.
const LINKS_OF_A_FOLDER: u64 = 2;

/// The threads of this process. Made before the file system changes its root, for use afterwards too.
#[derive(Debug)]
pub(crate) struct Threads {
    directory: File,
    process: u32,
}

impl Threads {
    /// # Errors
    /// `/proc` cannot be read.
    pub(crate) fn of_this_process() -> nix::Result<Self> {
        let directory = File::open("/proc/self/task").map_err(|error| errno_of(&error))?;
        Ok(Self { directory, process: std::process::id() })
    }

    /// Shows that the thread that asks is alone, until it makes another.
    ///
    /// # Errors
    /// It is not, or belongs to another process than the one that was asked about.
    pub(super) fn check_alone(&self) -> nix::Result<()> {
        let links = self.directory.metadata().map_err(|error| errno_of(&error))?.nlink();
        if links == LINKS_OF_A_FOLDER + 1 && self.process == std::process::id() { Ok(()) } else { Err(Errno::EBUSY) }
    }
}

/// The system's number for an error of std.
pub(super) fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_several_threads_is_told_so() {
        // The test runner's own thread lives besides the one that runs this.
        std::thread::scope(|scope| {
            let (done, wait) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || wait.recv());
            let threads = Threads::of_this_process().expect("Linux");
            assert_eq!(threads.check_alone(), Err(Errno::EBUSY));
            drop(done);
        });
    }
}
