//! A client has a say in the name of an application group, by the port of its
//! Host header above all. It cannot fill a process with interpreters so.

use crate::support::{Builder, Connection, GilMode, Httpd, Response, in_both_modes};

/// As many interpreters of a process may have names that clients had a say in.
const LIMIT: u16 = 64;

/// A port that is neither a standard one nor one that a test server gets.
const FIRST_PORT: u16 = 1000;

/// That so many interpreters are ended in time is not what is tested here.
const KEEP: &str = "WSGIDestroyInterpreter Off\n";

#[track_caller]
fn ask(connection: &mut Connection, path: &str, host: &str) -> Response {
    let expression = "environ['mod_wsgi.application_group']";
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Python: {expression}\r\n\r\n")).response()
}

fn with(conf: &str) -> Builder {
    let aliases = ["known", "late", "main", "x"].map(|path| format!("WSGIScriptAlias /{path} {{app}}\n")).concat();
    let conf = format!("MaxKeepAliveRequests 0\n{KEEP}{aliases}{conf}");
    Httpd::with(&conf, "evaluate.py")
}

/// Leads the server to as many interpreters as clients may lead it to.
#[track_caller]
fn fill(connection: &mut Connection, name: impl Fn(u16) -> String) {
    for port in FIRST_PORT..FIRST_PORT + LIMIT {
        ask(connection, "/x", &format!("name:{port}")).assert(200, &format!("'{}'", name(port)));
    }
}

#[test]
fn ports_that_clients_name_lead_to_a_limited_number_of_interpreters() {
    let conf = "<Location /known>\nWSGIApplicationGroup known\n</Location>\n\
                <Location /late>\nWSGIApplicationGroup late\n</Location>\n\
                <Location /main>\nWSGIApplicationGroup %{GLOBAL}\n</Location>";
    in_both_modes(|mode| {
        let httpd = with(conf).gil_mode(mode).start();
        let mut connection = httpd.connect();
        ask(&mut connection, "/known", "name").assert(200, "'known'");
        fill(&mut connection, |port| format!("localhost:{port}|/x"));
        assert_eq!(httpd.error_log().count("WSGI1009"), 0);
        for port in [FIRST_PORT + LIMIT, 9] {
            // httpd closes the connection after this status.
            ask(&mut httpd.connect(), "/x", &format!("name:{port}")).assert_error_page(503);
            let log = httpd.error_log();
            let line = format!("WSGI1009: interpreter 'localhost:{port}|/x' is not made*64*WSGIApplicationGroup");
            assert_eq!(
                log.matching(&line).iter().map(|entry| &*entry.level).collect::<Vec<_>>(),
                ["error"],
                "{log:#?}"
            );
        }
        // What there is goes on working, on other threads as well ...
        for mut connection in [connection, httpd.connect(), httpd.connect()] {
            for port in [FIRST_PORT, FIRST_PORT + LIMIT - 1] {
                let response = ask(&mut connection, "/x", &format!("name:{port}"));
                response.assert(200, &format!("'localhost:{port}|/x'"));
            }
            // ... and the configuration is not limited by what clients do.
            ask(&mut connection, "/known", "name").assert(200, "'known'");
            ask(&mut connection, "/main", "name:7").assert(200, "''");
            ask(&mut connection, "/late", "name:8").assert(200, "'late'");
            let own = format!("name:{}", httpd.port);
            ask(&mut connection, "/x", &own).assert(200, &format!("'localhost:{}|/x'", httpd.port));
            ask(&mut connection, "/x", "name:443").assert(200, "'localhost|/x'");
        }
        // Nor are they in the way when the server stops.
        httpd.finish(&["WSGI1009"]);
    });
}

#[test]
fn hosts_and_variables_that_clients_name_are_limited_too() {
    type Build = fn(Builder) -> Builder;
    let table: [(&str, &str, Build); 2] = [
        ("WSGIApplicationGroup %{HOST}", "name:", Builder::gil_build),
        (
            "WSGIApplicationGroup %{ENV:GROUP}\nSetEnvIf Host :(.+) GROUP=by-$1\nWSGIPerInterpreterGIL On",
            "by-",
            |builder| builder.gil_mode(GilMode::Shared),
        ),
    ];
    for (conf, name, build) in table {
        println!("{conf}");
        let httpd = build(with(conf)).modules(&["setenvif"]).start();
        let mut connection = httpd.connect();
        fill(&mut connection, |port| format!("{name}{port}"));
        let next = FIRST_PORT + LIMIT;
        ask(&mut httpd.connect(), "/x", &format!("name:{next}")).assert_error_page(503);
        ask(&mut connection, "/x", &format!("name:{FIRST_PORT}")).assert(200, &format!("'{name}{FIRST_PORT}'"));
        httpd.finish(&[&format!("WSGI1009: interpreter '{name}{next}'")]);
    }
}

#[test]
fn a_port_that_no_client_chooses_is_not_counted() {
    // With the canonical port what the client writes leads to one name.
    let httpd = with("UseCanonicalName On").gil_mode(GilMode::Free).start();
    let mut connection = httpd.connect();
    for port in FIRST_PORT..FIRST_PORT + LIMIT + 2 {
        ask(&mut connection, "/x", &format!("name:{port}")).assert(200, "'localhost|/x'");
    }
    httpd.finish(&[]);
}

#[test]
fn paths_that_an_expression_matches_are_limited_too() {
    for (alias, mount) in [
        ("^/x[0-9]+ {app}", "/x{}"),
        ("(?i)^/abcdefg {app}", "/{case}"),
        // The target depends on the path, but not on all of it.
        ("^/x[0-9]+/(evaluate) {apps}/$1.py", "/x{}/evaluate"),
    ] {
        println!("{alias}");
        let conf = format!("{KEEP}WSGIScriptAliasMatch {alias}");
        let httpd = Httpd::with(&conf, "evaluate.py").gil_mode(GilMode::Free).start();
        let path = |number: u16| mount.replace("{}", &number.to_string()).replace("{case}", &in_case(number));
        let mut connection = httpd.connect();
        for number in 0..LIMIT {
            let name = format!("'localhost|{}'", path(number));
            ask(&mut connection, &path(number), "localhost").assert(200, &name);
        }
        ask(&mut httpd.connect(), &path(LIMIT), "localhost").assert_error_page(503);
        httpd.finish(&["WSGI1009"]);
    }
}

#[test]
fn paths_that_are_rewritten_to_one_script_are_limited_too() {
    let conf = &format!(
        "{KEEP}{}",
        "RewriteEngine On\nRewriteRule ^/p/ {app} [H=wsgi-script]\n\
                <Directory {apps}>\nOptions ExecCGI\n</Directory>"
    );
    let httpd = Httpd::bare(conf).app("evaluate.py").modules(&["rewrite"]).gil_mode(GilMode::Free).start();
    let mut connection = httpd.connect();
    for number in 0..LIMIT {
        ask(&mut connection, &format!("/p/{number}"), "localhost").assert(200, &format!("'localhost|/p/{number}'"));
    }
    ask(&mut httpd.connect(), "/p/none", "localhost").assert_error_page(503);
    httpd.finish(&["WSGI1009"]);
}

#[test]
fn scripts_that_stand_at_their_paths_are_not_counted() {
    let conf = &format!(
        "{KEEP}{}",
        "AddHandler wsgi-script .wsgi\nAlias /a {root}/apps\n\
                <Directory {apps}>\nOptions ExecCGI\n</Directory>"
    );
    let mut builder = Httpd::bare(conf).modules(&["mime", "alias"]).gil_mode(GilMode::Free);
    let script = "def application(environ, start_response):\n    start_response('200 OK', [])\n    \
                  return [environ['mod_wsgi.application_group'].encode()]\n";
    for number in 0..LIMIT + 2 {
        builder = builder.file(&format!("apps/{number}.wsgi"), script);
    }
    let httpd = builder.start();
    let mut connection = httpd.connect();
    for number in 0..LIMIT + 2 {
        let path = format!("/a/{number}.wsgi");
        connection.get(&path).assert(200, &format!("localhost|{path}"));
    }
    httpd.finish(&[]);
}

/// Letters whose case spells a number.
fn in_case(number: u16) -> String {
    let spell =
        |(bit, letter): (usize, char)| if number >> bit & 1 == 1 { letter.to_ascii_uppercase() } else { letter };
    "abcdefg".chars().enumerate().map(spell).collect()
}
