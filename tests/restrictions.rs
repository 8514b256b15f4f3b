//! What is kept from applications: standard streams, signals, httpd's own
//! processes and process groups.

use crate::support::two_groups::{PATHS, assert_in_both_groups, evaluating, python};
use crate::support::{Builder, GilMode, Httpd, Mpm, in_both_modes, wait_for};
use std::fs;

/// Runs a test with the GIL, without it, and on a build that has it in any case.
fn everywhere(test: impl Fn(fn(Builder) -> Builder)) {
    let builds: [fn(Builder) -> Builder; 3] =
        [|builder| builder.gil_mode(GilMode::Shared), |builder| builder.gil_mode(GilMode::Free), Builder::gil_build];
    for (name, build) in ["with the GIL", "without the GIL", "a build with the GIL"].into_iter().zip(builds) {
        println!("{name}");
        test(build);
    }
}

/// What every use of a restricted stream comes to, `{}` standing for the stream.
const USES: [(&str, &str); 12] = [
    ("{}.fileno()", "UnsupportedOperation"),
    ("{}.encoding", "OSError"),
    ("{}.close()", "OSError"),
    ("{}.no_such_attribute", "OSError"),
    ("hasattr({}, 'write')", "OSError"),
    ("isinstance({}, str)", "False"),
    ("setattr({}, 'encoding', 'x')", "AttributeError"),
    ("iter({})", "TypeError"),
    ("bool({})", "True"),
    ("{} == {}", "True"),
    ("type({}).__name__", "'Restricted'"),
    ("repr({}) == str({})", "True"),
];

#[track_caller]
fn assert_restricted(httpd: &Httpd, name: &str) {
    let stream = format!("__import__('sys').{name}");
    for (usage, outcome) in USES {
        assert_in_both_groups(httpd, &usage.replace("{}", &stream), outcome);
    }
}

#[test]
fn a_restricted_stdout_is_an_error_to_use() {
    everywhere(|build| {
        let httpd = build(evaluating("WSGIRestrictStdout On")).start();
        assert_restricted(&httpd, "stdout");
        assert_in_both_groups(&httpd, "print('lost')", "OSError");
        assert_in_both_groups(&httpd, "print('', end='')", "OSError");
        // The others are as they were.
        assert_in_both_groups(&httpd, "print('said', file=__import__('sys').stderr)", "None");
        assert_in_both_groups(&httpd, "print('told', file=errors)", "None");
        assert_in_both_groups(&httpd, "type(__import__('sys').stdin).__name__ == 'Restricted'", "False");
        let log = httpd.error_log();
        assert_eq!((log.count("said"), log.count("told"), log.count("lost")), (2, 2, 0), "{log:#?}");
        // Nor is anything said of it when Python ends.
        httpd.finish(&["said", "told"]);
    });
}

#[test]
fn a_restricted_stdin_is_an_error_to_use() {
    everywhere(|build| {
        let httpd = build(evaluating("WSGIRestrictStdin On")).start();
        assert_restricted(&httpd, "stdin");
        assert_in_both_groups(&httpd, "__import__('builtins').input()", "OSError");
        assert_in_both_groups(&httpd, "__import__('sys').stdin.read()", "OSError");
        assert_in_both_groups(&httpd, "print('said')", "None");
        httpd.finish(&["said"]);
    });
}

#[test]
fn the_error_names_the_stream() {
    let module = "import sys\ndef message(name):\n    try:\n        getattr(sys, name).fileno()\n    except OSError as error:\n        \
                  return str(error)\n";
    let httpd = evaluating("WSGIRestrictStdin On\nWSGIRestrictStdout On\nWSGIPythonPath {root}/modules")
        .file("modules/asking.py", module)
        .start();
    for name in ["stdin", "stdout"] {
        let message = python(&httpd, "/named", &format!("__import__('asking').message('{name}')"));
        assert!(message.contains(&format!("sys.{name}")), "{message}");
    }
    httpd.finish(&[]);
}

#[test]
fn streams_are_free_unless_restricted() {
    for conf in ["", "WSGIRestrictStdin Off\nWSGIRestrictStdout Off"] {
        let httpd = evaluating(conf).start();
        for stream in ["stdin", "stdout"] {
            assert_in_both_groups(
                &httpd,
                &format!("type(__import__('sys').{stream}).__name__ == 'Restricted'"),
                "False",
            );
        }
        assert_in_both_groups(&httpd, "print('said')", "None");
        assert_eq!(httpd.error_log().count("said"), 2);
        httpd.finish(&["said"]);
    }
}

/// `signal.signal(SIGUSR2, handler)`: what it returns, and what is installed afterwards.
const INSTALL: &str = "(lambda signal: (attempt(signal.signal, 12, signal.SIG_IGN), signal.getsignal(12)))\
                       (__import__('signal'))";

#[test]
fn signals_of_a_process_are_left_to_httpd() {
    everywhere(|build| {
        for conf in ["", "WSGIRestrictSignal On"] {
            let httpd = build(evaluating(conf)).log_level("warn wsgi:info").start();
            // It returns the handler that it was given, and installs nothing.
            let answer = "(<Handlers.SIG_IGN: 1>, <Handlers.SIG_DFL: 0>)";
            assert_in_both_groups(&httpd, INSTALL, answer);
            for wrong in ["", "12", "'12', None", "12, None, 1", "12, handler=None"] {
                assert_in_both_groups(&httpd, &format!("__import__('signal').signal({wrong})"), "TypeError");
            }
            assert_in_both_groups(&httpd, "attempt(__import__('signal').signal, 12, len)(b'...')", "3");
            let log = httpd.error_log();
            assert!(log.matching("signal 12 is not installed").len() >= 4, "{log:#?}");
            let stack = log.matching("evaluate.py");
            assert!(stack.iter().any(|entry| entry.message.contains("in application")), "{log:#?}");
            let levels = log.entries.iter().filter(|entry| entry.message.contains("is not installed"));
            assert!(levels.into_iter().all(|entry| entry.level == "info"), "{log:#?}");
            // httpd still stops by its own signal.
            httpd.finish(&["signal 12 is not installed", "  File \"", "loading the script", "Python 3*started"]);
        }
    });
}

#[test]
fn signals_may_be_left_to_the_application() {
    everywhere(|build| {
        let httpd = build(evaluating("WSGIRestrictSignal Off")).start();
        // Python itself takes handlers on its main thread only, which serves no request.
        assert_in_both_groups(&httpd, INSTALL, "('ValueError', <Handlers.SIG_DFL: 0>)");
        httpd.finish(&[]);
        let script = "import signal\nreturned = signal.signal(signal.SIGUSR2, signal.SIG_IGN)\n";
        let import = "WSGIRestrictSignal Off\n\
                      WSGIImportScript {root}/at_start.py process-group=%{GLOBAL} application-group=%{GLOBAL}";
        let httpd = build(evaluating(import)).file("at_start.py", script).start();
        assert_eq!(python(&httpd, "/main", "__import__('signal').getsignal(12)"), "<Handlers.SIG_IGN: 1>");
        let before = httpd.children();
        for process in &before {
            process.signal("USR2");
        }
        assert_eq!(python(&httpd, "/main", "6 * 7"), "42");
        assert_eq!(httpd.children(), before, "the signal was ignored");
        httpd.finish(&[]);
    });
}

#[test]
fn a_forked_process_may_have_its_own_signals() {
    let module = "import os, signal\n\
                  def forked():\n    \
                      reading, writing = os.pipe()\n    \
                      child = os.fork()\n    \
                      if not child:\n        \
                          try:\n            \
                              signal.signal(signal.SIGUSR2, signal.SIG_IGN)\n            \
                              answer = signal.getsignal(signal.SIGUSR2).name\n        \
                          except BaseException as error:\n            \
                              answer = repr(error)\n        \
                          os.write(writing, answer.encode())\n        \
                          os._exit(0)\n    \
                      os.close(writing)\n    \
                      os.waitpid(child, 0)\n    \
                      return os.read(reading, 999).decode()\n";
    everywhere(|build| {
        let httpd = build(evaluating("WSGIPythonPath {root}/modules")).file("modules/forking.py", module).start();
        assert_eq!(python(&httpd, "/main", "__import__('forking').forked()"), "'SIG_IGN'");
        assert_eq!(python(&httpd, "/main", "__import__('signal').getsignal(12)"), "<Handlers.SIG_DFL: 0>");
        httpd.finish(&[]);
    });
}

/// A server whose Pythons each leave a file in the directory `notes` when they start.
fn telling_of_python(conf: &str) -> Builder {
    let builder = evaluating(conf).open_folder("notes").file(
        "site/sitecustomize.py",
        "import os\nopen(os.path.join(os.environ['NOTES'], str(os.getpid())), 'w').close()\n",
    );
    let root = builder.root().display().to_string();
    builder.env("NOTES", &format!("{root}/notes")).env("PYTHONPATH", &format!("{root}/site"))
}

fn pythons(httpd: &Httpd) -> usize {
    fs::read_dir(httpd.root().join("notes")).expect("our own folder").count()
}

#[test]
fn no_python_starts_where_no_application_may_run() {
    for mpm in Mpm::ALL {
        println!("{mpm:?}");
        let builder = telling_of_python("WSGIRestrictEmbedded On").mpm(mpm).log_level("warn wsgi:info");
        let httpd = builder.file("htdocs/plain.txt", "plain").start();
        for path in PATHS {
            httpd.get(path).assert_error_page(500);
        }
        // What is not ours is served as ever, and so is what was wrong before.
        httpd.get("/plain.txt").assert(200, "plain");
        assert_eq!(pythons(&httpd), 0);
        let log = httpd.error_log();
        assert_eq!(log.count("WSGI0143: WSGIRestrictEmbedded"), 2, "{log:#?}");
        assert_eq!(log.count("Python 3"), 0, "{log:#?}");
        httpd.finish(&["WSGI0143", "WSGIRestrictEmbedded On: Python is not started"]);
    }
    let httpd = telling_of_python("WSGIRestrictEmbedded On").gil_build().start();
    httpd.get("/main").assert_error_page(500);
    assert_eq!(pythons(&httpd), 0);
    httpd.finish(&["WSGI0143"]);
}

#[test]
fn python_starts_in_each_process_unless_that_is_restricted() {
    for conf in ["", "WSGIRestrictEmbedded Off", "WSGIRestrictEmbedded On\nWSGIRestrictEmbedded Off"] {
        let httpd = telling_of_python(conf).mpm(Mpm::Prefork).start();
        wait_for("four Pythons", || (pythons(&httpd) == 4).then_some(()));
        assert_in_both_groups(&httpd, "6 * 7", "42");
        httpd.finish(&[]);
    }
}

#[test]
fn a_script_that_is_loaded_beforehand_needs_python_and_lets_no_request_in() {
    const IMPORT: &str = "WSGIImportScript {root}/at_start.py process-group=%{GLOBAL} application-group=named";
    let host = format!("<VirtualHost *:{{port}}>\nServerName other\n{IMPORT}\n</VirtualHost>");
    for conf in [
        format!("WSGIRestrictEmbedded On\n{IMPORT}"),
        format!("{IMPORT}\nWSGIRestrictEmbedded On"),
        "WSGIRestrictEmbedded Off\nWSGIRestrictEmbedded On".to_owned(),
        format!("WSGIRestrictEmbedded On\n{host}"),
    ] {
        println!("{conf}");
        let imports = conf.contains("WSGIImportScript");
        let builder = telling_of_python(&conf).file("at_start.py", "import sys\nprint('loaded', file=sys.stderr)\n");
        let httpd = builder.start();
        wait_for("Python", || (pythons(&httpd) == 1).then_some(()));
        if imports {
            httpd.wait_for_log("loaded");
        }
        httpd.get("/main").assert_error_page(500);
        let expected: &[&str] = if imports { &["loaded", "WSGI0143"] } else { &["WSGI0143"] };
        httpd.finish(expected);
    }
}

#[test]
fn an_alias_that_is_loaded_beforehand_does_not_bring_python_in() {
    let alias = "WSGIScriptAlias /x {app} process-group=%{GLOBAL} application-group=%{GLOBAL}";
    let httpd = telling_of_python(&format!("WSGIRestrictEmbedded On\n{alias}")).start();
    httpd.get("/x").assert_error_page(500);
    assert_eq!(pythons(&httpd), 0);
    httpd.finish(&["WSGI0143"]);
}

/// Where process groups are chosen and allowed, and what that comes to at each place.
#[test]
fn a_process_group_must_exist_and_be_allowed() {
    const REFUSED: &str = "WSGI0149: httpd's own processes may not be used here: WSGIRestrictProcess";
    let mut conf = "WSGIScriptAlias /at {app}\nWSGIApplicationGroup %{GLOBAL}\nSetEnvIf X-Group (.*) GROUP=$1\n\
                    SetEnv NOTHING \"\"\n"
        .to_owned();
    let table = [
        // Lines of the place, and what the log says where it is no answer.
        ("", None),
        ("WSGIProcessGroup %{GLOBAL}", None),
        ("WSGIProcessGroup missing", Some("WSGI0150: process group 'missing' is not defined")),
        ("WSGIProcessGroup %{global}", Some("WSGI0150: process group '%{global}' is not defined")),
        ("WSGIProcessGroup %{SERVER}", Some("WSGI0150: process group 'localhost")),
        ("WSGIProcessGroup %{ENV:NOTHING}", None),
        ("WSGIProcessGroup %{ENV:UNSET}", Some("WSGI0150: process group '%{ENV:UNSET}' is not defined")),
        ("WSGIProcessGroup %{ENV:GROUP}", Some("WSGI0150: process group 'by-header' is not defined")),
        ("WSGIRestrictProcess", Some(REFUSED)),
        ("WSGIRestrictProcess %{GLOBAL}", None),
        ("WSGIRestrictProcess \"\"", None),
        ("WSGIRestrictProcess one two %{GLOBAL}", None),
        ("WSGIRestrictProcess one two", Some(REFUSED)),
        ("WSGIRestrictProcess %{SERVER} %{ENV:NOTHING}", Some(REFUSED)),
        // It is tested against the name as expanded, before it is looked for; case does not matter.
        ("WSGIRestrictProcess one MISSING\nWSGIProcessGroup missing", Some("WSGI0150")),
        ("WSGIRestrictProcess one\nWSGIProcessGroup missing", Some("WSGI0149: process group 'missing'")),
        ("WSGIRestrictProcess By-Header\nWSGIProcessGroup %{ENV:GROUP}", Some("WSGI0150")),
        ("WSGIRestrictProcess other\nWSGIProcessGroup %{ENV:GROUP}", Some("WSGI0149: process group 'by-header'")),
        // A second one replaces the first.
        ("WSGIRestrictProcess %{GLOBAL}\nWSGIRestrictProcess one", Some(REFUSED)),
        ("WSGIRestrictProcess\nWSGIRestrictProcess %{GLOBAL}", None),
    ];
    for (number, (lines, _)) in table.iter().enumerate() {
        conf += &format!("<Location /at/{number}/>\n{lines}\n</Location>\n");
    }
    in_both_modes(|mode| {
        let httpd = Httpd::with(&conf, "evaluate.py").modules(&["setenvif", "env"]).gil_mode(mode).start();
        let mut expected = Vec::new();
        for (number, (lines, fault)) in table.iter().enumerate() {
            println!("{lines}");
            let before = fault.map(|fault| httpd.error_log().count(fault));
            let request = httpd.request("GET", &format!("/at/{number}/")).header("X-Group", "by-header");
            let response = request.header("X-Python", "6 * 7").send();
            match fault {
                None => response.assert(200, "42"),
                Some(fault) => {
                    response.assert_error_page(500);
                    assert_eq!(Some(httpd.error_log().count(fault)), before.map(|count| count + 1), "{fault}");
                    expected.push(*fault);
                }
            }
        }
        httpd.finish(&expected);
    });
}

#[test]
fn the_more_specific_restriction_counts() {
    let conf = "WSGIScriptAlias / {app}\nWSGIApplicationGroup %{GLOBAL}\nWSGIRestrictProcess one\n\
                <Location /free>\nWSGIRestrictProcess %{GLOBAL}\n</Location>\n\
                <Location /free/not>\nWSGIRestrictProcess two\n</Location>\n\
                <VirtualHost *:{port}>\nServerName first\n</VirtualHost>\n\
                <VirtualHost *:{port}>\nServerName second\nWSGIRestrictProcess two %{GLOBAL}\n</VirtualHost>";
    let httpd = Httpd::with(conf, "evaluate.py").start();
    for (host, path, allowed) in [
        ("first", "/", false),
        ("first", "/free", true),
        ("first", "/free/not", false),
        ("second", "/", true),
        ("second", "/free", true),
        ("second", "/free/not", false),
    ] {
        let request = httpd.request("GET", &format!("http://{host}{path}")).header("X-Python", "6 * 7");
        let response = request.send();
        println!("{host}{path}: {response:?}");
        if allowed { response.assert(200, "42") } else { response.assert_error_page(500) }
    }
    httpd.finish(&["WSGI0149"]);
}

#[test]
fn an_alias_chooses_a_process_group_over_the_directive() {
    let conf = "WSGIProcessGroup missing\nWSGIApplicationGroup %{GLOBAL}\n\
                WSGIScriptAlias /embedded {app} process-group=%{GLOBAL}\n\
                WSGIScriptAlias /other {app} process-group=other\nWSGIScriptAlias / {app}";
    let httpd = Httpd::with(conf, "evaluate.py").start();
    httpd.request("GET", "/embedded").header("X-Python", "environ['mod_wsgi.process_group']").send().assert(200, "''");
    httpd.get("/other").assert_error_page(500);
    httpd.get("/").assert_error_page(500);
    let log = httpd.error_log();
    assert_eq!((log.count("WSGI0150*'other'"), log.count("WSGI0150*'missing'")), (1, 1), "{log:#?}");
    httpd.finish(&["WSGI0150"]);
}

#[test]
fn process_groups_are_chosen_in_no_htaccess() {
    let conf = "WSGIScriptAlias / {app}\n<Directory {root}/apps>\nAllowOverride All\n</Directory>";
    for line in ["WSGIProcessGroup x", "WSGIRestrictProcess x"] {
        let httpd = Httpd::with(conf, "evaluate.py").file("apps/.htaccess", line).start();
        httpd.get("/").assert_error_page(500);
        httpd.finish(&[&format!(".htaccess: {}*not allowed here", line.split(' ').next().unwrap_or(line))]);
    }
}

#[test]
fn a_wrong_value_is_told_by_name_value_and_what_was_expected() {
    const ON_OFF: &[&str] = &["expected", "On", "Off"];
    for (line, value, expected) in [
        ("WSGIRestrictEmbedded yes", "yes", ON_OFF),
        ("WSGIRestrictEmbedded", "", ON_OFF),
        ("WSGIRestrictStdin 1", "1", ON_OFF),
        ("WSGIRestrictStdout On Off", "On Off", ON_OFF),
        ("WSGIRestrictSignal \"\"", "", ON_OFF),
        ("WSGIProcessGroup", "", &["expected", "process group"]),
        ("WSGIProcessGroup a b", "a b", &["expected", "process group"]),
        ("WSGIProcessGroup \"\"", "", &["expected", "process group"]),
        ("WSGIRestrictProcess \"a", "a", &["quote"]),
    ] {
        println!("{line}");
        let directive = line.split(' ').next().unwrap_or(line);
        let words = [expected, &["AH00526: Syntax error on line", directive, value]].concat();
        Httpd::bare(line).config_test().assert_fails_with(&words);
    }
}
