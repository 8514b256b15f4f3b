//! WSGIHandlerScript: a script that answers for the resources of a handler.

use crate::support::{Builder, GilMode, Httpd, IN_DAEMONS, NO_CALLABLE, UNKNOWN_GROUP, in_both_modes};
use std::fs::{self, File};
use std::time::Duration;

/// A server whose `.page` files are answered by `{app}`, and one such file, `a.page`.
fn paging(conf: &str) -> Builder {
    let conf = format!("WSGIHandlerScript page {{app}}\nAddHandler page .page\n{conf}");
    Httpd::with(&conf, "handler.py").modules(&["mime"]).file("htdocs/a.page", "a page")
}

#[test]
fn it_answers_for_the_resource_whether_or_not_that_exists() {
    in_both_modes(|mode| {
        let conf = "<Location /set>\nSetHandler page\n</Location>\n<Location /other>\nSetHandler other\n</Location>";
        let httpd = paging(conf).gil_mode(mode).file("htdocs/plain.txt", "plain").start();
        let (root, script) = (httpd.root().display().to_string(), httpd.app_path("handler.py").display().to_string());
        for (target, answer) in [
            ("/a.page", &*format!("{root}/htdocs/a.page")),
            ("/a.page/more/info", &format!("{root}/htdocs/a.page")),
            ("/missing.page", &format!("{root}/htdocs/missing.page")),
            ("/a.page/more/info?PATH_INFO", "/more/info"),
            ("/a.page/more/info?SCRIPT_NAME", "/a.page"),
            ("/missing.page?mod_wsgi.handler_script", &script),
            ("/a.page?mod_wsgi.callable_object", "handle_request"),
            ("/a.page?mod_wsgi.request_handler", "page"),
            ("/set", &format!("{root}/htdocs/set")),
            ("/set/on/a/place?PATH_INFO", "/on/a/place"),
            ("/plain.txt", "plain"),
        ] {
            let response = httpd.get(target);
            assert_eq!((response.status, response.text()), (200, answer), "{target}");
        }
        httpd.get("/other").assert_error_page(404);
        httpd.finish(&[]);
    });
}

#[test]
fn an_ordinary_script_has_no_handler_script() {
    // The handler of ordinary scripts is not a name that can be taken.
    let conf = "WSGIHandlerScript wsgi-script {app}\nWSGIScriptAlias /plain {apps}/evaluate.py";
    let httpd = paging(conf).app("evaluate.py").start();
    let expression = "environ['mod_wsgi.handler_script']";
    httpd.request("GET", "/plain").header("X-Python", expression).send().assert(200, "''");
    httpd.finish(&[]);
}

#[test]
fn the_checks_of_requests_apply() {
    let conf = "<Location /closed>\nRequire all denied\nSetHandler page\n</Location>\n\
                <Location /strict>\nAcceptPathInfo Off\nSetHandler page\n</Location>";
    let httpd = paging(conf).log_level("warn wsgi:info").start();
    httpd.get("/closed").assert_error_page(403);
    httpd.get("/strict").assert(200, &httpd.root().join("htdocs/strict").display().to_string());
    httpd.get("/strict/more").assert_error_page(404);
    httpd.request("POST", "/a.page").chunked(&["x"]).send().assert_error_page(411);
    let log = httpd.error_log();
    let script = format!("[script {}]", httpd.app_path("handler.py").display());
    assert_eq!((log.count(&format!("WSGI0137*{script}")), log.count("WSGI0139")), (1, 1), "{log:#?}");
    let life = ["Python 3*started", "loading the script"];
    httpd.finish(&[&life[..], &["AH01630: client denied", "WSGI0137", "WSGI0139"]].concat());
}

#[test]
fn names_add_up_and_the_inner_section_wins() {
    let register = |name: &str, file: &str| format!("WSGIHandlerScript {name} {{root}}/scripts/{file}.py\n");
    let handlers = ["a", "b", "c", "d"].map(|name| format!("<Location /at/{name}>\nSetHandler {name}\n</Location>\n"));
    let host = |name: &str, conf: &str| format!("<VirtualHost *:{{port}}>\nServerName {name}\n{conf}</VirtualHost>\n");
    let conf = [
        handlers.concat(),
        register("a", "old"),
        // httpd itself turns the names behind SetHandler and AddHandler into lower case.
        register("A", "main-a"),
        register("b", "main-b"),
        host("main", ""),
        host(
            "host",
            &[
                register("b", "host-b"),
                register("c", "host-c"),
                format!("<Location /at>\n{}{}</Location>\n", register("c", "at-c"), register("d", "at-d")),
                format!("<Location /at/d>\n{}</Location>\n", register("d", "at-d-d")),
            ]
            .concat(),
        ),
    ];
    let mut builder = Httpd::bare(&conf.concat());
    for file in ["old", "main-a", "main-b", "host-b", "host-c", "at-c", "at-d", "at-d-d"] {
        let text = format!(
            "def handle_request(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{file}']\n"
        );
        builder = builder.file(&format!("scripts/{file}.py"), &text);
    }
    let httpd = builder.start();
    for (url, script) in [
        ("http://main/at/a", Some("main-a")),
        ("http://main/at/b", Some("main-b")),
        ("http://main/at/c", None),
        ("http://host/at/a", Some("main-a")),
        ("http://host/at/b", Some("host-b")),
        ("http://host/at/c", Some("at-c")),
        ("http://host/at/d", Some("at-d-d")),
    ] {
        println!("{url}");
        match script {
            Some(script) => httpd.get(url).assert(200, script),
            None => httpd.get(url).assert_error_page(404),
        }
    }
    httpd.finish(&[]);
}

#[test]
fn it_stands_in_no_htaccess() {
    let conf = "<Directory {root}/htdocs>\nAllowOverride All\n</Directory>";
    let httpd = paging(conf).file("htdocs/.htaccess", "WSGIHandlerScript page {app}").start();
    httpd.get("/a.page").assert_error_page(500);
    httpd.finish(&[".htaccess: WSGIHandlerScript not allowed here"]);
}

#[test]
fn its_options_outrank_the_directives() {
    let conf = "WSGIApplicationGroup directive\nWSGIPassAuthorization Off\nWSGICallableObject directive\n\
                WSGIHandlerScript own {app} application-group=option pass-authorization=On\n\
                WSGIHandlerScript elsewhere {app} process-group=elsewhere\n\
                <Location /own>\nSetHandler own\n</Location>\n\
                <Location /elsewhere>\nSetHandler elsewhere\n</Location>";
    let httpd = paging(conf).start();
    let authorization = |target: &str| httpd.request("GET", target).header("Authorization", "Basic eA==").send();
    httpd.get("/a.page?mod_wsgi.application_group").assert(200, "directive");
    httpd.get("/own?mod_wsgi.application_group").assert(200, "option");
    httpd.get("/own?mod_wsgi.callable_object").assert(200, "handle_request");
    authorization("/a.page?HTTP_AUTHORIZATION").assert(200, "None");
    authorization("/own?HTTP_AUTHORIZATION").assert(200, "Basic eA==");
    httpd.get("/elsewhere").assert_error_page(500);
    httpd.finish(&[&format!("{UNKNOWN_GROUP}*elsewhere")]);
}

#[test]
fn an_alias_that_led_to_the_resource_does_not_count() {
    let options = "application-group=alias callable-object=alias pass-authorization=On";
    let conf = format!(
        "WSGIApplicationGroup directive\nWSGIScriptAlias /aliased {{app}} {options}\n\
         <Location /aliased>\nSetHandler page\n</Location>"
    );
    let httpd = paging(&conf).start();
    for (key, value) in [
        ("mod_wsgi.application_group", "directive"),
        ("mod_wsgi.callable_object", "handle_request"),
        ("SCRIPT_NAME", "/aliased"),
        ("HTTP_AUTHORIZATION", "None"),
    ] {
        httpd.request("GET", &format!("/aliased?{key}")).header("Authorization", "x").send().assert(200, value);
    }
    httpd.finish(&[]);
}

#[test]
fn the_script_is_loaded_again_when_it_changes_not_when_the_resource_does() {
    in_both_modes(|mode| {
        let httpd = paging("").gil_mode(mode).start();
        httpd.get("/a.page?served").assert(200, "1");
        touch(&httpd, "htdocs/a.page");
        httpd.get("/a.page?served").assert(200, "2");
        touch(&httpd, "apps/handler.py");
        httpd.get("/a.page?served").assert(200, "1");
        httpd.finish(&[]);
    });
}

fn touch(httpd: &Httpd, path: &str) {
    let path = httpd.root().join(path);
    let before = fs::metadata(&path).and_then(|data| data.modified()).expect("a time of change");
    let file = File::options().write(true).open(path).expect("our own file");
    file.set_modified(before + Duration::from_secs(5)).expect("a new time of change");
}

#[test]
fn the_script_may_ask_to_be_loaded_again_for_a_resource() {
    let script = "asked = []\ndef reload_required(resource):\n    asked.append(resource)\n    \
                  return resource.endswith('/again.page')\n\
                  def handle_request(environ, start_response):\n    start_response('200 OK', [])\n    \
                  return [str(asked).encode()]\n";
    let conf = "WSGIApplicationGroup one\nWSGIHandlerScript page {root}/asking.py";
    let httpd = paging(conf).file("asking.py", script).start();
    httpd.get("/a.page").assert(200, "[]");
    let resource = httpd.root().join("htdocs/a.page").display().to_string();
    httpd.get("/a.page").assert(200, &format!("['{resource}']"));
    // A daemon is replaced by one that has not been asked before, and does not ask again.
    let again = format!("['{}']", httpd.root().join("htdocs/again.page").display());
    httpd.get("/again.page").assert(200, if IN_DAEMONS { &again } else { "[]" });
    httpd.finish(&[]);
}

#[test]
fn a_script_that_does_not_serve_is_named_in_the_log() {
    let conf = "WSGIHandlerScript gone {root}/gone.py\nWSGIHandlerScript other {apps}/hello.py\n\
                <Location /gone>\nSetHandler gone\n</Location>\n<Location /other>\nSetHandler other\n</Location>";
    let httpd = paging(conf).app("hello.py").start();
    httpd.get("/gone").assert_error_page(500);
    httpd.get("/other").assert_error_page(NO_CALLABLE);
    fs::copy(httpd.app_path("handler.py"), httpd.root().join("gone.py")).expect("a copy");
    httpd.get("/gone?served").assert(200, "1");
    fs::remove_file(httpd.root().join("gone.py")).expect("our own file");
    let last = httpd.get("/gone?served");
    let gone = format!("WSGI0105*[script {}]", httpd.root().join("gone.py").display());
    let other = format!("WSGI0089*handle_request*[script {}]", httpd.app_path("hello.py").display());
    let mut expected = vec![&*gone, "FileNotFoundError", &other];
    if IN_DAEMONS {
        // The process that has the code goes on with it.
        last.assert(200, "2");
        expected.extend(["WSGI0106*beforehand", "WSGI1021*does not load"]);
    } else {
        last.assert_error_page(500);
        assert_eq!(httpd.error_log().count(&gone), 2);
    }
    httpd.finish(&expected);
}

#[test]
fn names_of_missing_files_lead_to_a_limited_number_of_interpreters() {
    // That so many interpreters are ended in time is not what is tested here.
    let httpd = paging("MaxKeepAliveRequests 0\nWSGIDestroyInterpreter Off").gil_mode(GilMode::Free).start();
    let mut connection = httpd.connect();
    for number in 0..64 {
        let target = format!("/{number}.page?mod_wsgi.application_group");
        connection.get(&target).assert(200, &format!("localhost|/{number}.page"));
    }
    httpd.get("/one-more.page").assert_error_page(503);
    // A file that exists is none that a client made up.
    assert_eq!(connection.get("/a.page").status, 200);
    httpd.finish(&["WSGI1009"]);
}
