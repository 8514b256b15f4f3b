//! Short texts in words of shared memory.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes in a word.
const BYTES: usize = size_of::<u64>();

/// Writes as much of `text` as there is room for. The rest of the last word is filled with zeroes; further ones keep what
/// they had, so the length is to be kept elsewhere.
pub(super) fn write(words: &[AtomicU64], text: &[u8]) -> usize {
    for (word, piece) in words.iter().zip(text.chunks(BYTES)) {
        let mut bytes = [0; BYTES];
        bytes[..piece.len()].copy_from_slice(piece);
        word.store(u64::from_le_bytes(bytes), Relaxed);
    }
    text.len().min(words.len() * BYTES)
}

/// Reads a text of that length, or of as much as there is.
pub(super) fn read(words: &[AtomicU64], length: usize) -> Vec<u8> {
    let mut text: Vec<u8> = words.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).collect();
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_it_was_written_as_far_as_there_is_room() {
        let words = [const { AtomicU64::new(u64::MAX) }; 3];
        for text in
            [&b""[..], b"GET", b"12345678", b"/a/path/of/22/bytes/ab", b"and one that is longer than three words"]
        {
            let length = write(&words, text);
            assert_eq!(read(&words, length), text[..text.len().min(24)]);
        }
        assert_eq!(read(&words, usize::MAX).len(), 24);
    }
}
