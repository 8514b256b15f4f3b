//! What shows a daemon that a request comes from a child of httpd of its own configuration.
//!
//! The socket of a group is open to the user that httpd's children run as, and so are the processes of groups without
//! `user=`. Without a pass those could have another group, which may run as someone else, run any script.

use crate::unix::shared::SharedWords;
use core::sync::atomic::Ordering::Relaxed;
use std::fs::File;
use std::io::{self, Read};

/// The pass of a process group. The daemons of other groups do not have it.
pub(crate) struct Pass(SharedWords);

const WORDS: usize = 4;

impl Pass {
    /// A new one, that no one can guess.
    ///
    /// # Errors
    /// The system has no random numbers, or no memory.
    pub(crate) fn new() -> io::Result<Self> {
        let words = SharedWords::new(WORDS)?;
        let mut random = File::open("/dev/urandom")?;
        for word in words.iter() {
            let mut bytes = [0; 4];
            random.read_exact(&mut bytes)?;
            word.store(u32::from_ne_bytes(bytes), Relaxed);
        }
        Ok(Self(words))
    }

    /// What a request has to show.
    pub(crate) fn number(&self) -> u128 {
        self.0.iter().fold(0, |number, word| number << 32 | u128::from(word.load(Relaxed)))
    }

    /// Where it is.
    pub(crate) fn memory(&self) -> &SharedWords {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        let (one, other) = (Pass::new().expect("random numbers"), Pass::new().expect("random numbers"));
        assert_ne!(one.number(), other.number());
        assert_eq!(one.number(), one.number());
    }
}
