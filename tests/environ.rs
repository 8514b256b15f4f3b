//! What an application finds in `environ` (PEP 3333, "environ Variables", and
//! the keys that mod_wsgi adds).

use crate::support::{Httpd, IN_DAEMONS, Mpm, PROCESS_GROUP, Response, in_both_modes};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The lines of `apps/environ.py`.
struct Environ(BTreeMap<String, String>);

impl Environ {
    #[track_caller]
    fn of(response: &Response) -> Self {
        assert_eq!(response.status, 200, "{response:?}");
        let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        Self(response.text().lines().filter_map(pair).collect())
    }

    /// `repr()` of a value.
    #[track_caller]
    fn repr(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("no {key} in {:#?}", self.0))
    }

    /// Shows that these keys hold these strings.
    #[track_caller]
    fn assert(&self, expected: &[(&str, &str)]) {
        for (key, value) in expected {
            assert_eq!(self.repr(key), format!("'{value}'"), "{key}");
        }
    }

    #[track_caller]
    fn assert_absent(&self, keys: &[&str]) {
        for key in keys {
            assert_eq!(self.0.get(*key), None, "{key}");
        }
    }

    #[track_caller]
    fn number(&self, key: &str) -> f64 {
        self.repr(key).parse().unwrap_or_else(|_| panic!("{key} is no number: {}", self.repr(key)))
    }
}

#[test]
fn the_request_and_the_server_are_described_as_cgi_does() {
    in_both_modes(|mode| {
        let httpd = Httpd::with("WSGIScriptAlias /mount {app}\nServerAdmin a@b", "environ.py").gil_mode(mode).start();
        let target = "/mount/path/info?a=1&b=%20x";
        let environ = Environ::of(&httpd.get(target));
        let root = httpd.root().display().to_string();
        environ.assert(&[
            ("REQUEST_METHOD", "GET"),
            ("REQUEST_URI", target),
            ("REQUEST_SCHEME", "http"),
            ("SCRIPT_NAME", "/mount"),
            ("PATH_INFO", "/path/info"),
            ("QUERY_STRING", "a=1&b=%20x"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_NAME", "localhost"),
            ("SERVER_ADDR", "127.0.0.1"),
            ("SERVER_ADMIN", "a@b"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("DOCUMENT_ROOT", &format!("{root}/htdocs")),
            ("CONTEXT_PREFIX", ""),
            ("CONTEXT_DOCUMENT_ROOT", &format!("{root}/htdocs")),
            ("SCRIPT_FILENAME", &format!("{root}/apps/environ.py")),
            ("HTTP_HOST", "localhost"),
        ]);
        assert!(environ.repr("SERVER_SOFTWARE").starts_with("'Apache/2.4"), "{}", environ.repr("SERVER_SOFTWARE"));
        assert!(environ.repr("REMOTE_PORT").trim_matches('\'').parse::<u16>().is_ok());
        environ.assert_absent(&[
            "GATEWAY_INTERFACE",
            "PATH_TRANSLATED",
            "REMOTE_HOST",
            "REMOTE_IDENT",
            "SERVER_SIGNATURE",
            "PATH",
            "LD_LIBRARY_PATH",
            "HTTPS",
            "CONTENT_TYPE",
            "CONTENT_LENGTH",
            "REMOTE_USER",
            "AUTH_TYPE",
            "REDIRECT_URL",
        ]);
        httpd.finish(&[]);
    });
}

#[test]
fn values_follow_the_request_line_and_the_body_headers() {
    let httpd = Httpd::serving("environ.py").start();

    let bare = Environ::of(&httpd.get("/"));
    bare.assert(&[("QUERY_STRING", ""), ("PATH_INFO", "/"), ("SCRIPT_NAME", "")]);

    let unknown_method = Environ::of(&httpd.request("BREW", "/").send());
    unknown_method.assert(&[("REQUEST_METHOD", "BREW")]);

    let absolute = Environ::of(&httpd.get("http://localhost/p?q"));
    absolute.assert(&[("REQUEST_URI", "http://localhost/p?q"), ("PATH_INFO", "/p"), ("QUERY_STRING", "q")]);

    let post = Environ::of(&httpd.request("POST", "/").header("Content-Type", "Text/X; a=B").body("abc").send());
    post.assert(&[("REQUEST_METHOD", "POST"), ("CONTENT_TYPE", "Text/X; a=B"), ("CONTENT_LENGTH", "3")]);
    post.assert_absent(&["HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"]);

    let mut old = httpd.connect();
    let old = Environ::of(&old.send("GET / HTTP/1.0\r\nHost: Localhost:8123\r\n\r\n").response());
    old.assert(&[("SERVER_PROTOCOL", "HTTP/1.0"), ("SERVER_PORT", "8123"), ("HTTP_HOST", "Localhost:8123")]);
    httpd.finish(&[]);
}

#[test]
fn paths_are_decoded_as_latin_1_and_their_slashes_collapsed() {
    let httpd = Httpd::with("WSGIScriptAlias /mount {app}\nMergeSlashes Off", "environ.py").start();
    let path_info = |target: &str| {
        let environ = Environ::of(&httpd.get(target));
        assert_eq!(environ.repr("SCRIPT_NAME"), "'/mount'", "{target}");
        environ.repr("PATH_INFO").to_owned()
    };
    assert_eq!(path_info("/mount"), "''");
    assert_eq!(path_info("/mount/"), "'/'");
    assert_eq!(path_info("/mount/%C3%A9%20x"), "'/Ã© x'");
    assert_eq!(path_info("//mount///a//b/"), "'/a/b/'");
    assert_eq!(path_info("/mount/a/./b/../c"), "'/a/c'");
    let raw = Environ::of(&httpd.get("//mount///a//b/"));
    raw.assert(&[("REQUEST_URI", "//mount///a//b/")]);
    for bad in ["/mount/a%2Fb", "/mount/a%00b"] {
        httpd.get(bad).assert_error_page(404);
    }
    httpd.finish(&[]);
}

#[test]
fn wsgi_and_mod_wsgi_keys_have_their_types_and_values() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("environ.py").gil_mode(mode).start();
        let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs_f64();
        let environ = Environ::of(&httpd.get("/path"));
        for (key, repr) in [
            ("wsgi.version", "(1, 0)"),
            ("wsgi.url_scheme", "'http'"),
            ("wsgi.multithread", "True"),
            ("wsgi.multiprocess", "False"),
            ("wsgi.run_once", "False"),
            ("wsgi.input_terminated", "True"),
            ("wsgi.file_wrapper", "<class 'mod_wsgi.FileWrapper'>"),
            ("apache.version", "(2, 4, 71)"),
            ("mod_wsgi.version", "(6, 1, 1)"),
            ("mod_wsgi.process_group", &format!("'{PROCESS_GROUP}'")),
            ("mod_wsgi.callable_object", "'application'"),
            ("mod_wsgi.request_handler", "'wsgi-script'"),
            ("mod_wsgi.handler_script", "''"),
            ("mod_wsgi.script_name", "''"),
            ("mod_wsgi.path_info", "'/path'"),
            ("mod_wsgi.listener_host", "'127.0.0.1'"),
            ("mod_wsgi.listener_port", &format!("'{}'", httpd.port)),
        ] {
            // The version of httpd is the machine's.
            if key != "apache.version" {
                assert_eq!(environ.repr(key), repr, "{key}");
            }
        }
        assert!(environ.repr("apache.version").starts_with("(2, 4, "), "{}", environ.repr("apache.version"));
        assert!(environ.repr("wsgi.input").starts_with("<mod_wsgi.Input object"), "{}", environ.repr("wsgi.input"));
        assert!(environ.repr("wsgi.errors").starts_with("<_io.TextIOWrapper name='<wsgi.errors>'"));
        assert!(environ.repr("mod_wsgi.application_group").ends_with("|'"));
        assert!(environ.number("mod_wsgi.thread_id") >= 1.0);

        let pid: u32 = environ.repr("mod_wsgi.server_pid").trim_matches('\'').parse().expect("a pid");
        assert!(httpd.children().iter().any(|child| child.0 == pid), "{pid} of {:?}", httpd.children());
        let started = environ.number("mod_wsgi.request_start");
        let (queue, daemon) = (environ.number("mod_wsgi.queue_start"), environ.number("mod_wsgi.daemon_start"));
        if IN_DAEMONS {
            assert!(started <= queue && queue <= daemon, "{started} {queue} {daemon}");
            assert!(daemon <= environ.number("mod_wsgi.application_start"));
        } else {
            assert_eq!((queue, daemon), (0.0, 0.0));
        }
        assert!((before - 1.0..before + 10.0).contains(&started), "{before} {started}");
        assert!(environ.number("mod_wsgi.application_start") >= started);

        let id = environ.repr("mod_wsgi.request_id").trim_matches('\'');
        assert!(id.len() > 5);
        assert!(httpd.wait_for_access("/path").contains(id), "{id}: {:?}", httpd.access_log());
        environ.assert_absent(&["apache.request_rec", "mod_wsgi.mount_point", "mod_ssl.is_https"]);
        httpd.finish(&[]);
    });
}

#[test]
fn single_threaded_processes_say_so() {
    let httpd = Httpd::serving("environ.py").mpm(Mpm::Prefork).start();
    let environ = Environ::of(&httpd.get("/"));
    if IN_DAEMONS {
        // What httpd's own processes are is no matter here.
        assert_eq!(environ.repr("wsgi.multithread"), "True");
        assert_eq!(environ.repr("wsgi.multiprocess"), "False");
    } else {
        assert_eq!(environ.repr("wsgi.multithread"), "False");
        assert_eq!(environ.repr("wsgi.multiprocess"), "True");
        // The one thread is the process's main thread.
        assert_eq!(environ.repr("mod_wsgi.thread_id"), "0");
    }
    httpd.finish(&[]);
}

#[test]
fn every_request_has_an_environ_of_its_own() {
    let httpd = Httpd::serving("environ.py").start();
    let mut connection = httpd.connect();
    for _ in 0..20 {
        Environ::of(&connection.get("/")).assert_absent(&["left.behind"]);
    }
    httpd.finish(&[]);
}

#[test]
fn environ_is_a_plain_dict_of_plain_strings() {
    let httpd = Httpd::serving("evaluate.py").start();
    assert_eq!(httpd.python("type(environ) is dict"), "True");
    assert_eq!(httpd.python("all(type(key) is str for key in environ)"), "True");
    let cgi = "{type(value) for key, value in environ.items() if '.' not in key} == {str}";
    assert_eq!(httpd.python(cgi), "True");
    assert_eq!(httpd.python("environ['wsgi.file_wrapper'] is mod_wsgi.FileWrapper"), "True");
    httpd.finish(&[]);
}

#[test]
fn request_headers_become_http_keys() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("environ.py").gil_mode(mode).start();
        let response = httpd
            .request("GET", "/")
            .header("x-Mixed-cASE", "Some Value")
            .header("X-Empty", "")
            .header("X-Twice", "a")
            .header("X-Twice", "b")
            .header("Cookie", "a=1")
            .header("Cookie", "b=2")
            .header("TE", "trailers")
            .header("Keep-Alive", "5")
            .header("X-Latin", "\u{e9}")
            .send();
        let environ = Environ::of(&response);
        environ.assert(&[
            ("HTTP_X_MIXED_CASE", "Some Value"),
            ("HTTP_X_EMPTY", ""),
            ("HTTP_X_TWICE", "a, b"),
            ("HTTP_COOKIE", "a=1, b=2"),
            ("HTTP_TE", "trailers"),
            ("HTTP_KEEP_ALIVE", "5"),
            ("HTTP_CONNECTION", "close"),
            // The two bytes of UTF-8, each a latin-1 character.
            ("HTTP_X_LATIN", "\u{c3}\u{a9}"),
        ]);
        httpd.finish(&[]);
    });
}

#[test]
fn headers_that_could_pose_as_others_are_dropped() {
    let httpd = Httpd::serving("environ.py").start();
    let response = httpd
        .request("GET", "/")
        .header("X-Real", "good")
        .header("X_Real", "bad")
        .header("X.Real", "bad")
        .header("X!Real", "bad")
        .header("Content_Length", "9")
        .header("Proxy", "http://bad")
        .send();
    let environ = Environ::of(&response);
    environ.assert(&[("HTTP_X_REAL", "good")]);
    environ.assert_absent(&["HTTP_PROXY", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"]);
    let bad: Vec<_> = environ.0.iter().filter(|(_, value)| value.contains("bad")).collect();
    assert!(bad.is_empty(), "{bad:?}");
    httpd.finish(&[]);
}

#[test]
fn credentials_are_passed_only_when_asked_for() {
    let conf = "WSGIScriptAlias /off {app}\nWSGIScriptAlias /on {app}\nWSGIScriptAlias /core {app}\n\
                WSGIScriptAlias /option {app} pass-authorization=On\n\
                WSGIScriptAlias /option-off {app} pass-authorization=Off\n\
                <Location /on>\nWSGIPassAuthorization On\n</Location>\n\
                <Location /option-off>\nWSGIPassAuthorization On\n</Location>\n\
                <Location /core>\nCGIPassAuth On\n</Location>";
    let httpd = Httpd::with(conf, "environ.py").start();
    let passed = |path: &str| {
        let request = httpd.request("GET", path).header("Authorization", "Bearer a");
        let environ = Environ::of(&request.header("Proxy-Authorization", "Bearer b").send());
        (environ.0.contains_key("HTTP_AUTHORIZATION"), environ.0.contains_key("HTTP_PROXY_AUTHORIZATION"))
    };
    assert_eq!(passed("/off"), (false, false));
    assert_eq!(passed("/on"), (true, false));
    assert_eq!(passed("/option"), (true, false));
    assert_eq!(passed("/option-off"), (false, false));
    assert_eq!(passed("/core"), (true, true));
    httpd.finish(&[]);
}

#[test]
fn variables_of_the_configuration_yield_to_what_is_known_better() {
    let conf = "WSGIScriptAlias / {app}\nSetEnv OWN value\nSetEnv BARE\nSetEnv REMOTE_ADDR 9.9.9.9\n\
                SetEnv wsgi.version x\nSetEnv mod_wsgi.process_group x\nSetEnv mod_wsgi.x-inner x\nSetEnv PATH /x\n\
                SetEnvIf Request_URI ^/secure HTTPS=on\nSetEnvIf Request_URI ^/one HTTPS=1\n\
                SetEnvIf Request_URI ^/other HTTPS=off\nSetEnvIf X-Tag (.*) TAG=$1";
    let httpd = Httpd::with(conf, "environ.py").modules(&["env", "setenvif"]).start();
    let environ = Environ::of(&httpd.request("GET", "/").header("X-Tag", "t").send());
    environ.assert(&[
        ("OWN", "value"),
        ("BARE", ""),
        ("TAG", "t"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("mod_wsgi.process_group", PROCESS_GROUP),
        ("wsgi.url_scheme", "http"),
    ]);
    assert_eq!(environ.repr("wsgi.version"), "(1, 0)");
    environ.assert_absent(&["mod_wsgi.x-inner", "PATH"]);
    for (path, scheme) in [("/secure", "https"), ("/one", "https"), ("/other", "http")] {
        let environ = Environ::of(&httpd.get(path));
        environ.assert(&[("wsgi.url_scheme", scheme)]);
        environ.assert_absent(&["HTTPS"]);
    }
    httpd.finish(&[]);
}

#[test]
fn an_authenticated_user_is_named() {
    // The password is "secret".
    let httpd = Httpd::with(
        "WSGIScriptAlias / {app}\n<Location />\nAuthType Basic\nAuthName realm\nAuthBasicProvider file\n\
         AuthUserFile {root}/users\nRequire valid-user\n</Location>",
        "environ.py",
    )
    .file("users", "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    .modules(&["authn_core", "authn_file", "auth_basic", "authz_user"])
    .start();
    httpd.get("/").assert_error_page(401);
    let environ = Environ::of(&httpd.request("GET", "/").header("Authorization", "Basic YW5uOnNlY3JldA==").send());
    environ.assert(&[("REMOTE_USER", "ann"), ("AUTH_TYPE", "Basic")]);
    environ.assert_absent(&["HTTP_AUTHORIZATION"]);
    httpd.finish(&[]);
}

#[test]
fn an_internal_redirect_tells_where_it_came_from() {
    let conf = "WSGIScriptAlias /app {app}\nErrorDocument 404 /app/missing?from=error";
    let httpd = Httpd::with(conf, "environ.py").start();
    let response = httpd.get("/nowhere?x=1");
    // The application that answers for the error document chooses the status.
    assert_eq!(response.status, 200);
    for line in ["REDIRECT_URL='/nowhere'", "REDIRECT_QUERY_STRING='x=1'", "PATH_INFO='/missing'", "SCRIPT_NAME='/app'"]
    {
        assert!(response.text().lines().any(|found| found == line), "{line} in {}", response.text());
    }
    httpd.finish(&[]);
}

#[test]
fn what_other_modules_know_of_the_request_is_taken_over() {
    let conf = "WSGIScriptAlias / {app}\nRemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1\n\
                RewriteEngine On\nRewriteRule ^/old$ /new [PT,E=rewritten:yes]\n\
                <Location /new>\nCGIVar REQUEST_URI current-uri\n</Location>";
    let httpd = Httpd::with(conf, "environ.py").modules(&["remoteip", "rewrite"]).start();
    let environ = Environ::of(&httpd.request("GET", "/old?q").header("X-Forwarded-For", "10.1.2.3").send());
    environ.assert(&[
        ("REMOTE_ADDR", "10.1.2.3"),
        ("rewritten", "yes"),
        ("PATH_INFO", "/new"),
        ("REQUEST_URI", "/new"),
        ("QUERY_STRING", "q"),
    ]);
    httpd.finish(&[]);
}

#[test]
fn the_server_has_the_name_that_the_configuration_prefers() {
    let conf = "WSGIScriptAlias / {app}\n<Location /canonical>\nUseCanonicalName On\n</Location>";
    let httpd = Httpd::with(conf, "environ.py").start();
    for (path, host, name, port) in [
        ("/", "Other.Example", "other.example", None),
        ("/", "other.example:8123", "other.example", Some("8123")),
        ("/canonical", "other.example:8123", "localhost", None),
    ] {
        let mut connection = httpd.connect();
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let environ = Environ::of(&connection.response());
        environ.assert(&[("SERVER_NAME", name), ("HTTP_HOST", host)]);
        if let Some(port) = port {
            environ.assert(&[("SERVER_PORT", port)]);
        }
    }
    httpd.finish(&[]);
}

#[test]
fn file_names_are_text_of_the_file_system() {
    let httpd = Httpd::bare("WSGIScriptAlias / {root}/caf\u{e9}/app.wsgi")
        .file("caf\u{e9}/app.wsgi", include_str!("apps/environ.py"))
        .start();
    let environ = Environ::of(&httpd.get("/"));
    let root = httpd.root().display().to_string();
    environ.assert(&[("SCRIPT_FILENAME", &format!("{root}/caf\u{e9}/app.wsgi"))]);
    httpd.finish(&[]);
}
