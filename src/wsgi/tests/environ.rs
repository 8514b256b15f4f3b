//! PEP 3333, "environ Variables".

use crate::wsgi::environ::Key;
use crate::wsgi::testing::{APPLICATION_GROUP, Request, holds, with_application};

#[test]
fn environ_is_a_plain_dict() {
    holds("assert type(environ) is dict");
}

#[test]
fn each_request_has_an_environ_of_its_own() {
    let source = r#"
        seen = []

        def application(environ, start_response):
            assert "mine" not in environ and environ["PATH_INFO"] == "/path"
            environ["mine"], environ["PATH_INFO"] = 1, "/changed"
            seen.append(environ)
            start_response("200 OK", [])
            return []
    "#;
    with_application(source, |application| {
        application.serve(&Request::new());
        application.serve(&Request::new());
        application.holds_outside("assert len(seen) == 2 and seen[0] is not seen[1]");
    });
}

#[test]
fn the_variables_of_cgi_are_there() {
    holds(
        r#"
        assert environ["REQUEST_METHOD"] == "GET"
        assert environ["SCRIPT_NAME"] == "/app"
        assert environ["PATH_INFO"] == "/path"
        assert environ["QUERY_STRING"] == "a=b"
        assert environ["SERVER_NAME"] == "example.org"
        assert environ["SERVER_PORT"] == "8000"
        assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        "#,
    );
}

#[test]
fn variables_of_cgi_are_native_strings() {
    holds("assert not [key for key, value in environ.items() if '.' not in key and type(value) is not str]");
}

#[test]
fn bytes_of_a_value_are_latin_1_characters() {
    let request = Request::new().known(Key::PathInfo, "/caf\u{e9}").header("X-Any", b"\x80\xff");
    request.holds(
        r#"
        assert environ["PATH_INFO"] == "/caf\u00c3\u00a9"
        assert environ["PATH_INFO"].encode("latin-1").decode("utf-8") == "/caf\u00e9"
        assert environ["HTTP_X_ANY"] == "\x80\xff"
        "#,
    );
}

#[test]
fn file_names_are_decoded_as_the_file_system_does() {
    let request = Request::new().known(Key::ScriptFilename, b"/srv/caf\xc3\xa9/\xff.wsgi");
    request.holds(
        r#"
        import os
        assert os.fsencode(environ["SCRIPT_FILENAME"]) == b"/srv/caf\xc3\xa9/\xff.wsgi"
        "#,
    );
}

#[test]
fn what_a_client_may_leave_out_is_absent_or_empty() {
    let request = Request::new().known(Key::PathInfo, "").known(Key::QueryString, "");
    request.holds(
        r#"
        assert environ["PATH_INFO"] == environ["QUERY_STRING"] == ""
        assert not {"CONTENT_TYPE", "CONTENT_LENGTH", "REMOTE_USER", "AUTH_TYPE", "HTTP_HOST", "HTTP_COOKIE"} & environ.keys()
        "#,
    );
}

#[test]
fn a_value_of_the_request_before_is_gone() {
    let source = r#"
        def application(environ, start_response):
            start_response("200 " + environ.get("HTTP_COOKIE", "none") + " " + environ["PATH_INFO"], [])
            return []
    "#;
    with_application(source, |application| {
        let first = Request::new().header("Cookie", "secret=1").known(Key::PathInfo, "/one");
        assert_eq!(application.serve(&first).status(), "200 secret=1 /one");
        assert_eq!(application.serve(&Request::new()).status(), "200 none /path");
    });
}

#[test]
fn a_value_that_tends_to_stay_may_change() {
    let source = r#"
        def application(environ, start_response):
            start_response("200 " + environ["HTTP_USER_AGENT"] + environ["REQUEST_METHOD"], [])
            return []
    "#;
    with_application(source, |application| {
        for (agent, method) in [("one", "GET"), ("one", "GET"), ("two", "PUT"), ("one", "GET")] {
            let request = Request::new().header("User-Agent", agent).known(Key::RequestMethod, method);
            assert_eq!(application.serve(&request).status(), format!("200 {agent}{method}"));
        }
    });
}

#[test]
fn a_request_header_is_upper_case_with_http_before_it() {
    let request = Request::new().header("x-real-thing", "1").header("X-Empty", "").header("hOST", "example.org");
    request.holds(
        r#"
        assert environ["HTTP_X_REAL_THING"] == "1"
        assert environ["HTTP_X_EMPTY"] == ""
        assert environ["HTTP_HOST"] == "example.org"
        "#,
    );
}

#[test]
fn content_type_and_content_length_have_no_prefix() {
    let request = Request::new().header("Content-Type", "text/plain").header("CONTENT-LENGTH", "0");
    request.holds(
        r#"
        assert environ["CONTENT_TYPE"] == "text/plain" and environ["CONTENT_LENGTH"] == "0"
        assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & environ.keys()
        "#,
    );
}

#[test]
fn of_two_headers_of_one_name_the_last_counts() {
    let request = Request::new().header("X-Twice", "1").header("x-twice", "2");
    request.holds("assert environ['HTTP_X_TWICE'] == '2'");
}

#[test]
fn a_header_that_could_pass_for_another_is_not_shown() {
    let request =
        Request::new().header("X_Forwarded_For", "evil").header("X.Forwarded-For", "evil").header("Proxy", "evil");
    request.holds("assert 'evil' not in environ.values()");
}

#[test]
fn a_variable_of_the_configuration_passes_through() {
    let request = Request::new().named("MY_SETTING", "on").named("lower.case", "").named("OTHER", b"\xe9");
    request.holds("assert (environ['MY_SETTING'], environ['lower.case'], environ['OTHER']) == ('on', '', '\\xe9')");
}

#[test]
fn a_variable_of_the_request_outranks_one_of_the_configuration() {
    let request = Request::new().named("REMOTE_ADDR", "10.0.0.1").known(Key::RemoteAddr, "127.0.0.2");
    request.holds("assert environ['REMOTE_ADDR'] == '127.0.0.2'");
}

#[test]
fn the_configuration_cannot_replace_what_the_server_says() {
    let names = [
        "wsgi.version",
        "wsgi.url_scheme",
        "wsgi.input",
        "wsgi.errors",
        "wsgi.multithread",
        "wsgi.multiprocess",
        "wsgi.run_once",
        "wsgi.input_terminated",
        "wsgi.file_wrapper",
        "apache.version",
        "mod_wsgi.version",
        "mod_wsgi.application_group",
        "mod_wsgi.thread_id",
        "mod_wsgi.request_start",
        "mod_wsgi.queue_start",
        "mod_wsgi.daemon_start",
        "mod_wsgi.application_start",
    ];
    let request = names.into_iter().fold(Request::new(), |request, name| request.named(name, "forged"));
    request.holds("assert [key for key, value in environ.items() if value == 'forged'] == []");
}

#[test]
fn wsgi_version_is_1_0() {
    holds("assert environ['wsgi.version'] == (1, 0) and type(environ['wsgi.version']) is tuple");
}

#[test]
fn url_scheme_is_https_if_https_is_on_or_1() {
    for (value, scheme) in
        [("on", "https"), ("ON", "https"), ("1", "https"), ("off", "http"), ("0", "http"), ("", "http"), ("2", "http")]
    {
        let request = Request::new().known(Key::Https, value);
        request.holds(&format!("assert environ['wsgi.url_scheme'] == '{scheme}'"));
    }
}

#[test]
fn url_scheme_is_http_without_https() {
    holds("assert environ['wsgi.url_scheme'] == 'http'");
}

#[test]
fn the_https_variable_itself_is_not_shown() {
    Request::new().known(Key::Https, "on").holds("assert 'HTTPS' not in environ");
}

#[test]
fn the_flags_are_those_of_the_process() {
    holds(
        r#"
        assert environ["wsgi.multithread"] is True
        assert environ["wsgi.multiprocess"] is False
        assert environ["wsgi.run_once"] is False
        "#,
    );
}

#[test]
fn the_input_says_that_it_ends_by_itself() {
    holds("assert environ['wsgi.input_terminated'] is True");
}

#[test]
fn the_server_tells_versions_as_numbers() {
    holds(
        r#"
        assert environ["apache.version"] == (2, 4, 71)
        assert environ["mod_wsgi.version"] == (6, 1, 1)
        "#,
    );
}

#[test]
fn the_server_tells_where_the_application_runs() {
    let request = Request::new().known(Key::RequestId, "abc");
    let source = r#"
        assert environ["mod_wsgi.process_group"] == environ["mod_wsgi.handler_script"] == ""
        assert environ["mod_wsgi.application_group"] == "GROUP"
        assert environ["mod_wsgi.callable_object"] == "application"
        assert environ["mod_wsgi.script_name"] == "/app" and environ["mod_wsgi.path_info"] == "/path"
        assert environ["mod_wsgi.request_id"] == "abc" and "mod_wsgi.connection_id" not in environ
        assert type(environ["mod_wsgi.thread_id"]) is int and environ["mod_wsgi.thread_id"] >= 1
    "#;
    request.holds(&source.replace("GROUP", APPLICATION_GROUP));
}

#[test]
fn times_are_seconds_since_the_epoch() {
    holds(
        r#"
        import time
        assert environ["mod_wsgi.request_start"] == 1234567890.5
        assert environ["mod_wsgi.queue_start"] == environ["mod_wsgi.daemon_start"] == 0.0
        assert type(environ["mod_wsgi.queue_start"]) is float
        assert abs(environ["mod_wsgi.application_start"] - time.time()) < 60
        "#,
    );
}

#[test]
fn a_key_is_the_same_object_as_the_literal_of_an_application() {
    holds(
        "assert next(key for key in environ if key == 'REQUEST_METHOD') is __import__('sys').intern('REQUEST_METHOD')",
    );
}

#[test]
fn the_record_of_the_host_is_there_only_where_it_is_lent() {
    holds("assert 'apache.request_rec' not in environ");
    Request::new().with_record().holds("assert type(environ['apache.request_rec']).__name__ == 'PyCapsule'");
    Request::new().named("apache.request_rec", "forged").holds("assert 'apache.request_rec' not in environ");
}

#[test]
fn the_record_of_the_host_ends_with_the_request() {
    let source = r#"
        seen = []

        def application(environ, start_response):
            capsule = environ["apache.request_rec"]
            assert repr(capsule).startswith("<capsule object NULL at "), capsule
            seen.append(capsule)
            start_response("200 OK", [])
            if len(seen) == 2:
                raise ValueError("the record ends in any case")
            return []
    "#;
    with_application(source, |application| {
        application.serve(&Request::new().with_record());
        application.serve(&Request::new().with_record());
        application.holds_outside(
            "assert [repr(capsule).split(' at ')[0] for capsule in seen] == \
             ['<capsule object \"expired: the request is over\"'] * 2, seen",
        );
    });
}
