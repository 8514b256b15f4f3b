//! Extension modules of the standard library and of wheels work inside httpd.

use crate::support::{Httpd, in_both_modes, variable};
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
