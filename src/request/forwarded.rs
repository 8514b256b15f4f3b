//! The header `Forwarded` (RFC 7239): a list with one element for each proxy that the
//! request has passed. `request/proxy` asks what an element says, and whom to believe.

use std::borrow::Cow;

/// What a proxy says of the request as it received it. An element that is not of the
/// form of RFC 7239, section 4, says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element<'h> {
    /// The element as it stands in the header.
    pub(crate) text: &'h [u8],
    /// `for=`: an address without its port, `unknown`, or a name that the proxy made up (section 6).
    pub(crate) client: Option<Cow<'h, [u8]>>,
    /// `host=`
    pub(crate) host: Option<Cow<'h, [u8]>>,
    /// `proto=`
    pub(crate) scheme: Option<Cow<'h, [u8]>>,
}

/// The elements of a header in their order, empty ones left out.
pub(crate) fn elements(header: &[u8]) -> Vec<Element<'_>> {
    let texts = split(header).into_iter().map(<[u8]>::trim_ascii);
    texts.filter(|text| !text.is_empty()).map(Element::new).collect()
}

/// Splits at the commas outside of quotes. Quotes are paired from the right: an element
/// that a proxy has added keeps its meaning, whatever quote a client left open before it.
fn split(header: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut end, mut quoted) = (header.len(), false);
    for (at, byte) in header.iter().enumerate().rev() {
        if *byte == b'"' && !is_escaped(&header[..at]) {
            quoted = !quoted;
        } else if *byte == b',' && !quoted {
            parts.push(&header[at + 1..end]);
            end = at;
        }
    }
    parts.push(&header[..end]);
    parts.reverse();
    parts
}

/// Whether what follows `before` is protected by a backslash.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

impl<'h> Element<'h> {
    fn new(text: &'h [u8]) -> Self {
        let silent = Self { text, client: None, host: None, scheme: None };
        let mut element = silent.clone();
        match element.read(text) {
            Some(()) => element,
            None => silent,
        }
    }

    /// Takes over the pairs `name=value`, which semicolons separate; `None` if there is
    /// anything else, or if one that counts comes twice.
    fn read(&mut self, text: &'h [u8]) -> Option<()> {
        let mut rest = text;
        loop {
            let Pair { name, value, after } = Pair::at_start_of(rest)?;
            let said = if name.eq_ignore_ascii_case(b"for") {
                Some((&mut self.client, without_port(value)))
            } else if name.eq_ignore_ascii_case(b"host") {
                Some((&mut self.host, value))
            } else if name.eq_ignore_ascii_case(b"proto") {
                Some((&mut self.scheme, value))
            } else {
                None
            };
            if let Some((slot, value)) = said {
                if slot.is_some() || value.is_empty() {
                    return None;
                }
                *slot = Some(value);
            }
            match after.trim_ascii_start() {
                [] => return Some(()),
                [b';', after @ ..] => rest = after,
                _ => return None,
            }
        }
    }
}

/// `name=value`, and the text behind it.
struct Pair<'h> {
    name: &'h [u8],
    value: Cow<'h, [u8]>,
    after: &'h [u8],
}

impl<'h> Pair<'h> {
    fn at_start_of(text: &'h [u8]) -> Option<Self> {
        let equals = text.iter().position(|byte| *byte == b'=')?;
        let name = text[..equals].trim_ascii_start();
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        if name.is_empty() || !name.iter().all(is_token) {
            return None;
        }
        let (value, after) = value(&text[equals + 1..])?;
        Some(Self { name, value, after })
    }
}

/// A value and what follows it. Many proxies write addresses with colons unquoted: that is accepted.
fn value(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| *byte == b';' || byte.is_ascii_whitespace()).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        let plain = !value.is_empty() && !value.contains(&b'"');
        return plain.then_some((Cow::Borrowed(value), after));
    };
    let end = (0..quoted.len()).find(|at| quoted[*at] == b'"' && !is_escaped(&quoted[..*at]))?;
    let (value, after) = (&quoted[..end], &quoted[end + 1..]);
    Some((unescaped(value), after))
}

fn unescaped(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = Vec::new();
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        // The value does not end with a lone backslash: it would have protected the quote.
        plain.push(if *byte == b'\\' { *bytes.next().unwrap_or(byte) } else { *byte });
    }
    Cow::Owned(plain)
}

/// The node of `for=` alone: `192.0.2.1:80`, `[2001:db8::1]:80` and `_name:80` have a port.
fn without_port(node: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let (start, end) = match &*node {
        [b'[', inner @ ..] => match inner.iter().position(|byte| *byte == b']') {
            Some(length) if matches!(inner[length + 1..], [] | [b':', ..]) => (1, 1 + length),
            _ => (0, node.len()),
        },
        // More than one colon is an IPv6 address without its brackets.
        plain => match plain.iter().position(|byte| *byte == b':') {
            Some(colon) if !plain[colon + 1..].contains(&b':') => (0, colon),
            _ => (0, node.len()),
        },
    };
    match node {
        Cow::Borrowed(node) => Cow::Borrowed(&node[start..end]),
        Cow::Owned(node) => Cow::Owned(node[start..end].to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clients(header: &str) -> Vec<String> {
        let said = |element: Element<'_>| {
            element.client.map_or("-".to_owned(), |client| String::from_utf8_lossy(&client).into_owned())
        };
        elements(header.as_bytes()).into_iter().map(said).collect()
    }

    #[test]
    fn the_examples_of_rfc_7239_are_understood() {
        assert_eq!(clients("for=\"_gazonk\""), ["_gazonk"]);
        assert_eq!(clients("For=\"[2001:db8:cafe::17]:4711\""), ["2001:db8:cafe::17"]);
        assert_eq!(clients("for=192.0.2.43, for=198.51.100.17"), ["192.0.2.43", "198.51.100.17"]);
        assert_eq!(
            clients("for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown"),
            ["192.0.2.43", "2001:db8:cafe::17", "unknown"]
        );
        let element = Element::new(b"for=192.0.2.60;proto=http;by=203.0.113.43;host=example.com");
        assert_eq!(element.client.as_deref(), Some(&b"192.0.2.60"[..]));
        assert_eq!(element.scheme.as_deref(), Some(&b"http"[..]));
        assert_eq!(element.host.as_deref(), Some(&b"example.com"[..]));
    }

    #[test]
    fn a_port_is_no_part_of_the_client() {
        for (node, client) in [
            ("192.0.2.1:80", "192.0.2.1"),
            ("\"192.0.2.1:_port\"", "192.0.2.1"),
            ("\"[::1]\"", "::1"),
            ("::1", "::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("unknown:1", "unknown"),
            ("\"[::1\"", "[::1"),
            ("_name:x:y", "_name:x:y"),
            ("\"[::1]x\"", "[::1]x"),
            ("\"\\[\\::1]\"", "::1"),
        ] {
            assert_eq!(clients(&format!("for={node}")), [client], "{node}");
        }
    }

    #[test]
    fn a_comma_or_semicolon_in_quotes_separates_nothing() {
        assert_eq!(clients(r#"for="a,b;c";host="x\",y", for=z"#), ["a,b;c", "z"]);
    }

    #[test]
    fn an_element_that_is_not_well_formed_says_nothing() {
        for text in [
            "junk",
            "=x",
            "for=",
            "for=a b",
            "for=\"a",
            "for=\"a\"b",
            "for=a;for=b",
            "for=a;",
            "a b=c",
            "for=a\"b",
            "for=a;=b",
            "for=\"\"",
            "for=\":80\"",
        ] {
            let element = Element::new(text.as_bytes());
            assert_eq!((element.client, element.host, element.scheme), (None, None, None), "{text}");
        }
    }

    #[test]
    fn empty_elements_do_not_count() {
        assert_eq!(clients(" , for=a ,, for=b,"), ["a", "b"]);
        assert!(clients(" , ").is_empty() && clients("").is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_elements_whose_texts_are_in_the_header(header in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"for=\",;\\[]: "[..])], 0..80)) {
            for element in elements(&header) {
                let text = element.text;
                prop_assert!(!text.is_empty() && header.windows(text.len()).any(|part| part == text));
            }
        }

        #[test]
        fn what_a_proxy_appends_is_read_as_it_wrote_it(
            from_client in "[ -~]{0,30}",
            node in "[0-9a-zA-Z.:_-]{1,20}",
            host in "[ -~]{1,20}",
        ) {
            let quoted_host = host.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("{from_client}, for=\"[{node}]\";proto=https;host=\"{quoted_host}\"");
            let elements = elements(header.as_bytes());
            let last = elements.last().expect("one element at least");
            prop_assert_eq!(last.client.as_deref(), Some(node.as_bytes()));
            prop_assert_eq!(last.scheme.as_deref(), Some(&b"https"[..]));
            prop_assert_eq!(last.host.as_deref(), Some(host.as_bytes()));
        }
    }
}
