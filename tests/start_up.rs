//! The directives that decide how Python starts in a process and how it ends.

use crate::support::two_groups::{PATHS, TWO_GROUPS, assert_in_both_groups, evaluating, python};
use crate::support::{Builder, GilMode, Httpd, Mpm, in_both_modes, variable, wait_for};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// Runs a test with the Python that can do without the GIL and with the one that cannot.
fn with_both_builds(test: impl Fn(fn(Builder) -> Builder)) {
    let builds: [fn(Builder) -> Builder; 2] = [|builder| builder, Builder::gil_build];
    for (name, build) in ["free-threaded", "with the GIL"].into_iter().zip(builds) {
        println!("build: {name}");
        test(build);
    }
}

#[test]
fn optimisation_is_counted_as_by_python() {
    const LEVEL: &str = "__import__('sys').flags.optimize";
    let starting =
        |argument: &str| evaluating(&format!("WSGIPythonOptimize {argument}")).file("modules/documented.py", "'A.'");
    for (argument, level, asserts, doc) in [
        ("0", "0", "'AssertionError'", "'A.'"),
        ("1", "1", "None", "'A.'"),
        ("2", "2", "None", "None"),
        ("3", "3", "None", "None"),
        // What is no level is none.
        ("2nd", "2", "None", "None"),
        ("-1", "0", "'AssertionError'", "'A.'"),
        ("high", "0", "'AssertionError'", "'A.'"),
    ] {
        println!("WSGIPythonOptimize {argument}");
        let builder = starting(argument);
        let modules = builder.root().join("modules").display().to_string();
        let httpd = builder.env("PYTHONPATH", &modules).start();
        assert_in_both_groups(&httpd, LEVEL, level);
        assert_in_both_groups(&httpd, "attempt(exec, 'assert False')", asserts);
        assert_in_both_groups(&httpd, "__import__('documented').__doc__", doc);
        httpd.finish(&[]);
    }
    // Level 0 leaves it to the environment.
    for (argument, level) in [("0", "1"), ("2", "2")] {
        let httpd = starting(argument).env("PYTHONOPTIMIZE", "1").start();
        assert_in_both_groups(&httpd, LEVEL, level);
        httpd.finish(&[]);
    }
    let httpd = starting("2").gil_build().start();
    assert_in_both_groups(&httpd, LEVEL, "2");
    httpd.finish(&[]);
}

#[test]
fn filters_for_warnings_add_up_in_their_order() {
    const WARN: &str = "attempt(__import__('warnings').warn, 'beware', UserWarning)";
    with_both_builds(|build| {
        let conf = "WSGIPythonWarnings error::UserWarning\nWSGIPythonWarnings \"ignore:of no account:UserWarning\"";
        let httpd = build(evaluating(conf)).start();
        let filters = "['error::UserWarning', 'ignore:of no account:UserWarning']";
        assert_in_both_groups(&httpd, "__import__('sys').warnoptions", filters);
        assert_in_both_groups(&httpd, WARN, "'UserWarning'");
        // The later filter is asked first.
        assert_in_both_groups(&httpd, &WARN.replace("beware", "of no account"), "None");
        httpd.finish(&[]);
    });
    let httpd = evaluating("").start();
    assert_in_both_groups(&httpd, WARN, "None");
    httpd.finish(&["UserWarning: beware", "return call("]);
}

#[test]
fn a_filter_that_python_does_not_know_keeps_nothing_from_starting() {
    let httpd = evaluating("WSGIPythonWarnings nonsense\nWSGIPythonWarnings error::UserWarning").start();
    assert_in_both_groups(&httpd, "__import__('sys').warnoptions[0]", "'nonsense'");
    assert_in_both_groups(&httpd, "attempt(__import__('warnings').warn, 'beware')", "'UserWarning'");
    httpd.finish(&["Invalid -W option ignored: invalid action: 'nonsense'"]);
}

/// What `hash()` of a text is in four processes, in both groups of each.
fn hashes(builder: Builder) -> Vec<String> {
    const ASK: &str = "GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Python: \
                       (__import__('os').getpid(), hash('a text'))\r\n\r\n";
    // One more than the connections need: at the limit httpd advises to raise it.
    let size = "StartServers 4\nServerLimit 5\nMaxRequestWorkers 5\nMinSpareServers 1\nMaxSpareServers 5";
    let httpd = builder.mpm(Mpm::Prefork).size(size).start();
    // Connections that are kept are in processes of their own.
    let mut connections = [(); 4].map(|()| httpd.connect());
    let seen: Vec<_> = connections
        .iter_mut()
        .map(|connection| {
            let [main, named] = PATHS.map(|path| {
                let response = connection.send(ASK.replace("{path}", path)).response();
                response.text().to_owned()
            });
            assert_eq!(main, named, "one seed for the interpreters of a process");
            let (process, hash) = main.trim_matches(['(', ')']).split_once(", ").expect("a pair");
            (process.to_owned(), hash.to_owned())
        })
        .collect();
    drop(connections);
    httpd.finish(&[]);
    let processes: BTreeSet<_> = seen.iter().map(|(process, _)| process).collect();
    assert_eq!(processes.len(), 4, "{seen:?}");
    seen.into_iter().map(|(_, hash)| hash).collect()
}

/// The hash by a Python of its own with this seed.
fn hash_by_seed(python: &str, seed: &str) -> String {
    let output = Command::new(python).env("PYTHONHASHSEED", seed).args(["-c", "print(hash('a text'))"]).output();
    String::from_utf8(output.expect("Python runs").stdout).expect("a number").trim().to_owned()
}

#[test]
fn a_number_seeds_the_hashes_of_all_processes() {
    for seed in ["0", "42", "4294967295"] {
        let expected = hash_by_seed(&variable("MOD_WSGI_PYTHON"), seed);
        let seen = hashes(evaluating(&format!("WSGIPythonHashSeed {seed}")).env("PYTHONHASHSEED", "7"));
        assert!(seen.iter().all(|hash| *hash == expected), "{seed}: expected {expected}, not {seen:?}");
    }
    let expected = hash_by_seed(&variable("MOD_WSGI_GIL_PYTHON"), "42");
    let seen = hashes(evaluating("WSGIPythonHashSeed 42").gil_build());
    assert!(seen.iter().all(|hash| *hash == expected), "expected {expected}, not {seen:?}");
}

#[test]
fn a_random_seed_is_another_in_each_process() {
    let distinct = |seen: Vec<String>| BTreeSet::from_iter(seen).len();
    assert_eq!(distinct(hashes(evaluating("WSGIPythonHashSeed random"))), 4);
    // The directive outranks the environment, which decides where it is not given.
    assert_eq!(distinct(hashes(evaluating("WSGIPythonHashSeed random").env("PYTHONHASHSEED", "7"))), 4);
    assert_eq!(distinct(hashes(evaluating("WSGIPythonHashSeed random").gil_build())), 4);
    assert_eq!(distinct(hashes(evaluating(""))), 4);
    let seen = hashes(evaluating("").env("PYTHONHASHSEED", "7"));
    assert_eq!(BTreeSet::from_iter(seen), BTreeSet::from([hash_by_seed(&variable("MOD_WSGI_PYTHON"), "7")]));
}

#[test]
fn the_folder_for_eggs_is_in_the_environment_of_python() {
    const FOLDER: &str = "__import__('os').environ.get('PYTHON_EGG_CACHE')";
    with_both_builds(|build| {
        let httpd = build(evaluating("WSGIPythonEggs /srv/eggs")).env("PYTHON_EGG_CACHE", "/elsewhere").start();
        assert_in_both_groups(&httpd, FOLDER, "'/srv/eggs'");
        httpd.finish(&[]);
    });
    let httpd = evaluating("").start();
    assert_in_both_groups(&httpd, FOLDER, "None");
    httpd.finish(&[]);
}

#[test]
fn bytecode_is_written_unless_that_is_switched_off() {
    for (conf, variable, written) in [
        ("", "", true),
        ("WSGIDontWriteBytecode Off", "", true),
        ("WSGIDontWriteBytecode On", "", false),
        // Off leaves it to the environment.
        ("WSGIDontWriteBytecode Off", "1", false),
    ] {
        println!("{conf}, PYTHONDONTWRITEBYTECODE={variable}");
        let builder = evaluating(conf).open_folder("modules").file("modules/mine.py", "name = 'mine'");
        let modules = builder.root().join("modules").display().to_string();
        let httpd = builder.env("PYTHONPATH", &modules).env("PYTHONDONTWRITEBYTECODE", variable).start();
        assert_in_both_groups(&httpd, "__import__('mine').name", "'mine'");
        assert_eq!(httpd.root().join("modules/__pycache__").exists(), written);
        let off = if written { "False" } else { "True" };
        assert_in_both_groups(&httpd, "__import__('sys').dont_write_bytecode", off);
        httpd.finish(&[]);
    }
}

#[test]
fn interpreters_may_be_left_as_they_are_at_the_end() {
    in_both_modes(|mode| {
        for (conf, expected) in [
            ("", "exit function\n"),
            ("WSGIDestroyInterpreter On", "exit function\n"),
            ("WSGIDestroyInterpreter Off", ""),
        ] {
            println!("{conf}");
            let builder = Httpd::with(&format!("{TWO_GROUPS}{conf}"), "lifecycle.py").open_folder("notes");
            let notes = builder.root().join("notes");
            let httpd = builder.env("NOTES", &notes.display().to_string()).gil_mode(mode).start();
            let [process] = httpd.children()[..] else { panic!("one process: {:?}", httpd.children()) };
            for path in PATHS {
                httpd.get(&format!("{path}/exit_function")).assert(200, "done");
            }
            // The process leaves; its directory, and the server, stay.
            httpd.restart();
            wait_for("the old process to leave", || (!process.is_alive()).then_some(()));
            for path in PATHS {
                let file = notes.join(format!("{}.{}", path.trim_start_matches('/'), process.0));
                assert_eq!(fs::read_to_string(file).unwrap_or_default(), expected, "{path}");
            }
            httpd.finish(&[]);
        }
    });
}

#[test]
fn interpreters_that_are_left_hold_up_no_end() {
    in_both_modes(|mode| {
        let conf = format!("{TWO_GROUPS}WSGIDestroyInterpreter Off");
        let builder = Httpd::with(&conf, "lifecycle.py").open_folder("notes");
        let notes = builder.root().join("notes").display().to_string();
        let httpd = builder.env("NOTES", &notes).gil_mode(mode).start();
        for path in PATHS {
            for work in ["endless_thread", "exit_function_lasts", "exit_function_fails"] {
                httpd.get(&format!("{path}/{work}")).assert(200, "done");
            }
        }
        httpd.finish(&[]);
    });
}

#[test]
fn letter_case_may_be_made_not_to_matter() {
    const GROUP: &str = "environ['mod_wsgi.application_group']";
    for (conf, same) in [("", false), ("WSGICaseSensitivity On", false), ("WSGICaseSensitivity Off", true)] {
        println!("{conf}");
        let conf = format!("WSGIScriptAliasMatch ^/(?i:app) {{app}}\n{conf}");
        let httpd = Httpd::with(&conf, "evaluate.py").start();
        let [lower, upper] = ["/app", "/APP"].map(|path| python(&httpd, path, GROUP));
        assert!(lower.ends_with("|/app'"), "{lower}");
        assert_eq!(upper.ends_with("|/app'"), same, "{upper}");
        assert_eq!(python(&httpd, "/APP/Path", "environ['SCRIPT_NAME']"), "'/APP'", "the application sees the case");
        httpd.finish(&[]);
    }
}

#[test]
fn scripts_are_told_apart_by_letter_case_only_where_it_matters() {
    const SCRIPT: &str = "loads = 0\ndef application(environ, start_response):\n    global loads\n    loads += 1\n    \
                          start_response('200 OK', [])\n    return [f'{__name__} {loads}'.encode()]\n";
    for (conf, same) in [("WSGICaseSensitivity On", false), ("WSGICaseSensitivity Off", true)] {
        println!("{conf}");
        let conf = format!(
            "WSGIScriptAlias /one {{apps}}/Site.wsgi\nWSGIScriptAlias /two {{apps}}/site.wsgi\n\
             WSGIApplicationGroup %{{GLOBAL}}\nWSGIScriptReloading Off\n{conf}"
        );
        let httpd = Httpd::bare(&conf).file("apps/Site.wsgi", SCRIPT).file("apps/site.wsgi", SCRIPT).start();
        let [one, two] = ["/one", "/two"].map(|path| {
            let response = httpd.get(path);
            let (name, count) = response.text().split_once(' ').expect("two words");
            assert!(name.starts_with("_mod_wsgi_"), "{name}");
            (name.to_owned(), count.to_owned())
        });
        assert_eq!(one.0 == two.0, same, "{one:?} {two:?}");
        assert_eq!(two.1, if same { "2" } else { "1" }, "{two:?}");
        httpd.finish(&[]);
    }
}

#[test]
fn verbose_debugging_is_accepted_with_one_notice() {
    let httpd = evaluating("WSGIVerboseDebugging On\nWSGIVerboseDebugging Off").start();
    assert_in_both_groups(&httpd, "6 * 7", "42");
    let log = httpd.error_log();
    assert_eq!(log.count("WSGIVerboseDebugging has no effect*LogLevel"), 1, "{log:#?}");
    httpd.finish(&["WSGI1008"]);
}

#[test]
fn a_wrong_value_is_told_by_name_value_and_what_was_expected() {
    const ON_OFF: &[&str] = &["expected", "On", "Off"];
    const SEED: &[&str] = &["expected", "random", "4294967295"];
    for (line, value, expected) in [
        ("WSGIPythonHashSeed Random", "Random", SEED),
        ("WSGIPythonHashSeed -1", "-1", SEED),
        ("WSGIPythonHashSeed +1", "+1", SEED),
        ("WSGIPythonHashSeed 4294967296", "4294967296", SEED),
        ("WSGIPythonHashSeed 1.5", "1.5", SEED),
        ("WSGIPythonHashSeed 0x10", "0x10", SEED),
        ("WSGIPythonHashSeed \"\"", "", &["expected", "random"]),
        ("WSGIPythonHashSeed", "", &["expected", "random"]),
        ("WSGIPythonHashSeed 1 2", "1 2", &["expected", "random"]),
        ("WSGIDontWriteBytecode yes", "yes", ON_OFF),
        ("WSGIDestroyInterpreter 0", "0", ON_OFF),
        ("WSGICaseSensitivity maybe", "maybe", ON_OFF),
        ("WSGIVerboseDebugging 2", "2", ON_OFF),
        ("WSGIVerboseDebugging", "", ON_OFF),
        ("WSGIPythonOptimize", "", &["expected", "level"]),
        ("WSGIPythonOptimize 1 2", "1 2", &["expected", "level"]),
        ("WSGIPythonWarnings", "", &["expected", "filter"]),
        ("WSGIPythonWarnings error ignore", "error ignore", &["expected", "filter"]),
        ("WSGIPythonWarnings \"\"", "", &["expected", "filter"]),
        ("WSGIPythonEggs", "", &["expected", "directory"]),
        ("WSGIPythonEggs /a /b", "/a /b", &["expected", "directory"]),
    ] {
        println!("{line}");
        let directive = line.split(' ').next().unwrap_or(line);
        let words = [expected, &["AH00526: Syntax error on line", directive, value]].concat();
        Httpd::bare(line).config_test().assert_fails_with(&words);
    }
}

#[test]
fn the_start_of_python_is_decided_by_the_main_server_alone() {
    for line in [
        "WSGIPythonOptimize 1",
        "WSGIPythonWarnings error",
        "WSGIPythonHashSeed 1",
        "WSGIPythonEggs /tmp",
        "WSGIDontWriteBytecode On",
        "WSGIDestroyInterpreter Off",
        "WSGICaseSensitivity Off",
        "WSGIVerboseDebugging On",
        "WSGIRestrictEmbedded On",
        "WSGIRestrictStdin On",
        "WSGIRestrictStdout On",
        "WSGIRestrictSignal Off",
        "WSGIPerInterpreterGIL On",
        "WSGISwitchInterval 1",
    ] {
        let directive = line.split(' ').next().unwrap_or(line);
        for section in ["VirtualHost *:80", "Directory {root}", "Location /x", "Files x", "If \"true\""] {
            println!("{line} in {section}");
            let name = section.split(' ').next().unwrap_or(section);
            let conf = format!("<{section}>\n{line}\n</{name}>");
            Httpd::bare(&conf).config_test().assert_fails_with(&[directive]);
        }
    }
    let conf = "<IfModule wsgi_module>\nWSGIPythonOptimize 1\nWSGIPythonHashSeed 1\nWSGIRestrictStdin On\n</IfModule>";
    Httpd::bare(conf).config_test().assert_ok();
}

#[test]
fn htaccess_decides_nothing_of_the_start() {
    let conf = "WSGIScriptAlias / {app}\n<Directory {root}/apps>\nAllowOverride All\n</Directory>";
    for line in ["WSGIPythonOptimize 1", "WSGIRestrictStdin On", "WSGIVerboseDebugging On"] {
        let httpd = Httpd::with(conf, "evaluate.py").file("apps/.htaccess", line).gil_mode(GilMode::Free).start();
        httpd.get("/").assert_error_page(500);
        httpd.finish(&[&format!(".htaccess: {}*not allowed here", line.split(' ').next().unwrap_or(line))]);
    }
}

/// Ends every start of an interpreter while the file `notes/failing` is there.
const FAILING_SITE: &str = "import os\nif os.path.exists(os.environ['NOTES'] + '/failing'): raise SystemExit(7)\n";

fn with_failing_site(conf: &str) -> Builder {
    let builder = evaluating(conf).open_folder("notes").file("site/sitecustomize.py", FAILING_SITE);
    let root = builder.root().display().to_string();
    builder.env("NOTES", &format!("{root}/notes")).env("PYTHONPATH", &format!("{root}/site"))
}

#[test]
fn a_server_whose_python_does_not_start_serves_what_needs_none() {
    with_both_builds(|build| {
        let builder = build(with_failing_site("")).file("htdocs/plain.txt", "plain");
        fs::write(builder.root().join("notes/failing"), "").expect("our own folder");
        let httpd = builder.start();
        for path in PATHS {
            httpd.get(path).assert_error_page(500);
        }
        httpd.get("/plain.txt").assert(200, "plain");
        let log = httpd.error_log();
        let lines = log.matching("WSGI0036: Python does not start");
        assert_eq!(lines.iter().map(|entry| &*entry.level).collect::<Vec<_>>(), ["crit"], "{log:#?}");
        assert_eq!(log.count("WSGI0210"), 2, "{log:#?}");
        httpd.finish(&["WSGI0036", "WSGI0210"]);
    });
}

#[test]
fn an_interpreter_that_cannot_be_made_is_tried_again_by_the_next_request() {
    // Before 3.12 CPython ends the process itself (Py_NewInterpreter), so there is nothing to show there.
    in_both_modes(|mode| {
        let httpd = with_failing_site("").gil_mode(mode).start();
        let failing = httpd.root().join("notes/failing");
        assert_eq!(python(&httpd, "/main", "6 * 7"), "42");
        fs::write(&failing, "").expect("our own folder");
        for _ in 0..3 {
            httpd.get("/named").assert_error_page(500);
            assert_eq!(python(&httpd, "/main", "6 * 7"), "42");
        }
        fs::remove_file(&failing).expect("our own file");
        assert_eq!(python(&httpd, "/named", "6 * 7"), "42");
        let log = httpd.error_log();
        assert_eq!(log.count("WSGI0087: interpreter 'named' cannot be made"), 3, "{log:#?}");
        // CPython 3.14 says what was raised in lines of its own.
        let by_python = ["Exception ignored on threading shutdown", "Traceback *SystemExit: 7"];
        let by_python = if log.count(by_python[0]) > 0 { &by_python[..] } else { &[] };
        httpd.finish(&[by_python, &["WSGI0087"]].concat());
    });
}
