//! Trusted proxies: what a reverse proxy says of a request, in the place of what httpd sees of it.
//!
//! `request/facts` asks where `WSGITrustedProxyHeaders` names headers. A category of headers
//! that it names is in the hands of the proxies: the application sees the one header of it
//! that had its effect, or none. No other category, and nothing of httpd's own, is touched.

use crate::config::trusted_proxies::{Category, ProxyHeader, TrustedProxies, lists};
use crate::request::forwarded;
use crate::wsgi::environ::{Key, Variable};
use std::borrow::Cow;

/// The headers of proxies that came with a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried<'h>([Option<&'h [u8]>; ProxyHeader::ALL.len()]);

impl<'h> Carried<'h> {
    fn get(&self, header: ProxyHeader) -> Option<&'h [u8]> {
        self.0[header as usize]
    }
}

impl<'h> FromIterator<(ProxyHeader, &'h [u8])> for Carried<'h> {
    /// Of headers of one name the last counts, as in the environ.
    fn from_iter<I: IntoIterator<Item = (ProxyHeader, &'h [u8])>>(headers: I) -> Self {
        let mut carried = Self::default();
        for (header, value) in headers {
            carried.0[header as usize] = Some(value);
        }
        carried
    }
}

/// What proxies have said of a request, and which of their headers it may keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxied<'h> {
    /// The effect in each category; of the scheme it is the value of `HTTPS`.
    told: [Option<Cow<'h, [u8]>>; Category::COUNT],
    /// Lists that are cut to the part that is believed.
    cut: Vec<(ProxyHeader, Vec<u8>)>,
    hidden: [bool; ProxyHeader::ALL.len()],
}

impl<'h> Proxied<'h> {
    /// Believes the `listed` headers, in their order, if the address `peer` is that of a trusted proxy.
    pub(crate) fn new(peer: &[u8], listed: &[ProxyHeader], proxies: &TrustedProxies, carried: &Carried<'h>) -> Self {
        let mut proxied = Self::default();
        let mut survivors = [None; Category::COUNT];
        if proxies.trusts(peer) {
            for header in listed.iter().copied() {
                let Some(value) = carried.get(header) else { continue };
                for category in proxied.apply(header, value, proxies) {
                    survivors[category as usize] = Some(header);
                }
            }
        }
        for header in ProxyHeader::ALL.iter().copied() {
            proxied.hidden[header as usize] = is_governed(header, listed) && !survivors.contains(&Some(header));
        }
        proxied
    }

    /// Gives a header its effect; returns the categories that it has spoken about.
    fn apply(&mut self, header: ProxyHeader, value: &'h [u8], proxies: &TrustedProxies) -> Vec<Category> {
        match header {
            ProxyHeader::Forwarded => return self.apply_forwarded(value, proxies),
            ProxyHeader::XForwardedFor => self.apply_forwarded_for(value, proxies),
            ProxyHeader::XForwardedProto | ProxyHeader::XForwardedScheme | ProxyHeader::XScheme => {
                self.tell_scheme(scheme_of_word(value));
            }
            ProxyHeader::XForwardedHttps | ProxyHeader::XForwardedSsl | ProxyHeader::XHttps => {
                self.tell_scheme(scheme_of_flag(value));
            }
            ProxyHeader::XClientIp | ProxyHeader::XRealIp => self.tell(Category::Client, value),
            ProxyHeader::XForwardedHost | ProxyHeader::XHost => self.tell(Category::Host, value),
            ProxyHeader::XForwardedServer => self.tell(Category::ServerName, value),
            ProxyHeader::XForwardedPort => self.tell(Category::ServerPort, value),
            ProxyHeader::XScriptName | ProxyHeader::XForwardedScriptName => self.tell(Category::ScriptName, value),
        }
        header.categories().to_vec()
    }

    fn tell(&mut self, category: Category, value: impl Into<Cow<'h, [u8]>>) {
        self.told[category as usize] = Some(value.into());
    }

    /// `None` is a word that says nothing: what was known before stays.
    fn tell_scheme(&mut self, secure: Option<bool>) {
        if let Some(secure) = secure {
            self.tell(Category::Scheme, if secure { &b"on"[..] } else { b"off" });
        }
    }

    fn apply_forwarded_for(&mut self, value: &'h [u8], proxies: &TrustedProxies) {
        let items: Vec<&[u8]> =
            value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty()).collect();
        let believed = &items[believed_from(&items, |item| Some(item), proxies)..];
        let Some(client) = believed.first() else { return };
        self.tell(Category::Client, *client);
        self.cut_to(ProxyHeader::XForwardedFor, believed, proxies);
    }

    /// The element that names the client also says how the client's request came: to the outermost proxy that is believed.
    fn apply_forwarded(&mut self, value: &'h [u8], proxies: &TrustedProxies) -> Vec<Category> {
        let elements = forwarded::elements(value);
        let believed = &elements[believed_from(&elements, |element| element.client.as_deref(), proxies)..];
        let Some(element) = believed.first().cloned() else { return Vec::new() };
        let texts: Vec<&[u8]> = believed.iter().map(|element| element.text).collect();
        self.cut_to(ProxyHeader::Forwarded, &texts, proxies);
        let mut spoken = Vec::new();
        for (category, value) in [(Category::Client, element.client), (Category::Host, element.host)] {
            if let Some(value) = value {
                self.tell(category, value);
                spoken.push(category);
            }
        }
        if let Some(scheme) = element.scheme {
            self.tell_scheme(scheme_of_word(&scheme));
            spoken.push(Category::Scheme);
        }
        spoken
    }

    /// Without a list of proxies there is no telling which part is believed, so the header stays as it is.
    fn cut_to(&mut self, header: ProxyHeader, believed: &[&[u8]], proxies: &TrustedProxies) {
        if let TrustedProxies::Listed(_) = proxies {
            self.cut.push((header, believed.join(&b", "[..])));
        }
    }

    /// Whether a variable of the request is kept from the application.
    pub(crate) fn hides(&self, variable: Variable<'_>) -> bool {
        header_of(variable).is_some_and(|header| self.hidden[header as usize])
    }

    /// What replaces the variables of the request.
    pub(crate) fn variables(&self, visit: &mut dyn FnMut(Variable<'_>, &[u8])) {
        const KEYS: [(Category, Key); Category::COUNT + 1] = [
            (Category::Client, Key::RemoteAddr),
            (Category::Host, Key::HttpHost),
            (Category::ServerName, Key::ServerName),
            (Category::ServerPort, Key::ServerPort),
            (Category::ScriptName, Key::ScriptName),
            (Category::ScriptName, Key::MountPoint),
            (Category::Scheme, Key::Https),
        ];
        for (category, key) in KEYS {
            if let Some(value) = &self.told[category as usize] {
                visit(Variable::Known(key), value);
            }
        }
        for (header, value) in &self.cut {
            if !self.hidden[*header as usize] {
                visit(Variable::Header(header.name().as_bytes()), value);
            }
        }
    }
}

/// The header of a proxy that a variable is; an administrator's SetEnv may pose as one.
pub(crate) fn header_of(variable: Variable<'_>) -> Option<ProxyHeader> {
    match variable {
        Variable::Header(name) => ProxyHeader::named(name),
        Variable::Named(name) => ProxyHeader::of_variable(name),
        Variable::Known(Key::HttpXForwardedFor) => Some(ProxyHeader::XForwardedFor),
        Variable::Known(_) => None,
    }
}

/// Whether the application may see a header only if it had its effect. mod_wsgi leaves
/// `Forwarded` to the application; so it stays unless it is listed itself.
fn is_governed(header: ProxyHeader, listed: &[ProxyHeader]) -> bool {
    if header == ProxyHeader::Forwarded {
        return listed.contains(&header);
    }
    listed.iter().any(|listed| header.categories().iter().any(|category| listed.categories().contains(category)))
}

/// Where the believed part of a list begins, which is with the client.
///
/// Each proxy appends whom it had the request from. The last item was appended by the
/// peer, which is trusted; the one before it is believed if the last is a trusted proxy
/// too, and so on to the left.
fn believed_from<'i, T>(
    items: &'i [T],
    address: impl Fn(&'i T) -> Option<&'i [u8]>,
    proxies: &TrustedProxies,
) -> usize {
    match proxies {
        TrustedProxies::Everyone => 0,
        TrustedProxies::Listed(networks) => {
            let trusted = |item: &&'i T| address(*item).is_some_and(|address| lists(networks, address));
            let proxies = items.iter().rev().take_while(trusted).count();
            items.len().saturating_sub(proxies + 1)
        }
    }
}

/// Whether a word names the secure scheme; `None` if it names neither.
fn scheme_of_word(word: &[u8]) -> Option<bool> {
    if word.eq_ignore_ascii_case(b"https") {
        Some(true)
    } else if word.eq_ignore_ascii_case(b"http") {
        Some(false)
    } else {
        None
    }
}

/// Whether a flag says that the scheme is secure; `None` if it is no flag.
fn scheme_of_flag(flag: &[u8]) -> Option<bool> {
    let is = |words: [&[u8]; 3]| words.iter().any(|word| flag.eq_ignore_ascii_case(word));
    if is([b"on", b"true", b"1"]) {
        Some(true)
    } else if is([b"off", b"false", b"0"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
