//! The head of a response and the count of its body (PEP 3333, "The
//! start_response() Callable" and "Handling the Content-Length Header").

/// Status and headers, checked, as latin-1 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    /// Names and values one after the other: two allocations serve any number of headers.
    text: Vec<u8>,
    /// The ends of the status line, then of each name and value, in `text`.
    ends: Vec<usize>,
}

/// Why a status or header is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("status must be three digits, then a space and a reason")]
    StatusShape,
    #[error("status must not contain control characters")]
    StatusControl,
    #[error("header name must not be empty")]
    NameEmpty,
    #[error("header name must not contain control characters or spaces")]
    NameControl,
    #[error("header value must not contain CR, LF or NUL")]
    ValueLineBreak,
    #[error("Content-Length must be a decimal number")]
    Length,
    #[error("a status below 200 ends no request")]
    Interim,
    #[error("a response may have at most {MOST_HEADERS} headers")]
    TooMany,
    #[error(
        "a status line, and the names and values of all headers together, may be at most {LONGEST_HEAD} bytes long"
    )]
    TooLong,
}

/// The most headers of a response. httpd keeps several copies of each, for as long as the request lasts.
pub(crate) const MOST_HEADERS: usize = 1000;
/// The most bytes of the names and values of all headers together. A status line may not be longer either.
pub(crate) const LONGEST_HEAD: usize = 256 << 10;

/// What the connection between two hops is told: it is the server's (PEP 3333, "Other HTTP Features").
const HOP_BY_HOP: [&str; 11] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Trailers",
    "Transfer-Encoding",
    "Upgrade",
    "HTTP2-Settings",
];

/// The hop-by-hop header that a name stands for on the wire, if any: there it ends with the first colon.
pub(crate) fn hop_by_hop(name: &[u8]) -> Option<&'static str> {
    let name = name.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
    HOP_BY_HOP.into_iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

impl ResponseHead {
    /// A head with the status line `code reason` and no headers.
    ///
    /// # Errors
    /// The status is not three ASCII digits, alone or followed by a space and a reason.
    pub(crate) fn new(status: &[u8]) -> Result<Self, HeadError> {
        let digits = status.len() >= 3 && status[..3].iter().all(u8::is_ascii_digit);
        if !digits || !matches!(status.get(3), None | Some(b' ')) {
            return Err(HeadError::StatusShape);
        }
        if status.iter().any(u8::is_ascii_control) {
            return Err(HeadError::StatusControl);
        }
        if status.len() > LONGEST_HEAD {
            return Err(HeadError::TooLong);
        }
        Ok(Self { text: status.to_vec(), ends: vec![status.len()] })
    }

    /// Adds a header; headers of the same name stand beside each other.
    ///
    /// # Errors
    /// See [`HeadError`].
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if name.is_empty() {
            return Err(HeadError::NameEmpty);
        }
        if name.iter().any(|byte| byte.is_ascii_control() || *byte == b' ') {
            return Err(HeadError::NameControl);
        }
        if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | b'\0')) {
            return Err(HeadError::ValueLineBreak);
        }
        if self.ends.len() / 2 >= MOST_HEADERS {
            return Err(HeadError::TooMany);
        }
        if self.text.len() - self.status_line().len() + name.len() + value.len() > LONGEST_HEAD {
            return Err(HeadError::TooLong);
        }
        for part in [name, value] {
            self.text.extend_from_slice(part);
            self.ends.push(self.text.len());
        }
        Ok(())
    }

    /// The status line, `200 OK`.
    pub(crate) fn status_line(&self) -> &[u8] {
        &self.text[..self.ends.first().copied().unwrap_or_default()]
    }

    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.status_line().iter().take(3).fold(0, |code, digit| code * 10 + u16::from(digit - b'0'))
    }

    /// Names and values in the order in which they were added.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let part = |index: usize| &self.text[self.ends[index - 1]..self.ends[index]];
        (1..self.ends.len()).step_by(2).map(move |index| (part(index), part(index + 1)))
    }

    /// The headers of the response itself: those without the hop-by-hop ones.
    pub(crate) fn end_to_end_headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers().filter(|(name, _)| hop_by_hop(name).is_none())
    }

    /// The hop-by-hop headers, each once.
    pub(crate) fn hop_by_hop_headers(&self) -> Vec<&'static str> {
        let mut found = Vec::new();
        for known in self.headers().filter_map(|(name, _)| hop_by_hop(name)) {
            if !found.contains(&known) {
                found.push(known);
            }
        }
        found
    }

    /// What the last Content-Length header says; an empty one says 0.
    ///
    /// # Errors
    /// It is no decimal number.
    pub(crate) fn content_length(&self) -> Result<Option<u64>, HeadError> {
        let Some((_, value)) = self.headers().filter(|(name, _)| name.eq_ignore_ascii_case(b"content-length")).last()
        else {
            return Ok(None);
        };
        let value = value.trim_ascii();
        let digits = value.strip_prefix(b"+").unwrap_or(value);
        if value.is_empty() {
            return Ok(Some(0));
        }
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(HeadError::Length);
        }
        let number = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        // httpd counts in signed numbers.
        number.filter(|number| i64::try_from(*number).is_ok()).map(Some).ok_or(HeadError::Length)
    }

    /// Checks that the status ends a request: clients go on waiting after any other.
    ///
    /// # Errors
    /// The status is below 200.
    pub(crate) fn check_final(&self) -> Result<(), HeadError> {
        if self.status() < 200 { Err(HeadError::Interim) } else { Ok(()) }
    }

    /// Whether a response of this status has no body, whatever its headers say.
    pub(crate) fn has_no_body(&self) -> bool {
        matches!(self.status(), 204 | 304)
    }
}

/// The bytes of a body against its announced length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BodyCount {
    announced: Option<u64>,
    given: u64,
}

impl BodyCount {
    pub(crate) fn new(announced: Option<u64>) -> Self {
        Self { announced, given: 0 }
    }

    /// A body of which `given` bytes are sent at once.
    pub(crate) fn of(announced: u64, given: u64) -> Self {
        Self { announced: Some(announced), given }
    }

    /// Counts `data`; returns the part of it that still belongs to the response.
    pub(crate) fn admit<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let room = self.announced.map_or(u64::MAX, |announced| announced.saturating_sub(self.given));
        self.given += data.len() as u64;
        &data[..usize::try_from(room).map_or(data.len(), |room| room.min(data.len()))]
    }

    pub(crate) fn announced(&self) -> Option<u64> {
        self.announced
    }

    pub(crate) fn given(&self) -> u64 {
        self.given
    }

    /// Whether bytes that were announced are missing.
    pub(crate) fn is_short(&self) -> bool {
        self.announced.is_some_and(|announced| self.given < announced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_three_digits_alone_or_with_a_reason() {
        for status in ["200", "200 ", "200 OK", "999 x", "099 x", "299 Weird Thing"] {
            assert!(ResponseHead::new(status.as_bytes()).is_ok(), "{status}");
        }
        for status in ["", "20", "2000 OK", "200OK", "abc OK", " 200 OK", "-20 x"] {
            assert_eq!(ResponseHead::new(status.as_bytes()), Err(HeadError::StatusShape), "{status}");
        }
    }

    #[test]
    fn a_status_has_no_control_characters() {
        for status in ["200 a\tb", "200 a\r\nX: y", "200 \x7f", "200 a\0b"] {
            assert_eq!(ResponseHead::new(status.as_bytes()), Err(HeadError::StatusControl), "{status:?}");
        }
    }

    #[test]
    fn a_header_cannot_smuggle_another() {
        let mut head = ResponseHead::new(b"200 OK").expect("a status");
        assert_eq!(head.add(b"X", b"a\r\nEvil: b"), Err(HeadError::ValueLineBreak));
        assert_eq!(head.add(b"X", b"a\nb"), Err(HeadError::ValueLineBreak));
        assert_eq!(head.add(b"X", b"a\0b"), Err(HeadError::ValueLineBreak));
        assert_eq!(head.add(b"X Y", b""), Err(HeadError::NameControl));
        assert_eq!(head.add(b"X\n", b""), Err(HeadError::NameControl));
        assert_eq!(head.add(b"", b"x"), Err(HeadError::NameEmpty));
    }

    #[test]
    fn headers_keep_their_order_and_repeat() {
        let mut head = ResponseHead::new(b"201 Created").expect("a status");
        for (name, value) in [("A", "1"), ("Set-Cookie", "x"), ("Set-Cookie", "y")] {
            head.add(name.as_bytes(), value.as_bytes()).expect("a header");
        }
        let headers: Vec<_> = head.headers().collect();
        assert_eq!(headers, [(&b"A"[..], &b"1"[..]), (b"Set-Cookie", b"x"), (b"Set-Cookie", b"y")]);
        assert_eq!(head.status(), 201);
        assert_eq!(head.status_line(), b"201 Created");
    }

    #[test]
    fn number_and_size_of_headers_are_bounded() {
        let mut head = ResponseHead::new(b"200 OK").expect("a status");
        for _ in 0..MOST_HEADERS {
            head.add(b"A", b"").expect("a header");
        }
        assert_eq!(head.add(b"A", b""), Err(HeadError::TooMany));
        assert_eq!(head.headers().count(), MOST_HEADERS);

        let mut head = ResponseHead::new(b"200 OK").expect("a status");
        let longest = vec![b'x'; LONGEST_HEAD - 1];
        assert_eq!(head.add(b"AB", &longest), Err(HeadError::TooLong));
        assert_eq!(head.add(b"A", &longest), Ok(()));
        assert_eq!(head.add(b"A", b""), Err(HeadError::TooLong));
        assert_eq!(ResponseHead::new(&[&b"200 "[..], &longest].concat()), Err(HeadError::TooLong));
    }

    #[test]
    fn a_hop_by_hop_header_is_known_in_any_spelling() {
        for (name, known) in [
            ("transfer-ENCODING", Some("Transfer-Encoding")),
            ("te", Some("TE")),
            // On the wire a header `Upgrade`.
            ("Upgrade:h2c", Some("Upgrade")),
            ("Content-Length", None),
            ("X-Connection", None),
            ("Keep-Alive2", None),
        ] {
            assert_eq!(hop_by_hop(name.as_bytes()), known, "{name}");
        }
        let mut head = ResponseHead::new(b"200 OK").expect("a status");
        for name in ["TE", "X", "connection", "te"] {
            head.add(name.as_bytes(), b"").expect("a header");
        }
        assert_eq!(head.hop_by_hop_headers(), ["TE", "Connection"]);
        assert_eq!(head.end_to_end_headers().collect::<Vec<_>>(), [(&b"X"[..], &b""[..])]);
    }

    fn length(value: &str) -> Result<Option<u64>, HeadError> {
        let mut head = ResponseHead::new(b"200 OK").expect("a status");
        head.add(b"content-LENGTH", value.as_bytes()).expect("a header");
        head.content_length()
    }

    #[test]
    fn a_content_length_is_a_decimal_number() {
        assert_eq!(length("13"), Ok(Some(13)));
        assert_eq!(length(" +13 "), Ok(Some(13)));
        assert_eq!(length(""), Ok(Some(0)));
        for value in ["-1", "1x", "0x10", "1.5", "99999999999999999999"] {
            assert_eq!(length(value), Err(HeadError::Length), "{value}");
        }
    }

    #[test]
    fn the_last_content_length_wins() {
        let mut head = ResponseHead::new(b"200 OK").expect("a status");
        head.add(b"Content-Length", b"1").expect("a header");
        head.add(b"Content-Length", b"2").expect("a header");
        assert_eq!(head.content_length(), Ok(Some(2)));
    }

    #[test]
    fn more_than_announced_is_dropped() {
        let mut count = BodyCount::new(Some(5));
        assert_eq!(count.admit(b"abc"), b"abc");
        assert_eq!(count.admit(b"defg"), b"de");
        assert_eq!(count.admit(b"h"), b"");
        assert!(!count.is_short());
    }

    #[test]
    fn less_than_announced_is_short() {
        let mut count = BodyCount::new(Some(5));
        count.admit(b"abc");
        assert!(count.is_short());
        assert!(!BodyCount::new(None).is_short());
    }
}
