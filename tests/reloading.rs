//! The script as a module: how it is loaded, what happens when it cannot be,
//! and when it is loaded anew.

use crate::support::{Builder, Httpd, in_both_modes, is_root, wait_for};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

/// A server whose script is this text.
fn scripted(conf: &str, script: &str) -> Builder {
    Httpd::bare(&format!("WSGIScriptAlias / {{root}}/apps/script.wsgi\n{conf}")).file("apps/script.wsgi", script)
}

/// A script that answers the value of an expression.
fn answering(expression: &str) -> String {
    format!(
        "import os, sys\nserved = []\ndef application(environ, start_response):\n    served.append(1)\n    \
         start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [str({expression}).encode()]\n"
    )
}

/// Replaces the script, with a time of change that differs by these seconds.
fn rewrite(httpd: &Httpd, text: &str, seconds: i64) {
    let path = script(httpd);
    let before = fs::metadata(&path).and_then(|data| data.modified()).expect("a time of change");
    fs::write(&path, text).expect("written");
    set_time(&path, before, seconds);
}

fn set_time(path: &PathBuf, before: SystemTime, seconds: i64) {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { before - distance } else { before + distance };
    File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("a new time of change");
}

fn script(httpd: &Httpd) -> PathBuf {
    httpd.app_path("script.wsgi")
}

#[test]
fn a_script_is_a_module_of_its_own_name() {
    in_both_modes(|mode| {
        let expression =
            "(__name__ in sys.modules, sys.modules[__name__].application is application, __file__, __name__)";
        let httpd = scripted("", &answering(expression)).gil_mode(mode).start();
        let path = script(&httpd).display().to_string();
        let sum = std::process::Command::new("sh")
            .args(["-c", "printf %s \"$0\" | md5sum", &path])
            .output()
            .expect("md5sum runs");
        let sum = String::from_utf8_lossy(&sum.stdout[..32]).into_owned();
        httpd.get("/").assert(200, &format!("(True, True, '{path}', '_mod_wsgi_{sum}')"));
        httpd.finish(&[]);
    });
}

#[test]
fn it_is_loaded_once_and_keeps_its_state() {
    in_both_modes(|mode| {
        let script = "print('loading')\nimport time\ntime.sleep(0.2)\n".to_owned() + &answering("len(served)");
        let httpd = scripted("", &script).gil_mode(mode).start();
        // All come before it is loaded.
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| assert_eq!(httpd.get("/").status, 200));
            }
        });
        httpd.get("/").assert(200, "7");
        assert_eq!(httpd.error_log().count("loading"), 1);
        httpd.finish(&["loading"]);
    });
}

#[test]
fn each_application_group_loads_its_own() {
    let conf = "WSGIApplicationGroup one\n<Location /two>\nWSGIApplicationGroup two\n</Location>\n\
                <Location /main>\nWSGIApplicationGroup %{GLOBAL}\n</Location>";
    let httpd = scripted(conf, &answering("environ['mod_wsgi.application_group'] + str(len(served))")).start();
    for (path, answers) in [("/", "one"), ("/two", "two"), ("/main", "")] {
        httpd.get(path).assert(200, &format!("{answers}1"));
        httpd.get(path).assert(200, &format!("{answers}2"));
    }
    httpd.finish(&[]);
}

#[test]
fn source_code_may_be_in_another_encoding() {
    let httpd = scripted("", "").start();
    let mut text = b"# -*- coding: latin-1 -*-\n".to_vec();
    text.extend(answering("ascii('\u{e9}')").chars().map(|c| u8::try_from(u32::from(c)).expect("latin-1")));
    fs::write(script(&httpd), text).expect("written");
    httpd.get("/").assert(200, r"'\xe9'");
    httpd.finish(&[]);
}

#[test]
fn a_script_that_cannot_be_loaded_is_tried_again() {
    in_both_modes(|mode| {
        for (script, code, complaint) in [
            ("def application(:\n", "WSGI0105", "SyntaxError: "),
            ("x = '\0'\n", "WSGI0105", "null bytes"),
            ("raise ValueError('at import')\n", "WSGI0109", "ValueError: at import"),
            ("import no_such_module\n", "WSGI0109", "ModuleNotFoundError: No module named 'no_such_module'"),
            ("import sys\nsys.exit('at import')\n", "WSGI0107", "SystemExit: at import"),
        ] {
            println!("{script}");
            let httpd = scripted("", script).gil_mode(mode).start();
            let children = httpd.children();
            httpd.get("/").assert_error_page(500);
            httpd.get("/").assert_error_page(500);
            assert_eq!(httpd.error_log().count(code), 2, "{:#?}", httpd.error_log());
            // Repaired, with the same time of change.
            rewrite(&httpd, &answering("'repaired'"), 0);
            httpd.get("/").assert(200, "repaired");
            assert_eq!(httpd.children(), children);
            httpd.finish(&[code, complaint]);
        }
    });
}

#[test]
fn an_unreadable_script_is_an_error() {
    if !is_root() {
        // Nobody but root has children that may read less than the parent.
        return;
    }
    let httpd = scripted("", &answering("'readable'")).start();
    fs::set_permissions(script(&httpd), Permissions::from_mode(0o600)).expect("our own file");
    httpd.get("/").assert_error_page(500);
    fs::set_permissions(script(&httpd), Permissions::from_mode(0o644)).expect("our own file");
    httpd.get("/").assert(200, "readable");
    httpd.finish(&["WSGI0105", "PermissionError: "]);
}

#[test]
fn a_missing_callable_is_not_found() {
    in_both_modes(|mode| {
        let httpd = scripted("", "def __getattr__(name):\n    return print\n").gil_mode(mode).start();
        httpd.get("/").assert_error_page(404);
        httpd.finish(&["WSGI0089"]);
    });
}

#[test]
fn an_application_that_cannot_be_called_is_an_error() {
    let httpd = scripted("", "application = 5\n").start();
    httpd.get("/").assert_error_page(500);
    httpd.finish(&["WSGI0174", "TypeError: 'int' object is not callable"]);
}

#[test]
fn a_changed_script_is_loaded_anew_in_the_same_process() {
    in_both_modes(|mode| {
        let answer = |word: &str| answering(&format!("'{word} %d' % len(served)"));
        let httpd = scripted("", &answer("first")).gil_mode(mode).start();
        let children = httpd.children();
        httpd.get("/").assert(200, "first 1");
        httpd.get("/").assert(200, "first 2");
        rewrite(&httpd, &answer("newer"), 10);
        httpd.get("/").assert(200, "newer 1");
        httpd.get("/").assert(200, "newer 2");
        rewrite(&httpd, &answer("older"), -100);
        httpd.get("/").assert(200, "older 1");
        // Only the time counts.
        rewrite(&httpd, &answer("unnoticed"), 0);
        httpd.get("/").assert(200, "older 2");
        // Broken, then repaired.
        rewrite(&httpd, "raise ValueError('broken')\n", 10);
        httpd.get("/").assert_error_page(500);
        rewrite(&httpd, &answer("repaired"), 10);
        httpd.get("/").assert(200, "repaired 1");
        assert_eq!(httpd.children(), children);
        httpd.finish(&["WSGI0109", "ValueError: broken"]);
    });
}

#[test]
fn many_threads_see_a_change_once() {
    in_both_modes(|mode| {
        let script = |word: &str| format!("print('loading {word}')\n{}", answering(&format!("'{word}'")));
        let httpd = scripted("", &script("one")).gil_mode(mode).start();
        httpd.get("/").assert(200, "one");
        rewrite(&httpd, &script("two"), 10);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let mut connection = httpd.connect();
                    for _ in 0..20 {
                        connection.get("/").assert(200, "two");
                    }
                });
            }
        });
        assert_eq!(httpd.error_log().count("loading two"), 1);
        httpd.finish(&["loading one", "loading two"]);
    });
}

#[test]
fn without_reloading_a_change_is_ignored() {
    let httpd = scripted("WSGIScriptReloading Off", &answering("'first'")).start();
    httpd.get("/").assert(200, "first");
    rewrite(&httpd, &answering("'second'"), 10);
    httpd.get("/").assert(200, "first");
    httpd.finish(&[]);
}

#[test]
fn a_running_request_keeps_the_module_it_began_with() {
    let script = |word: &str| {
        format!(
            "word = '{word}'\ndef application(environ, start_response):\n    \
             start_response('200 OK', [('Content-Type', 'text/plain')])\n    yield b'begun '\n    \
             environ['wsgi.input'].read()\n    yield word.encode()\n"
        )
    };
    let httpd = scripted("", &script("old")).start();
    let mut connection = httpd.connect();
    connection.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk().as_deref(), Some(&b"begun "[..]));
    rewrite(&httpd, &script("new"), 10);
    httpd.get("/").assert(200, "begun new");
    connection.send("x");
    assert_eq!(connection.chunk().as_deref(), Some(&b"old"[..]));
    httpd.finish(&[]);
}

#[test]
fn a_script_may_ask_to_be_loaded_anew() {
    let asking = |body: &str| format!("{}def reload_required(resource):\n    {body}\n", answering("len(served)"));
    let httpd = scripted("", &asking("return len(served) >= 2 and resource == __file__")).start();
    for expected in ["1", "2", "1", "2", "1"] {
        httpd.get("/").assert(200, expected);
    }
    // A question that fails is answered with no.
    rewrite(&httpd, &asking("raise ValueError('undecided')"), 10);
    httpd.get("/").assert(200, "1");
    httpd.get("/").assert(200, "2");
    httpd.finish(&["WSGI1005", "ValueError: undecided"]);
}

#[test]
fn a_reload_is_told_at_info_level() {
    let httpd = scripted("", &answering("'first'")).log_level("warn wsgi:info").start();
    httpd.get("/").assert(200, "first");
    rewrite(&httpd, &answering("'second'"), 10);
    httpd.get("/").assert(200, "second");
    let told = |word: &str| {
        let log = httpd.error_log();
        let found = log.entries.iter().any(|entry| {
            let message = entry.message.to_lowercase();
            entry.level == "info" && message.contains(word) && message.contains("script.wsgi")
        });
        found.then_some(())
    };
    wait_for("the load", || told("loading"));
    wait_for("the reload", || told("reloading"));
    let log = httpd.error_log();
    assert!(log.entries.iter().all(|entry| ["info", "notice"].contains(&entry.level.as_str())), "{log:#?}");
    httpd.finish(&["*"]);
}

#[test]
fn a_script_may_put_another_callable_in_the_place_of_its_own() {
    const SCRIPT: &str = "
def answering(word):
    def answer(environ, start_response):
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [word]
    return answer

def application(environ, start_response):
    global application
    application = answering(b'later')
    return answering(b'first')(environ, start_response)

def other(environ, start_response):
    global application
    application = answering(b'last')
    return answering(b'changed')(environ, start_response)
";
    in_both_modes(|mode| {
        let conf = "<Location /other>\nWSGICallableObject other\n</Location>";
        let httpd = scripted(conf, SCRIPT).gil_mode(mode).start();
        let everywhere = |word: &str| {
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..20 {
                            httpd.get("/").assert(200, word);
                        }
                    });
                }
            });
        };
        httpd.get("/").assert(200, "first");
        everywhere("later");
        // After a while threads keep what they found; a change is still seen at once.
        thread::sleep(Duration::from_millis(1200));
        everywhere("later");
        httpd.get("/other").assert(200, "changed");
        everywhere("last");
        httpd.finish(&[]);
    });
}
