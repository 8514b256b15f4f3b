//! What a daemon says of a response, checked before any of it reaches httpd's filters.
//!
//! The relay asks here about each frame of a response. A daemon may run as another user and have been taken over, so
//! nothing that it says may reach into the response that follows on the client's connection: there is one head, httpd
//! does the framing, and the body is as long as the head says. This never writes anything and never waits.

use crate::wire::fields::Fields;
use crate::wire::frame::{FrameError, Kind};
use crate::wire::response::{BodyLength, HeadStart, Header};
use crate::wsgi::response::{LONGEST_HEAD, MOST_HEADERS, ResponseHead, hop_by_hop};

/// How far a response has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    NoHead,
    /// So many bytes of the body are to come; `None` if the head does not say.
    Body { left: Option<u64> },
    /// httpd has been told that the response is complete.
    Complete,
}

/// The response of one request, as far as the daemon has sent it.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    stage: Stage,
    /// The client waits for no body, whatever the head says: a HEAD request, or a status without one.
    without_body: bool,
}

impl Reply {
    /// Takes the head in the payload of a frame; returns it with the length of the body, if it names one.
    ///
    /// # Errors
    /// It is not the first head, or not one that a response may have.
    pub(crate) fn head(&mut self, payload: &[u8], is_head: bool) -> Result<(ResponseHead, Option<u64>), FrameError> {
        if self.stage != Stage::NoHead {
            return Err(FrameError::Unexpected(Kind::Head));
        }
        let (head, length) = read_head(payload)?;
        self.stage = Stage::Body { left: length };
        self.without_body = is_head || head.has_no_body();
        Ok((head, length))
    }

    /// Takes `length` bytes of the body, in a frame of that kind.
    ///
    /// # Errors
    /// No head came before, or it promised a shorter body.
    pub(crate) fn body(&mut self, kind: Kind, length: u64) -> Result<(), FrameError> {
        let Stage::Body { left } = self.stage else { return Err(FrameError::Unexpected(kind)) };
        let left = match left {
            Some(left) => Some(left.checked_sub(length).ok_or(FrameError::BodyTooLong)?),
            None => None,
        };
        self.stage = Stage::Body { left };
        Ok(())
    }

    /// The file that was taken last is the rest of the body.
    ///
    /// # Errors
    /// The head promised more.
    pub(crate) fn complete(&mut self) -> Result<(), FrameError> {
        self.check_length()?;
        self.close();
        Ok(())
    }

    /// Whether nothing of a response has come.
    pub(crate) fn is_untouched(&self) -> bool {
        self.stage == Stage::NoHead
    }

    /// httpd has been told that the response is complete.
    pub(crate) fn close(&mut self) {
        self.stage = Stage::Complete;
    }

    /// Whether httpd has been told that the response is complete: nothing may follow.
    pub(crate) fn is_complete(&self) -> bool {
        self.stage == Stage::Complete
    }

    /// The response is over.
    ///
    /// # Errors
    /// There was no head, or it promised a longer body.
    pub(crate) fn end(&self) -> Result<(), FrameError> {
        if self.stage == Stage::NoHead { Err(FrameError::Unexpected(Kind::End)) } else { self.check_length() }
    }

    fn check_length(&self) -> Result<(), FrameError> {
        match self.stage {
            Stage::Body { left: Some(left) } if left > 0 && !self.without_body => Err(FrameError::BodyTooShort),
            _ => Ok(()),
        }
    }
}

/// The head in the payload of a frame, with the length of the body.
fn read_head(payload: &[u8]) -> Result<(ResponseHead, Option<u64>), FrameError> {
    let broken = FrameError::Payload(Kind::Head);
    let mut fields = Fields(payload);
    let HeadStart { length: BodyLength(length), status_line } = fields.next().ok_or(broken)?;
    let mut head = ResponseHead::new(status_line).map_err(|_| broken)?;
    // The client would take what follows for the response to its next request.
    head.check_final().map_err(|_| broken)?;
    let (mut count, mut bytes, mut lengths) = (0, 0, 0);
    while !fields.is_empty() {
        let Header { name, value } = fields.next().ok_or(broken)?;
        (count, bytes) = (count + 1, bytes + name.len() + value.len());
        if count > MOST_HEADERS || bytes > LONGEST_HEAD {
            return Err(FrameError::HeadTooLong);
        }
        check_header(name)?;
        if name.eq_ignore_ascii_case(b"Content-Length") {
            lengths += 1;
            if lengths > 1 || length.map(|length| length.to_string().into_bytes()) != Some(value.to_vec()) {
                return Err(FrameError::ContentLength);
            }
        }
        head.add(name, value).map_err(|_| broken)?;
    }
    Ok((head, length))
}

/// Checks that a header says nothing of how the message is framed. Other names that are no HTTP are refused by httpd.
fn check_header(name: &[u8]) -> Result<(), FrameError> {
    if let Some(found) = hop_by_hop(name) {
        return Err(FrameError::Framing(found));
    }
    // On the wire a name ends with the first colon.
    let forged = name.iter().position(|byte| *byte == b':').map(|colon| name[..colon].trim_ascii());
    if forged.is_some_and(|name| name.eq_ignore_ascii_case(b"Content-Length")) {
        return Err(FrameError::ContentLength);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fields::Field;
    use proptest::prelude::*;

    fn payload(length: Option<u64>, status: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        length.unwrap_or(u64::MAX).put(&mut out);
        status.put(&mut out);
        for (name, value) in headers {
            name.put(&mut out);
            value.put(&mut out);
        }
        out
    }

    fn read(length: Option<u64>, headers: &[(&str, &str)]) -> Result<(), FrameError> {
        read_head(&payload(length, "200 OK", headers)).map(drop)
    }

    #[test]
    fn framing_is_left_to_httpd() {
        for name in ["Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade"] {
            assert_eq!(read(None, &[(&name.to_lowercase(), "x")]), Err(FrameError::Framing(name)));
        }
        assert_eq!(read(None, &[("X-Connection", "x"), ("Set-Cookie", "a"), ("Set-Cookie", "b")]), Ok(()));
    }

    #[test]
    fn a_header_is_one_line_and_forges_no_framing() {
        assert_eq!(read(None, &[("Transfer-Encoding:chunked;", "x")]), Err(FrameError::Framing("Transfer-Encoding")));
        assert_eq!(read(None, &[("content-length:5", "x")]), Err(FrameError::ContentLength));
        for name in ["", "a b", "a\r\nb", "a\tb"] {
            assert_eq!(read(None, &[(name, "x")]), Err(FrameError::Payload(Kind::Head)), "{name:?}");
        }
        for value in ["a\nb", "a\rb", "a\0b"] {
            assert_eq!(read(None, &[("X", value)]), Err(FrameError::Payload(Kind::Head)), "{value:?}");
        }
    }

    #[test]
    fn a_length_is_said_once_and_is_the_one_that_counts() {
        assert_eq!(read(Some(5), &[("Content-Length", "5")]), Ok(()));
        type Case = (Option<u64>, &'static [(&'static str, &'static str)]);
        let wrong: [Case; 5] = [
            (Some(5), &[("Content-Length", "5"), ("content-length", "5")]),
            (Some(5), &[("Content-Length", "6")]),
            (None, &[("Content-Length", "5")]),
            (Some(5), &[("Content-Length", "+5")]),
            (Some(0), &[("Content-Length", "")]),
        ];
        for (length, headers) in wrong {
            assert_eq!(read(length, headers), Err(FrameError::ContentLength), "{headers:?}");
        }
        assert_eq!(read(Some(u64::MAX - 1), &[]), Err(FrameError::Payload(Kind::Head)));
    }

    #[test]
    fn headers_are_bounded_in_number_and_sum() {
        let many = vec![("X", "y"); MOST_HEADERS + 1];
        assert_eq!(read(None, &many[1..]), Ok(()));
        assert_eq!(read(None, &many), Err(FrameError::HeadTooLong));
        let long = "y".repeat(LONGEST_HEAD / 2);
        assert_eq!(read(None, &[("X", &long), ("Y", &long)]), Err(FrameError::HeadTooLong));
        assert_eq!(read(None, &[("X", &long), ("Y", &long[2..])]), Ok(()));
        assert!(payload(None, "200 OK", &many).len() + LONGEST_HEAD <= Kind::Head.longest());
    }

    #[test]
    fn a_body_is_as_long_as_its_head_says() {
        let begun = |length| {
            let mut reply = Reply::default();
            reply.head(&payload(length, "200 OK", &[]), false).expect("a head");
            reply
        };
        let mut reply = begun(Some(5));
        assert_eq!(reply.body(Kind::Data, 3), Ok(()));
        assert_eq!(reply.end(), Err(FrameError::BodyTooShort));
        assert_eq!(reply.complete(), Err(FrameError::BodyTooShort));
        assert_eq!(reply.body(Kind::Data, 3), Err(FrameError::BodyTooLong));
        assert_eq!(reply.body(Kind::File, 2), Ok(()));
        assert_eq!((reply.body(Kind::Data, 0), reply.end()), (Ok(()), Ok(())));
        assert_eq!((reply.complete(), reply.is_complete()), (Ok(()), true));
        assert_eq!(reply.body(Kind::Data, 0), Err(FrameError::Unexpected(Kind::Data)), "nothing follows the end");
        assert_eq!(begun(None).body(Kind::Data, u64::MAX), Ok(()));
    }

    #[test]
    fn there_is_one_head_and_nothing_before_it() {
        let mut reply = Reply::default();
        assert_eq!(reply.body(Kind::File, 1), Err(FrameError::Unexpected(Kind::File)));
        assert_eq!(reply.end(), Err(FrameError::Unexpected(Kind::End)));
        let head = payload(Some(9), "200 OK", &[]);
        assert!(reply.head(&head, true).is_ok());
        assert_eq!(reply.head(&head, true).err(), Some(FrameError::Unexpected(Kind::Head)));
        assert_eq!(reply.end(), Ok(()), "a HEAD request has no body");
    }

    proptest! {
        #[test]
        fn any_payload_is_a_head_or_refused(payload: Vec<u8>) {
            let _ = read_head(&payload);
        }
    }
}
