//! A server with one application in two groups, and requests that evaluate Python in either.

use super::{Builder, Httpd};

/// The main interpreter at `/main` and another at `/named`.
pub const TWO_GROUPS: &str = "WSGIScriptAliasMatch ^/(main|named) {app}\nWSGIApplicationGroup named\n\
                              <Location /main>\nWSGIApplicationGroup %{GLOBAL}\n</Location>\n";

/// Where the two groups are.
pub const PATHS: [&str; 2] = ["/main", "/named"];

/// The server, with these lines in its configuration.
pub fn evaluating(conf: &str) -> Builder {
    Httpd::with(&format!("{TWO_GROUPS}{conf}"), "evaluate.py")
}

/// The value of an expression in one of the groups.
#[track_caller]
pub fn python(httpd: &Httpd, path: &str, expression: &str) -> String {
    let response = httpd.request("GET", path).header("X-Python", expression).send();
    assert_eq!(response.status, 200, "{expression}: {response:?}");
    response.text().to_owned()
}

#[track_caller]
pub fn assert_in_both_groups(httpd: &Httpd, expression: &str, expected: &str) {
    for path in PATHS {
        assert_eq!(python(httpd, path, expression), expected, "{path}: {expression}");
    }
}
