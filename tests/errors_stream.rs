//! `wsgi.errors`, `sys.stderr` and `sys.stdout`: all lead to httpd's error log
//! (PEP 3333, "Input and Error Streams").

use crate::support::{Entry, Httpd, in_both_modes, wait_for};
use std::thread;

/// The one record that holds this text.
#[track_caller]
fn record(httpd: &Httpd, text: &str) -> Entry {
    httpd.wait_for_log(text);
    let log = httpd.error_log();
    let [entry] = log.matching(text)[..] else { panic!("not one record of {text:?}: {log:#?}") };
    entry.clone()
}

#[test]
fn each_line_is_a_record_of_its_request() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("errors_stream.py").gil_mode(mode).start();
        httpd.get("/lines").assert(200, "done");
        let lines = [
            "plain line",
            "line one",
            "line two",
            "joined from parts",
            "listed 1",
            "listed 2",
            "flushed",
            "unfinished at the end",
        ];
        for line in lines {
            let entry = record(&httpd, line);
            assert_eq!((entry.module.as_str(), entry.level.as_str()), ("wsgi", "error"), "{entry:?}");
            assert!(entry.client.as_deref().is_some_and(|client| client.starts_with("127.0.0.1:")), "{entry:?}");
            assert!(entry.message.starts_with("[script ") && entry.message.ends_with(line), "{entry:?}");
            assert!(entry.message.contains("/apps/errors_stream.py] "), "{entry:?}");
        }
        httpd.finish(&[&lines[..], &["printed at import"]].concat());
    });
}

#[test]
fn what_is_printed_in_a_request_belongs_to_it() {
    in_both_modes(|mode| {
        for group in ["%{GLOBAL}", "named"] {
            let conf = format!("WSGIScriptAlias / {{app}}\nWSGIApplicationGroup {group}");
            let httpd = Httpd::with(&conf, "errors_stream.py").gil_mode(mode).start();
            httpd.get("/printed").assert(200, "done");
            let lines = [
                "printed to stdout",
                "printed to stderr",
                "printed to errors",
                "half of it, and the rest",
                "WARNING logged",
            ];
            for line in lines {
                let entry = record(&httpd, line);
                assert_eq!(entry.level, "error", "{entry:?}");
                assert!(entry.client.is_some() && entry.message.ends_with(line), "{group}: {entry:?}");
            }
            httpd.finish(&[&lines[..], &["printed at import"]].concat());
        }
    });
}

#[test]
fn what_is_printed_outside_of_a_request_belongs_to_the_server() {
    let httpd = Httpd::serving("errors_stream.py").start();
    httpd.get("/in_a_thread").assert(200, "done");
    let script = httpd.app_path("errors_stream.py").display().to_string();
    let loading = format!("[script {script}] [process-group={HERE} application-group=localhost|] ");
    for (origin, line) in [(&*loading, "printed at import"), ("", "printed in a thread")] {
        let entry = record(&httpd, line);
        assert_eq!((entry.client, entry.level.as_str()), (None, "error"), "{}", entry.message);
        assert_eq!(entry.message, format!("{origin}{line}"));
    }
    httpd.finish(&["printed at import", "printed in a thread"]);
}

/// The process group that serves in this program of tests.
const HERE: &str = if crate::support::IN_DAEMONS { "requests" } else { "%{GLOBAL}" };

/// What a script writes while it is loaded in one application group of those below, by any way that leads to the log.
const WRITES: &str = "
import logging, sys, warnings, imported
print('printed')
print('printed to stderr', file=sys.stderr)
warnings.warn('warned')
logging.basicConfig(stream=sys.stderr)
logging.error('logged')
sys.stdout.write('half a line')

def application(environ, start_response):
    print('in a request')
    start_response('200 OK', [])
    return []

raise_here = len(sys.argv[2])
";

#[test]
fn what_a_script_writes_while_it_is_loaded_names_it_and_its_groups() {
    in_both_modes(|mode| {
        // Beforehand, at the first request, and again after a change.
        let conf = "WSGIImportScript {root}/apps/before.py process-group=%{GLOBAL} application-group=early\n\
                    WSGIDaemonProcess group\n\
                    WSGIImportScript {root}/apps/before.py process-group=group application-group=%{GLOBAL}\n\
                    WSGIScriptAlias / {root}/apps/script.py\nWSGIApplicationGroup named\n";
        let writes = WRITES.replace("raise_here = len(sys.argv[2])\n", "");
        let httpd = Httpd::bare(conf)
            .file("apps/imported.py", "print('printed by a module')\n")
            .file("apps/before.py", "print('beforehand')\n")
            .file("apps/script.py", &writes)
            .gil_mode(mode);
        let modules = httpd.root().join("apps").display().to_string();
        let httpd = httpd.env("PYTHONPATH", &modules).start();
        httpd.get("/").assert(200, "");
        let script = httpd.root().join("apps/script.py").display().to_string();
        let origin = format!("[script {script}] [process-group={HERE} application-group=named] ");
        let lines =
            ["printed", "printed by a module", "printed to stderr", "UserWarning: warned", "logged", "half a line"];
        for line in lines {
            let written = || httpd.error_log().matching(&origin).iter().any(|entry| entry.message.ends_with(line));
            wait_for(line, || written().then_some(()));
        }
        let asked = record(&httpd, "in a request");
        assert!(asked.client.is_some() && !asked.message.contains("application-group="), "{asked:?}");
        // A script that fails has spoken before its traceback.
        std::fs::write(&script, WRITES).expect("our own file");
        if !crate::support::IN_DAEMONS {
            httpd.get("/").assert_error_page(500);
            assert_eq!(httpd.error_log().count(&format!("{origin}half a line")), 2, "{:#?}", httpd.error_log());
        }
        let early = httpd.root().join("apps/before.py").display().to_string();
        for groups in
            ["process-group=%{GLOBAL} application-group=early", "process-group=group application-group=%{GLOBAL}"]
        {
            httpd.wait_for_log(&format!("[script {early}] [{groups}] beforehand"));
        }
        let failed: &[&str] = if crate::support::IN_DAEMONS { &[] } else { &["WSGI0109", "IndexError"] };
        httpd.finish(&[&[&*origin, "] beforehand", "in a request"], failed].concat());
    });
}

#[test]
fn half_lines_of_parallel_requests_do_not_mix() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("errors_stream.py").gil_mode(mode).start();
        // Loaded, so that both requests are in the application together.
        httpd.get("/keep").assert(200, "done");
        thread::scope(|scope| {
            let half = scope.spawn(|| httpd.get("/half_a_line").assert(200, "done"));
            thread::sleep(std::time::Duration::from_millis(200));
            httpd.get("/other_line").assert(200, "done");
            half.join().expect("the first request is answered");
        });
        assert!(record(&httpd, "first half").message.ends_with("] first half, second half"));
        assert!(record(&httpd, "line of the other").message.ends_with("] line of the other request"));
        httpd.finish(&["printed at import", "first half, second half", "line of the other request"]);
    });
}

#[test]
fn odd_text_is_logged_as_far_as_a_log_can_hold_it() {
    let httpd = Httpd::serving("errors_stream.py").start();
    httpd.get("/odd_text").assert(200, "done");
    // httpd itself escapes what is not ASCII.
    let expected = ["printed at import", "surrogate ? end", r"accent \xc3\xa9 end", r"tab\tend", "xxxx long"];
    assert!(record(&httpd, "xxxx long").message.contains(&"x".repeat(5000)));
    httpd.finish(&expected);
}

#[test]
fn a_traceback_is_logged_line_by_line() {
    let httpd = Httpd::serving("errors_stream.py").start();
    httpd.get("/handled").assert(200, "done");
    record(&httpd, "] Traceback (most recent call last):");
    record(&httpd, "]   File \"*\", line *, in handled");
    record(&httpd, "] ValueError: handled");
    httpd.finish(&["printed at import", "] Traceback", "]   File", "]     raise", "] ValueError: handled"]);
}

#[test]
fn after_the_request_writing_raises() {
    in_both_modes(|mode| {
        let httpd = Httpd::serving("errors_stream.py").gil_mode(mode).start();
        httpd.get("/keep").assert(200, "done");
        httpd.get("/use_what_was_kept").assert(200, "done");
        httpd.finish(&["printed at import", "] outcome: RuntimeError RuntimeError None None"]);
    });
}

#[test]
fn they_are_text_streams_that_only_write() {
    let httpd = Httpd::serving("evaluate.py").start();
    for (expression, value) in [
        ("type(errors).__name__", "'TextIOWrapper'"),
        ("errors.name", "'<wsgi.errors>'"),
        ("(errors.encoding, errors.errors)", "('utf-8', 'replace')"),
        ("(errors.line_buffering, errors.closed)", "(True, False)"),
        ("(errors.isatty(), errors.readable(), errors.seekable(), errors.writable())", "(False, False, False, True)"),
        ("attempt(errors.fileno)", "'UnsupportedOperation'"),
        ("attempt(errors.read)", "'UnsupportedOperation'"),
        ("attempt(errors.write, b'bytes')", "'TypeError'"),
        ("attempt(errors.buffer.write, 'x' and 5)", "'TypeError'"),
        ("attempt(errors.buffer.writelines, 5)", "'TypeError'"),
        ("errors.buffer.write(b'')", "None"),
        ("(__import__('sys').stdout.name, __import__('sys').stderr.name)", "('<stdout>', '<stderr>')"),
        ("__import__('sys').stdin.read()", "''"),
    ] {
        assert_eq!(httpd.python(expression), value, "{expression}");
    }
    assert_eq!(httpd.python("attempt(__builtins__['input'])"), "'EOFError'");
    httpd.finish(&[]);
}

#[test]
fn the_most_talkative_log_level_changes_nothing() {
    in_both_modes(|mode| {
        let conf = "WSGIScriptAlias /two {app} application-group=two\n\
                    WSGIScriptAlias /main {app} application-group=%{GLOBAL}\nWSGIScriptAlias / {app}";
        let httpd = Httpd::with(conf, "evaluate.py").gil_mode(mode).log_level("warn wsgi:trace8").start();
        thread::scope(|scope| {
            for path in ["/", "/two", "/main"] {
                let httpd = &httpd;
                scope.spawn(move || {
                    for _ in 0..10 {
                        let request = httpd.request("POST", path).header("X-Python", "input.read()");
                        request.body("x").send().assert(200, "b'x'");
                    }
                });
            }
        });
        httpd.finish(&["*"]);
    });
}
