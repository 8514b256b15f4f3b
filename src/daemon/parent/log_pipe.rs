//! The pipe over which a daemon writes to the log: lines that name no request, and what C code and other programs write to
//! standard error.
//!
//! A daemon has no descriptor of the log itself: it could empty the file, and write over what others have written. It
//! writes its lines into the pipe as httpd would write them into the file. The supervisor passes them
//! on, so many and so long, and waits neither for a daemon nor for a log that takes nothing.

use crate::wire::log_allowance::{LogAllowance, Verdict};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{pipe2, read, write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The supervisor's end.
pub(crate) struct LogReader {
    pipe: OwnedFd,
    /// The beginning of a line.
    partial: Vec<u8>,
    /// Lines that the log has not taken yet.
    waiting: Vec<u8>,
    allowance: LogAllowance,
}

/// What a look at the pipe has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Nobody has the other end any more, and all is passed on.
    pub(crate) ended: bool,
    /// Lines were left out, and that is to be said.
    pub(crate) left_out: bool,
    /// There may be more to pass on at once.
    pub(crate) more: bool,
}

/// Longer than the lines that httpd writes. What is longer is cut into several lines.
const LONGEST_LINE: usize = 16 << 10;
/// So much is read before others have their turn.
const AT_ONCE: usize = 64 << 10;
/// What a pipe that can be written to takes without making anyone wait (pipe(7), PIPE_BUF).
const PIECE: usize = 4096;

/// A pipe for a daemon: the end to read from, and the daemon's.
///
/// # Errors
/// The system has no descriptor left.
pub(crate) fn pipe() -> nix::Result<(OwnedFd, OwnedFd)> {
    let (reading, writing) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&reading, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((reading, writing))
}

impl AsFd for LogReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl LogReader {
    /// Reads from that end of a [`pipe`].
    pub(crate) fn new(pipe: OwnedFd) -> Self {
        Self { pipe, partial: Vec::new(), waiting: Vec::new(), allowance: LogAllowance::new() }
    }

    /// Whether the log has not taken all that was read.
    pub(crate) fn is_held_up(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Passes on to `log` what is there, as far as that takes it.
    pub(crate) fn pass_on(&mut self, log: BorrowedFd<'_>) -> Passed {
        let mut passed = Passed::default();
        self.write_waiting(log);
        if self.is_held_up() {
            return passed;
        }
        let mut data = vec![0; AT_ONCE];
        match read(&self.pipe, &mut data) {
            Ok(0) => {
                passed.ended = true;
                if !self.partial.is_empty() {
                    passed.left_out = self.end_line();
                }
            }
            Ok(length) => {
                passed.more = length == AT_ONCE;
                passed.left_out = self.take(&data[..length]);
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => passed.ended = true,
        }
        self.write_waiting(log);
        passed
    }

    /// Takes bytes that the daemon has written. Returns whether it is to be said that lines are left out.
    fn take(&mut self, data: &[u8]) -> bool {
        let mut tell = false;
        for byte in data {
            if *byte == b'\n' {
                tell |= self.end_line();
                continue;
            }
            if self.partial.len() >= LONGEST_LINE {
                tell |= self.end_line();
            }
            if byte.is_ascii_control() && *byte != b'\t' {
                self.partial.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
            } else {
                self.partial.push(*byte);
            }
        }
        tell
    }

    fn end_line(&mut self) -> bool {
        let verdict = self.allowance.admit(1, self.partial.len());
        if verdict == Verdict::Write {
            self.waiting.append(&mut self.partial);
            self.waiting.push(b'\n');
        }
        self.partial.clear();
        verdict == Verdict::LeaveOutAndTell
    }

    /// Writes what waits, unless `log` is a pipe that nobody empties.
    fn write_waiting(&mut self, log: BorrowedFd<'_>) {
        let mut written = 0;
        while written < self.waiting.len() && takes_more(log) {
            let end = self.waiting.len().min(written + PIECE);
            match write(log, &self.waiting[written..end]) {
                Ok(length) => written += length,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                // A disk that is full, or a log that is gone.
                Err(_) => written = self.waiting.len(),
            }
        }
        self.waiting.drain(..written);
    }
}

fn takes_more(log: BorrowedFd<'_>) -> bool {
    poll(&mut [PollFd::new(log, PollFlags::POLLOUT)], PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    /// What stands in a log after a daemon has written that.
    fn written(data: &[u8]) -> Vec<u8> {
        let mut log = tempfile();
        let (reading, writing) = pipe().expect("a pipe");
        let mut reader = LogReader::new(reading);
        for piece in data.chunks(PIECE) {
            write(&writing, piece).expect("there is room");
            assert!(!reader.pass_on(log.as_fd()).ended);
        }
        drop(writing);
        assert!(reader.pass_on(log.as_fd()).ended);
        let mut text = Vec::new();
        log.rewind().expect("a file");
        log.read_to_end(&mut text).expect("a file");
        text
    }

    fn tempfile() -> std::fs::File {
        let name =
            std::env::temp_dir().join(format!("log-pipe-{}-{:?}", std::process::id(), std::thread::current().id()));
        let file = std::fs::File::options().read(true).append(true).create(true).open(&name).expect("a file");
        std::fs::remove_file(name).expect("a file");
        file
    }

    #[test]
    fn lines_are_passed_on_as_they_are() {
        assert_eq!(written(b"one\ntwo\n\nthr\xc3\xa9e\ta\n"), b"one\ntwo\n\nthr\xc3\xa9e\ta\n");
        assert_eq!(written(b"the last one"), b"the last one\n");
    }

    #[test]
    fn control_characters_are_shown_and_long_lines_cut() {
        assert_eq!(written(b"\x1b[2J\r\0\x7f\n"), b"\\x1b[2J\\x0d\\x00\\x7f\n");
        let long = written(&vec![b'x'; 3 * LONGEST_LINE]);
        assert_eq!(long.split(|byte| *byte == b'\n').map(<[u8]>::len).max(), Some(LONGEST_LINE));
        assert_eq!(long.len(), 3 * LONGEST_LINE + 3);
    }

    #[test]
    fn nobody_waits_for_a_log_that_takes_nothing() {
        let (log, full) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        while takes_more(full.as_fd()) {
            write(&full, &[0; PIECE]).expect("there is room");
        }
        let (reading, writing) = pipe().expect("a pipe");
        let mut reader = LogReader::new(reading);
        write(&writing, b"late\n").expect("there is room");
        reader.pass_on(full.as_fd());
        assert!(reader.is_held_up());
        read(&log, &mut vec![0; 1 << 20]).expect("much");
        reader.pass_on(full.as_fd());
        assert!(!reader.is_held_up());
    }
}
