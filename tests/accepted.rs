//! Directives that are checked and accepted, and act elsewhere, later or not at all:
//! the sockets of daemons, telemetry, and what daemons alone obey.

use crate::support::{Builder, Httpd, Response};

const ON_OFF: &[&str] = &["expected", "On", "Off"];

#[test]
fn a_wrong_value_is_told_by_name_value_and_what_was_expected() {
    let mutexes: &[&str] = &["expected", "default", "flock", "fcntl", "sysvsem", "posixsem", "pthread"];
    let flags: &[&str] = &["expected", "CaptureUserAgent", "None", "All"];
    let service = "WSGITelemetryService unix:/run/t.sock";
    let long = "x".repeat(5000);
    for (line, value, expected) in [
        (&*format!("WSGISocketPrefix {long}"), &*long, &["expected", "path"][..]),
        ("WSGISocketPrefix", "", &["expected"]),
        ("WSGISocketPrefix \"\"", "", &["expected"]),
        ("WSGISocketPrefix a b", "a b", &["expected"]),
        ("WSGISocketRotation 1", "1", ON_OFF),
        ("WSGIAcceptMutex semaphore", "semaphore", mutexes),
        ("WSGIAcceptMutex file:/run/lock", "file:/run/lock", mutexes),
        ("WSGIServerMetrics yes", "yes", ON_OFF),
        ("WSGILogFormat xml", "xml", &["expected", "Text", "JSON"]),
        ("WSGILogHandler yes", "yes", ON_OFF),
        ("WSGITraceContext 1", "1", ON_OFF),
        ("WSGITelemetryService", "", &["expected", "unix:"]),
        ("WSGITelemetryService /run/t.sock", "/run/t.sock", &["expected", "unix:"]),
        ("WSGITelemetryService unix:", "unix:", &["expected", "unix:/path"]),
        (&format!("{service} interval=0.4"), "interval=0.4", &["expected", "0.5"]),
        (&format!("{service} interval=soon"), "interval=soon", &["expected", "0.5"]),
        (&format!("{service} 5"), "'5'", &["expected", "interval="]),
        (&format!("{service} interval=5 more"), "'more'", &["expected"]),
        ("WSGIDrainTime -1", "-1", &["expected", "seconds"]),
        ("WSGIDrainTime soon", "soon", &["expected", "seconds"]),
        ("WSGIStatusQuery maybe", "maybe", &["On", "Off"]),
        ("WSGISlowRequests -1", "-1", &["expected", "seconds"]),
        ("WSGISlowRequests soon", "soon", &["expected", "seconds"]),
        ("WSGISlowRequests 1 2", "1 2", &["expected", "seconds"]),
        ("WSGITelemetryOptions", "", flags),
        ("WSGITelemetryOptions +", "'+'", flags),
        ("WSGITelemetryOptions Everything", "Everything", flags),
        ("WSGITelemetryOptions +None", "+None", flags),
        ("WSGITelemetryOptions +CaptureUserAgent None", "None", &["expected", "+ or -"]),
        ("<Directory />\nWSGIGroupAuthoritative maybe\n</Directory>", "maybe", ON_OFF),
    ] {
        println!("{line:.200}");
        let test = Httpd::bare(line).config_test();
        let directive = line.trim_start_matches("<Directory />\n").split(' ').next().unwrap_or(line);
        test.assert_fails_with(&[expected, &["AH00526: Syntax error on line", directive, value]].concat());
    }
}

#[test]
fn values_that_exist_are_accepted() {
    let mutexes = ["default", "Flock", "FCNTL", "sysvsem", "posixsem", "pthread"];
    let mutexes = mutexes.map(|name| format!("WSGIAcceptMutex {name}\n")).concat();
    let conf = "WSGISocketPrefix run/wsgi\nWSGISocketPrefix /run/wsgi\nWSGISocketRotation oFF\nWSGIServerMetrics on\n\
                WSGITelemetryService unix:/run/t.sock interval=0.5\nWSGITelemetryService unix:/run/other.sock\n\
                WSGISlowRequests 0\nWSGISlowRequests 0.5\nWSGITelemetryOptions +captureuseragent\n\
                WSGITelemetryOptions all\nWSGITelemetryOptions None CaptureUserAgent\n";
    Httpd::bare(&format!("{conf}{mutexes}")).config_test().assert_ok();
}

#[test]
fn what_belongs_to_the_server_as_a_whole_stands_in_the_main_server_alone() {
    for line in [
        "WSGISocketPrefix run/wsgi",
        "WSGISocketRotation Off",
        "WSGIAcceptMutex default",
        "WSGIServerMetrics On",
        "WSGITelemetryService unix:/run/t.sock",
        "WSGIDrainTime 1",
        "WSGIStatusQuery On",
        "WSGILogFormat JSON",
        "WSGILogHandler On",
        "WSGISlowRequests 1",
        "WSGITelemetryOptions All",
    ] {
        let directive = line.split(' ').next().unwrap_or(line);
        for section in ["VirtualHost *:80", "Directory /x", "Location /x"] {
            println!("{line} in {section}");
            let name = section.split(' ').next().unwrap_or(section);
            let conf = format!("<{section}>\n{line}\n</{name}>");
            Httpd::bare(&conf).config_test().assert_fails_with(&[directive]);
        }
        Httpd::bare(line).config_test().assert_ok();
    }
}

#[test]
fn authorization_settings_stand_in_sections_alone() {
    let line = "WSGIGroupAuthoritative On";
    Httpd::bare(line).config_test().assert_fails_with(&["WSGIGroupAuthoritative not allowed here"]);
    let host = format!("<VirtualHost *:80>\n{line}\n</VirtualHost>");
    Httpd::bare(&host).config_test().assert_fails_with(&["WSGIGroupAuthoritative not allowed in <VirtualHost>"]);
    for section in ["Directory /x", "Location /x", "Files x"] {
        let name = section.split(' ').next().unwrap_or(section);
        Httpd::bare(&format!("<{section}>\n{line}\n</{name}>")).config_test().assert_ok();
    }
    for (allowed, status) in [("AuthConfig", 200), ("FileInfo", 500), ("None", 200)] {
        println!("AllowOverride {allowed}");
        let httpd = overriding(allowed, "WSGIGroupAuthoritative Off");
        assert_eq!(httpd.get("/").status, status);
        httpd.finish(if status == 500 { &[".htaccess: WSGIGroupAuthoritative not allowed here"] } else { &[] });
    }
}

/// A server with this line in an `.htaccess` beside its script.
fn overriding(allowed: &str, line: &str) -> Httpd {
    let conf = format!("WSGIScriptAlias / {{app}}\n<Directory {{root}}/apps>\nAllowOverride {allowed}\n</Directory>");
    Httpd::with(&conf, "hello.py").file("apps/.htaccess", line).start()
}

#[test]
fn settings_of_requests_to_daemons_leave_others_as_they_are() {
    let answer = "def application(environ, start_response):\n    \
                  start_response('404 Not Here', [('X-Own', 'kept')])\n    return [b'a page of its own']\n";
    let own_page = |response: &Response| {
        response.assert(404, "a page of its own");
        assert_eq!(response.header("X-Own"), Some("kept"));
    };
    let serve = |conf: &str| -> Builder {
        let conf = format!("WSGIScriptAlias / {{root}}/apps/answer.py\nErrorDocument 404 httpd's\n{conf}");
        Httpd::bare(&conf).file("apps/answer.py", answer)
    };
    let both = "WSGIErrorOverride On\nWSGIIgnoreActivity On\n";
    for conf in ["", both, &format!("<Location />\n{both}</Location>")] {
        let httpd = serve(conf).start();
        own_page(&httpd.get("/"));
        httpd.finish(&[]);
    }
    let conf = "<Directory {root}/apps>\nAllowOverride FileInfo\n</Directory>";
    let httpd = serve(conf).file("apps/.htaccess", both).start();
    own_page(&httpd.get("/"));
    httpd.finish(&[]);
}

#[test]
fn what_has_no_effect_is_said_once_for_each_configuration() {
    let inert = "<Location /a>\nWSGIGroupAuthoritative On\n</Location>\n\
                 <VirtualHost *:{port}>\n<Location /b>\nWSGIGroupAuthoritative Off\n</Location>\n</VirtualHost>\n";
    let aliased = "WSGIScriptAlias / {app}\n";
    let mut httpd = Httpd::with(&format!("{aliased}{inert}"), "hello.py").start();
    let said = |httpd: &Httpd| {
        let log = httpd.error_log();
        let count = |code| log.matching(code).iter().filter(|entry| entry.level == "warn").count();
        count("WSGI1010: WSGIGroupAuthoritative")
    };
    assert_eq!(said(&httpd), 1);
    httpd.graceful();
    assert_eq!(said(&httpd), 2);
    httpd.reconfigure(aliased);
    httpd.graceful();
    assert_eq!(said(&httpd), 2);
    assert_eq!(httpd.get("/").status, 200);
    httpd.finish(&["WSGI1010"]);
}
