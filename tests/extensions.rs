//! Extension modules of the standard library and of wheels work inside httpd.

use crate::support::{GilMode, Httpd, in_both_modes, variable, wait_for};
use std::path::Path;

const STANDARD: [&str; 13] = [
    "ssl", "sqlite3", "hashlib", "zlib", "bz2", "lzma", "ctypes", "decimal", "json", "socket", "uuid", "datetime",
    "asyncio",
];

#[test]
fn those_of_the_standard_library_can_be_used() {
    in_both_modes(|mode| {
        for group in ["%{GLOBAL}", "%{RESOURCE}"] {
            let conf = format!("WSGIScriptAlias / {{app}}\nWSGIApplicationGroup {group}");
            let httpd = Httpd::with(&conf, "extensions.py").gil_mode(mode).start();
            for name in STANDARD {
                httpd.get(&format!("/?{name}")).assert(200, &format!("{name} True"));
            }
            httpd.finish(&[]);
        }
    });
}

#[test]
fn those_of_wheels_can_be_used() {
    let venv = variable("MOD_WSGI_VENV");
    in_both_modes(|mode| {
        let conf = format!("WSGIScriptAlias / {{app}}\nWSGIApplicationGroup %{{GLOBAL}}\nWSGIPythonHome {venv}");
        let httpd = Httpd::with(&conf, "extensions.py").gil_mode(mode).start();
        httpd.get("/?markupsafe").assert(200, "markupsafe True");
        if has_numpy(&venv) {
            httpd.get("/?numpy").assert(200, "numpy True");
        }
        httpd.finish(&[]);
    });
}

/// There is no wheel of numpy for every Python.
fn has_numpy(venv: &str) -> bool {
    let libraries = std::fs::read_dir(Path::new(venv).join("lib")).into_iter().flatten().flatten();
    libraries.into_iter().any(|library| library.path().join("site-packages/numpy").is_dir())
}

/// Ways in which an import fails that works in the main interpreter only, and one that has nothing to do with it.
const IMPORTS: &str = r#"
REFUSED = "module %s does not support loading in subinterpreters"
OTHER = "No module named 'nothing'"

def python(): raise ImportError(REFUSED % "_cffi_backend")
def pyo3(): raise ImportError("PyO3 modules do not yet support subinterpreters, see https://example.com/576")
def cython(): raise ImportError("Interpreter change detected - this module can only be loaded into one interpreter per process.")
def numpy_says(): raise ImportError("cannot load module more than once per process")
def wrapped():
    try: python()
    except ImportError as error: raise ImportError(f"IMPORTANT: PLEASE READ THIS!\n\nOriginal error was: {error}\n") from None
def cause():
    try: python()
    except ImportError as error: raise RuntimeError("did you install the driver?") from error
def context():
    try: cause()
    except RuntimeError: {}["missing"]
def group():
    try: pyo3()
    except ImportError as error: members = [ValueError("one"), error]
    raise ExceptionGroup("several", members)
def endless():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first
def other(): raise ImportError(OTHER)
def no_import(): raise ValueError("subinterpreters are a chapter of the manual")
"#;

#[test]
fn an_import_that_needs_the_main_interpreter_is_explained() {
    const CASES: [&str; 8] = ["python", "pyo3", "cython", "numpy_says", "wrapped", "cause", "context", "group"];
    let answer = "\ndef application(environ, start_response):\n    globals()[environ['PATH_INFO'].split('/')[-1]]()\n";
    let scripts = "WSGIDaemonProcess group\nWSGIScriptAliasMatch ^/(named|main|group) {root}/apps/imports.py\n\
                   WSGIScriptAlias /load {root}/apps/load.py\nWSGIApplicationGroup named\n\
                   <Location /main>\nWSGIApplicationGroup %{GLOBAL}\n</Location>\n\
                   <Location /group>\nWSGIProcessGroup group\n</Location>\n";
    let before = "WSGIImportScript {root}/apps/load.py process-group=%{GLOBAL} application-group=before\n";
    let advice = |group| format!("WSGI1141: an extension module does not work in application group '{group}'");
    in_both_modes(|mode| {
        let builder = Httpd::bare(&format!("{scripts}{before}")).file("apps/imports.py", &format!("{IMPORTS}{answer}"));
        let httpd = builder.file("apps/load.py", &format!("{IMPORTS}\ncontext()\n")).gil_mode(mode).start();
        for (path, group) in [("named", "named"), ("group", "named")] {
            for case in CASES {
                let said = httpd.error_log().count(&advice(group));
                httpd.get(&format!("/{path}/{case}")).assert_error_page(500);
                wait_for(case, || (httpd.error_log().count(&advice(group)) == said + 1).then_some(()));
            }
        }
        // While a script is loaded, for a request and beforehand.
        httpd.get("/load").assert_error_page(500);
        httpd.wait_for_log(&advice("before"));
        let said = httpd.error_log().count("WSGI1141");
        assert_eq!(said, 2 * CASES.len() + 2, "{:#?}", httpd.error_log());
        // The cure is none where it is taken already, and for anything else.
        for path in ["/main/python", "/named/other", "/named/endless", "/named/no_import"] {
            httpd.get(path).assert_error_page(500);
        }
        assert_eq!(httpd.error_log().count("WSGI1141"), said, "{:#?}", httpd.error_log());
        let mut expected = vec!["WSGI0174", "WSGI0109", "WSGI0110", "WSGI1141", "Error", "Original error was"];
        expected.extend([
            "ExceptionGroup",
            "IMPORTANT",
            "  |",
            "  +",
            "    +",
            "The above",
            "During handling",
            "Traceback",
        ]);
        httpd.finish(&expected);
    });
}

#[test]
fn numpy_in_a_sub_interpreter_is_explained() {
    let venv = variable("MOD_WSGI_VENV");
    if !has_numpy(&venv) {
        println!("not shown: there is no wheel of numpy for this Python");
        return;
    }
    let conf = format!("WSGIScriptAlias / {{app}}\nWSGIApplicationGroup named\nWSGIPythonHome {venv}");
    let httpd = Httpd::with(&conf, "extensions.py").gil_mode(GilMode::Free).start();
    httpd.get("/?numpy").assert_error_page(500);
    httpd.wait_for_log("WSGI1141");
    // NumPy has a page of advice of its own.
    httpd.finish(&["WSGI0174", "ImportError", "WSGI1141", "*"]);
}
