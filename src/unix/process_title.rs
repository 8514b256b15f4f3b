//! What `ps` shows of this process: its command line, which is memory of its own, and its short name.

use super::one_thread::{Threads, errno_of};
use core::ops::Range;
use nix::errno::Errno;
use nix::sys::prctl;
use std::ffi::CString;
use std::fs;

/// Shows `title` in place of the command line (cut to its length) and of the short name (cut to 15 bytes).
///
/// # Errors
/// The process has other threads, or `/proc` does not tell where its command line is.
pub(crate) fn set(threads: &Threads, title: &str) -> nix::Result<()> {
    let name = CString::new(title).map_err(|_| Errno::EINVAL)?;
    let area = command_line()?;
    let text = fitting(title, area.len());
    threads.check_alone()?;
    let start = core::ptr::with_exposed_provenance_mut::<u8>(area.start);
    // SAFETY: ONE-THREAD: nobody reads the arguments meanwhile. The kernel put them there for this process to
    // write, and names both ends.
    unsafe { start.write_bytes(0, area.len()) };
    // SAFETY: ONE-THREAD: nobody reads the arguments meanwhile. The kernel put them there for this process to write,
    // and names both ends; at least the last byte stays 0.
    unsafe { start.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
    prctl::set_name(&name)
}

/// As much of the title as fits in front of a final NUL.
fn fitting(title: &str, room: usize) -> &str {
    let most = room.saturating_sub(1).min(title.len());
    let end = (0..=most).rev().find(|end| title.is_char_boundary(*end));
    &title[..end.unwrap_or(0)]
}

/// Where the arguments are that this process was started with.
fn command_line() -> nix::Result<Range<usize>> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|error| errno_of(&error))?;
    let area = arguments_in(&stat).ok_or(Errno::ENOTSUP)?;
    // What the kernel shows is what would be written over.
    let shown = fs::read("/proc/self/cmdline").map_err(|error| errno_of(&error))?;
    if shown.len() == area.len() { Ok(area) } else { Err(Errno::ENOTSUP) }
}

/// `arg_start` and `arg_end`, proc(5): fields 48 and 49 of `/proc/<pid>/stat`. The second field, in parentheses, may
/// hold anything.
fn arguments_in(stat: &str) -> Option<Range<usize>> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut addresses = fields.split_ascii_whitespace().skip(48 - 3);
    let (start, end) = (addresses.next()?.parse().ok()?, addresses.next()?.parse().ok()?);
    (start > 0 && start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_leaves_room_for_the_final_nul() {
        assert_eq!(fitting("(wsgi:demo)", 8), "(wsgi:d");
        assert_eq!(fitting("(wsgi:demo)", 100), "(wsgi:demo)");
        assert_eq!(fitting("aé", 3), "a");
        assert_eq!(fitting("a", 0), "");
    }

    #[test]
    fn the_command_line_is_where_the_kernel_says() {
        let area = command_line().expect("a Linux that tells its own processes");
        let shown = fs::read("/proc/self/cmdline").expect("readable");
        assert_eq!(area.len(), shown.len());
    }

    #[test]
    fn a_short_name_with_parentheses_does_not_mislead() {
        let stat = |name: &str, start: usize, end: usize| {
            let numbers: String = (4..48).map(|field| format!(" {field}")).collect();
            format!("7 ({name}) S{numbers} {start} {end} 50 51 52\n")
        };
        assert_eq!(arguments_in(&stat("a) S 1 (b", 4096, 4100)), Some(4096..4100));
        assert_eq!(arguments_in(&stat("a", 0, 0)), None, "hidden");
        assert_eq!(arguments_in("7 (a) S 1 2"), None);
    }
}
