//! `WSGITrustedProxyHeaders` and `WSGITrustedProxies`: which headers of a reverse
//! proxy are believed, and from which addresses. `request/proxy` acts on them.
//!
//! An address is a literal here: no name is ever looked up, neither one of the
//! configuration nor one that a client sent.

use crate::apache::directive::Arguments;
use core::net::{IpAddr, Ipv4Addr};

/// What a header of a proxy speaks about. In a category that is configured, the application sees one header at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    /// `REMOTE_ADDR`
    Client,
    /// `HTTP_HOST`
    Host,
    /// `SERVER_NAME`
    ServerName,
    /// `SERVER_PORT`
    ServerPort,
    /// `SCRIPT_NAME`
    ScriptName,
    /// `wsgi.url_scheme`
    Scheme,
}

impl Category {
    pub(crate) const COUNT: usize = 6;
}

macro_rules! proxy_headers {
    ($($header:ident $name:literal $($category:ident)+;)*) => {
        /// A header by which a proxy tells of the request as it was received there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ProxyHeader { $($header,)* }

        impl ProxyHeader {
            /// Every header that has an effect.
            pub(crate) const ALL: &[Self] = &[$(Self::$header,)*];

            /// The name as proxies send it.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$header => $name,)* }
            }

            /// What it speaks about.
            pub(crate) const fn categories(self) -> &'static [Category] {
                match self { $(Self::$header => &[$(Category::$category,)+],)* }
            }
        }
    };
}

proxy_headers! {
    XForwardedFor "X-Forwarded-For" Client;
    XClientIp "X-Client-IP" Client;
    XRealIp "X-Real-IP" Client;
    XForwardedHost "X-Forwarded-Host" Host;
    XHost "X-Host" Host;
    XForwardedServer "X-Forwarded-Server" ServerName;
    XForwardedPort "X-Forwarded-Port" ServerPort;
    XScriptName "X-Script-Name" ScriptName;
    XForwardedScriptName "X-Forwarded-Script-Name" ScriptName;
    XForwardedProto "X-Forwarded-Proto" Scheme;
    XForwardedScheme "X-Forwarded-Scheme" Scheme;
    XScheme "X-Scheme" Scheme;
    XForwardedHttps "X-Forwarded-HTTPS" Scheme;
    XForwardedSsl "X-Forwarded-SSL" Scheme;
    XHttps "X-HTTPS" Scheme;
    Forwarded "Forwarded" Client Host Scheme;
}

impl ProxyHeader {
    /// The header of this name, in any case.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|header| header.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The header that is shown to applications under this name (`HTTP_X_REAL_IP`).
    pub(crate) fn of_variable(name: &[u8]) -> Option<Self> {
        let name = name.strip_prefix(b"HTTP_")?;
        let shown = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() };
        Self::ALL.iter().copied().find(|header| header.name().bytes().map(shown).eq(name.iter().copied()))
    }

    /// # Errors
    /// A character that no header of a request keeps on its way to the application.
    fn parse(word: &str) -> Result<Option<Self>, String> {
        if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(format!(
                "'{word}' is not the name of a header; expected letters, digits and '-' (X-Forwarded-For)"
            ));
        }
        Ok(Self::named(word.as_bytes()))
    }
}

/// `WSGITrustedProxyHeaders`: adds to what the same section has said before. Names
/// that are none of [`ProxyHeader::ALL`] have no effect, as in mod_wsgi.
///
/// # Errors
/// A word that is no header name.
pub(crate) fn more_headers<'p>(
    before: Option<&[ProxyHeader]>,
    arguments: &Arguments<'p>,
) -> Result<&'p [ProxyHeader], String> {
    let mut headers = before.map_or_else(Vec::new, <[_]>::to_vec);
    headers.extend(parse_headers(arguments.words())?);
    Ok(arguments.pool.slice(&headers))
}

fn parse_headers(words: &[&str]) -> Result<Vec<ProxyHeader>, String> {
    words.iter().filter_map(|word| ProxyHeader::parse(word).transpose()).collect()
}

/// `WSGITrustedProxies`: who is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrustedProxies<'p> {
    /// Nothing is configured: whoever connects.
    Everyone,
    /// These; nobody, if there are none.
    Listed(&'p [Network]),
}

impl<'p> TrustedProxies<'p> {
    /// Whether what comes from the address `peer` is believed. What is not an address is not believed.
    pub(crate) fn trusts(&self, peer: &[u8]) -> bool {
        match self {
            Self::Everyone => true,
            Self::Listed(networks) => lists(networks, peer),
        }
    }

    /// `WSGITrustedProxies`: adds to what the same section has said before.
    ///
    /// # Errors
    /// A word that is neither address nor network.
    pub(crate) fn more(before: Option<Self>, arguments: &Arguments<'p>) -> Result<Self, String> {
        let mut networks = match before {
            Some(Self::Listed(networks)) => networks.to_vec(),
            Some(Self::Everyone) | None => Vec::new(),
        };
        for word in arguments.words() {
            networks.push(Network::parse(word)?);
        }
        Ok(Self::Listed(arguments.pool.slice(&networks)))
    }
}

/// Whether `text` is an address in one of the networks.
pub(crate) fn lists(networks: &[Network], text: &[u8]) -> bool {
    address(text).is_some_and(|address| networks.iter().any(|network| network.contains(address)))
}

/// The address that `text` writes out; an IPv4 address in IPv6 clothes (`::ffff:10.0.0.1`) is that IPv4 address.
fn address(text: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = core::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// The addresses that share their first bits with one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// `10.1.2.3`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10` (also `10.`), `2001:db8::1`, `2001:db8::/32`.
    ///
    /// # Errors
    /// Says what the word lacks.
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "'{word}' is not an address; expected an IP address or network (10.1.2.3, 10.0.0.0/8, \
                 10.0.0.0/255.0.0.0, 10.0, 2001:db8::/32); names are never looked up"
            )
        };
        let (text, mask) = match word.split_once('/') {
            Some((text, mask)) => (text, Some(mask)),
            None => (word, None),
        };
        let Ok(address) = text.parse::<IpAddr>() else {
            return match mask {
                None => leading_octets(text).ok_or_else(refused),
                Some(_) => Err(refused()),
            };
        };
        if address.to_canonical() != address {
            return Err(format!("'{word}' is an IPv4 address written as IPv6; expected {}", address.to_canonical()));
        }
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = match mask {
            None => longest,
            Some(mask) => prefix_length(mask, address).filter(|bits| *bits <= longest).ok_or_else(|| {
                format!("'{word}' has no valid mask; expected a number up to {longest}, or for IPv4 a netmask such as 255.255.0.0")
            })?,
        };
        Ok(Self { address, bits })
    }

    fn contains(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// One to three octets stand for all addresses that begin so.
fn leading_octets(text: &str) -> Option<Network> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut octets = [0; 4];
    let mut count = 0;
    for part in text.split('.') {
        let octet = octets.get_mut(count).filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *octet = part.parse().ok()?;
        count += 1;
    }
    let bits = [8, 16, 24].get(count.checked_sub(1)?)?;
    Some(Network { address: Ipv4Addr::from(octets).into(), bits: *bits })
}

/// How many bits a mask keeps: a number, or an IPv4 netmask whose ones come first.
fn prefix_length(mask: &str, address: IpAddr) -> Option<u8> {
    if mask.bytes().all(|byte| byte.is_ascii_digit()) {
        return mask.parse().ok();
    }
    let netmask = mask.parse::<Ipv4Addr>().ok().filter(|_| address.is_ipv4())?.to_bits();
    let ones = netmask.leading_ones();
    (ones == netmask.count_ones()).then_some(ones as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv6Addr;
    use proptest::prelude::*;

    fn network(word: &str) -> Network {
        Network::parse(word).unwrap_or_else(|message| panic!("{message}"))
    }

    fn has(word: &str, text: &str) -> bool {
        lists(&[network(word)], text.as_bytes())
    }

    #[test]
    fn an_address_stands_for_itself() {
        assert!(has("10.1.2.3", "10.1.2.3"));
        assert!(!has("10.1.2.3", "10.1.2.4"));
        assert!(has("2001:DB8::1", "2001:db8:0::1"));
    }

    #[test]
    fn a_network_is_written_in_four_ways() {
        for word in ["10.0.0.0/8", "10.0.0.0/255.0.0.0", "10", "10.", "10.77.0.0/8"] {
            assert!(has(word, "10.200.0.1"), "{word}");
            assert!(!has(word, "11.0.0.1"), "{word}");
        }
        assert_eq!(network("192.168"), network("192.168.0.0/16"));
        assert_eq!(network("192.168.7."), network("192.168.7.0/24"));
        assert!(has("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!has("2001:db8::/33", "2001:db8:8000::1"));
    }

    #[test]
    fn no_bits_at_all_are_every_address_of_the_family() {
        assert!(has("0.0.0.0/0", "203.0.113.9") && has("::/0", "2001:db8::1"));
        assert!(!has("0.0.0.0/0", "2001:db8::1") && !has("::/0", "203.0.113.9"));
    }

    #[test]
    fn an_ipv4_client_of_an_ipv6_socket_is_an_ipv4_client() {
        assert!(has("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(!has("::/0", "::ffff:10.0.0.1"));
    }

    #[test]
    fn what_is_not_an_address_is_in_no_network() {
        for text in
            ["", "localhost", "10.1", "10.0.0.1:80", "[::1]", "010.0.0.1", "10.0.0.1 ", "fe80::1%lo", "167772161"]
        {
            assert!(!has("0.0.0.0/0", text) && !has("::/0", text), "{text}");
        }
    }

    #[test]
    fn a_word_that_is_no_network_is_named_with_what_was_expected() {
        for word in [
            "proxy.example",
            "localhost",
            "",
            "10.0.0.0.0",
            "10..1",
            "256",
            "10.0/16",
            "1.2.3.4/33",
            "1.2.3.4/",
            "::/129",
            "1.2.3.4/-1",
            "1.2.3.4/+8",
            "1.2.3.4/255.0.255.0",
            "::/255.0.0.0",
            "::ffff:10.0.0.1",
            "::ffff:0:0/96",
            "fe80::1%lo",
            "1.2.3.4/8/8",
            "10.0.0.1,10.0.0.2",
            ".",
            "+1.2.3",
            "[::1]",
        ] {
            let message = Network::parse(word).expect_err(word);
            assert!(message.contains(&format!("'{word}'")) && message.contains("expected"), "{message}");
        }
    }

    #[test]
    fn no_list_is_everyone_and_an_empty_list_is_nobody() {
        assert!(TrustedProxies::Everyone.trusts(b"203.0.113.9"));
        assert!(!TrustedProxies::Listed(&[]).trusts(b"127.0.0.1"));
    }

    #[test]
    fn header_names_are_known_in_any_case() {
        assert_eq!(parse_headers(&["x-forwarded-FOR"]), Ok(vec![ProxyHeader::XForwardedFor]));
        assert_eq!(ProxyHeader::of_variable(b"HTTP_X_FORWARDED_SSL"), Some(ProxyHeader::XForwardedSsl));
        assert_eq!(ProxyHeader::of_variable(b"X_FORWARDED_SSL"), None);
        assert_eq!(ProxyHeader::named(b"X_Forwarded_SSL"), None);
    }

    #[test]
    fn a_header_without_effect_is_accepted() {
        let headers = parse_headers(&["X-Unheard-Of", "X-Host"]);
        assert_eq!(headers, Ok(vec![ProxyHeader::XHost]));
    }

    #[test]
    fn a_strange_header_name_is_named_with_what_was_expected() {
        for word in ["X_Forwarded_For", "X-Forwarded-For:", "X-F\u{f6}r", "", "a,b", "*"] {
            let message = parse_headers(&["X-Host", word]).expect_err(word);
            assert!(message.contains(&format!("'{word}'")) && message.contains("expected"), "{message}");
        }
    }

    /// An address and some number of bits, as one would write them.
    fn any_network() -> impl Strategy<Value = (IpAddr, u8)> {
        let four = (any::<Ipv4Addr>(), 0..=32_u8).prop_map(|(address, bits)| (address.into(), bits));
        let six = (any::<Ipv6Addr>(), 0..=128_u8).prop_map(|(address, bits)| (address.into(), bits));
        prop_oneof![four, six]
            .prop_filter("not IPv4 in IPv6", |(address, _): &(IpAddr, u8)| address.to_canonical() == *address)
    }

    /// The bits of an address as text: another way to compare them than [`Network::contains`] has.
    fn bits_of(address: IpAddr) -> String {
        match address {
            IpAddr::V4(address) => format!("4 {:032b}", address.to_bits()),
            IpAddr::V6(address) => format!("6 {:0128b}", address.to_bits()),
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_network_or_an_error_that_quotes_it(word in "\\PC{0,40}|[0-9a-fA-F:./]{0,40}") {
            if let Err(message) = Network::parse(&word) {
                prop_assert!(message.contains(&word));
            }
        }

        #[test]
        fn a_network_holds_exactly_what_begins_with_its_bits((own, bits) in any_network(), (other, _) in any_network(), flipped in 0..128_u32) {
            let network = network(&format!("{own}/{bits}"));
            let near = match own {
                IpAddr::V4(address) => IpAddr::from(Ipv4Addr::from_bits(address.to_bits() ^ 1_u32.rotate_right(1 + flipped % 32))),
                IpAddr::V6(address) => IpAddr::from(Ipv6Addr::from_bits(address.to_bits() ^ 1_u128.rotate_right(1 + flipped))).to_canonical(),
            };
            let beginning = &bits_of(own)[..2 + usize::from(bits)];
            for address in [own, near, other] {
                let expected = bits_of(address).starts_with(beginning);
                prop_assert_eq!(lists(&[network], address.to_string().as_bytes()), expected, "{} in {:?}", address, network);
            }
        }

        #[test]
        fn a_header_name_is_accepted_exactly_when_it_is_plain(word in "[A-Za-z0-9-]{0,5}[ -~\u{e4}]{0,2}") {
            let plain = !word.is_empty() && word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
            prop_assert_eq!(ProxyHeader::parse(&word).is_ok(), plain);
        }
    }
}
