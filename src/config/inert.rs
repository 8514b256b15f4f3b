//! A directive of sections that is accepted and changes nothing. The log says so
//! once, which sections cannot: they have no list of notices, as `StartUp` has one.

use super::values::flag;
use core::sync::atomic::{AtomicBool, Ordering};

/// Whether `WSGIGroupAuthoritative` stands in the configuration that is being read.
static GROUP_AUTHORITATIVE: AtomicBool = AtomicBool::new(false);

/// `WSGIGroupAuthoritative`.
///
/// # Errors
/// The word is neither On nor Off.
pub(super) fn group_authoritative(word: &str) -> Result<(), String> {
    flag(word)?;
    GROUP_AUTHORITATIVE.store(true, Ordering::Relaxed);
    Ok(())
}

/// What is to be said once the configuration has been read. Each reading begins anew.
pub(crate) fn take_notice() -> Option<&'static str> {
    let found = GROUP_AUTHORITATIVE.swap(false, Ordering::Relaxed);
    found.then_some("WSGI1010: WSGIGroupAuthoritative has no effect; Require decides who may enter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_given_once_for_each_configuration() {
        assert!(group_authoritative("maybe").is_err());
        assert_eq!(take_notice(), None);
        for word in ["On", "off"] {
            assert_eq!(group_authoritative(word), Ok(()));
        }
        assert!(take_notice().is_some_and(|text| text.contains("WSGIGroupAuthoritative")));
        assert_eq!(take_notice(), None);
    }
}
