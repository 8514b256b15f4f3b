//! Scripts that are loaded when a process starts: `WSGIImportScript`, and
//! aliases that name both their groups.

use crate::support::{Builder, GilMode, Httpd, Mpm, in_both_modes, wait_for};
use std::collections::BTreeSet;
use std::fs;

/// A server with copies of the script that notes its loads, under these names.
fn noting(conf: &str, copies: &[&str]) -> Builder {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/preloaded.py")).expect("a script");
    let builder = Httpd::bare(conf).open_folder("notes");
    let builder = copies.iter().fold(builder, |builder, name| builder.file(&format!("apps/{name}"), &text));
    let notes = builder.root().join("notes").display().to_string();
    builder.env("NOTES", &notes)
}

/// `WSGIImportScript` of a copy, for an interpreter of httpd's own processes.
fn import(name: &str, group: &str) -> String {
    format!("WSGIImportScript {{apps}}/{name} process-group=%{{GLOBAL}} application-group={group}\n")
}

/// Each load: script, group and process.
fn loads_with_processes(httpd: &Httpd) -> Vec<(String, String)> {
    let text = fs::read_to_string(httpd.root().join("notes/loads")).unwrap_or_default();
    let split = |line: &str| line.rsplit_once(" of ").map(|(load, process)| (load.to_owned(), process.to_owned()));
    text.lines().map(|line| split(line).expect("a load and a process")).collect()
}

fn loads(httpd: &Httpd) -> Vec<String> {
    loads_with_processes(httpd).into_iter().map(|(load, _)| load).collect()
}

/// Shows that these loads and no others happened before any request came.
#[track_caller]
fn assert_loaded_beforehand(httpd: &Httpd, expected: &[&str]) {
    wait_for("the loads at start", || (loads(httpd).len() >= expected.len()).then_some(()));
    // A process listens once it has started, so this answer comes after all of it.
    httpd.get("/no/such/file").assert_error_page(404);
    assert_eq!(loads(httpd), expected);
}

#[test]
fn scripts_are_loaded_in_their_order_before_any_request() {
    let conf = import("c.py", "%{GLOBAL}")
        + &import("a.py", "named")
        + "WSGIScriptAlias /b {apps}/b.py process-group=%{GLOBAL} application-group=named\n"
        + &import("a.py", "%{GLOBAL}")
        + &import("c.py", "other")
        // Loaded once in each interpreter.
        + &import("a.py", "named");
    let expected = ["c.py in main", "a.py in named", "b.py in named", "a.py in main", "c.py in other"];
    let run = |builder: Builder| {
        let httpd = builder.start();
        assert_loaded_beforehand(&httpd, &expected);
        httpd.get("/b").assert(200, "b.py in named, loaded by main thread: True");
        assert_eq!(loads(&httpd), expected, "nothing was loaded again");
        httpd.finish(&[]);
    };
    in_both_modes(|mode| run(noting(&conf, &["a.py", "b.py", "c.py"]).gil_mode(mode)));
    run(noting(&conf, &["a.py", "b.py", "c.py"]).gil_build());
    let own = format!("WSGIPerInterpreterGIL On\n{conf}");
    run(noting(&own, &["a.py", "b.py", "c.py"]).gil_mode(GilMode::Shared));
}

#[test]
fn scripts_of_virtual_hosts_are_loaded_too() {
    let host = |name: &str, line: &str| format!("<VirtualHost *:{{port}}>\nServerName {name}\n{line}</VirtualHost>\n");
    let conf =
        host("first", &import("a.py", "one")) + &import("b.py", "two") + &host("second", &import("c.py", "three"));
    let httpd = noting(&conf, &["a.py", "b.py", "c.py"]).start();
    wait_for("three loads", || (loads(&httpd).len() == 3).then_some(()));
    assert_loaded_beforehand(&httpd, &["a.py in one", "b.py in two", "c.py in three"]);
    httpd.finish(&[]);
}

#[test]
fn each_process_loads_them_and_so_does_each_that_follows() {
    let conf = import("a.py", "%{GLOBAL}") + &import("a.py", "named");
    for mpm in [Mpm::Prefork, Mpm::Worker] {
        let processes = if mpm == Mpm::Prefork { 4 } else { 1 };
        let httpd = noting(&conf, &["a.py"]).mpm(mpm).start();
        wait_for("all loads", || (loads(&httpd).len() == 2 * processes).then_some(()));
        httpd.restart();
        wait_for("all loads of the next generation", || (loads(&httpd).len() == 4 * processes).then_some(()));
        let all = loads_with_processes(&httpd);
        for group in ["main", "named"] {
            let load = format!("a.py in {group}");
            let in_group: BTreeSet<_> =
                all.iter().filter(|(name, _)| *name == load).map(|(_, process)| process).collect();
            assert_eq!(in_group.len(), 2 * processes, "once in each process: {all:?}");
        }
        httpd.finish(&[]);
    }
}

#[test]
fn an_alias_is_loaded_beforehand_if_it_names_both_its_groups_plainly() {
    const GLOBAL: &str = "process-group=%{GLOBAL}";
    for (alias, expected) in [
        (format!("WSGIScriptAlias /a {{apps}}/a.py {GLOBAL} application-group=named"), Some("a.py in named")),
        (format!("WSGIScriptAlias /a {{apps}}/a.py application-group=%{{GLOBAL}} {GLOBAL}"), Some("a.py in main")),
        (format!("WSGIScriptAliasMatch ^/a {{apps}}/a.py {GLOBAL} application-group=named"), Some("a.py in named")),
        (format!("WSGIScriptAliasMatch ^/(a) {{apps}}/$1.py {GLOBAL} application-group=named"), None),
        (format!("WSGIScriptAlias /a {{apps}}/a.py {GLOBAL} application-group=%{{RESOURCE}}"), None),
        (format!("WSGIScriptAlias /a {{apps}}/a.py {GLOBAL} application-group=%{{ENV:GROUP}}"), None),
        (format!("WSGIScriptAlias /a {{apps}}/a.py {GLOBAL}"), None),
        ("WSGIScriptAlias /a {apps}/a.py application-group=named".to_owned(), None),
        ("WSGIScriptAlias /a {apps}/a.py process-group=%{ENV:NOTHING} application-group=named".to_owned(), None),
    ] {
        println!("{alias}");
        let httpd = noting(&alias, &["a.py"]).modules(&["env"]).env("NOTHING", "").start();
        assert_loaded_beforehand(&httpd, expected.as_slice());
        let response = httpd.get("/a");
        assert_eq!(response.status, 200, "{response:?}");
        assert!(response.text().ends_with(if expected.is_some() { "True" } else { "False" }) || expected.is_none());
        assert_eq!(loads(&httpd).len(), 1, "{:?}", loads(&httpd));
        httpd.finish(&[]);
    }
}

#[test]
fn a_script_that_fails_is_logged_and_tried_again_by_the_first_request() {
    let conf = "WSGIScriptAlias /a {apps}/a.py process-group=%{GLOBAL} application-group=named\n".to_owned()
        + &import("b.py", "named");
    in_both_modes(|mode| {
        for (failure, at_start, at_request, exception) in [
            ("raise LookupError('not yet')", "WSGI0110: the script '*/a.py'", "WSGI0109", "LookupError: not yet"),
            ("raise SystemExit(3)", "WSGI0108: the script '*/a.py'", "WSGI0107", "SystemExit: 3"),
        ] {
            println!("{failure}");
            let builder = noting(&conf, &["a.py", "b.py"]).gil_mode(mode);
            let failing = builder.root().join("notes/failing");
            fs::write(&failing, format!("if script == 'a.py': {failure}")).expect("our own folder");
            let httpd = builder.start();
            // The scripts after it are loaded none the less.
            assert_loaded_beforehand(&httpd, &["a.py in named", "b.py in named"]);
            let log = httpd.error_log();
            assert_eq!((log.count(at_start), log.count(exception)), (1, 1), "{log:#?}");
            assert_eq!(log.matching(at_start)[0].level, "error");
            httpd.get("/a").assert_error_page(500);
            fs::remove_file(&failing).expect("our own file");
            for _ in 0..2 {
                let response = httpd.get("/a");
                assert_eq!(
                    (response.status, response.text().starts_with("a.py in named")),
                    (200, true),
                    "{response:?}"
                );
            }
            let of_a = loads(&httpd).into_iter().filter(|load| load.starts_with("a.py")).count();
            assert_eq!(of_a, 3, "at the start, and by each request until it succeeded");
            httpd.finish(&[at_start, at_request, exception]);
        }
    });
}

#[test]
fn a_script_that_cannot_be_read_or_compiled_is_logged() {
    let conf = import("missing.py", "named")
        + &import("wrong.py", "named")
        + &import("a.py", "named")
        + "WSGIImportScript relative.py process-group=%{GLOBAL} application-group=named\n\
           WSGIImportScript {apps} process-group=%{GLOBAL} application-group=named\n\
           WSGIScriptAlias / {apps}/a.py application-group=named\n";
    let httpd = noting(&conf, &["a.py"]).file("apps/wrong.py", "def :\n").start();
    assert!(httpd.get("/").text().starts_with("a.py in named"));
    let log = httpd.error_log();
    for (path, error) in [
        ("missing.py", "FileNotFoundError"),
        ("wrong.py", "SyntaxError"),
        ("'relative.py'", "FileNotFoundError"),
        ("/apps'", "IsADirectoryError"),
    ] {
        assert_eq!(
            log.count(&format!("WSGI0106: the script '*{}", path.trim_start_matches('\''))),
            1,
            "{path}: {log:#?}"
        );
        assert!(log.count(error) >= 1, "{error}: {log:#?}");
    }
    httpd.finish(&["WSGI0106", "FileNotFoundError", "SyntaxError", "IsADirectoryError"]);
}

#[test]
fn a_script_need_be_no_application() {
    let conf = import("setting.py", "%{GLOBAL}") + "WSGIScriptAlias / {apps}/setting.py application-group=%{GLOBAL}";
    let text = "import sys\nsys.set_at_start = True\n";
    let httpd = Httpd::bare(&conf).file("apps/setting.py", text).start();
    httpd.get("/").assert_error_page(404);
    httpd.finish(&["WSGI0089"]);
}

#[test]
fn a_script_that_has_changed_since_is_loaded_again_by_a_request() {
    let conf = "WSGIScriptAlias /a {apps}/a.py process-group=%{GLOBAL} application-group=named\n";
    for (reloading, count) in [("On", 2), ("Off", 1)] {
        let httpd = noting(&format!("{conf}WSGIScriptReloading {reloading}"), &["a.py"]).start();
        assert_loaded_beforehand(&httpd, &["a.py in named"]);
        let path = httpd.app_path("a.py");
        let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(past)).expect("our own file");
        for _ in 0..2 {
            assert_eq!(httpd.get("/a").status, 200);
        }
        assert_eq!(loads(&httpd).len(), count, "WSGIScriptReloading {reloading}");
        httpd.finish(&[]);
    }
}

#[test]
fn each_load_is_told_to_those_who_look_for_it() {
    let httpd = noting(&import("a.py", "named"), &["a.py"]).log_level("warn wsgi:info").start();
    assert_loaded_beforehand(&httpd, &["a.py in named"]);
    let log = httpd.error_log();
    let lines = log.matching("loading '*/apps/a.py' in interpreter 'named'");
    assert_eq!(lines.iter().map(|entry| &*entry.level).collect::<Vec<_>>(), ["info"], "{log:#?}");
    httpd.finish(&["loading '", "Python * started"]);
}

#[test]
fn a_wrong_import_is_told_by_name_value_and_what_was_expected() {
    const OPTIONS: &[&str] = &["expected", "process-group=", "application-group="];
    for (arguments, value, expected) in [
        ("", "", OPTIONS),
        ("/a.py", "/a.py", OPTIONS),
        ("/a.py process-group=%{GLOBAL}", "application-group", OPTIONS),
        ("/a.py application-group=x", "process-group", OPTIONS),
        ("\"\" process-group=%{GLOBAL} application-group=x", "", OPTIONS),
        ("/a.py process-group=%{GLOBAL} application-group=", "application-group=", &["expected", "NAME"]),
        ("/a.py process-group= application-group=x", "process-group=", &["expected", "NAME"]),
        ("/a.py process-group=%{GLOBAL} application-group=x callable-object=y", "callable-object=y", OPTIONS),
        ("/a.py process-group=%{GLOBAL} Application-Group=x", "Application-Group=x", OPTIONS),
        ("/a.py process-group=%{GLOBAL} lonely application-group=x", "lonely", OPTIONS),
        ("/a.py process-group=missing application-group=x", "process-group=missing", &["expected", "%{GLOBAL}"]),
        ("/a.py process-group=%{SERVER} application-group=x", "process-group=%{SERVER}", &["expected", "%{GLOBAL}"]),
    ] {
        println!("{arguments}");
        let words = [expected, &["AH00526: Syntax error on line", "WSGIImportScript", value]].concat();
        Httpd::bare(&format!("WSGIImportScript {arguments}")).config_test().assert_fails_with(&words);
    }
    // An alias that would be loaded beforehand must name a group that is there; others fail when they are asked for.
    let alias = "WSGIScriptAlias /a /a.py process-group=missing";
    let words = ["AH00526", "WSGIScriptAlias", "process-group=missing", "expected"];
    Httpd::bare(&format!("{alias} application-group=x")).config_test().assert_fails_with(&words);
    Httpd::bare(alias).config_test().assert_ok();
    Httpd::bare(&format!("{alias} application-group=%{{RESOURCE}}")).config_test().assert_ok();
}

#[test]
fn a_name_of_a_group_is_literal_in_an_import() {
    let conf = import("a.py", "%{SERVER}") + &import("a.py", "\"a b\"");
    let httpd = noting(&conf, &["a.py"]).start();
    assert_loaded_beforehand(&httpd, &["a.py in %{SERVER}", "a.py in a b"]);
    httpd.finish(&[]);
}

#[test]
fn imports_stand_in_servers_and_virtual_hosts_only() {
    let line = import("a.py", "x");
    for section in ["Directory {root}", "Location /x", "Files x"] {
        let name = section.split(' ').next().unwrap_or(section);
        let test = Httpd::bare(&format!("<{section}>\n{line}</{name}>")).config_test();
        test.assert_fails_with(&["WSGIImportScript", "not allowed"]);
    }
    Httpd::bare(&format!("<VirtualHost *:80>\n{line}</VirtualHost>")).config_test().assert_ok();
}
