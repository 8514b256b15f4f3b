//! The locale that Python starts with, and its UTF-8 mode: in httpd's children and in daemons, whose lines may name others.

use crate::support::two_groups::python;
use crate::support::{Builder, Httpd};

/// UTF-8 mode, the encoding of file names, the one that files are opened with, and the locale of characters.
const SEEN: &str = "(lambda sys, locale: (sys.flags.utf8_mode, sys.getfilesystemencoding(), \
                    locale.getpreferredencoding(False).lower(), locale.setlocale(locale.LC_CTYPE)))\
                    (__import__('sys'), __import__('locale'))";

const UTF8_MODE: &str = "(1, 'utf-8', 'utf-8', 'C.UTF-8')";
const UTF8_LOCALE: &str = "(0, 'utf-8', 'utf-8', 'C.UTF-8')";

/// Httpd's own children at `/embedded`, and process groups of these options at `/0` and so on, with no locale but those
/// of `environment`.
fn server(options: &[&str], environment: &[(&str, &str)]) -> Httpd {
    let groups = options.iter().enumerate().map(|(number, options)| {
        format!(
            "WSGIDaemonProcess {number} threads=2 {options}\n\
             WSGIScriptAlias /{number} {{app}} process-group={number} application-group=%{{GLOBAL}}\n"
        )
    });
    let conf = format!("{}WSGIScriptAlias /embedded {{app}}", groups.collect::<String>());
    let builder: Builder = Httpd::with(&conf, "evaluate.py").env("LANG", "");
    environment.iter().fold(builder, |builder, (name, value)| builder.env(name, value)).start()
}

fn assert_seen(httpd: &Httpd, expected: &[(&str, &str)]) {
    for (path, expected) in expected {
        assert_eq!(python(httpd, path, SEEN), *expected, "{path}");
    }
}

#[test]
fn where_nothing_names_a_locale_python_is_in_utf8_mode() {
    let options = ["", "lang=C", "lang=POSIX", "locale=C", "lang=C.UTF-8", "locale=C.UTF-8", "lang=C locale=C.UTF-8"];
    let httpd = server(&options, &[]);
    // PEP 686
    let always = python(&httpd, "/embedded", "__import__('sys').version_info >= (3, 15)") == "True";
    let by_line = if always { UTF8_MODE } else { UTF8_LOCALE };
    // LC_ALL leaves nothing to choose.
    let c = "(1, 'utf-8', 'utf-8', 'C')";
    assert_seen(
        &httpd,
        &[
            ("/embedded", UTF8_MODE),
            ("/0", UTF8_MODE),
            ("/1", UTF8_MODE),
            ("/2", UTF8_MODE),
            ("/3", c),
            ("/4", by_line),
            ("/5", by_line),
            ("/6", by_line),
        ],
    );
    httpd.finish(&[]);
}

#[test]
fn the_environment_outranks_what_python_would_choose() {
    let httpd = server(&["", "lang=C.UTF-8", "locale=C"], &[("PYTHONUTF8", "0")]);
    let ascii = "(0, 'ascii', 'ansi_x3.4-1968', 'C')";
    assert_seen(&httpd, &[("/embedded", UTF8_LOCALE), ("/0", UTF8_LOCALE), ("/1", UTF8_LOCALE), ("/2", ascii)]);
    httpd.finish(&[]);

    let httpd = server(&["", "locale=C.UTF-8"], &[("PYTHONUTF8", "1"), ("LANG", "C.UTF-8")]);
    assert_seen(&httpd, &[("/embedded", UTF8_MODE), ("/0", UTF8_MODE), ("/1", UTF8_MODE)]);
    httpd.finish(&[]);
}
