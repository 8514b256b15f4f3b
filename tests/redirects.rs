//! Requests that another module of httpd leads to a script: the options of its alias hold, and of no other one.

use crate::support::{Builder, Httpd, is_root};

/// `/app`, with options.
const ALIAS: &str = "WSGIScriptAlias /app {app} application-group=chosen callable-object=shown\n";

fn serving(conf: &str, modules: &[&str]) -> Builder {
    Httpd::with(&format!("{ALIAS}{conf}"), "redirects.py").modules(modules)
}

/// Shows that each URL is answered with 200 and this text.
#[track_caller]
fn assert_found(httpd: &Httpd, table: &[(&str, &str)]) {
    for (url, expected) in table {
        let response = httpd.get(url);
        assert_eq!((response.status, response.text()), (200, *expected), "{url}: {response:?}");
    }
}

#[test]
fn an_index_or_a_fallback_takes_the_options_of_the_alias_it_leads_to() {
    let conf = "DirectoryIndex /app\nWSGIScriptAliasMatch ^/match/(r.*)$ {apps}/$1.py application-group=matched callable-object=shown\n\
                <Directory {root}/htdocs/match>\nDirectoryIndex /match/redirects\nFallbackResource /match/redirects\n</Directory>\n\
                <Directory {root}/htdocs/fallback>\nFallbackResource /app\n</Directory>\n\
                <Directory {root}/htdocs/own>\nAllowOverride All\n</Directory>";
    let httpd = serving(conf, &["dir"])
        .file("htdocs/match/x", "")
        .file("htdocs/fallback/x", "a file")
        .file("htdocs/own/.htaccess", "DirectoryIndex /app/info\nFallbackResource /app\n")
        .start();
    assert_found(
        &httpd,
        &[
            ("/", "GET /app - - chosen shown - -"),
            ("/?a=b", "GET /app - a=b chosen shown - -"),
            ("/match/", "GET /match/redirects - - matched shown - -"),
            ("/match/none", "GET /match/redirects - - matched shown - -"),
            ("/fallback/none?a=b", "GET /app - a=b chosen shown - -"),
            ("/fallback/x", "a file"),
            ("/own/", "GET /app /info - chosen shown - -"),
            ("/own/none/at/all", "GET /app - - chosen shown - -"),
        ],
    );
    let mut connection = httpd.connect();
    for url in ["/", "/fallback/none"] {
        connection.send(format!("POST {url} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"));
        connection.response().assert(200, "POST /app - - chosen shown - body");
    }
    httpd.finish(&[]);
}

#[test]
fn an_index_or_a_fallback_runs_in_the_process_group_of_its_alias() {
    let user = if is_root() { " user=nobody home=/" } else { "" };
    let conf = format!(
        "WSGIDaemonProcess g threads=1{user}\nDirectoryIndex /other\nFallbackResource /other\n\
         WSGIScriptAlias /other {{app}} process-group=g callable-object=process application-group=%{{GLOBAL}}\n\
         AddHandler wsgi-script .py\n<Directory />\nOptions +ExecCGI\n</Directory>"
    );
    let httpd = serving(&conf, &["dir", "mime"]).start();
    let direct = httpd.get("/other");
    assert!(direct.text().starts_with("g "), "{direct:?}");
    for url in ["/", "/none"] {
        httpd.get(url).assert(200, &direct.text().replace("/other", url));
    }
    httpd.finish(&[]);
}

#[test]
fn the_options_of_an_alias_do_not_follow_a_request_to_another_file() {
    let conf = "WSGIScriptAlias /d/ {root}/dir/ callable-object=shown application-group=d\n\
                <Location /d/>\nDirectoryIndex /plain.wsgi\n</Location>\n\
                <Location /d/two/>\nDirectoryIndex /app\n</Location>\n\
                <Location /d/three/>\nDirectoryIndex s.wsgi\n</Location>\nAddHandler wsgi-script .wsgi";
    let script = include_str!("apps/redirects.py");
    let httpd = serving(conf, &["dir", "mime"])
        .file("dir/s.wsgi", script)
        .file("dir/two/x", "")
        .file("dir/three/s.wsgi", script)
        .file("htdocs/plain.wsgi", script)
        .start();
    httpd.get("/d/").assert_error_page(403);
    assert_found(
        &httpd,
        &[
            ("/d/s.wsgi/x", "GET /d/s.wsgi /x - d shown - -"),
            ("/d/two/", "GET /app - - chosen shown - -"),
            ("/d/three/", "GET /d/three/s.wsgi - - d shown - -"),
        ],
    );
    httpd.finish(&["WSGI0134"]);
}

#[test]
fn a_variant_of_an_aliased_directory_is_a_script_of_the_alias() {
    let conf = "WSGIScriptAlias /d/ {root}/dir/ callable-object=shown application-group=d\n\
                <Directory {root}/dir>\nOptions +MultiViews\nMultiviewsMatch Handlers\n</Directory>\nAddLanguage en .en\nAddHandler wsgi-script .wsgi";
    let script = include_str!("apps/redirects.py");
    let httpd = serving(conf, &["mime", "negotiation"])
        .file("dir/s.wsgi", script)
        .file("dir/other.en", script)
        .file("dir/a b.wsgi", script)
        .start();
    assert_found(
        &httpd,
        &[
            ("/d/s", "GET /d/s.wsgi - - d shown - -"),
            ("/d/s/info?a=b", "GET /d/s.wsgi /info a=b d shown - -"),
            ("/d/a%20b", "GET /d/a b.wsgi - - d shown - -"),
            ("/d/other", "GET /d/other.en - - d shown - -"),
        ],
    );
    httpd.post("/d/s", "body").assert(200, "POST /d/s.wsgi - - d shown - body");
    httpd.finish(&[]);
}

#[test]
fn rewriting_and_actions_lead_to_an_alias_with_its_options() {
    let conf = "RewriteEngine On\nRewriteRule ^/passed/(.*) /app/$1 [PT]\n\
                RewriteRule ^/forced - [H=wsgi-script]\n\
                <Directory {root}/htdocs/last>\nRewriteEngine On\nRewriteRule (.*) /app/$1 [L]\n</Directory>\n\
                <Directory {root}/htdocs/kind>\nRewriteEngine On\nRewriteRule \\.wsgi - [H=wsgi-script]\n</Directory>\n\
                <Directory {root}/htdocs/exec>\nOptions +ExecCGI\nWSGICallableObject other\nWSGIApplicationGroup exec\n\
                RewriteEngine On\nRewriteRule \\.wsgi - [H=wsgi-script]\n</Directory>\n\
                Action by-app /app virtual\n<Location /acted>\nSetHandler by-app\n</Location>\n\
                Action by-file /app/file\n<Directory {root}/htdocs/files>\nSetHandler by-file\n</Directory>";
    let script = include_str!("apps/redirects.py");
    let httpd = serving(conf, &["rewrite", "actions"])
        .file("htdocs/last/x", "")
        .file("htdocs/kind/s.wsgi", script)
        .file("htdocs/exec/s.wsgi", script)
        .file("htdocs/files/x", "")
        .start();
    assert_found(
        &httpd,
        &[
            ("/passed/x?a=b", "GET /app /x a=b chosen shown - -"),
            ("/last/x?a=b", "GET /app /x a=b chosen shown 200 -"),
            ("/exec/s.wsgi/info", "GET /exec/s.wsgi /info - exec other - -"),
            ("/acted/x?a=b", "GET /app /acted/x a=b chosen shown 200 -"),
            ("/files/x", "GET /app /file/files/x - chosen shown 200 -"),
        ],
    );
    for url in ["/passed/x", "/last/x", "/acted/x"] {
        let response = httpd.post(url, "body");
        assert!(response.status == 200 && response.text().starts_with("POST /app "), "{url}: {response:?}");
        assert!(response.text().ends_with(" body"), "{url}: {response:?}");
    }
    httpd.get("/kind/s.wsgi").assert_error_page(403);
    httpd.finish(&["WSGI0134"]);
}

#[test]
fn an_included_script_has_the_options_of_its_own_alias() {
    let conf = "WSGIScriptAlias /d/ {root}/dir/ application-group=d callable-object=shown\n\
                Options +Includes\nAddOutputFilter INCLUDES .shtml\nAddHandler wsgi-script .wsgi\n\
                <Location /d/page.shtml>\nSetHandler default-handler\n</Location>";
    let script = include_str!("apps/redirects.py");
    let include = |kind: &str, what: &str| format!("[<!--#include {kind}=\"{what}\" -->]");
    let page =
        [include("virtual", "/app/info?a=b"), include("virtual", "/d/s.wsgi"), include("virtual", "/plain.wsgi")];
    let httpd = serving(conf, &["mime", "filter", "include"])
        .file("htdocs/page.shtml", &page.concat())
        .file("htdocs/plain.wsgi", script)
        .file("dir/page.shtml", &include("file", "s.wsgi"))
        .file("dir/s.wsgi", script)
        .start();
    let response = httpd.get("/page.shtml");
    let text = response.text();
    let included = "[GET /app/info /info a=b chosen shown - -][GET /d/s.wsgi - - d shown - -][";
    assert!(text.starts_with(included) && !text.contains("GET /plain") && !text.contains("import os"), "{text}");
    httpd.get("/d/page.shtml").assert(200, "[GET /d/s.wsgi - - d shown - -]");
    httpd.finish(&["WSGI0134", "unable to include"]);
}

#[test]
fn the_options_of_an_error_document_are_those_of_its_alias() {
    let conf = "WSGIScriptAlias /first {app} application-group=first callable-object=missing\n\
                ErrorDocument 404 /app/404\nErrorDocument 403 /plain.wsgi\nAddHandler wsgi-script .wsgi\n\
                <Location /first/denied>\nRequire all denied\n</Location>\n\
                DirectoryIndex /app/index\n<Location /first/gone>\nErrorDocument 410 /\n</Location>\nRedirect gone /first/gone";
    let httpd =
        serving(conf, &["mime", "alias", "dir"]).file("htdocs/plain.wsgi", include_str!("apps/redirects.py")).start();
    assert_found(
        &httpd,
        &[("/none", "GET /app /404 - chosen shown 404 -"), ("/first/gone", "GET /app /index - chosen shown 410 -")],
    );
    // The page is a script that may not be executed, whichever alias led to what has failed.
    httpd.get("/first/denied").assert_error_page(403);
    httpd.finish(&["WSGI0134", "AH01630:"]);
}

#[test]
fn a_redirected_request_is_compressed_and_its_connection_kept() {
    let conf = "DirectoryIndex /app\nSetOutputFilter DEFLATE";
    let httpd = serving(conf, &["dir", "filter", "deflate"]).start();
    let mut connection = httpd.connect();
    for body in ["", "body"] {
        let length = body.len();
        connection.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        let response = connection.response();
        assert_eq!((response.status, response.header("Content-Encoding")), (200, Some("gzip")), "{response:?}");
        assert!(response.complete && response.body.starts_with(&[31, 139]), "{response:?}");
    }
    httpd.finish(&[]);
}
