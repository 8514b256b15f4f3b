//! What an operator is told once for each script, and not with each request: `module/handler` and `request/fault` ask here
//! whether it has been said. It never waits for Python, and never remembers more scripts than [`MOST`].

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What is said once for each script and process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Said {
    /// A body without a length was refused.
    ChunkedOff,
    /// A 401 without the credentials that the client has sent.
    AuthorizationWithheld,
}

/// Of how many scripts a process remembers this. Of further ones it is not said at all.
const MOST: usize = 1000;

static SAID: Mutex<BTreeSet<(Said, Vec<u8>)>> = Mutex::new(BTreeSet::new());

/// Whether this has not been said yet of the script in this process. From now on it has.
pub(crate) fn for_the_first_time(what: Said, script: &[u8]) -> bool {
    // A set of which an insertion has failed is still a set.
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    said.len() < MOST && said.insert((what, script.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_of_each_script_and_of_a_bounded_number() {
        assert!(for_the_first_time(Said::ChunkedOff, b"/a"));
        assert!(!for_the_first_time(Said::ChunkedOff, b"/a"));
        assert!(for_the_first_time(Said::AuthorizationWithheld, b"/a"));
        let more = (0..2 * MOST).filter(|number| for_the_first_time(Said::ChunkedOff, &number.to_le_bytes()));
        assert_eq!(more.count(), MOST - 2);
        assert!(!for_the_first_time(Said::ChunkedOff, b"/a"));
    }
}
