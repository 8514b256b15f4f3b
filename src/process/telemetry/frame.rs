//! The datagrams of telemetry: a header, then records of a number, a type and a value, all of them little-endian.

/// What a datagram tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// What happened since the last one.
    Requests = 2,
    SlowRequest = 4,
    Started = 5,
    Stopping = 6,
    Stopped = 7,
    /// What Python's collector of garbage has done so far.
    Garbage = 8,
    /// One of its collections.
    Collection = 9,
}

/// A datagram under way.
pub(super) struct Frame(Vec<u8>);

/// Types of values.
const U64: u8 = 1;
const F64: u8 = 2;
const TEXT: u8 = 4;
const I32S: u8 = 5;
const F64S: u8 = 6;

impl Frame {
    /// `number` counts the datagrams of the process from 1 on; `time` is in seconds since the epoch.
    pub(super) fn new(kind: Kind, number: u32, time: f64) -> Self {
        let mut bytes = b"WSGI".to_vec();
        bytes.extend_from_slice(&[1, kind as u8, 0, 0]);
        bytes.extend_from_slice(&std::process::id().to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&time.to_le_bytes());
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn record(&mut self, id: u16, kind: u8) {
        self.0.extend_from_slice(&id.to_le_bytes());
        self.0.push(kind);
    }

    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
    }

    pub(super) fn count(&mut self, id: u16, value: u64) {
        self.record(id, U64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn number(&mut self, id: u16, value: f64) {
        self.record(id, F64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A text of at most so many bytes; an empty one is left out.
    pub(super) fn text(&mut self, id: u16, text: &[u8], longest: usize) {
        if text.is_empty() {
            return;
        }
        self.record(id, TEXT);
        if text.len() <= longest {
            self.length(text.len());
            self.0.extend_from_slice(text);
        } else {
            self.length(longest);
            self.0.extend_from_slice(&text[..longest - 3]);
            self.0.extend_from_slice(b"...");
        }
    }

    pub(super) fn counts(&mut self, id: u16, values: impl ExactSizeIterator<Item = u64>) {
        self.record(id, I32S);
        self.length(values.len());
        for value in values {
            self.0.extend_from_slice(&i32::try_from(value).unwrap_or(i32::MAX).to_le_bytes());
        }
    }

    pub(super) fn numbers(&mut self, id: u16, values: impl ExactSizeIterator<Item = f64>) {
        self.record(id, F64S);
        self.length(values.len());
        values.for_each(|value| self.0.extend_from_slice(&value.to_le_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_has_a_header_and_records() {
        let mut frame = Frame::new(Kind::SlowRequest, 3, 1.5);
        frame.count(20, 7);
        frame.number(10, -2.5);
        frame.text(1, b"", 10);
        frame.text(2, b"abcdefghijk", 10);
        frame.counts(90, [1, u64::MAX].into_iter());
        frame.numbers(111, [0.5].into_iter());
        let process = std::process::id().to_le_bytes();
        let expected = [
            &b"WSGI\x01\x04\0\0"[..],
            &process,
            &3_u32.to_le_bytes(),
            &1.5_f64.to_le_bytes(),
            b"\x14\0\x01\x07\0\0\0\0\0\0\0",
            b"\x0a\0\x02",
            &(-2.5_f64).to_le_bytes(),
            b"\x02\0\x04\x0a\0abcdefg...",
            b"\x5a\0\x05\x02\0\x01\0\0\0\xff\xff\xff\x7f",
            b"\x6f\0\x06\x01\0",
            &0.5_f64.to_le_bytes(),
        ];
        assert_eq!(frame.bytes(), expected.concat());
    }
}
