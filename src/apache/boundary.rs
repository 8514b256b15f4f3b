//! The door from C: a panic stops here (SAFETY.md, NO-UNWIND).

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body` on behalf of C. A panic becomes `fallback`; the panic hook has
/// already written the message to standard error, which is httpd's error log.
pub(crate) fn guard<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}
