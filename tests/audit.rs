//! `WSGIFreeThreadingAudit`: without the GIL, an extension module that has not
//! declared itself safe there does not come in unnoticed.

use crate::support::{Builder, Extension, GilMode, Httpd, Mpm};
use std::thread;

const MULTI_PHASE: Extension = Extension { name: "multi_phase", multi_phase: true, declared: false };
const MULTI_PHASE_DECLARED: Extension = Extension { name: "multi_phase_declared", multi_phase: true, declared: true };
const SINGLE_PHASE: Extension = Extension { name: "single_phase", multi_phase: false, declared: false };
const SINGLE_PHASE_DECLARED: Extension =
    Extension { name: "single_phase_declared", multi_phase: false, declared: true };

const UNDECLARED: [Extension; 2] = [MULTI_PHASE, SINGLE_PHASE];
const ALL: [Extension; 4] = [MULTI_PHASE, MULTI_PHASE_DECLARED, SINGLE_PHASE, SINGLE_PHASE_DECLARED];

/// A server whose applications find all four extensions, in the main
/// interpreter at `/` and in others at `/one` and `/two`.
fn with_extensions(conf: &str) -> Builder {
    let groups = "WSGIScriptAliasMatch ^/(one|two) {app}\nWSGIScriptAlias / {app} application-group=%{GLOBAL}\n\
                  WSGIPythonPath {root}/extensions";
    let builder = Httpd::with(&format!("{groups}\n{conf}"), "audit.py");
    for extension in ALL {
        extension.compile(&builder.root().join("extensions"));
    }
    builder
}

/// The line that tells of an extension: its name and its file.
fn line(extension: Extension) -> String {
    format!("WSGI1004: extension module '{name}' (/tmp/mod_wsgi-test-*/extensions/{name}.*.so)", name = extension.name)
}

#[track_caller]
fn assert_reported_once(httpd: &Httpd, extension: Extension) {
    let log = httpd.error_log();
    let lines = log.matching(&line(extension));
    assert_eq!(lines.len(), 1, "{extension:?}: {log:#?}");
    assert_eq!((&*lines[0].module, &*lines[0].level), ("wsgi", "warn"));
}

#[test]
fn an_undeclared_extension_is_logged_once_by_name_and_file() {
    // Log is the default.
    for conf in ["", "WSGIFreeThreadingAudit Log"] {
        let httpd = with_extensions(conf).gil_mode(GilMode::Free).start();
        for extension in UNDECLARED {
            assert_eq!(httpd.error_log().count(&line(extension)), 0, "nothing is said before the import");
            for way in ["", "again", "by_hand", ""] {
                httpd.get(&format!("/{}?{way}", extension.name)).assert(200, "imported True");
            }
            assert_reported_once(&httpd, extension);
        }
        httpd.finish(&UNDECLARED.map(line).each_ref().map(|line| &**line));
    }
}

#[test]
fn a_declared_extension_is_not_mentioned() {
    for conf in ["", "WSGIFreeThreadingAudit Strict"] {
        let httpd = with_extensions(conf).gil_mode(GilMode::Free).start();
        for extension in [MULTI_PHASE_DECLARED, SINGLE_PHASE_DECLARED] {
            for way in ["", "again"] {
                httpd.get(&format!("/{}?{way}", extension.name)).assert(200, "imported True");
            }
        }
        httpd.get(&format!("/one/{}", MULTI_PHASE_DECLARED.name)).assert(200, "imported True");
        httpd.finish(&[]);
    }
}

#[test]
fn interpreters_and_threads_of_a_process_report_an_extension_once_together() {
    let httpd = with_extensions("").gil_mode(GilMode::Free).start();
    thread::scope(|scope| {
        for group in ["", "/one", "/two", "", "/one", "/two"] {
            let httpd = &httpd;
            scope.spawn(move || httpd.get(&format!("{group}/multi_phase")).assert(200, "imported True"));
        }
    });
    assert_reported_once(&httpd, MULTI_PHASE);
    httpd.finish(&[&line(MULTI_PHASE)]);
}

#[test]
fn each_process_reports_for_itself() {
    let size = "StartServers 2\nServerLimit 4\nMaxRequestWorkers 4\nMinSpareServers 1";
    let httpd = with_extensions("").gil_mode(GilMode::Free).mpm(Mpm::Prefork).size(size).start();
    // Kept connections are in different processes.
    let mut connections = [httpd.connect(), httpd.connect()];
    for connection in &mut connections {
        connection.get("/multi_phase").assert(200, "imported True");
        connection.get("/multi_phase?again").assert(200, "imported True");
    }
    assert_eq!(httpd.error_log().count(&line(MULTI_PHASE)), 2);
    httpd.finish(&[&line(MULTI_PHASE)]);
}

#[test]
fn strict_makes_each_import_fail_and_says_why() {
    let httpd = with_extensions("WSGIFreeThreadingAudit Strict").gil_mode(GilMode::Free).start();
    for extension in UNDECLARED {
        for way in ["", "", "by_hand", "again"] {
            let response = httpd.get(&format!("/{}?{way}", extension.name));
            let text = response.text();
            let (name, why) = (format!("extension module '{}'", extension.name), "WSGIFreeThreadingAudit Strict");
            assert!(text.starts_with("ImportError: ") && text.contains(&name) && text.contains(why), "{way}: {text}");
            assert!(text.ends_with(" False"), "nothing stays in sys.modules: {text}");
        }
        assert_reported_once(&httpd, extension);
    }
    let text = httpd.get("/one/multi_phase").text().to_owned();
    assert!(text.starts_with("ImportError: ") && text.contains("WSGIFreeThreadingAudit Strict"), "{text}");
    httpd.finish(&UNDECLARED.map(line).each_ref().map(|line| &**line));
}

#[test]
fn a_script_that_imports_a_refused_extension_fails_as_any_failed_import() {
    let script = "import single_phase\ndef application(environ, start_response): raise AssertionError\n";
    let builder = with_extensions("WSGIFreeThreadingAudit Strict").file("apps/audit.py", script);
    let httpd = builder.gil_mode(GilMode::Free).start();
    for _ in 0..2 {
        httpd.get("/").assert_error_page(500);
    }
    httpd.finish(&[
        &line(SINGLE_PHASE),
        "WSGI0109",
        "ImportError: extension module 'single_phase'*WSGIFreeThreadingAudit Strict",
    ]);
}

#[test]
fn off_is_silence() {
    let httpd = with_extensions("WSGIFreeThreadingAudit Off").gil_mode(GilMode::Free).start();
    for extension in ALL {
        httpd.get(&format!("/{}", extension.name)).assert(200, "imported True");
    }
    httpd.get("/one/multi_phase").assert(200, "imported True");
    httpd.finish(&[]);
}

#[test]
fn with_the_gil_there_is_nothing_to_say() {
    for conf in ["", "WSGIFreeThreadingAudit Strict"] {
        let httpd = with_extensions(conf).gil_mode(GilMode::Shared).start();
        for extension in ALL {
            httpd.get(&format!("/{}", extension.name)).assert(200, "imported True");
        }
        httpd.get("/one/multi_phase").assert(200, "imported True");
        httpd.finish(&[]);
    }
}

#[test]
fn the_extensions_of_the_standard_library_are_never_reported() {
    let httpd = with_extensions("WSGIFreeThreadingAudit Strict").gil_mode(GilMode::Free).start();
    for path in ["/standard", "/one/standard"] {
        httpd.get(path).assert(200, "many False");
    }
    httpd.finish(&[]);
}
