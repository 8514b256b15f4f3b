//! The frames that a child of httpd and a daemon exchange: eight bytes of type and length, then the payload.
//!
//! One connection carries one request after another, never two at a time. The child speaks first, and then only when it
//! is asked; the daemon ends every request with [`Kind::End`], [`Kind::Abort`] or [`Kind::Changed`]. Numbers are
//! little-endian. Both ends are this module, loaded once, so there is no version.

use crate::wsgi::response::LONGEST_HEAD;
use core::ops::Range;
use num_enum::TryFromPrimitive;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromPrimitive)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Child: a request, as `request_head` writes it.
    Request = 1,
    /// Child: a piece of the request body, as asked for. It may be empty; the daemon then asks again.
    Body = 2,
    /// Child: the last piece of the request body.
    LastBody = 3,
    /// Child: the body cannot be read; the payload says why.
    BodyFailed = 4,
    /// Daemon: status and headers of the response.
    Head = 17,
    /// Daemon: a piece of the response body.
    Data = 18,
    /// Daemon: part of a file, whose descriptor comes with the frame, is next in the body.
    File = 19,
    /// Daemon: asks for a piece of the request body of at most so many bytes. For 0 the child answers nothing: it sends
    /// `100 Continue` to a client that waits for it.
    Want = 20,
    /// Daemon: an entry for the log.
    Log = 21,
    /// Daemon: the response is complete.
    End = 22,
    /// Daemon: the response will not be complete: the status for the client, if it has seen nothing of it yet.
    Abort = 23,
    /// Daemon: the script has changed. Nothing has been called; the request is to go to a process with the new code.
    Changed = 24,
    /// Daemon: a piece of the response body that may wait for the one behind it.
    Part = 25,
}

impl Kind {
    /// The largest payload: what is larger is no frame of ours.
    pub(crate) const fn longest(self) -> usize {
        match self {
            Self::Request => 16 << 20,
            // The lengths of the parts come on top, and a status line.
            Self::Head => LONGEST_HEAD + (64 << 10),
            Self::Log => LONGEST_ENTRY,
            Self::Body | Self::LastBody | Self::Data | Self::Part => PIECE,
            Self::BodyFailed | Self::Abort => 64 << 10,
            Self::File => 17,
            Self::Want => 4,
            Self::End | Self::Changed => 0,
        }
    }
}

/// The largest piece of a body in one frame.
pub(crate) const PIECE: usize = 64 << 10;

/// The largest entry for the log, a traceback mostly.
pub(crate) const LONGEST_ENTRY: usize = 256 << 10;

/// The length of what comes before each payload.
pub(crate) const HEADER: usize = 8;

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    #[error("a frame of kind {0:?} with {1} bytes")]
    Length(Kind, usize),
    #[error("a frame of kind {0:?} that makes no sense here")]
    Unexpected(Kind),
    #[error("a frame of kind {0:?} with a payload that cannot be read")]
    Payload(Kind),
    #[error("more descriptors than belong to its frames")]
    Descriptors,
    #[error("more headers than a response may have")]
    HeadTooLong,
    #[error("the header {0}, which is httpd's to send")]
    Framing(&'static str),
    #[error("a Content-Length that is not the length of the body, or two of them")]
    ContentLength,
    #[error("more of a body than it announced")]
    BodyTooLong,
    #[error("the end of a body before all that it announced")]
    BodyTooShort,
    #[error("more behind the end of a response")]
    BehindTheEnd,
}

/// What stands at the beginning of the bytes received so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A frame; the range is that of its payload.
    Frame(Kind, Range<usize>),
    /// Part of a frame, which is whole with so many bytes.
    Partial(usize),
}

/// Finds the frame at the beginning of `bytes`.
///
/// # Errors
/// The bytes are no frame.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, FrameError> {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else { return Ok(Parsed::Partial(HEADER)) };
    let kind = Kind::try_from(header[0]).map_err(|_| FrameError::Kind(header[0]))?;
    let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    if length > kind.longest() {
        return Err(FrameError::Length(kind, length));
    }
    let end = HEADER + length;
    Ok(if bytes.len() < end { Parsed::Partial(end) } else { Parsed::Frame(kind, HEADER..end) })
}

/// Begins a frame in `out`; [`close`] fills in its length.
pub(crate) fn open(out: &mut Vec<u8>, kind: Kind) -> usize {
    out.extend_from_slice(&[kind as u8, 0, 0, 0, 0, 0, 0, 0]);
    out.len()
}

/// Ends the frame whose payload began at `start`.
pub(crate) fn close(out: &mut [u8], start: usize) {
    let length = (out.len() - start) as u32;
    out[start - 4..start].copy_from_slice(&length.to_le_bytes());
}

/// The eight bytes before a payload that is sent from where it is.
pub(crate) fn header(kind: Kind, length: usize) -> [u8; HEADER] {
    let [a, b, c, d] = (length as u32).to_le_bytes();
    [kind as u8, 0, 0, 0, a, b, c, d]
}

/// Appends a whole frame.
pub(crate) fn push(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    out.extend_from_slice(&header(kind, payload.len()));
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind() -> impl Strategy<Value = Kind> {
        (0_u8..30).prop_filter_map("a kind", |byte| Kind::try_from(byte).ok())
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_part_of_one_or_refused(bytes: Vec<u8>) {
            match parse(&bytes) {
                Ok(Parsed::Frame(kind, range)) => {
                    prop_assert_eq!(range.start, HEADER);
                    prop_assert!(range.end <= bytes.len() && range.len() <= kind.longest());
                }
                Ok(Parsed::Partial(whole)) => prop_assert!(whole > bytes.len()),
                Err(FrameError::Length(kind, length)) => prop_assert!(length > kind.longest()),
                Err(error) => prop_assert_eq!(error, FrameError::Kind(bytes[0])),
            }
        }

        #[test]
        fn a_frame_is_found_as_a_whole_only(kind in kind(), payload: Vec<u8>, next: Vec<u8>) {
            prop_assume!(payload.len() <= kind.longest());
            let mut bytes = Vec::new();
            push(&mut bytes, kind, &payload);
            for cut in 0..bytes.len() {
                let parsed = parse(&bytes[..cut]);
                let is_partial = matches!(parsed, Ok(Parsed::Partial(whole)) if whole > cut && whole <= bytes.len());
                prop_assert!(is_partial);
            }
            let whole = HEADER..bytes.len();
            bytes.extend(next);
            prop_assert_eq!(parse(&bytes), Ok(Parsed::Frame(kind, whole)));
        }
    }
}
