//! Random bytes of the system, without an open file.

use nix::errno::Errno;

/// As many random bytes that no one can guess. More than that may come in pieces.
///
/// # Errors
/// The system has none.
pub(crate) fn bytes<const N: usize>() -> nix::Result<[u8; N]> {
    const { assert!(N <= 256) };
    let mut bytes = [0; N];
    // SAFETY: SYSTEM: the buffer is ours, and as long as is said.
    let length = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, 0) };
    if usize::try_from(length) == Ok(N) { Ok(bytes) } else { Err(Errno::last()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_are_alike() {
        let (one, other) = (super::bytes::<16>().expect("random"), super::bytes::<16>().expect("random"));
        assert_ne!(one, other);
    }
}
