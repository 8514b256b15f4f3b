use super::*;
use crate::config::trusted_proxies::Network;
use core::net::Ipv4Addr;
use proptest::prelude::*;
use std::collections::BTreeMap;

const EVERYONE: TrustedProxies<'static> = TrustedProxies::Everyone;
const PROXY: &str = "10.9.9.9";
const STRANGER: &str = "203.0.113.9";
const ALL: &[ProxyHeader] = ProxyHeader::ALL;

/// A list that lasts as long as the tests do; settings keep theirs in a pool of httpd.
fn listed(words: &[&str]) -> TrustedProxies<'static> {
    let networks: Vec<_> = words.iter().map(|word| Network::parse(word).expect("a network")).collect();
    TrustedProxies::Listed(networks.leak())
}

fn tens() -> TrustedProxies<'static> {
    listed(&["10.0.0.0/8"])
}

type Headers<'h> = &'h [(&'h str, &'h str)];

fn carried<'h>(headers: Headers<'h>) -> Carried<'h> {
    let known = |(name, value): &(&str, &'h str)| Some((ProxyHeader::named(name.as_bytes())?, value.as_bytes()));
    headers.iter().filter_map(known).collect()
}

/// What the application sees of a request with these headers: those that are left, and what replaces them or CGI's keys.
fn seen(peer: &str, names: &[&str], proxies: &TrustedProxies, headers: Headers<'_>) -> BTreeMap<String, String> {
    let names: Vec<_> = names.iter().map(|name| ProxyHeader::named(name.as_bytes()).expect("a known header")).collect();
    let carried = carried(headers);
    let proxied = Proxied::new(peer.as_bytes(), &names, proxies, &carried);
    let mut seen = BTreeMap::new();
    for (name, value) in headers {
        if !proxied.hides(Variable::Header(name.as_bytes())) {
            seen.insert((*name).to_owned(), (*value).to_owned());
        }
    }
    proxied.variables(&mut |variable, value| {
        let name = match variable {
            Variable::Known(key) => key.name().to_bytes(),
            Variable::Header(name) | Variable::Named(name) => name,
        };
        seen.insert(String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned());
    });
    seen
}

#[track_caller]
fn assert_seen(found: &BTreeMap<String, String>, expected: Headers<'_>) {
    let expected: BTreeMap<_, _> =
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(*found, expected);
}

/// The client and the header that `X-Forwarded-For` leads to.
fn forwarded_for(proxies: &TrustedProxies, value: &str) -> (Option<String>, Option<String>) {
    let mut seen = seen(PROXY, &["X-Forwarded-For"], proxies, &[("X-Forwarded-For", value)]);
    (seen.remove("REMOTE_ADDR"), seen.remove("X-Forwarded-For"))
}

#[track_caller]
fn assert_client(proxies: &TrustedProxies, value: &str, client: &str, header: &str) {
    assert_eq!(forwarded_for(proxies, value), (Some(client.to_owned()), Some(header.to_owned())), "{value}");
}

#[test]
fn each_header_has_the_effect_of_its_category() {
    for (header, value, effect) in [
        ("X-Client-IP", "a", "REMOTE_ADDR"),
        ("X-Real-IP", "b", "REMOTE_ADDR"),
        ("X-Forwarded-Host", "c:81", "HTTP_HOST"),
        ("X-Host", "d", "HTTP_HOST"),
        ("X-Forwarded-Server", "e", "SERVER_NAME"),
        ("X-Forwarded-Port", "f", "SERVER_PORT"),
    ] {
        assert_seen(&seen(PROXY, &[header], &tens(), &[(header, value)]), &[(header, value), (effect, value)]);
    }
    for header in ["X-Script-Name", "X-Forwarded-Script-Name"] {
        let expected = [(header, "/at"), ("SCRIPT_NAME", "/at"), ("mod_wsgi.mount_point", "/at")];
        assert_seen(&seen(PROXY, &[header], &tens(), &[(header, "/at")]), &expected);
    }
}

#[test]
fn the_scheme_is_a_word_or_a_flag() {
    let words = ["X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Scheme"];
    let flags = ["X-Forwarded-HTTPS", "X-Forwarded-SSL", "X-HTTPS"];
    let of_words =
        [("https", "on"), ("HTTPS", "on"), ("http", "off"), ("Http", "off"), ("wss", ""), ("on", ""), ("", "")];
    let of_flags = [
        ("On", "on"),
        ("true", "on"),
        ("1", "on"),
        ("OFF", "off"),
        ("False", "off"),
        ("0", "off"),
        ("https", ""),
        ("", ""),
    ];
    for (headers, values) in [(words, &of_words[..]), (flags, &of_flags[..])] {
        for (header, (value, https)) in
            headers.iter().flat_map(|header| values.iter().map(move |value| (*header, *value)))
        {
            let seen = seen(PROXY, &[header], &tens(), &[(header, value)]);
            let expected = [(header, value), ("HTTPS", https)];
            assert_seen(&seen, if https.is_empty() { &expected[..1] } else { &expected });
        }
    }
}

#[test]
fn the_client_is_left_of_the_leftmost_trusted_item_that_is_reached() {
    assert_client(&tens(), "1.1.1.1, , 2.2.2.2 ,10.0.0.5", "2.2.2.2", "2.2.2.2, 10.0.0.5");
    assert_client(&tens(), "10.0.0.7, 1.1.1.1, 10.0.0.6, 10.0.0.5", "1.1.1.1", "1.1.1.1, 10.0.0.6, 10.0.0.5");
}

#[test]
fn if_all_are_trusted_the_first_is_the_client() {
    assert_client(&tens(), "10.0.0.1, 10.0.0.2", "10.0.0.1", "10.0.0.1, 10.0.0.2");
    assert_client(&tens(), "10.0.0.1", "10.0.0.1", "10.0.0.1");
}

#[test]
fn if_the_last_is_not_trusted_it_is_the_client() {
    assert_client(&tens(), "1.1.1.1, 2.2.2.2", "2.2.2.2", "2.2.2.2");
    assert_client(&tens(), "10.0.0.1, junk", "junk", "junk");
}

#[test]
fn what_is_not_an_address_may_be_the_client_and_stops_the_walk() {
    assert_client(&tens(), "junk, 10.0.0.2", "junk", "junk, 10.0.0.2");
    assert_client(&tens(), "1.1.1.1:80, 10.0.0.2", "1.1.1.1:80", "1.1.1.1:80, 10.0.0.2");
    assert_client(&tens(), "6.6.6.6, localhost, 10.0.0.2", "localhost", "localhost, 10.0.0.2");
    assert_client(&listed(&["127.0.0.1", "10.0.0.0/8"]), "6.6.6.6, localhost", "localhost", "localhost");
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_is_that_address() {
    assert_client(&tens(), "2001:db8::1, ::ffff:10.0.0.2", "2001:db8::1", "2001:db8::1, ::ffff:10.0.0.2");
}

#[test]
fn a_list_without_items_changes_nothing() {
    for value in ["", " , ,"] {
        assert_eq!(forwarded_for(&tens(), value), (None, Some(value.to_owned())), "{value:?}");
        assert_eq!(forwarded_for(&EVERYONE, value), (None, Some(value.to_owned())), "{value:?}");
    }
}

#[test]
fn without_a_list_of_proxies_the_first_item_is_the_client_and_the_header_stays() {
    assert_client(&EVERYONE, " ,1.1.1.1,10.0.0.5", "1.1.1.1", " ,1.1.1.1,10.0.0.5");
    let seen = seen("not an address", &["X-Host"], &EVERYONE, &[("X-Host", "h")]);
    assert_seen(&seen, &[("X-Host", "h"), ("HTTP_HOST", "h")]);
}

#[test]
fn a_stranger_is_not_believed_and_its_headers_are_hidden() {
    let headers = [
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Real-IP", "2.2.2.2"),
        ("X-Scheme", "https"),
        ("X-Host", "h"),
        ("Forwarded", "for=x"),
    ];
    for (peer, proxies) in
        [(STRANGER, tens()), ("", tens()), ("junk", tens()), ("10.0.0.1", listed(&[])), ("::1", tens())]
    {
        let found = seen(peer, &["X-Forwarded-For", "X-Forwarded-Proto"], &proxies, &headers);
        assert_seen(&found, &[("X-Host", "h"), ("Forwarded", "for=x")]);
    }
}

#[test]
fn within_a_category_the_last_listed_header_that_came_counts_and_stays() {
    let names = ["X-Forwarded-For", "X-Real-IP", "X-Client-IP"];
    let headers = [("X-Client-IP", "3.3.3.3"), ("X-Forwarded-For", "1.1.1.1")];
    let found = seen(PROXY, &names, &tens(), &headers);
    assert_seen(&found, &[("X-Client-IP", "3.3.3.3"), ("REMOTE_ADDR", "3.3.3.3")]);
    // An empty header has come too.
    let found =
        seen(PROXY, &["X-Real-IP", "X-Forwarded-For"], &tens(), &[("X-Forwarded-For", ""), ("X-Real-IP", "4.4.4.4")]);
    assert_seen(&found, &[("X-Forwarded-For", ""), ("REMOTE_ADDR", "4.4.4.4")]);
}

#[test]
fn a_header_of_a_listed_category_that_is_not_listed_itself_is_hidden() {
    let found = seen(
        PROXY,
        &["X-Forwarded-Proto"],
        &tens(),
        &[("X-HTTPS", "1"), ("X-Forwarded-Proto", "http"), ("X-Host", "h")],
    );
    assert_seen(&found, &[("X-Forwarded-Proto", "http"), ("HTTPS", "off"), ("X-Host", "h")]);
    assert_seen(&seen(PROXY, &["X-Forwarded-Proto"], &tens(), &[("X-HTTPS", "1")]), &[]);
}

#[test]
fn what_the_administrator_has_set_poses_as_a_header() {
    let hidden = Proxied::new(STRANGER.as_bytes(), &[ProxyHeader::XRealIp], &tens(), &Carried::default());
    assert!(hidden.hides(Variable::Named(b"HTTP_X_REAL_IP")) && hidden.hides(Variable::Known(Key::HttpXForwardedFor)));
    assert!(!hidden.hides(Variable::Named(b"X_REAL_IP")) && !hidden.hides(Variable::Header(b"X_Real_IP")));
    assert_eq!(header_of(Variable::Named(b"HTTP_X_HOST")), Some(ProxyHeader::XHost));
}

#[test]
fn of_two_headers_of_one_name_the_last_counts() {
    let carried = carried(&[("X-Real-IP", "1.1.1.1"), ("X-Real-IP", "2.2.2.2")]);
    assert_eq!(carried.get(ProxyHeader::XRealIp), Some(&b"2.2.2.2"[..]));
}

#[test]
fn forwarded_speaks_about_client_host_and_scheme() {
    let value = "for=\"[2001:db8::1]:4711\";proto=https;by=_gate;host=\"site.example:8443\"";
    let found =
        seen(PROXY, &["Forwarded"], &tens(), &[("Forwarded", value), ("X-Forwarded-For", "6.6.6.6"), ("X-Host", "h")]);
    let expected =
        [("Forwarded", value), ("REMOTE_ADDR", "2001:db8::1"), ("HTTP_HOST", "site.example:8443"), ("HTTPS", "on")];
    assert_seen(&found, &expected);
}

#[test]
fn forwarded_is_believed_from_the_right_as_x_forwarded_for_is() {
    let value = "for=6.6.6.6;host=evil, for=2.2.2.2;proto=https;host=good, for=\"10.0.0.5:99\";proto=http;host=inner";
    let kept = "for=2.2.2.2;proto=https;host=good, for=\"10.0.0.5:99\";proto=http;host=inner";
    let found = seen(PROXY, &["Forwarded"], &tens(), &[("Forwarded", value)]);
    assert_seen(&found, &[("Forwarded", kept), ("REMOTE_ADDR", "2.2.2.2"), ("HTTP_HOST", "good"), ("HTTPS", "on")]);
    let found = seen(PROXY, &["Forwarded"], &EVERYONE, &[("Forwarded", value)]);
    assert_seen(&found, &[("Forwarded", value), ("REMOTE_ADDR", "6.6.6.6"), ("HTTP_HOST", "evil")]);
}

#[test]
fn a_quote_that_a_client_leaves_open_does_not_reach_what_the_proxy_appends() {
    for from_client in ["for=\"", "for=10.0.0.1;x=\"", "\"\\", "for=10.0.0.1, for=6.6.6.6;x=\""] {
        let value = format!("{from_client}, for=\"[2001:db8::7]\";proto=https");
        let found = seen(PROXY, &["Forwarded"], &tens(), &[("Forwarded", &value)]);
        assert_seen(
            &found,
            &[("Forwarded", "for=\"[2001:db8::7]\";proto=https"), ("REMOTE_ADDR", "2001:db8::7"), ("HTTPS", "on")],
        );
    }
}

#[test]
fn forwarded_leaves_to_others_what_it_does_not_say() {
    let names = ["X-Forwarded-Proto", "Forwarded"];
    let found = seen(PROXY, &names, &tens(), &[("X-Forwarded-Proto", "https"), ("Forwarded", "for=_hidden")]);
    assert_seen(
        &found,
        &[("X-Forwarded-Proto", "https"), ("Forwarded", "for=_hidden"), ("REMOTE_ADDR", "_hidden"), ("HTTPS", "on")],
    );
    let found = seen(
        PROXY,
        &["Forwarded", "X-Forwarded-For"],
        &tens(),
        &[("Forwarded", "for=1.1.1.1"), ("X-Forwarded-For", "2.2.2.2")],
    );
    assert_seen(&found, &[("X-Forwarded-For", "2.2.2.2"), ("REMOTE_ADDR", "2.2.2.2")]);
    assert_seen(&seen(PROXY, &["Forwarded"], &tens(), &[("Forwarded", "by=10.0.0.1")]), &[]);
}

/// An item of a list, and whether it is an address in 10.0.0.0/8.
fn item() -> impl Strategy<Value = (String, bool)> {
    prop_oneof![
        any::<Ipv4Addr>().prop_map(|address| (address.to_string(), address.octets()[0] == 10)),
        any::<[u8; 3]>().prop_map(|[b, c, d]| (format!("10.{b}.{c}.{d}"), true)),
        any::<[u8; 3]>().prop_map(|[b, c, d]| (format!("::ffff:10.{b}.{c}.{d}"), true)),
        "(unknown|_[a-z]{1,4}|10\\.0\\.0\\.1:80|10\\.1|proxy\\.example|2001:db8::[1-9])".prop_map(|text| (text, false)),
    ]
}

fn any_proxies() -> impl Strategy<Value = TrustedProxies<'static>> {
    prop_oneof![Just(EVERYONE), Just(tens()), Just(listed(&[])), Just(listed(&["0.0.0.0/0", "::/0"]))]
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "(for|host|proto|by)=(\"[ -~]{0,8}\"|[ -~]{0,8})([;,] ?(for|proto)=[ -~]{0,8}){0,3}"
            .prop_map(String::into_bytes),
        "([0-9.:a-f]{1,12} ?, ?){0,4}[0-9.:a-f]{0,12}".prop_map(String::into_bytes),
        prop::sample::select(vec![b"https".to_vec(), b"off".to_vec(), b"1".to_vec()]),
    ]
}

fn any_headers() -> impl Strategy<Value = BTreeMap<usize, Vec<u8>>> {
    prop::collection::btree_map(0..ALL.len(), any_value(), 0..6)
}

fn any_list() -> impl Strategy<Value = Vec<ProxyHeader>> {
    prop::collection::vec(prop::sample::select(ALL), 0..6)
}

fn carrying(headers: &BTreeMap<usize, Vec<u8>>) -> Carried<'_> {
    headers.iter().map(|(number, value)| (ALL[*number], &**value)).collect()
}

fn speaks_about(header: ProxyHeader, category: Category) -> bool {
    header.categories().contains(&category)
}

proptest! {
    /// The rule, said otherwise: everything right of the client is a trusted proxy, and the client is not, or is the first.
    #[test]
    fn the_client_is_the_last_that_is_no_proxy(items in prop::collection::vec(item(), 1..8), gap in "[ \t]{0,2},[ ,]{0,2}") {
        let texts: Vec<_> = items.iter().map(|(text, _)| text.as_str()).collect();
        let (client, header) = forwarded_for(&tens(), &texts.join(&gap));
        let (client, header) = (client.expect("a client"), header.expect("a header"));
        let kept: Vec<_> = header.split(", ").collect();
        prop_assert_eq!(&client, kept[0]);
        prop_assert_eq!(&texts[texts.len() - kept.len()..], &kept[..]);
        let believed = &items[items.len() - kept.len()..];
        prop_assert!(believed[1..].iter().all(|(_, trusted)| *trusted), "{header}");
        prop_assert!(kept.len() == items.len() || !believed[0].1, "{header}");
    }

    #[test]
    fn forwarded_finds_the_same_client_as_x_forwarded_for(items in prop::collection::vec(item(), 1..8), everyone in any::<bool>()) {
        // Here the list says only what both headers can say: addresses without ports.
        let items: Vec<_> = items.into_iter().map(|(text, _)| text).filter(|text| !text.contains(":80")).collect();
        prop_assume!(!items.is_empty());
        let proxies = if everyone { EVERYONE } else { tens() };
        let (client, _) = forwarded_for(&proxies, &items.join(", "));
        let elements: Vec<_> = items.iter().map(|text| if text.contains(':') { format!("for=\"[{text}]\"") } else { format!("for={text}") }).collect();
        let found = seen(PROXY, &["Forwarded"], &proxies, &[("Forwarded", &elements.join(", "))]);
        prop_assert_eq!(found.get("REMOTE_ADDR"), client.as_ref());
    }

    #[test]
    fn an_address_outside_of_the_list_changes_nothing(peer in any::<Ipv4Addr>(), names in any_list(), headers in any_headers()) {
        prop_assume!(peer.octets()[0] != 10);
        let carried = carrying(&headers);
        for (peer, proxies) in [(peer.to_string(), tens()), ("10.0.0.1".to_owned(), listed(&[]))] {
            let proxied = Proxied::new(peer.as_bytes(), &names, &proxies, &carried);
            prop_assert!(proxied.told.iter().all(Option::is_none) && proxied.cut.is_empty());
            prop_assert!(names.iter().all(|header| proxied.hides(Variable::Header(header.name().as_bytes()))));
        }
    }

    #[test]
    fn only_listed_headers_have_an_effect_and_none_else_of_their_category_is_seen(
        names in any_list(),
        headers in any_headers(),
        proxies in any_proxies(),
        peer in prop_oneof![Just(PROXY), Just(STRANGER), Just("::1"), Just("junk")],
    ) {
        let carried = carrying(&headers);
        let proxied = Proxied::new(peer.as_bytes(), &names, &proxies, &carried);
        for number in 0..Category::COUNT {
            let category = *ALL.iter().flat_map(|header| header.categories()).find(|category| **category as usize == number).expect("a category");
            let speakers: Vec<_> = names.iter().copied().filter(|header| speaks_about(*header, category)).collect();
            if proxied.told[number].is_some() {
                prop_assert!(speakers.iter().any(|header| carried.get(*header).is_some()), "{category:?} out of nothing");
            }
            let visible: Vec<_> = ALL.iter().filter(|header| speaks_about(**header, category) && header.categories().len() == 1 && !proxied.hidden[**header as usize]).collect();
            if speakers.is_empty() {
                prop_assert!(ALL.iter().all(|header| !speaks_about(*header, category) || header.categories().len() > 1 || !proxied.hidden[*header as usize]));
            } else {
                prop_assert!(visible.len() <= 1, "{visible:?} of {category:?}");
                prop_assert!(visible.iter().all(|header| names.contains(header) && carried.get(**header).is_some()));
            }
        }
        if !names.contains(&ProxyHeader::Forwarded) {
            prop_assert!(!proxied.hides(Variable::Header(b"Forwarded")));
        }
    }

    /// Who is trusted less is believed less: an effect that a short list of proxies allows, a longer one allows too.
    #[test]
    fn a_shorter_list_of_proxies_never_reaches_further_left(items in prop::collection::vec(item(), 1..8)) {
        let header = items.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(",");
        let kept = |proxies: &TrustedProxies| forwarded_for(proxies, &header).1.map_or(0, |text| text.split(", ").count());
        let lists = [listed(&[PROXY]), listed(&[PROXY, "10.0.0.0/9"]), tens(), listed(&["0.0.0.0/0", "::/0"])];
        prop_assert!(lists.windows(2).all(|pair| kept(&pair[0]) <= kept(&pair[1])), "{header}");
    }
}
