//! The door from C: a panic stops here (SAFETY.md, NO-UNWIND).

use core::fmt::{self, Write as _};
use std::any::Any;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe, catch_unwind};

/// Has panics write one line, without memory and without a backtrace, whatever RUST_BACKTRACE says: a process that has no
/// memory left panics while it prints one, and waits for itself with Python's lock held. Those whose message `is_told` says
/// are an error of a request, which logs it, write none.
pub(crate) fn report_panics_in_one_line(is_told: fn(&str) -> bool) {
    panic::set_hook(Box::new(move |info| {
        if text_of(info.payload()).is_some_and(is_told) {
            return;
        }
        let mut line = Line { text: [0; Line::LONGEST], length: 0 };
        let _ = write!(line, "mod_wsgi: {info}");
        line.finish();
    }));
}

/// A line of limited length.
struct Line {
    text: [u8; Self::LONGEST],
    length: usize,
}

impl Line {
    const LONGEST: usize = 1000;

    fn finish(&mut self) {
        let end = self.length.min(Self::LONGEST - 1);
        self.text[end] = b'\n';
        let _ = io::stderr().write_all(&self.text[..=end]);
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes().take(Self::LONGEST - 1 - self.length) {
            self.text[self.length] = if byte == b'\n' { b' ' } else { byte };
            self.length += 1;
        }
        Ok(())
    }
}

/// Runs `body` on behalf of C. A panic becomes `fallback`; the panic hook has
/// already written the message to standard error, which is httpd's error log.
pub(crate) fn guard<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    caught(body).unwrap_or(fallback)
}

/// Runs `body`.
///
/// # Errors
/// The message of a panic.
pub(crate) fn caught<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| message(&*payload))
}

fn message(payload: &(dyn Any + Send)) -> String {
    text_of(payload).unwrap_or("no message").to_owned()
}

fn text_of(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&str>().copied();
    text.or(payload.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_fallback() {
        assert_eq!(guard(7, || panic!("lost")), 7);
        assert_eq!(guard(7, || 8), 8);
    }

    #[test]
    fn the_line_of_a_panic_is_bounded() {
        let mut line = Line { text: [0; Line::LONGEST], length: 0 };
        let long = "x".repeat(3000);
        assert!(write!(line, "one\ntwo {long}").is_ok());
        assert_eq!((&line.text[..8], line.length), (&b"one two "[..], Line::LONGEST - 1));
    }

    #[test]
    fn the_message_of_a_panic_is_kept() {
        assert_eq!(caught(|| panic!("lost {}", 1)), Err::<(), _>("lost 1".to_owned()));
        assert_eq!(caught(|| panic!("lost")), Err::<(), _>("lost".to_owned()));
    }
}
