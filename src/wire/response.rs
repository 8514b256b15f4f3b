//! What a daemon process says of a response, as it stands in the payloads of its frames.

use crate::wire::fields::{Field, Fields, payload};

/// Before the headers of a response ([`Kind::Head`](super::frame::Kind::Head)), which are pairs of names and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadStart<'a> {
    pub(crate) length: BodyLength,
    pub(crate) status_line: &'a [u8],
}

payload! { HeadStart<'a> { length, status_line } }

/// The bytes of a body; none if that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyLength(pub(crate) Option<u64>);

/// Where the length is not known.
const UNKNOWN: u64 = u64::MAX;

impl<'a> Field<'a> for BodyLength {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.unwrap_or(UNKNOWN).put(out);
    }

    /// A length that httpd cannot count is none.
    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        match fields.next()? {
            UNKNOWN => Some(Self(None)),
            length => i64::try_from(length).is_ok().then_some(Self(Some(length))),
        }
    }
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

payload! { Header<'a> { name, value } }

/// Part of a file ([`Kind::File`](super::frame::Kind::File)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FilePart {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// It is the rest of the body.
    pub(crate) complete: bool,
}

payload! { FilePart { offset, length, complete } }

/// How many bytes of a body were announced, and how many came ([`Kind::Abort`](super::frame::Kind::Abort), behind the status).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) announced: u64,
    pub(crate) given: u64,
}

payload! { Short { announced, given } }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fields::tests::sent;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_said_is_what_is_read(length in prop::option::of(0..=i64::MAX as u64), one: Vec<u8>, other: Vec<u8>, numbers: (u64, u64), complete: bool) {
            let start = HeadStart { length: BodyLength(length), status_line: &one };
            prop_assert_eq!(sent(&start), start);
            let header = Header { name: &one, value: &other };
            prop_assert_eq!(sent(&header), header);
            let part = FilePart { offset: numbers.0, length: numbers.1, complete };
            prop_assert_eq!(sent(&part), part);
            let short = Short { announced: numbers.0, given: numbers.1 };
            prop_assert_eq!(sent(&short), short);
        }

        #[test]
        fn a_length_that_httpd_cannot_count_is_refused(length in i64::MAX as u64 + 1..u64::MAX) {
            let mut payload = Vec::new();
            length.put(&mut payload);
            prop_assert_eq!(Fields(&payload).next::<BodyLength>(), None);
        }
    }
}
