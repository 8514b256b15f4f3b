//! What may be set for one interpreter and not for another: the blocks of
//! `<WSGIInterpreterOptions>`, which of them counts, and what stands in them.

use crate::support::{Builder, Extension, GilMode, Httpd, in_both_modes};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

/// A server whose requests name their application group in a header.
fn by_header(conf: &str, app: &str) -> Builder {
    let groups = "MaxKeepAliveRequests 0\nWSGIScriptAlias / {app}\nWSGIApplicationGroup %{ENV:GROUP}\n\
                  SetEnvIf X-Group (.+) GROUP=$1\n";
    Httpd::with(&format!("{groups}{conf}"), app).modules(&["setenvif"])
}

fn evaluating(conf: &str) -> Builder {
    by_header(conf, "evaluate.py")
}

const MAIN: &str = "%{GLOBAL}";

/// The value of an expression in a group.
#[track_caller]
fn python(httpd: &Httpd, group: &str, expression: &str) -> String {
    let response = httpd.request("GET", "/").header("X-Group", group).header("X-Python", expression).send();
    assert_eq!(response.status, 200, "{expression}: {response:?}");
    response.text().to_owned()
}

const INTERVAL: &str = "__import__('sys').getswitchinterval()";
const DEFAULT_INTERVAL: &str = "0.005";

fn block(selectors: &str, lines: &str) -> String {
    format!("<WSGIInterpreterOptions {selectors}>\n{lines}\n</WSGIInterpreterOptions>\n")
}

/// The names of the directories at the front of `sys.path` that are `/block/...` or `{apps}`.
#[track_caller]
fn blocks_in_path(httpd: &Httpd, group: &str) -> Vec<String> {
    let path = python(httpd, group, "__import__('sys').path");
    let is_ours = |entry: &&str| entry.starts_with("/block/") || entry.ends_with("/apps");
    let entries: Vec<_> = path.trim_matches(['[', ']']).split(", ").map(|entry| entry.trim_matches('\'')).collect();
    let ours: Vec<_> = entries.iter().copied().take_while(is_ours).collect();
    assert_eq!(entries.iter().copied().filter(|entry| is_ours(entry)).count(), ours.len(), "not all in front: {path}");
    let name = |entry: &str| entry.rsplit('/').next().unwrap_or_default().to_owned();
    ours.into_iter().map(name).collect()
}

#[test]
fn a_block_is_for_the_interpreters_that_its_selectors_match() {
    const TABLE: [(&str, &[&str]); 20] = [
        // Selector, and the groups among those below that it matches.
        ("", &[MAIN, "named", "Named", "a b", "%{ENV:GROUP}"]),
        ("process-group=", &[MAIN, "named", "Named", "a b", "%{ENV:GROUP}"]),
        ("process-group=%{GLOBAL}", &[MAIN, "named", "Named", "a b", "%{ENV:GROUP}"]),
        ("Process-Group=%{GLOBAL}", &[MAIN, "named", "Named", "a b", "%{ENV:GROUP}"]),
        ("process-group=named", &[]),
        ("process-group=%{global}", &[]),
        ("application-group=", &[MAIN]),
        ("application-group=%{GLOBAL}", &[MAIN]),
        ("application-group=%{RESOURCE}", &[]),
        ("application-group=named", &["named"]),
        ("APPLICATION-GROUP=named", &["named"]),
        ("\"application-group=named\"", &["named"]),
        ("  application-group=named  ", &["named"]),
        ("\"application-group=a b\"", &["a b"]),
        ("application-group=\"a b\"", &["a b"]),
        ("application-group=nam", &[]),
        // Not expanded: it is a name like any other.
        ("application-group=%{ENV:GROUP}", &["%{ENV:GROUP}"]),
        ("process-group=%{GLOBAL} application-group=named", &["named"]),
        ("application-group=named process-group=", &["named"]),
        ("process-group=other application-group=named", &[]),
    ];
    let mut conf = String::new();
    for (number, (selectors, _)) in TABLE.iter().enumerate() {
        conf += &block(selectors, &format!("WSGIPythonPath /block/{number}"));
    }
    in_both_modes(|mode| {
        let httpd = evaluating(&conf).gil_mode(mode).start();
        for group in [MAIN, "named", "Named", "a b", "%{ENV:GROUP}"] {
            let expected = TABLE.iter().enumerate().filter(|(_, (_, groups))| groups.contains(&group));
            let expected: BTreeSet<_> = expected.map(|(number, _)| number.to_string()).collect();
            let seen: BTreeSet<_> = blocks_in_path(&httpd, group).into_iter().collect();
            assert_eq!(seen, expected, "{group}");
        }
        httpd.finish(&[]);
    });
}

#[test]
fn python_paths_add_up_and_the_most_specific_leads() {
    let conf = "WSGIPythonPath /block/top:{apps}:/block/next\n".to_owned()
        + &block("process-group= application-group=named", "WSGIPythonPath /block/two")
        + &block("application-group=named", "WSGIPythonPath /block/one:/block/and")
        + &block("", "WSGIPythonPath /block/none")
        + &block("application-group=named", "WSGIPythonPath /block/later")
        + &block("process-group=daemon application-group=named", "WSGIPythonPath /block/daemon")
        // What is there already keeps its place.
        + &block("process-group= application-group=named", "WSGIPythonPath {apps}");
    for build in [|builder| builder, Builder::gil_build] {
        let httpd = build(evaluating(&conf)).start();
        assert_eq!(blocks_in_path(&httpd, "named"), ["two", "later", "one", "and", "none", "top", "apps", "next"]);
        assert_eq!(blocks_in_path(&httpd, MAIN), ["none", "top", "apps", "next"]);
        assert_eq!(blocks_in_path(&httpd, "other"), ["none", "top", "apps", "next"]);
        httpd.finish(&[]);
    }
}

#[test]
fn a_python_path_that_fails_is_logged_and_the_others_count() {
    // A .pth file may do anything; this one breaks what later directories are added with.
    let conf = "WSGIPythonPath {root}/breaks\n".to_owned()
        + &block("application-group=named", "WSGIPythonPath /block/lost:/block/too")
        + &block("", "WSGIPythonPath /block/general");
    let conf = conf.replacen("<WSGIInterpreterOptions >", "<WSGIInterpreterOptions process-group=>", 1);
    let breaks = "import site; site.addsitedir = lambda folder, real=site.addsitedir: \
                  real(folder) if 'lost' not in folder else {}['lost']\n";
    let httpd = evaluating(&conf).file("breaks/breaks.pth", breaks).start();
    assert_eq!(blocks_in_path(&httpd, MAIN), ["general"]);
    assert_eq!(blocks_in_path(&httpd, "named"), ["general"]);
    assert_eq!(python(&httpd, "named", "6 * 7"), "42");
    let log = httpd.error_log();
    assert_eq!(log.count("WSGI0091: WSGIPythonPath '/block/lost:/block/too': KeyError: 'lost'"), 1, "{log:#?}");
    httpd.finish(&["WSGI0091"]);
}

#[test]
fn the_log_names_the_option_or_directive_whose_python_path_fails() {
    let conf = "WSGIDaemonProcess group threads=1 python-path={root}/one\n\
                <WSGIInterpreterOptions process-group=group>\nWSGIPythonPath {root}/other\n</WSGIInterpreterOptions>\n\
                WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias / {app}\nWSGIProcessGroup group\n";
    // `site` lets through what is no Exception.
    let leaves = "import sys; sys.exit('no')\n";
    let httpd = Httpd::with(conf, "hello.py").file("one/a.pth", leaves).file("other/a.pth", leaves).start();
    httpd.get("/").assert(200, "Hello, World!");
    httpd.finish(&[
        "process group 'group': WSGI0091: python-path= '*/one': SystemExit: no",
        "process group 'group': WSGI0091: WSGIPythonPath '*/other': SystemExit: no",
    ]);
}

/// Which of stdin, stdout and `signal.signal` are restricted.
#[track_caller]
fn restricted(httpd: &Httpd, group: &str) -> Vec<&'static str> {
    const CHECKS: [(&str, &str, &str); 3] = [
        ("stdin", "type(__import__('sys').stdin).__name__", "'Restricted'"),
        ("stdout", "type(__import__('sys').stdout).__name__", "'Restricted'"),
        ("signal", "type(__import__('signal').signal).__name__", "'SignalIntercept'"),
    ];
    let is_restricted = |(name, expression, expected)| (python(httpd, group, expression) == expected).then_some(name);
    CHECKS.into_iter().filter_map(is_restricted).collect()
}

#[test]
fn more_selectors_outrank_fewer_and_the_later_of_equals_wins() {
    let conf = "WSGIRestrictStdin On\n".to_owned()
        + &block(
            "process-group=%{GLOBAL} application-group=both",
            "WSGIRestrictStdin Off\nWSGIRestrictStdout On",
        )
        + &block("application-group=both", "WSGIRestrictStdin On\nWSGIRestrictStdout Off\nWSGIRestrictSignal Off")
        + &block("application-group=later", "WSGIRestrictStdin On\nWSGIRestrictStdout On")
        + &block("application-group=later", "WSGIRestrictStdin Off")
        // One selector is as much as another.
        + &block("application-group=process", "WSGIRestrictStdin Off")
        + &block("process-group=", "WSGIRestrictSignal On")
        + &block("application-group=last", "WSGIRestrictStdout On\nWSGIRestrictStdout Off\nWSGIRestrictStdin Off\nWSGIRestrictStdin On")
        + &block("application-group=%{GLOBAL}", "WSGIRestrictStdin Off")
        + &block("", "WSGIRestrictSignal Off\nWSGIRestrictStdout Off");
    for build in [|builder| builder, Builder::gil_build] {
        let httpd = build(evaluating(&conf)).start();
        for (group, expected) in [
            // Each directive is looked up by itself: the signal comes from the later of the weaker blocks.
            ("both", &["stdout", "signal"][..]),
            ("later", &["stdout", "signal"]),
            ("process", &["signal"]),
            ("last", &["stdin", "signal"]),
            ("other", &["stdin", "signal"]),
            (MAIN, &["signal"]),
        ] {
            assert_eq!(restricted(&httpd, group), expected, "{group}");
        }
        httpd.finish(&[]);
    }
}

#[test]
fn off_in_a_block_outranks_on_outside_wherever_it_stands() {
    for conf in [
        block("application-group=named", "WSGIRestrictStdin Off\nWSGIRestrictSignal On")
            + "WSGIRestrictStdin On\nWSGIRestrictSignal Off",
        "WSGIRestrictStdin On\nWSGIRestrictSignal Off\n".to_owned()
            + &block("application-group=named", "WSGIRestrictStdin Off\nWSGIRestrictSignal On"),
    ] {
        let httpd = evaluating(&conf).start();
        assert_eq!(restricted(&httpd, "named"), ["signal"]);
        assert_eq!(restricted(&httpd, "other"), ["stdin"]);
        httpd.finish(&[]);
    }
}

#[test]
fn blocks_nest_without_inheriting_and_hold_other_sections_and_directives() {
    let inner = block("application-group=inner", "WSGIPythonPath /block/inner\nWSGIRestrictStdin On");
    let conf = block(
        "application-group=outer",
        &format!(
            "WSGIPythonPath /block/outer\n{inner}<IfModule wsgi_module>\nWSGIRestrictStdout On\n</IfModule>\n\
             <IfModule !wsgi_module>\nWSGIRestrictStdin On\n</IfModule>\nWSGIPythonOptimize 2\nWSGIPassAuthorization On"
        ),
    );
    let httpd = evaluating(&conf).start();
    assert_eq!(blocks_in_path(&httpd, "outer"), ["outer"]);
    assert_eq!(blocks_in_path(&httpd, "inner"), ["inner"]);
    assert_eq!(restricted(&httpd, "outer"), ["stdout", "signal"]);
    assert_eq!(restricted(&httpd, "inner"), ["stdin", "signal"]);
    // What is not for interpreters counts as if it stood outside.
    assert_eq!(python(&httpd, "other", "__import__('sys').flags.optimize"), "2");
    let response = httpd.request("GET", "/").header("X-Group", "other").header("Authorization", "mine");
    let response = response.header("X-Python", "environ['HTTP_AUTHORIZATION']").send();
    response.assert(200, "'mine'");
    httpd.finish(&[]);
}

#[test]
fn a_wrong_block_is_told_by_name_value_and_what_was_expected() {
    const OPEN: &str = "<WSGIInterpreterOptions";
    const SELECTOR: &[&str] = &["expected", "process-group=", "application-group="];
    const ON_OFF: &[&str] = &["expected", "On", "Off"];
    const SECONDS: &[&str] = &["expected", "positive", "seconds"];
    const END: &str = "</WSGIInterpreterOptions>";
    for (conf, value, expected) in [
        (format!("{OPEN} lonely>\n{END}"), "lonely", SELECTOR),
        (format!("{OPEN} server=x>\n{END}"), "server=x", SELECTOR),
        (format!("{OPEN} application_group=x>\n{END}"), "application_group=x", SELECTOR),
        (format!("{OPEN} =x>\n{END}"), "=x", SELECTOR),
        (format!("{OPEN} process-group=a process-group=a>\n{END}"), "process-group", &["twice", "expected"]),
        (
            format!("{OPEN} application-group=a Application-Group=b>\n{END}"),
            "Application-Group",
            &["twice", "expected"],
        ),
        (format!("{OPEN} application-group=a\nWSGIRestrictStdin On\n{END}"), "closing '>'", &[]),
        (format!("{OPEN} \"application-group=a>\n{END}"), "quote", &[]),
    ] {
        println!("{conf}");
        let words = [expected, &["AH00526: Syntax error on line", OPEN, value]].concat();
        Httpd::bare(&conf).config_test().assert_fails_with(&words);
    }
    // A directive that is wrong in a block is told as it is outside, with its own line.
    for (line, value, expected) in [
        ("WSGIRestrictStdin yes", "yes", ON_OFF),
        ("WSGIRestrictStdout 1", "1", ON_OFF),
        ("WSGIRestrictSignal never", "never", ON_OFF),
        ("WSGIPerInterpreterGIL maybe", "maybe", ON_OFF),
        ("WSGIFreeThreading maybe", "maybe", ON_OFF),
        ("WSGISwitchInterval 0", "0", SECONDS),
        ("WSGISwitchInterval -0.5", "-0.5", SECONDS),
        ("WSGISwitchInterval 5ms", "5ms", SECONDS),
        ("WSGISwitchInterval soon", "soon", SECONDS),
        ("WSGISwitchInterval nan", "nan", SECONDS),
        ("WSGISwitchInterval inf", "inf", SECONDS),
        ("WSGISwitchInterval \"\"", "", &["expected", "seconds"]),
        ("WSGISwitchInterval 1 2", "1 2", &["expected", "seconds"]),
        ("WSGIPythonPath", "", &["expected", "directories"]),
    ] {
        println!("{line}");
        let directive = line.split(' ').next().unwrap_or(line);
        let words = [expected, &["AH00526: Syntax error on line", directive, value]].concat();
        for conf in [line.to_owned(), block("application-group=x", line)] {
            let test = Httpd::bare(&conf).config_test();
            test.assert_fails_with(&words);
            assert!(!test.output.contains(OPEN), "{}", test.output);
        }
    }
}

#[test]
fn a_block_stands_in_the_main_server_only() {
    let block = block("application-group=x", "WSGIRestrictStdin On");
    for section in ["VirtualHost *:80", "Directory {root}", "Location /x", "Files x", "If \"true\""] {
        println!("{section}");
        let name = section.split(' ').next().unwrap_or(section);
        let conf = format!("<{section}>\n{block}</{name}>");
        Httpd::bare(&conf).config_test().assert_fails_with(&["<WSGIInterpreterOptions"]);
    }
    Httpd::bare(&format!("<IfModule wsgi_module>\n{block}</IfModule>")).config_test().assert_ok();
    Httpd::bare("WSGIScriptAlias /x /x\n</WSGIInterpreterOptions>").config_test().assert_fails_with(&["without"]);
    Httpd::bare("<WSGIInterpreterOptions>").config_test().assert_fails_with(&["<WSGIInterpreterOptions"]);
}

#[test]
fn the_switch_interval_belongs_to_the_gil_that_interpreters_share() {
    for build in [|builder| builder, Builder::gil_build] {
        let httpd = build(evaluating("WSGISwitchInterval 0.5")).start();
        for group in [MAIN, "named", "other"] {
            assert_eq!(python(&httpd, group, INTERVAL), "0.5", "{group}");
        }
        httpd.finish(&[]);
        // That of the main interpreter is that of the process.
        let httpd = build(evaluating(&block("application-group=%{GLOBAL}", "WSGISwitchInterval 2.5e-1"))).start();
        for group in [MAIN, "named"] {
            assert_eq!(python(&httpd, group, INTERVAL), "0.25", "{group}");
        }
        httpd.finish(&[]);
        // A block that is for all is applied.
        let httpd = build(evaluating(&block("process-group=%{GLOBAL}", "WSGISwitchInterval 1"))).start();
        assert_eq!(python(&httpd, "named", INTERVAL), "1.0");
        httpd.finish(&[]);
        // One interpreter cannot choose for those that it shares a GIL with.
        let conf = "WSGISwitchInterval 0.5\n".to_owned() + &block("application-group=named", "WSGISwitchInterval 1");
        let httpd = build(evaluating(&conf)).start();
        for group in [MAIN, "named", "other"] {
            assert_eq!(python(&httpd, group, INTERVAL), "0.5", "{group}");
        }
        let log = httpd.error_log();
        let warnings = log.matching("WSGI0199: WSGISwitchInterval*'named'");
        assert_eq!(warnings.iter().map(|entry| &*entry.level).collect::<Vec<_>>(), ["warn"], "{log:#?}");
        httpd.finish(&["WSGI0199"]);
    }
}

#[test]
fn without_the_gil_there_is_no_switch_interval() {
    let httpd = evaluating("WSGISwitchInterval 0.5").gil_mode(GilMode::Free).start();
    for group in [MAIN, "named", "named"] {
        assert_eq!(python(&httpd, group, INTERVAL), DEFAULT_INTERVAL, "{group}");
    }
    let log = httpd.error_log();
    for name in ["''", "'named'"] {
        assert_eq!(log.count(&format!("WSGI0205: WSGISwitchInterval*{name}")), 1, "{log:#?}");
    }
    httpd.finish(&["WSGI0205"]);
    // On a build that has a GIL in any case, the wish to be without changes nothing.
    let httpd = evaluating("WSGISwitchInterval 0.5").gil_build().gil_mode(GilMode::Free).start();
    assert_eq!(python(&httpd, "named", INTERVAL), "0.5");
    httpd.finish(&["WSGI0200"]);
}

#[test]
fn free_threading_is_one_choice_of_a_process() {
    const GIL: &str = "__import__('sys')._is_gil_enabled()";
    for (conf, expected) in [
        (block("", "WSGIFreeThreading On"), "False"),
        (block("process-group=%{GLOBAL}", "WSGIFreeThreading On") + &block("", "WSGIFreeThreading Off"), "False"),
        ("WSGIFreeThreading On\n".to_owned() + &block("process-group=", "WSGIFreeThreading Off"), "True"),
        (block("", "WSGIFreeThreading On") + &block("", "WSGIFreeThreading Off"), "True"),
        (block("process-group=daemon", "WSGIFreeThreading On"), "True"),
    ] {
        println!("{conf}");
        let httpd = evaluating(&conf).start();
        for group in [MAIN, "named"] {
            assert_eq!(python(&httpd, group, GIL), expected, "{group}");
        }
        httpd.finish(&[]);
    }
    for (selectors, choice, outside) in [
        ("application-group=named", "On", "Off"),
        ("application-group=%{GLOBAL}", "Off", "On"),
        ("process-group=%{GLOBAL} application-group=named", "On", "Off"),
    ] {
        println!("{choice} for {selectors}, {outside} outside");
        let two = block(selectors, &format!("WSGIFreeThreading {choice}")).repeat(2);
        let httpd = evaluating(&format!("WSGIFreeThreading {outside}\n{two}")).start();
        for group in [MAIN, "named"] {
            assert_eq!(python(&httpd, group, GIL), if outside == "On" { "False" } else { "True" }, "{group}");
        }
        let log = httpd.error_log();
        assert_eq!(log.count("WSGI0201: WSGIFreeThreading is ignored*application-group="), 1, "{log:#?}");
        httpd.finish(&["WSGI0201"]);
    }
}

/// What two requests that are under way together say of their game.
#[track_caller]
fn game(conf: &str, groups: [&str; 2]) -> [String; 2] {
    let builder = by_header(conf, "own_gil.py").open_folder("notes").gil_mode(GilMode::Shared);
    let notes = builder.root().join("notes");
    let turns = notes.join("turns");
    fs::write(&turns, [0; 4]).expect("our own folder");
    fs::set_permissions(&turns, fs::Permissions::from_mode(0o666)).expect("our own file");
    let httpd = builder.env("NOTES", &notes.display().to_string()).start();
    let mut connections = groups.map(|_| httpd.connect());
    for (number, (connection, group)) in connections.iter_mut().zip(groups).enumerate() {
        connection.send(format!("GET /{number} HTTP/1.1\r\nHost: localhost\r\nX-Group: {group}\r\n\r\n"));
    }
    let answers = connections.each_mut().map(|connection| {
        let response = connection.response();
        assert_eq!(response.status, 200, "{response:?}");
        response.text().to_owned()
    });
    drop(connections);
    httpd.finish(&[]);
    answers
}

#[test]
fn interpreters_with_gils_of_their_own_run_python_at_the_same_moment() {
    for groups in [["one", "two"], ["one", MAIN]] {
        assert_eq!(game("WSGIPerInterpreterGIL On", groups), ["played", "played"], "{groups:?}");
    }
    let one = block("application-group=one", "WSGIPerInterpreterGIL On");
    assert_eq!(game(&one, ["one", "two"]), ["played", "played"]);
}

#[test]
fn interpreters_that_share_a_gil_take_turns() {
    let alone = |conf: &str, groups| {
        let answers = game(conf, groups);
        assert!(answers.iter().any(|answer| answer.starts_with("alone since")), "{conf}: {answers:?}");
    };
    alone("", ["one", "two"]);
    // The one that has a GIL of its own does not share it with others; those go on sharing theirs.
    let one = block("application-group=one", "WSGIPerInterpreterGIL On");
    alone(&format!("WSGIPerInterpreterGIL Off\n{one}"), ["two", MAIN]);
}

#[test]
fn an_interpreter_with_a_gil_of_its_own_has_a_switch_interval_of_its_own() {
    let conf = "WSGISwitchInterval 0.5\n".to_owned()
        + &block("application-group=own", "WSGIPerInterpreterGIL On\nWSGISwitchInterval 0.125");
    let httpd = evaluating(&conf).start();
    for (group, interval) in [("own", "0.125"), (MAIN, "0.5"), ("other", "0.5"), ("own", "0.125")] {
        assert_eq!(python(&httpd, group, INTERVAL), interval, "{group}");
    }
    httpd.finish(&[]);
}

#[test]
fn an_interpreter_with_a_gil_of_its_own_is_isolated() {
    // Made for sub-interpreters, but for those that share a GIL.
    let extension = Extension { name: "shares_the_gil", multi_phase: true, declared: true };
    let conf =
        "WSGIPythonPath {root}/extensions\n".to_owned() + &block("application-group=own", "WSGIPerInterpreterGIL On");
    let builder = evaluating(&conf).gil_mode(GilMode::Shared);
    extension.compile(&builder.root().join("extensions"));
    let httpd = builder.start();
    let import = "attempt(__import__, 'shares_the_gil').__class__.__name__";
    let daemon = "attempt(lambda: __import__('threading').Thread(target=len, args=('',), daemon=True).start())";
    let process = "__import__('subprocess').run(['true']).returncode";
    for (group, imported, started) in [("own", "'str'", "'RuntimeError'"), ("other", "'module'", "None")] {
        assert_eq!(python(&httpd, group, import), imported, "{group}");
        assert_eq!(python(&httpd, group, daemon), started, "{group}");
        assert_eq!(python(&httpd, group, process), "0", "{group}");
    }
    assert_eq!(python(&httpd, "own", "attempt(__import__, 'shares_the_gil')"), "'ImportError'");
    // The main interpreter is what it always was.
    assert_eq!(python(&httpd, MAIN, daemon), "None");
    httpd.finish(&[]);
}

#[test]
fn threads_go_from_one_gil_to_another() {
    const ROUNDS: usize = 60;
    let httpd = by_header("WSGIPerInterpreterGIL On", "evaluate.py").gil_mode(GilMode::Shared).start();
    let ask = |start: usize| {
        let mut connection = httpd.connect();
        for round in 0..ROUNDS {
            let (header, name) = [(MAIN, ""), ("one", "one"), ("two", "two")][(start + round) % 3];
            let expression = if round % 7 == 0 { "1 / 0" } else { "mod_wsgi.application_group" };
            let expected = if round % 7 == 0 { "ZeroDivisionError".to_owned() } else { format!("'{name}'") };
            let request =
                format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Group: {header}\r\nX-Python: {expression}\r\n\r\n");
            connection.send(request).response().assert(200, &expected);
        }
    };
    thread::scope(|scope| {
        for client in 0..3 {
            scope.spawn(move || ask(client));
        }
    });
    httpd.finish(&[]);
}

#[test]
fn without_the_gil_none_is_given_to_an_interpreter() {
    let httpd = evaluating("WSGIPerInterpreterGIL On").gil_mode(GilMode::Free).start();
    for group in [MAIN, "one", "two", "one"] {
        assert_eq!(python(&httpd, group, "__import__('sys')._is_gil_enabled()"), "False", "{group}");
    }
    let daemon = "attempt(lambda: __import__('threading').Thread(target=len, args=('',), daemon=True).start())";
    assert_eq!(python(&httpd, "one", daemon), "None", "it is not isolated either");
    let log = httpd.error_log();
    for group in ["one", "two"] {
        let warnings = log.matching(&format!("WSGI0202: WSGIPerInterpreterGIL is ignored for '{group}'"));
        assert_eq!(warnings.iter().map(|entry| &*entry.level).collect::<Vec<_>>(), ["warn"], "{log:#?}");
    }
    assert_eq!(log.count("WSGI0202"), 2, "nothing of the main interpreter: {log:#?}");
    httpd.finish(&["WSGI0202"]);
}

#[test]
fn a_python_that_knows_one_gil_only_says_so_once() {
    let httpd = evaluating("WSGIPerInterpreterGIL On").gil_build().start();
    for group in [MAIN, "one", "two"] {
        assert_eq!(python(&httpd, group, "6 * 7"), "42", "{group}");
    }
    let log = httpd.error_log();
    let warnings = log.matching("WSGI0198: WSGIPerInterpreterGIL has no effect*3.12");
    assert_eq!(warnings.iter().map(|entry| &*entry.level).collect::<Vec<_>>(), ["warn"], "{log:#?}");
    httpd.finish(&["WSGI0198"]);

    let httpd = evaluating("WSGIPerInterpreterGIL Off").gil_build().start();
    assert_eq!(python(&httpd, "one", "6 * 7"), "42");
    httpd.finish(&[]);
}
