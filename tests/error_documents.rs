//! `ErrorDocument`: an application may be the page, and may fail; what other modules say to an error stays.

use crate::support::{Builder, Httpd};

/// The page at `/page`, an application that reads at `/echo`, and two that fail.
const APPS: &str = "WSGIScriptAlias /page {app} callable-object=page application-group=pages\n\
                    WSGIScriptAlias /echo {app}\nWSGIScriptAlias /raises {app} callable-object=raises\n\
                    WSGIScriptAlias /at-once {app} callable-object=raises_at_once\n";

fn serving(conf: &str, modules: &[&str]) -> Builder {
    Httpd::with(&format!("{APPS}{conf}"), "error_documents.py").modules(modules)
}

#[test]
fn an_application_is_the_page_and_has_nothing_to_read() {
    let pages: String =
        [400, 403, 404, 411, 413, 500, 502, 503].iter().map(|code| format!("ErrorDocument {code} /page\n")).collect();
    let conf = format!(
        "{pages}Redirect 502 /gateway\nRedirect 503 /busy\n<Location /echo/denied>\nRequire all denied\n</Location>\n\
         <Location /echo/small>\nLimitRequestBody 10\n</Location>\n\
         <Location /echo/chunks>\nWSGIChunkedRequest On\nLimitRequestBody 10\n</Location>"
    );
    let httpd = serving(&conf, &["alias"]).start();
    let post = |path: &str| httpd.request("POST", path);
    post("/echo/any").chunked(&["abc"]).send().assert(411, "GET 411 /echo/any b''");
    post("/echo/small").body("x".repeat(20)).send().assert(413, "GET 413 /echo/small b''");
    post("/echo/small").body("x".repeat(10)).send().assert(200, &"x".repeat(10));
    post("/echo/chunks").chunked(&["abc"]).send().assert(200, "abc");
    post("/echo/chunks").chunked(&[&"x".repeat(20)]).send().assert(413, "GET 413 /echo/chunks b''");
    post("/raises").body("abc").send().assert(500, "GET 500 /raises b''");
    post("/at-once").body("abc").send().assert(500, "GET 500 /at-once b''");
    for (path, code) in [("/echo/denied", 403), ("/gateway", 502), ("/busy", 503), ("/none", 404)] {
        let (mut connection, response) = post(path).body("abc").keep_alive().send_on();
        response.assert(code, &format!("GET {code} {path} b''"));
        if response.header("Connection").is_none() {
            // The body of the request that failed is not taken for the next request.
            connection.get("/echo").assert(200, "nothing");
        }
    }
    let mut connection = httpd.connect();
    connection.send("POST /echo/chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n");
    connection.response().assert(400, "GET 400 /echo/chunks b''");
    let head = httpd.request("HEAD", "/none").send();
    assert_eq!((head.status, head.body.len()), (404, 0));
    let said: Vec<_> = ["AH01590:", "AH01591:"].into_iter().filter(|line| httpd.error_log().count(line) > 0).collect();
    httpd.finish(&[&["AH01630:", "WSGI0139", "WSGI0174", "ValueError: no page", "OSError: "][..], &said].concat());
}

#[test]
fn a_group_of_one_thread_makes_the_page_for_its_own_refusal() {
    let conf = "WSGIDaemonProcess one threads=1\nWSGIProcessGroup one\nWSGIChunkedRequest On\nLimitRequestBody 10\n\
                ErrorDocument 413 /page\nErrorDocument 400 /page\nWSGIApplicationGroup %{GLOBAL}";
    let httpd = serving(conf, &[]).start();
    let long = "x".repeat(20);
    httpd.request("POST", "/echo").chunked(&[&long]).send().assert(413, "GET 413 /echo b''");
    let mut connection = httpd.connect();
    connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n");
    connection.response().assert(400, "GET 400 /echo b''");
    httpd.finish(&["WSGI0174", "OSError: "]);
}

#[test]
fn a_page_that_fails_is_not_asked_for_again() {
    let conf = "ErrorDocument 500 /raises\nErrorDocument 404 /at-once\n\
                <Location /echo/first>\nErrorDocument 403 /raises\nRequire all denied\n</Location>";
    let httpd = serving(conf, &[]).start();
    for (path, status, failures) in [("/raises", 500, 2), ("/none", 404, 3), ("/echo/first", 403, 4)] {
        let response = httpd.get(path);
        response.assert_error_page(status);
        assert!(response.header("X-Own").is_none() && response.header("WWW-Authenticate").is_none(), "{response:?}");
        assert_eq!(httpd.error_log().count("WSGI0174"), failures, "{path}");
    }
    httpd.finish(&["WSGI0174", "ValueError: no page", "AH01630:"]);
}

#[test]
fn what_other_modules_have_added_to_an_error_stays() {
    let conf = "CookieTracking On\nCookieName tracked\nHeader always set X-Always yes\n\
                RewriteEngine On\nRewriteRule ^ - [CO=rewritten:yes:.localhost.test]\n";
    let httpd = serving(conf, &["usertrack", "headers", "rewrite"]).start();
    for path in ["/raises", "/at-once"] {
        let response = httpd.get(path);
        response.assert_error_page(500);
        let cookies = response.values("Set-Cookie");
        let has = |name: &str| cookies.iter().any(|cookie| cookie.starts_with(name));
        assert!(has("tracked=") && has("rewritten=yes") && cookies.len() == 2, "{path}: {cookies:?}");
        assert_eq!(response.header("X-Always"), Some("yes"));
        assert!(response.header("X-Own").is_none() && response.header("WWW-Authenticate").is_none(), "{response:?}");
    }
    httpd.finish(&["WSGI0174", "ValueError: no page"]);
}

#[test]
fn a_challenge_outlives_a_page_that_fails() {
    let conf = "<LocationMatch ^/echo/(raises|at-once)>\nAuthType Basic\nAuthName httpd\nAuthBasicProvider file\n\
                AuthUserFile {root}/passwords\nRequire valid-user\n</LocationMatch>\n\
                <Location /echo/raises>\nErrorDocument 401 /raises\n</Location>\n\
                <Location /echo/at-once>\nErrorDocument 401 /at-once\n</Location>";
    let modules = ["authn_core", "authn_file", "auth_basic", "authz_user"];
    let httpd = serving(conf, &modules).file("passwords", "").start();
    for path in ["/echo/raises", "/echo/at-once"] {
        let response = httpd.get(path);
        response.assert_error_page(401);
        assert_eq!(response.header("WWW-Authenticate"), Some("Basic realm=\"httpd\""));
    }
    httpd.finish(&["WSGI0174", "ValueError: no page"]);
}

#[test]
fn credentials_that_an_application_misses_are_mentioned_once() {
    let conf = "WSGIScriptAlias /private {app} callable-object=private\n\
                WSGIScriptAlias /shown {app} callable-object=private pass-authorization=On\n\
                <Location /private/cgi>\nCGIPassAuth On\n</Location>";
    let httpd = serving(conf, &[]).log_level("warn wsgi:info").start();
    let said = || httpd.error_log().count("WSGI1100*WSGIPassAuthorization On");
    let get = |path: &str| httpd.request("GET", path).header("Authorization", "Basic dTpw").send();
    httpd.get("/private").assert(401, "who are you?");
    get("/shown").assert(200, "welcome");
    get("/private/cgi").assert(200, "welcome");
    get("/echo").assert(200, "nothing");
    assert_eq!(said(), 0);
    get("/private").assert(401, "who are you?");
    get("/private").assert(401, "who are you?");
    assert_eq!(said(), 1);
    httpd.finish(&["WSGI1100", "loading", "Python"]);
}
