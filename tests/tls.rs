//! Over TLS (mod_ssl), where httpd's filters encrypt: what the application sees
//! of it, and bodies in both directions. HTTP/2 over TLS is in http2.rs.

use crate::support::{Builder, Httpd, LOG_OF_DEATH, in_both_modes, wait_for};
use std::io::{Read, Write};
use std::process::Stdio;

fn serving(conf: &str, app: &str) -> Builder {
    Httpd::with(&format!("WSGIScriptAlias / {{app}}\n{conf}"), app).tls()
}

/// The body of an answer that must be whole and a success.
#[track_caller]
fn get(httpd: &Httpd, path: &str, options: &[&str]) -> String {
    let output = httpd.curl(&[&["--fail", &format!("{{tls}}{path}")], options].concat());
    assert!(output.status.success(), "{path}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_scheme_is_https() {
    let conf = "<Location /variables>\nSSLOptions +StdEnvVars\n</Location>\n\
                <Location /required>\nSSLRequireSSL\n</Location>";
    in_both_modes(|mode| {
        let httpd = serving(conf, "environ.py").gil_mode(mode).start();
        for (path, has_variables) in [("/", false), ("/variables", true), ("/required", false)] {
            let environ = format!("\n{}", get(&httpd, path, &[]));
            for line in [
                "wsgi.url_scheme='https'",
                "REQUEST_SCHEME='https'",
                "SERVER_PROTOCOL='HTTP/1.1'",
                &format!("SERVER_PORT='{}'", httpd.port),
            ] {
                assert!(environ.contains(&format!("\n{line}\n")), "{path} lacks {line}: {environ}");
            }
            for variable in ["SSL_PROTOCOL='TLSv1.", "SSL_CIPHER='", "SSL_SERVER_S_DN='CN=localhost'"] {
                assert_eq!(environ.contains(&format!("\n{variable}")), has_variables, "{path} {variable}: {environ}");
            }
            assert!(!environ.contains("\nHTTPS="), "{environ}");
        }
        httpd.finish(&[]);
    });
}

#[test]
fn a_setting_of_the_configuration_does_not_undo_tls() {
    let httpd = serving("SetEnv HTTPS off", "environ.py").modules(&["env"]).start();
    let environ = get(&httpd, "/", &[]);
    assert!(environ.contains("wsgi.url_scheme='https'\n") && !environ.contains("\nHTTPS="), "{environ}");
    httpd.finish(&[]);
}

#[test]
fn a_client_is_known_by_its_certificate() {
    let conf = "SSLVerifyClient optional_no_ca\nSSLOptions +StdEnvVars\n\
                <Location /user>\nSSLUserName SSL_CLIENT_S_DN_CN\n</Location>";
    let httpd = serving(conf, "environ.py").start();
    let file = |name: &str| httpd.root().join(name).display().to_string();
    let environ = get(&httpd, "/user", &["--cert", &file("tls.pem"), "--key", &file("tls.key")]);
    for line in ["REMOTE_USER='localhost'\n", "SSL_CLIENT_S_DN='CN=localhost'\n", "SSL_CLIENT_VERIFY='FAILED:"] {
        assert!(environ.contains(line), "{environ}");
    }
    let environ = get(&httpd, "/", &[]);
    assert!(environ.contains("SSL_CLIENT_VERIFY='NONE'\n") && !environ.contains("REMOTE_USER="), "{environ}");
    httpd.finish(&[]);
}

#[test]
fn bodies_of_any_size_pass() {
    in_both_modes(|mode| {
        let httpd = serving("WSGIChunkedRequest On", "http2.py").gil_mode(mode).start();
        assert_eq!(get(&httpd, "/protocol", &[]), "HTTP/1.1 https");
        let body = "0123456789".repeat(300_000);
        let file = httpd.root().join("body").display().to_string();
        std::fs::write(&file, &body).expect("a file");
        for options in [&[][..], &["--header", "Transfer-Encoding: chunked"]] {
            let from = format!("@{file}");
            let echoed = get(&httpd, "/echo", &[&["--data-binary", &from], options].concat());
            assert!(echoed == body, "{options:?}: {} of {} bytes", echoed.len(), body.len());
        }
        assert!(get(&httpd, "/large", &[]) == "x".repeat(64 * 65536));
        httpd.finish(&[]);
    });
}

#[test]
fn a_chunked_body_needs_permission() {
    let httpd = serving("", "http2.py").log_level("warn wsgi:info").start();
    let options = ["--header", "Transfer-Encoding: chunked", "--data-binary", "abc", "--write-out", "%{http_code}"];
    let output = httpd.curl(&[&["{tls}/echo", "--output", "/dev/null"][..], &options].concat());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "411", "{output:?}");
    httpd.finish(&["WSGI0139", "Python"]);
}

#[test]
fn an_item_reaches_the_client_before_the_next_is_made() {
    in_both_modes(|mode| {
        let httpd = serving("", "iteration.py").gil_mode(mode).start();
        let mut client = httpd.curl_command(&["--no-buffer", "{tls}/step_by_step"]);
        let mut client = client.stdout(Stdio::piped()).spawn().expect("curl runs");
        let mut received = [0; 5];
        client.stdout.as_mut().expect("a pipe").read_exact(&mut received).expect("the first item");
        assert_eq!(&received, b"first");
        // The application goes on only when it is told to, by another client.
        assert_eq!(get(&httpd, "/release", &[]), "released");
        let rest = client.wait_with_output().expect("curl ends");
        assert!(rest.status.success() && rest.stdout == b"second", "{rest:?}");
        httpd.finish(&[]);
    });
}

#[test]
fn a_body_is_read_while_the_client_sends_it() {
    in_both_modes(|mode| {
        let httpd = serving("WSGIChunkedRequest On", "evaluate.py").gil_mode(mode).start();
        let expression = "X-Python: [kept.setdefault('lines', []).append(line) for line in input] and kept['lines']";
        let options = ["{tls}/", "--upload-file", "-", "--request", "POST", "--header", expression];
        let mut client = httpd.curl_command(&options);
        let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("curl runs");
        let mut input = client.stdin.take().expect("a pipe");
        for (line, read) in [("one\n", r"[b'one\n']"), ("two\n", r"[b'one\n', b'two\n']")] {
            input.write_all(line.as_bytes()).expect("curl reads");
            let so_far = || get(&httpd, "/", &["--header", "X-Python: kept.get('lines')"]);
            wait_for(read, || (so_far() == read).then_some(()));
        }
        drop(input);
        let output = client.wait_with_output().expect("curl ends");
        assert_eq!(String::from_utf8_lossy(&output.stdout), r"[b'one\n', b'two\n']");
        httpd.finish(&[]);
    });
}

#[test]
fn a_failure_half_way_is_seen_by_the_client() {
    in_both_modes(|mode| {
        let httpd = serving("", "failures.py").gil_mode(mode).start();
        for path in [
            "/sends_and_raises",
            "/sends_and_raises_with_length",
            "/writes_and_raises",
            "/sends_and_yields_str",
            "/sends_and_exits",
            "/short",
            "/child_dies",
        ] {
            let output = httpd.curl(&[&format!("{{tls}}{path}")]);
            assert!(!output.status.success(), "{path} looks complete: {output:?}");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "so far", "{path}");
        }
        assert_eq!(get(&httpd, "/fine", &[]), "fine");
        let expected = ["WSGI0174", "ValueError: half-way", "TypeError", "SystemExit", "WSGI1003"];
        httpd.finish(&[&expected, LOG_OF_DEATH].concat());
    });
}

#[test]
fn a_file_is_sent_whole() {
    in_both_modes(|mode| {
        for conf in ["", "WSGIEnableSendfile On", "EnableMMAP Off"] {
            let data: String = (0..200_000).map(|line| format!("line {line:07}\n")).collect();
            let httpd = serving(conf, "file_wrapper.py").file("data", &data).gil_mode(mode).start();
            for path in ["/whole", "/small_blocks"] {
                assert!(get(&httpd, path, &[]) == data, "{conf} {path}: another file");
            }
            assert!(get(&httpd, "/from_offset?13", &[]) == data[13..], "{conf}: another file");
            httpd.finish(&[]);
        }
    });
}
