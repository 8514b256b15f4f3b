//! From URL to script: WSGIScriptAlias, WSGIScriptAliasMatch, and the handler
//! `wsgi-script` on files that httpd serves anyway.

use crate::support::{Builder, Httpd};
use std::fs;

/// Answers `SCRIPT_NAME|PATH_INFO`.
const WHERE: &str = include_str!("apps/where.py");

/// A server with the script `{app}` and the same as `{root}/dir/s.wsgi`.
fn serving(conf: &str) -> Builder {
    Httpd::with(conf, "where.py").file("dir/s.wsgi", WHERE)
}

/// Shows what each URL is answered with: where it was found, or a status.
#[track_caller]
fn assert_found(httpd: &Httpd, table: &[(&str, Result<&str, u16>)]) {
    for (url, expected) in table {
        let response = httpd.get(url);
        match expected {
            Ok(place) => {
                assert_eq!((response.status, response.text()), (200, *place), "{url}");
            }
            Err(status) => assert_eq!(response.status, *status, "{url}: {response:?}"),
        }
    }
}

#[test]
fn slashes_decide_where_a_script_is_mounted() {
    let httpd = serving(
        "WSGIScriptAlias /a {app}\nWSGIScriptAlias /b/ {app}\nWSGIScriptAlias /c/ {app}/\nWSGIScriptAlias /e {app}/\n\
         WSGIScriptAlias /deep/er {app}",
    )
    .start();
    assert_found(
        &httpd,
        &[
            ("/a", Ok("/a|")),
            ("/a/", Ok("/a|/")),
            ("/a/x", Ok("/a|/x")),
            ("/a/x/y/?q=/z", Ok("/a|/x/y/")),
            ("//a///x", Ok("/a|/x")),
            ("/%61/x", Ok("/a|/x")),
            ("/ax", Err(404)),
            ("/A", Err(404)),
            ("/x/a", Err(404)),
            ("/b/", Ok("/b/|")),
            ("/b/x", Err(404)),
            ("/b", Err(404)),
            ("/c/", Ok("/c|/")),
            ("/c/x", Ok("/c|/x")),
            ("/e", Ok("/e|/")),
            ("/e/x", Ok("/e|/x")),
            ("/deep/er/x", Ok("/deep/er|/x")),
            ("/deep//er", Ok("/deep/er|")),
            ("/deep", Err(404)),
        ],
    );
    httpd.finish(&["WSGI0135"]);
}

#[test]
fn slashes_in_the_alias_and_the_url_need_not_agree_in_number() {
    let httpd = serving("WSGIScriptAlias /a//b {app}\nMergeSlashes Off").start();
    assert_found(&httpd, &[("/a/b/x", Ok("/a/b|/x")), ("/a///b//x", Ok("/a/b|/x")), ("/ab", Err(404))]);
    httpd.finish(&[]);
}

#[test]
fn the_root_may_be_a_mount_point() {
    let httpd = serving("WSGIScriptAlias / {app}").start();
    assert_found(&httpd, &[("/", Ok("|/")), ("/x", Ok("|/x")), ("/x/y/", Ok("|/x/y/")), ("//x", Ok("|/x"))]);
    // A request for the server itself is no application's.
    let mut connection = httpd.connect();
    let response = connection.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").response();
    response.assert(200, "");
    httpd.finish(&[]);
}

#[test]
fn a_folder_of_scripts_may_be_mounted() {
    let httpd =
        serving("WSGIScriptAlias /d/ {root}/dir/\nWSGIScriptAlias /g {root}/dir\nWSGIScriptAlias /h {root}/dir/")
            .modules(&["dir"])
            .start();
    assert_found(
        &httpd,
        &[
            ("/d/s.wsgi/p", Ok("/d/s.wsgi|/p")),
            ("/d/s.wsgi", Ok("/d/s.wsgi|")),
            ("/d/", Err(403)),
            ("/d", Err(404)),
            ("/d/missing.wsgi", Err(404)),
            ("/g/s.wsgi/p", Ok("/g/s.wsgi|/p")),
            ("/g", Err(301)),
            ("/h/s.wsgi", Ok("/h/s.wsgi|")),
            ("/hXs.wsgi", Err(404)),
        ],
    );
    httpd.finish(&["WSGI0135", "WSGI0136"]);
}

#[test]
fn the_first_alias_that_matches_wins() {
    let conf = "WSGIScriptAlias /one/two {app}\nWSGIScriptAlias /one {root}/dir/s.wsgi callable-object=handler\n\
                WSGIScriptAlias /one/three {app}\n\
                <VirtualHost *:{port}>\nWSGIScriptAlias /one/two/host {root}/dir/s.wsgi\n</VirtualHost>";
    let httpd = serving(conf).start();
    assert_found(
        &httpd,
        &[
            ("/one/two/x", Ok("/one/two|/x")),
            ("/one/x", Ok("wsgi-script")),
            ("/one/three", Ok("wsgi-script")),
            // Those of the virtual host are tried before those of the main server.
            ("/one/two/host/x", Ok("/one/two/host|/x")),
        ],
    );
    httpd.finish(&[]);
}

#[test]
fn alias_and_rewriting_come_first() {
    let conf = "WSGIScriptAlias / {app}\nAlias /static {root}/htdocs/static\n\
                RewriteEngine On\nRewriteRule ^/old/(.*) /new/$1 [PT]\nRewriteRule ^/gone - [G]";
    let httpd = serving(conf).file("htdocs/static/a.txt", "a file").modules(&["alias", "rewrite"]).start();
    assert_found(
        &httpd,
        &[
            ("/static/a.txt", Ok("a file")),
            ("/statics", Ok("|/statics")),
            ("/old/x", Ok("|/new/x")),
            ("/gone", Err(410)),
        ],
    );
    httpd.finish(&[]);
}

#[test]
fn an_expression_may_pick_the_script() {
    let conf = "WSGIScriptAliasMatch ^/m/([^/]+) {root}/dir/$1.wsgi\n\
                WSGIScriptAliasMatch ^/whole/.*$ {app}\n\
                WSGIScriptAliasMatch /any(where)? {app}\n\
                WSGIScriptAliasMatch ^/(x|y) {app}/$1\n\
                WSGIScriptAliasMatch ^/\\d+$ {app} callable-object=handler";
    let httpd = serving(conf).start();
    assert_found(
        &httpd,
        &[
            ("/m/s/rest/of", Ok("/m/s|/rest/of")),
            ("/m/s", Ok("/m/s|")),
            ("/m/missing", Err(404)),
            ("/M/s", Err(404)),
            ("/whole/a/b", Ok("/whole/a/b|")),
            ("/prefix/anywhere/x", Ok("/prefix/anywhere|/x")),
            ("/x/z", Ok("|/x/z")),
            ("/123", Ok("wsgi-script")),
            ("/123a", Err(404)),
        ],
    );
    httpd.finish(&["WSGI0135"]);
}

#[test]
fn options_override_the_directives() {
    let conf = "WSGIApplicationGroup directive\nWSGICallableObject missing\n\
                WSGIScriptAlias /all {app} process-group=%{GLOBAL} application-group=option callable-object=groups\n\
                WSGIScriptAlias /main {app} application-group=%{GLOBAL} callable-object=groups\n\
                WSGIScriptAlias /last {app} callable-object=missing callable-object=groups\n\
                WSGIScriptAlias /quoted {app} application-group=\"two words\" callable-object=groups\n\
                WSGIScriptAlias /literal {app} callable-object=%{ENV:NAME}\n\
                SetEnv NAME groups";
    let httpd = serving(conf).modules(&["env"]).start();
    assert_found(
        &httpd,
        &[
            ("/all", Ok("|option|groups")),
            ("/main", Ok("||groups")),
            ("/last", Ok("|directive|groups")),
            ("/quoted", Ok("|two words|groups")),
            ("/literal", Err(404)),
        ],
    );
    httpd.finish(&["WSGI0089"]);
}

#[test]
fn a_path_may_hold_blanks() {
    let conf = "WSGIScriptAlias \"/a b\" \"{root}/a folder/an app.wsgi\"";
    let httpd = Httpd::bare(conf).file("a folder/an app.wsgi", WHERE).start();
    assert_found(&httpd, &[("/a%20b/x%20y", Ok("/a b|/x y"))]);
    httpd.finish(&[]);
}

#[test]
fn a_target_that_is_no_script_has_its_status() {
    let conf = "WSGIScriptAlias /missing {root}/missing.wsgi\nWSGIScriptAlias /folder {root}/dir\n\
                WSGIScriptAlias /denied {app}\n<Location /denied>\nRequire all denied\n</Location>\n\
                WSGIScriptAlias /plain {app}\n<Location /plain>\nAcceptPathInfo Off\n</Location>";
    let httpd = serving(conf).start();
    httpd.get("/missing").assert_error_page(404);
    httpd.get("/folder").assert_error_page(403);
    httpd.get("/denied").assert_error_page(403);
    httpd.get("/plain").assert(200, "/plain|");
    httpd.get("/plain/x").assert_error_page(404);
    httpd.finish(&["WSGI0135", "WSGI0136", "AH01630:"]);
}

#[test]
fn a_script_that_disappears_is_not_found() {
    for reloading in ["On", "Off"] {
        let httpd = serving(&format!("WSGIScriptAlias / {{app}}\nWSGIScriptReloading {reloading}")).start();
        httpd.get("/").assert(200, "|/");
        let script = httpd.app_path("where.py");
        fs::rename(&script, httpd.root().join("aside")).expect("renamed");
        httpd.get("/").assert_error_page(404);
        fs::rename(httpd.root().join("aside"), &script).expect("renamed back");
        httpd.get("/").assert(200, "|/");
        httpd.finish(&["WSGI0135"]);
    }
}

#[test]
fn files_that_httpd_serves_may_be_scripts() {
    let conf = "<Directory {root}/htdocs>\nOptions +ExecCGI\nAddHandler wsgi-script .wsgi\n</Directory>\n\
                <Directory {root}/htdocs/plain>\nOptions -ExecCGI\n</Directory>\n\
                <Directory {root}/htdocs/set>\nSetHandler wsgi-script\n</Directory>\n\
                <Directory {root}/htdocs/typed>\nAddType application/x-httpd-wsgi .py\nWSGICallableObject handler\n</Directory>";
    let httpd = Httpd::bare(conf)
        .file("htdocs/s.wsgi", WHERE)
        .file("htdocs/s.txt", "text")
        .file("htdocs/plain/s.wsgi", WHERE)
        .file("htdocs/set/any.name", WHERE)
        .file("htdocs/typed/s.py", WHERE)
        .modules(&["mime"])
        .start();
    assert_found(
        &httpd,
        &[
            ("/s.wsgi", Ok("/s.wsgi|")),
            ("/s.wsgi/p/q", Ok("/s.wsgi|/p/q")),
            ("/s.txt", Ok("text")),
            ("/missing.wsgi", Err(404)),
            ("/plain/s.wsgi", Err(403)),
            ("/set/any.name/x", Ok("/set/any.name|/x")),
            ("/set/missing", Err(404)),
            ("/set/", Err(403)),
            ("/typed/s.py", Ok("application/x-httpd-wsgi")),
        ],
    );
    httpd.finish(&["WSGI0134", "WSGI0135", "WSGI0136"]);
}

#[test]
fn a_later_handler_takes_an_aliased_script_away() {
    let conf = "WSGIScriptAlias /app {app}\nWSGIScriptAlias /source {app}\n\
                <Location /source>\nSetHandler default-handler\n</Location>";
    let httpd = serving(conf).start();
    assert_found(&httpd, &[("/app", Ok("/app|")), ("/source", Ok(WHERE))]);
    httpd.finish(&[]);
}

#[test]
fn a_sub_request_of_another_module_finds_the_script() {
    let conf = "WSGIScriptAlias /app {app}\n<Directory {root}/htdocs>\nOptions +Includes\nSetOutputFilter INCLUDES\n</Directory>";
    let page = "before <!--#include virtual=\"/app/inside\" --> after";
    let httpd = serving(conf).file("htdocs/page.shtml", page).modules(&["filter", "include"]).start();
    // As ap_add_cgi_vars has it for an included request: the whole path is the script's.
    httpd.get("/page.shtml").assert(200, "before /app/inside|/inside after");
    httpd.finish(&[]);
}

#[test]
fn a_script_behind_a_symbolic_link_is_served_where_options_allow_it() {
    let httpd = serving(
        "WSGIScriptAlias /allowed {root}/dir/link.wsgi\nWSGIScriptAlias /barred {root}/barred/link.wsgi\n\
         WSGIScriptAlias /real {root}/barred/s.wsgi\n<Directory {root}/barred>\nOptions -FollowSymLinks\n</Directory>",
    )
    .file("barred/s.wsgi", WHERE)
    .start();
    for folder in ["dir", "barred"] {
        let folder = httpd.root().join(folder);
        std::os::unix::fs::symlink(folder.join("s.wsgi"), folder.join("link.wsgi")).expect("a symbolic link");
    }
    assert_found(
        &httpd,
        &[
            ("/allowed/x", Ok("/allowed|/x")),
            ("/barred", Err(403)),
            ("/barred/x", Err(403)),
            ("/real/x", Ok("/real|/x")),
        ],
    );
    httpd.finish(&["AH00037: Symbolic link not allowed"]);
}
