//! W3C Trace Context (the Recommendation of 2021): what the headers `traceparent` and `tracestate` say, and whether they are
//! written as they have to be.

use core::fmt;

/// What names a trace, and the span in it that a request belongs to. Neither is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceIds {
    pub(crate) trace: u128,
    pub(crate) span: u64,
}

impl TraceIds {
    pub(crate) fn new(trace: u128, span: u64) -> Option<Self> {
        (trace != 0 && span != 0).then_some(Self { trace, span })
    }

    /// Those of a `traceparent`; `None` if it is malformed. A later version than 00 may have more behind a further hyphen.
    pub(crate) fn of_header(value: &[u8]) -> Option<Self> {
        let (fields, rest) = value.split_at_checked(LENGTH)?;
        let hyphens = [2, 35, 52].iter().all(|at| fields[*at] == b'-');
        let version = hexadecimal(&fields[..2])?;
        let (trace, span) = (hexadecimal(&fields[3..35])?, hexadecimal(&fields[36..52])?);
        hexadecimal(&fields[53..])?;
        let has_more = !rest.is_empty();
        let is_right_length = !has_more || version != 0 && rest[0] == b'-';
        if !hyphens || version == 0xff || !is_right_length {
            return None;
        }
        Self::new(trace, u64::try_from(span).ok()?)
    }

    /// The trace, in hexadecimal digits.
    pub(crate) fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    /// The span, in hexadecimal digits.
    pub(crate) fn span_id(self) -> String {
        format!("{:016x}", self.span)
    }

    /// A `traceparent` of version 00, whose trace is to be recorded.
    pub(crate) fn header(self) -> String {
        format!("00-{:032x}-{:016x}-01", self.trace, self.span)
    }
}

impl fmt::Display for TraceIds {
    /// For the log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[trace {:032x} span {:016x}]", self.trace, self.span)
    }
}

/// Of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// A number of so many digits; letters are in lower case.
fn hexadecimal(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// As many entries a `tracestate` may have.
const MOST_ENTRIES: usize = 32;

/// Whether a `tracestate` is written as it has to be: a list of `key=value`, in which entries may be empty.
pub(crate) fn is_state(value: &[u8]) -> bool {
    let entries = value.split(|byte| *byte == b',').map(trim);
    let entries: Vec<_> = entries.filter(|entry| !entry.is_empty()).collect();
    entries.len() <= MOST_ENTRIES && entries.into_iter().all(is_entry)
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn is_entry(entry: &[u8]) -> bool {
    let Some(at) = entry.iter().position(|byte| *byte == b'=') else { return false };
    is_key(&entry[..at]) && is_value(&entry[at + 1..])
}

/// `vendor`, or `tenant@vendor`.
fn is_key(key: &[u8]) -> bool {
    let may_follow = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte);
    let named = |text: &[u8], longest: usize, with_digit: bool| {
        text.len() <= longest
            && text.first().is_some_and(|first| first.is_ascii_lowercase() || with_digit && first.is_ascii_digit())
            && text.iter().all(may_follow)
    };
    match key.iter().position(|byte| *byte == b'@') {
        None => named(key, 256, false),
        Some(at) => named(&key[..at], 241, true) && named(&key[at + 1..], 14, false),
    }
}

fn is_value(value: &[u8]) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !b",=".contains(byte);
    (1..=256).contains(&value.len()) && value.iter().all(is_plain) && value.last() != Some(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_traceparent_names_a_trace_and_a_span() {
        for header in [
            format!("00-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-00"),
            format!("00-{TRACE}-{SPAN}-ff"),
            format!("01-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
            format!("cc-{TRACE}-{SPAN}-01-"),
        ] {
            let ids = TraceIds::of_header(header.as_bytes()).expect("ids");
            assert_eq!(ids.to_string(), format!("[trace {TRACE} span {SPAN}]"), "{header}");
            assert_eq!(ids.header(), format!("00-{TRACE}-{SPAN}-01"));
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        let zeroes = "0".repeat(32);
        for header in [
            String::new(),
            "00".into(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01."),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("000-{TRACE}-{SPAN}-01"),
            format!(".0-{TRACE}-{SPAN}-01"),
            format!("00-{zeroes}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeroes[..16]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-0G"),
            format!("00_{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}0-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01,"),
        ] {
            assert_eq!(TraceIds::of_header(header.as_bytes()), None, "{header}");
        }
    }

    #[test]
    fn a_tracestate_is_a_list_of_keys_and_values() {
        let long = |key: &str, length: usize| format!("{key}={}", "v".repeat(length));
        let many = |count: usize| (0..count).map(|number| format!("k{number}=1")).collect::<Vec<_>>().join(",");
        for state in [
            "",
            "foo=1",
            "foo=1,bar=2",
            "foo=1 \t , \t bar=2, \t baz=3",
            "foo=1,,bar=2,",
            "foo=1,foo=1",
            "a-_*/9=opaque !\"#;:~",
            "0t@v=1",
            "rojo= 00f0",
            &long("a", 256),
            &format!("{}=1", "z".repeat(256)),
            &format!("{}@{}=1", "t".repeat(241), "v".repeat(14)),
            &many(32),
        ] {
            assert!(is_state(state.as_bytes()), "{state}");
        }
        for state in [
            "foo",
            "foo=",
            "=1",
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "0foo=1",
            "foo@=1",
            "@foo=1",
            "foo@@bar=1",
            "foo@bar@baz=1",
            "foo@1bar=1",
            "foo=bar=baz",
            "foo=1;bar=2,x",
            "foo=\u{e9}",
            "foo=a\tb",
            &long("a", 257),
            &format!("{}=1", "z".repeat(257)),
            &format!("{}@v=1", "t".repeat(242)),
            &format!("t@{}=1", "v".repeat(15)),
            &many(33),
        ] {
            assert!(!is_state(state.as_bytes()), "{state}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_none(value: Vec<u8>) {
            let _ = is_state(&value);
            prop_assert!(TraceIds::of_header(&value).is_none() || value.len() >= LENGTH);
        }

        #[test]
        fn what_is_made_is_read(trace in 1..u128::MAX, span in 1..u64::MAX) {
            let ids = TraceIds { trace, span };
            prop_assert_eq!(TraceIds::of_header(ids.header().as_bytes()), Some(ids));
        }
    }
}
