//! Trusted proxies: what an application sees of a request that came through them,
//! and what it does not see of one that did not.

use crate::support::{Httpd, in_both_modes};
use std::collections::BTreeMap;

/// The lines of `apps/proxied.py`.
#[derive(Debug)]
struct Seen(BTreeMap<String, String>);

type Headers<'h> = &'h [(&'h str, &'h str)];

impl Seen {
    #[track_caller]
    fn by(httpd: &Httpd, path: &str, headers: Headers<'_>) -> Self {
        let request = httpd.request("GET", path);
        let response = headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send();
        assert_eq!(response.status, 200, "{response:?}");
        Self::of(response.text())
    }

    fn of(text: &str) -> Self {
        let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self(text.lines().filter_map(pair).collect())
    }

    fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("(absent)", String::as_str)
    }

    /// Shows that these keys hold these values.
    #[track_caller]
    fn assert(&self, expected: Headers<'_>) {
        for (key, value) in expected {
            assert_eq!(self.get(key), *value, "{key} of {self:#?}");
        }
    }

    #[track_caller]
    fn assert_absent(&self, keys: &[&str]) {
        for key in keys {
            assert_eq!(self.get(key), "(absent)", "{key}");
        }
    }

    /// The environ keys of all headers that begin with `X-`.
    fn x_headers(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).filter(|key| key.starts_with("HTTP_X_")).collect()
    }
}

const EVERY_HEADER: Headers<'static> = &[
    ("X-Forwarded-For", "192.0.2.1"),
    ("X-Client-IP", "192.0.2.2"),
    ("X-Real-IP", "192.0.2.3"),
    ("X-Forwarded-Host", "site.example:8443"),
    ("X-Host", "other.example"),
    ("X-Forwarded-Server", "front.example"),
    ("X-Forwarded-Port", "8443"),
    ("X-Script-Name", "/site"),
    ("X-Forwarded-Script-Name", "/elsewhere"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Scheme", "http"),
    ("X-Scheme", "http"),
    ("X-Forwarded-HTTPS", "Off"),
    ("X-Forwarded-SSL", "Off"),
    ("X-HTTPS", "Off"),
    ("Forwarded", "for=192.0.2.4;host=rfc.example;proto=https"),
    ("X-Unheard-Of", "yes"),
];

#[test]
fn without_listed_headers_a_request_is_as_httpd_sees_it() {
    let conf = "WSGIScriptAlias /app {app}\nWSGITrustedProxies 127.0.0.1";
    let httpd = Httpd::with(conf, "proxied.py").start();
    let seen = Seen::by(&httpd, "/app/x", EVERY_HEADER);
    seen.assert(&[
        ("REMOTE_ADDR", "127.0.0.1"),
        ("HTTP_HOST", "localhost"),
        ("SERVER_NAME", "localhost"),
        ("SCRIPT_NAME", "/app"),
        ("wsgi.url_scheme", "http"),
        ("HTTP_FORWARDED", "for=192.0.2.4;host=rfc.example;proto=https"),
    ]);
    seen.assert_absent(&["mod_wsgi.mount_point", "HTTPS"]);
    assert_eq!(seen.x_headers().len(), 16, "{seen:#?}");
    httpd.finish(&[]);
}

#[test]
fn a_trusted_proxy_speaks_for_the_client() {
    in_both_modes(|mode| {
        let conf = "WSGIScriptAlias /app {app}\nWSGITrustedProxies 127.0.0.0/8\n\
                    WSGITrustedProxyHeaders x-forwarded-for X-Forwarded-Host X-Forwarded-Server X-Forwarded-Port\n\
                    WSGITrustedProxyHeaders X-Script-Name X-Forwarded-Proto X-Unheard-Of";
        let httpd = Httpd::with(conf, "proxied.py").gil_mode(mode).start();
        let seen = Seen::by(&httpd, "/app/x", EVERY_HEADER);
        seen.assert(&[
            ("REMOTE_ADDR", "192.0.2.1"),
            ("HTTP_HOST", "site.example:8443"),
            ("SERVER_NAME", "front.example"),
            ("SERVER_PORT", "8443"),
            ("SCRIPT_NAME", "/site"),
            ("mod_wsgi.mount_point", "/site"),
            ("mod_wsgi.script_name", "/app"),
            ("PATH_INFO", "/x"),
            ("wsgi.url_scheme", "https"),
            ("REQUEST_SCHEME", "http"),
            // Not listed, so not ours.
            ("HTTP_FORWARDED", "for=192.0.2.4;host=rfc.example;proto=https"),
        ]);
        let kept = "HOST PORT PROTO SERVER FOR".split(' ').map(|word| format!("HTTP_X_FORWARDED_{word}"));
        let mut kept: Vec<_> = kept.chain(["HTTP_X_SCRIPT_NAME".to_owned(), "HTTP_X_UNHEARD_OF".to_owned()]).collect();
        kept.sort();
        assert_eq!(seen.x_headers(), kept);
        // The next request of the same thread begins from nothing.
        let seen = Seen::by(&httpd, "/app/x", &[]);
        seen.assert(&[("REMOTE_ADDR", "127.0.0.1"), ("SCRIPT_NAME", "/app"), ("wsgi.url_scheme", "http")]);
        seen.assert_absent(&["mod_wsgi.mount_point"]);
        httpd.finish(&[]);
    });
}

#[test]
fn a_stranger_is_not_believed() {
    let conf = "WSGIScriptAlias /app {app}\nWSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto Forwarded\n\
                WSGITrustedProxies 127.0.0.1\n\
                <Location /app/nobody>\nWSGITrustedProxies\n</Location>";
    let httpd = Httpd::with(conf, "proxied.py").start();
    let from = |address: &str, path: &str| {
        let url = format!("{{url}}{path}");
        let mut arguments = vec!["--fail", "--interface", address, &url];
        let lines: Vec<_> = EVERY_HEADER.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        arguments.extend(lines.iter().flat_map(|line| ["-H", line.as_str()]));
        let output = httpd.curl(&arguments);
        assert!(output.status.success(), "{output:?}");
        Seen::of(&String::from_utf8_lossy(&output.stdout))
    };
    from("127.0.0.1", "/app").assert(&[("REMOTE_ADDR", "192.0.2.4"), ("wsgi.url_scheme", "https")]);
    for (address, path) in [("127.0.0.2", "/app"), ("127.0.0.1", "/app/nobody")] {
        let seen = from(address, path);
        seen.assert(&[("REMOTE_ADDR", address), ("wsgi.url_scheme", "http"), ("SCRIPT_NAME", "/app")]);
        seen.assert_absent(&["HTTP_FORWARDED", "mod_wsgi.mount_point"]);
        let other_categories = ["HTTP_X_FORWARDED_PORT", "HTTP_X_FORWARDED_SCRIPT_NAME", "HTTP_X_FORWARDED_SERVER"];
        assert_eq!(seen.x_headers(), [&other_categories[..], &["HTTP_X_SCRIPT_NAME", "HTTP_X_UNHEARD_OF"]].concat());
    }
    httpd.finish(&[]);
}

#[test]
fn without_a_list_of_proxies_every_peer_is_one() {
    let conf = "WSGIScriptAlias / {app}\nWSGITrustedProxyHeaders X-Forwarded-For";
    let httpd = Httpd::with(conf, "proxied.py").start();
    let seen = Seen::by(&httpd, "/", &[("X-Forwarded-For", " ,192.0.2.1, 192.0.2.2")]);
    seen.assert(&[("REMOTE_ADDR", "192.0.2.1"), ("HTTP_X_FORWARDED_FOR", ",192.0.2.1, 192.0.2.2")]);
    httpd.finish(&[]);
}

#[test]
fn x_forwarded_for_is_believed_as_far_as_the_proxies_reach() {
    let conf =
        "WSGIScriptAlias / {app}\nWSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 127.0.0.1 10.0.0.0/8";
    let httpd = Httpd::with(conf, "proxied.py").start();
    for (sent, client, header) in [
        ("1.1.1.1, , 2.2.2.2 ,10.0.0.5", "2.2.2.2", "2.2.2.2, 10.0.0.5"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1", "10.0.0.1, 10.0.0.2"),
        ("1.1.1.1, 2.2.2.2", "2.2.2.2", "2.2.2.2"),
        ("junk, 10.0.0.2", "junk", "junk, 10.0.0.2"),
        ("10.0.0.1, junk", "junk", "junk"),
        ("2001:db8::1, ::ffff:10.0.0.2", "2001:db8::1", "2001:db8::1, ::ffff:10.0.0.2"),
        (" , ,", "127.0.0.1", ", ,"),
        ("", "127.0.0.1", ""),
    ] {
        let seen = Seen::by(&httpd, "/", &[("X-Forwarded-For", sent)]);
        assert_eq!((seen.get("REMOTE_ADDR"), seen.get("HTTP_X_FORWARDED_FOR")), (client, header), "{sent}");
    }
    // Lines of one header are one list.
    let lines = [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "2.2.2.2"), ("x-forwarded-for", "10.0.0.7")];
    Seen::by(&httpd, "/", &lines).assert(&[("REMOTE_ADDR", "2.2.2.2"), ("HTTP_X_FORWARDED_FOR", "2.2.2.2, 10.0.0.7")]);
    httpd.finish(&[]);
}

#[test]
fn a_host_name_that_a_client_sends_is_not_looked_up() {
    let conf = "WSGIScriptAlias / {app}\nWSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 127.0.0.0/8 ::1";
    let httpd = Httpd::with(conf, "proxied.py").start();
    // "localhost" is an address in the list, and so is "127.1" to a resolver.
    for name in ["localhost", "127.1", "2130706433"] {
        let seen = Seen::by(&httpd, "/", &[("X-Forwarded-For", &format!("6.6.6.6, {name}"))]);
        assert_eq!(seen.get("REMOTE_ADDR"), name);
    }
    httpd.finish(&[]);
}

#[test]
fn forwarded_counts_where_it_is_listed() {
    let conf = "WSGIScriptAlias / {app}\nWSGITrustedProxyHeaders Forwarded\nWSGITrustedProxies 127.0.0.1 10.0.0.0/8";
    let httpd = Httpd::with(conf, "proxied.py").start();
    let value = "for=6.6.6.6;proto=http, for=\"[2001:db8::1]:99\";proto=https;host=\"site.example:8443\", for=10.0.0.5";
    let seen = Seen::by(&httpd, "/", &[("Forwarded", value), ("X-Forwarded-For", "6.6.6.6"), ("X-Host", "evil")]);
    seen.assert(&[
        ("REMOTE_ADDR", "2001:db8::1"),
        ("HTTP_HOST", "site.example:8443"),
        ("wsgi.url_scheme", "https"),
        ("HTTP_FORWARDED", value.split_once(", ").expect("three elements").1),
    ]);
    assert!(seen.x_headers().is_empty(), "{seen:#?}");
    let seen = Seen::by(&httpd, "/", &[("Forwarded", "for=\"10.0.0.1, for=192.0.2.1")]);
    seen.assert(&[("REMOTE_ADDR", "192.0.2.1"), ("HTTP_FORWARDED", "for=192.0.2.1")]);
    httpd.finish(&[]);
}

#[test]
fn a_category_has_one_header_at_most() {
    let conf = "WSGIScriptAlias / {app}\nWSGITrustedProxyHeaders X-Forwarded-For X-Real-IP X-Forwarded-Proto X-HTTPS";
    let httpd = Httpd::with(conf, "proxied.py").start();
    let seen = Seen::by(&httpd, "/", EVERY_HEADER);
    seen.assert(&[("REMOTE_ADDR", "192.0.2.3"), ("wsgi.url_scheme", "http"), ("HTTP_X_REAL_IP", "192.0.2.3")]);
    seen.assert_absent(&["HTTP_X_FORWARDED_FOR", "HTTP_X_CLIENT_IP", "HTTP_X_FORWARDED_PROTO", "HTTP_X_SCHEME"]);
    // A word that is no scheme counts as the header that came, and changes nothing.
    let seen = Seen::by(&httpd, "/", &[("X-Forwarded-Proto", "https"), ("X-HTTPS", "perhaps")]);
    seen.assert(&[("wsgi.url_scheme", "https"), ("HTTP_X_HTTPS", "perhaps")]);
    seen.assert_absent(&["HTTP_X_FORWARDED_PROTO"]);
    httpd.finish(&[]);
}

#[test]
fn the_peer_is_who_mod_remoteip_says() {
    let conf = "WSGIScriptAlias / {app}\nRemoteIPHeader X-Outer\nRemoteIPInternalProxy 127.0.0.1\n\
                WSGITrustedProxyHeaders X-Real-IP\nWSGITrustedProxies 192.0.2.0/24";
    let httpd = Httpd::with(conf, "proxied.py").modules(&["remoteip"]).start();
    let seen = Seen::by(&httpd, "/", &[("X-Outer", "192.0.2.9"), ("X-Real-IP", "198.51.100.1")]);
    seen.assert(&[("REMOTE_ADDR", "198.51.100.1")]);
    let seen = Seen::by(&httpd, "/", &[("X-Real-IP", "198.51.100.1")]);
    seen.assert(&[("REMOTE_ADDR", "127.0.0.1")]);
    httpd.finish(&[]);
}

#[test]
fn no_client_can_pose_as_a_header_of_the_proxy() {
    let conf = "WSGIScriptAlias / {app}\nWSGITrustedProxyHeaders X-Real-IP X-Script-Name\nWSGITrustedProxies 127.0.0.1\n\
                SetEnv mod_wsgi.mount_point /forged";
    let httpd = Httpd::with(conf, "proxied.py").modules(&["env"]).start();
    let seen = Seen::by(&httpd, "/", &[("X_Real_IP", "6.6.6.6"), ("X.Real.IP", "6.6.6.6"), ("X-Real_IP", "6.6.6.6")]);
    seen.assert(&[("REMOTE_ADDR", "127.0.0.1")]);
    seen.assert_absent(&["HTTP_X_REAL_IP", "mod_wsgi.mount_point"]);
    httpd.finish(&[]);
}

#[test]
fn a_variable_of_the_configuration_stands_for_a_header_that_did_not_come() {
    let conf = "WSGIScriptAlias / {app}\nWSGITrustedProxyHeaders X-Forwarded-Proto\nSetEnv HTTP_X_FORWARDED_PROTO https\n\
                <Location /nobody>\nWSGITrustedProxies\n</Location>";
    let httpd = Httpd::with(conf, "proxied.py").modules(&["env"]).start();
    Seen::by(&httpd, "/", &[]).assert(&[("wsgi.url_scheme", "https"), ("HTTP_X_FORWARDED_PROTO", "https")]);
    let seen = Seen::by(&httpd, "/", &[("X-Forwarded-Proto", "http")]);
    seen.assert(&[("wsgi.url_scheme", "http"), ("HTTP_X_FORWARDED_PROTO", "http")]);
    let seen = Seen::by(&httpd, "/nobody", &[]);
    seen.assert(&[("wsgi.url_scheme", "http")]);
    seen.assert_absent(&["HTTP_X_FORWARDED_PROTO"]);
    httpd.finish(&[]);
}

#[test]
fn the_name_of_the_interpreter_does_not_follow_a_proxy() {
    let conf = "WSGIScriptAlias / {app}\nWSGITrustedProxyHeaders X-Forwarded-Host X-Forwarded-Port X-Script-Name\n\
                WSGIApplicationGroup %{HOST}";
    let httpd = Httpd::with(conf, "evaluate.py").start();
    let request = httpd.request("GET", "/").header("X-Forwarded-Host", "other.example").header("X-Forwarded-Port", "1");
    let expression = "environ['mod_wsgi.application_group'], environ['HTTP_HOST']";
    request.header("X-Python", expression).send().assert(200, "('localhost', 'other.example')");
    httpd.finish(&[]);
}

#[test]
fn a_list_grows_within_a_section_and_is_replaced_by_a_more_specific_one() {
    let conf = "WSGIScriptAlias / {app}\n<Directory {root}/apps>\nAllowOverride None\n</Directory>\n\
                WSGITrustedProxyHeaders X-Real-IP\nWSGITrustedProxyHeaders X-Host\n\
                WSGITrustedProxies 127.0.0.9\nWSGITrustedProxies 127.0.0.1\n\
                <VirtualHost *:{port}>\nServerName main\n</VirtualHost>\n\
                <VirtualHost *:{port}>\nServerName host\nWSGITrustedProxyHeaders X-Scheme\n\
                <Location /inner>\nWSGITrustedProxyHeaders X-Forwarded-Server\n</Location>\n\
                <Location /inner/off>\nWSGITrustedProxyHeaders\n</Location>\n\
                <Location /stranger>\nWSGITrustedProxies 127.0.0.9\n</Location>\n\
                <If \"%{REQUEST_URI} =~ m#^/if#\">\nWSGITrustedProxyHeaders X-Forwarded-Port\n</If>\n</VirtualHost>\n\
                <VirtualHost *:{port}>\nServerName folder\nWSGITrustedProxyHeaders X-Scheme\n\
                <Directory {root}/apps>\nAllowOverride FileInfo\n</Directory>\n</VirtualHost>";
    let httpd = Httpd::with(conf, "proxied.py").file("apps/.htaccess", "WSGITrustedProxyHeaders X-Real-IP\n").start();
    let sent = [
        ("X-Real-IP", "192.0.2.1"),
        ("X-Host", "site.example"),
        ("X-Scheme", "https"),
        ("X-Forwarded-Server", "front.example"),
        ("X-Forwarded-Port", "1"),
    ];
    let effects = [
        ("REMOTE_ADDR", "192.0.2.1"),
        ("HTTP_HOST", "site.example"),
        ("wsgi.url_scheme", "https"),
        ("SERVER_NAME", "front.example"),
        ("SERVER_PORT", "1"),
    ];
    for (url, expected) in [
        ("http://main/", &["REMOTE_ADDR", "HTTP_HOST"][..]),
        ("http://host/", &["wsgi.url_scheme"]),
        ("http://host/inner", &["SERVER_NAME"]),
        ("http://host/inner/off", &[]),
        ("http://host/stranger", &[]),
        ("http://host/if", &["SERVER_PORT"]),
        ("http://folder/", &["REMOTE_ADDR"]),
    ] {
        let seen = Seen::by(&httpd, url, &sent);
        let found: Vec<_> =
            effects.iter().filter(|(key, value)| seen.get(key) == *value).map(|(key, _)| *key).collect();
        assert_eq!(found, expected, "{url}");
        // Of a stranger, what is listed is hidden; where nothing is listed, nothing is.
        let hidden = url.ends_with("/stranger");
        assert_eq!(seen.x_headers().contains(&"HTTP_X_SCHEME"), !hidden, "{url}");
    }
    httpd.finish(&[]);
}

#[test]
fn what_is_no_header_name_and_no_address_is_told() {
    for (line, value) in [
        ("WSGITrustedProxyHeaders X-Real-IP X_Forwarded_For", "X_Forwarded_For"),
        ("WSGITrustedProxyHeaders X-Forwarded-For,X-Real-IP", "X-Forwarded-For,X-Real-IP"),
        ("WSGITrustedProxyHeaders X-Real-IP: ", "X-Real-IP:"),
        ("WSGITrustedProxyHeaders \"\"", "''"),
        ("WSGITrustedProxyHeaders caf\u{e9}", "'caf"),
        ("WSGITrustedProxies proxy.example", "proxy.example"),
        ("WSGITrustedProxies 10.0.0.1 localhost", "localhost"),
        ("WSGITrustedProxies 10.0.0.0/33", "10.0.0.0/33"),
        ("WSGITrustedProxies 10.0.0.0/255.0.255.0", "10.0.0.0/255.0.255.0"),
        ("WSGITrustedProxies 10.0.0.256", "10.0.0.256"),
        ("WSGITrustedProxies ::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("WSGITrustedProxies \"\"", "''"),
        ("WSGITrustedProxies 10.0.0.1,10.0.0.2", "10.0.0.1,10.0.0.2"),
    ] {
        println!("{line}");
        let directive = line.split(' ').next().unwrap_or(line);
        let test = Httpd::bare(line).config_test();
        test.assert_fails_with(&["AH00526: Syntax error on line", directive, value, "expected"]);
    }
    let fitting = "WSGITrustedProxyHeaders\nWSGITrustedProxyHeaders x-FORWARDED-for X-Unheard-Of X-1\nWSGITrustedProxies\n\
                   WSGITrustedProxies 10.1.2.3 10.0.0.0/8 10.0.0.0/255.0.0.0 10. 10.0 10.0.0 ::1 2001:DB8::/32 0.0.0.0/0";
    Httpd::bare(fitting).config_test().assert_ok();
    let sections = ["Directory {root}", "Location /x", "Files x", "If \"true\"", "VirtualHost *:80"];
    let sections = sections.map(|section| {
        let name = section.split(' ').next().unwrap_or(section);
        format!("<{section}>\n{fitting}\n</{name}>\n")
    });
    Httpd::bare(&sections.concat()).config_test().assert_ok();
}

#[test]
fn a_mistake_in_htaccess_is_an_error_of_its_requests() {
    let conf = "WSGIScriptAlias / {app}\n<Directory {root}/apps>\nAllowOverride FileInfo\n</Directory>";
    for line in ["WSGITrustedProxyHeaders X_Real_IP", "WSGITrustedProxies localhost"] {
        let httpd = Httpd::with(conf, "proxied.py").file("apps/.htaccess", line).start();
        httpd.get("/").assert_error_page(500);
        let (directive, value) = line.split_once(' ').expect("two words");
        httpd.finish(&[&format!(".htaccess: {directive}*'{value}'")]);
    }
}

#[test]
fn a_proxy_may_say_that_tls_ended_before_it() {
    let conf = "WSGIScriptAlias / {app}\nWSGITrustedProxyHeaders X-Forwarded-Proto\n\
                <Location /nobody>\nWSGITrustedProxies\n</Location>";
    let httpd = Httpd::with(conf, "proxied.py").tls().start();
    for (path, sent, scheme) in [
        ("/", "http", "http"),
        ("/", "https", "https"),
        ("/", "perhaps", "https"),
        ("/", "", "https"),
        ("/nobody", "http", "https"),
    ] {
        let header = format!("X-Forwarded-Proto: {sent}");
        let output = httpd.curl(&["--fail", "-H", &header, &format!("{{tls}}{path}")]);
        assert!(output.status.success(), "{output:?}");
        let seen = Seen::of(&String::from_utf8_lossy(&output.stdout));
        seen.assert(&[("wsgi.url_scheme", scheme), ("REQUEST_SCHEME", "https")]);
        seen.assert_absent(&["HTTPS"]);
    }
    httpd.finish(&[]);
}
