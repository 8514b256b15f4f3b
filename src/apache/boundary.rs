//! The door from C: a panic stops here (SAFETY.md, NO-UNWIND).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

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
    let text = payload.downcast_ref::<&str>().copied();
    text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
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
    fn the_message_of_a_panic_is_kept() {
        assert_eq!(caught(|| panic!("lost {}", 1)), Err::<(), _>("lost 1".to_owned()));
        assert_eq!(caught(|| panic!("lost")), Err::<(), _>("lost".to_owned()));
    }
}
