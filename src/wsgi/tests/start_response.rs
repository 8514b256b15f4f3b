//! PEP 3333, "The start_response() Callable" and "Error Handling".

use crate::wsgi::gateway::{Outcome, Raised};
use crate::wsgi::testing::{Event, Request, holds, serve, with_application};

#[test]
fn status_and_headers_reach_the_host_as_they_were_given() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("299 Very Own", [("X-Mixed-Case", "  padded\t"), ("Set-Cookie", "a"), ("set-cookie", "b"), ("X-Empty", "")])
            return []
        "#,
    );
    assert_eq!(response.status(), "299 Very Own");
    let headers = [("X-Mixed-Case", "  padded\t"), ("Set-Cookie", "a"), ("set-cookie", "b"), ("X-Empty", "")];
    assert_eq!(response.headers(), headers);
}

#[test]
fn it_takes_two_or_three_positional_arguments() {
    holds(
        r#"
        assert raised_by(start_response) is raised_by(start_response, "200 OK") is TypeError
        assert raised_by(start_response, "200 OK", [], None, None) is TypeError
        assert raised_by(start_response, status="200 OK", headers=[]) is TypeError
        assert raised_by(start_response, "200 OK", [], exc_info=None) is TypeError
        assert raised_by(start_response, "200 OK", [], None) is None
        "#,
    );
}

#[test]
fn it_returns_a_callable_that_takes_bytes() {
    assert_eq!(holds("assert start_response('200 OK', [])(b'body') is None; return []").body(), b"body");
}

#[test]
fn status_is_a_native_string() {
    holds(
        r#"
        for wrong in b"200 OK", 200, None, ("200", "OK"):
            assert raised_by(start_response, wrong, []) is TypeError, wrong
        class Status(str): pass
        start_response(Status("200 OK"), [])
        "#,
    );
}

#[test]
fn status_is_latin_1() {
    holds("assert raised_by(start_response, '200 \\u20ac', []) is UnicodeEncodeError; start_response('200 \\xe9', [])");
}

#[test]
fn status_is_three_digits_and_a_reason() {
    holds(
        r#"
        for wrong in "", "20", "2000 OK", "OK", "200OK", " 200 OK", "-20 OK", "+20 OK", "2 0 OK", "\u0662\u0660\u0660 OK", "200\tOK":
            assert raised_by(start_response, wrong, []) in (ValueError, UnicodeEncodeError), wrong
        for right in "200", "200 ", "200 OK", "999 x", "404 Not Found Here":
            assert raised_by(start_response, right, []) is None, right
        "#,
    );
}

#[test]
fn status_has_no_control_characters() {
    holds(
        r#"
        for code in [*range(32), 127]:
            assert raised_by(start_response, f"200 a{chr(code)}b", []) is ValueError, code
        "#,
    );
}

#[test]
fn headers_are_a_list() {
    holds(
        r#"
        for wrong in (("X-A", "1"),), None, {"X-A": "1"}, iter([("X-A", "1")]), "X-A: 1":
            assert raised_by(start_response, "200 OK", wrong) is TypeError, wrong
        class Headers(list): pass
        start_response("200 OK", Headers([("X-A", "1")]))
        "#,
    );
}

#[test]
fn each_header_is_a_tuple_of_name_and_value() {
    holds(
        r#"
        for wrong in ["X-A", "1"], "X-A", None, 1:
            assert raised_by(start_response, "200 OK", [wrong]) is TypeError, wrong
        for wrong in (), ("X-A",), ("X-A", "1", "2"):
            assert raised_by(start_response, "200 OK", [wrong]) is ValueError, wrong
        "#,
    );
}

#[test]
fn names_and_values_are_native_strings() {
    holds(
        r#"
        for wrong in (b"X-A", "1"), ("X-A", b"1"), ("X-A", 1), ("X-A", None), (None, "1"):
            assert raised_by(start_response, "200 OK", [wrong]) is TypeError, wrong
        "#,
    );
}

#[test]
fn names_and_values_are_latin_1() {
    let response = serve(
        r#"
        def application(environ, start_response):
            assert raised_by(start_response, "200 OK", [("X-\u20ac", "1")]) is UnicodeEncodeError
            assert raised_by(start_response, "200 OK", [("X-A", "\u20ac")]) is UnicodeEncodeError
            start_response("200 OK", [("X-A", "\xe9")])
            return []
        "#,
    );
    assert_eq!(response.headers(), [("X-A", "\u{e9}")]);
}

#[test]
fn a_name_is_not_empty_and_has_no_blanks_or_control_characters() {
    holds(
        r#"
        for wrong in "", " ", "X A", "X-A ", "X\r\nY", "X\n", "X\t", "X\0", "X\x7f":
            assert raised_by(start_response, "200 OK", [(wrong, "1")]) is ValueError, wrong
        "#,
    );
}

#[test]
fn a_value_cannot_begin_another_header() {
    holds(
        r#"
        for wrong in "a\r\nEvil: 1", "a\nEvil: 1", "a\rEvil: 1", "a\n", "\r":
            assert raised_by(start_response, "200 OK", [("X-A", wrong)]) is ValueError, wrong
        "#,
    );
}

#[test]
fn a_value_is_not_cut_at_a_nul() {
    holds("assert raised_by(start_response, '200 OK', [('X-A', 'a\\0b')]) is ValueError");
}

#[test]
fn an_error_that_no_one_catches_ends_the_request() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 OK", [("X-A", "a\nb")])
            return [b"never"]
        "#,
    );
    assert_eq!(response.outcome, Outcome::Raised);
    assert_eq!(response.exceptions(), [(Raised::ByApplication, "ValueError")]);
    assert!(!response.has_head() && response.body().is_empty(), "{response}");
}

#[test]
fn the_headers_are_copied() {
    let response = serve(
        r#"
        def application(environ, start_response):
            headers = [("X-A", "1")]
            start_response("200 OK", headers)
            headers.append(("X-Late", "1"))
            return []
        "#,
    );
    assert_eq!(response.headers(), [("X-A", "1")]);
}

#[test]
fn it_sends_nothing_by_itself() {
    let response = holds("start_response('200 OK', []); errors.write('after\\n')");
    assert_eq!(response.position_of_line("after"), 0, "{response}");
}

#[test]
fn it_may_be_called_late_in_the_iteration() {
    let response = serve(
        r#"
        def application(environ, start_response):
            yield b""
            start_response("200 Late", [])
            yield b"body"
        "#,
    );
    assert_eq!((response.status(), response.blocks()), ("200 Late", vec!["body"]));
}

#[test]
fn a_response_without_it_is_an_error() {
    for result in ["[b'body']", "[b'']", "[]", "iter([b'body'])", "iter([])"] {
        let response = serve(&format!("def application(environ, start_response): return {result}"));
        assert_eq!(response.outcome, Outcome::Raised, "{result}: {response}");
        assert_eq!(response.exceptions(), [(Raised::ByApplication, "RuntimeError")], "{result}");
        assert!(!response.has_head() && response.body().is_empty(), "{result}");
    }
}

#[test]
fn a_second_call_before_the_body_replaces_the_first() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("500 First", [("X-First", "1"), ("Content-Length", "99")])
            start_response("200 Second", [("X-Second", "2")])
            return []
        "#,
    );
    assert_eq!((response.status(), response.headers()), ("200 Second", vec![("X-Second", "2")]));
    assert_eq!(response.length(), None);
}

#[test]
fn a_call_that_fails_changes_nothing() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 First", [("X-First", "1")])
            assert raised_by(start_response, "500 Second", [("X-A", "1"), ("X-B", "\n")]) is ValueError
            assert raised_by(start_response, "bad", []) is ValueError
            return []
        "#,
    );
    assert_eq!((response.status(), response.headers()), ("200 First", vec![("X-First", "1")]));
}

#[test]
fn a_second_call_with_exc_info_before_the_body_replaces_the_first() {
    let response = serve(
        r#"
        import sys

        def application(environ, start_response):
            start_response("200 OK", [("X-First", "1")])
            try:
                raise KeyError
            except KeyError:
                start_response("500 Oops", [("X-Second", "2")], sys.exc_info())
            return [b"sorry"]
        "#,
    );
    assert_eq!(response.outcome, Outcome::Complete);
    assert_eq!((response.status(), response.headers()), ("500 Oops", vec![("X-Second", "2")]));
}

#[test]
fn a_second_call_after_the_body_began_raises() {
    let response = holds(
        "start_response('200 OK', [])(b'sent')\nassert raised_by(start_response, '500 Oops', []) is RuntimeError\nreturn []",
    );
    assert_eq!((response.status(), &*response.body()), ("200 OK", &b"sent"[..]));
}

#[test]
fn a_second_call_after_an_empty_write_raises_too() {
    holds(
        "start_response('200 OK', [])(b'')\nassert raised_by(start_response, '500 Oops', []) is RuntimeError\nreturn []",
    );
}

#[test]
fn with_exc_info_after_the_body_began_it_raises_that_exception() {
    let response = serve(
        r#"
        import sys

        def fails():
            raise KeyError("the cause")

        def application(environ, start_response):
            start_response("200 OK", [])(b"sent")
            try:
                fails()
            except KeyError:
                start_response("500 Oops", [], sys.exc_info())
            return [b"never"]
        "#,
    );
    assert_eq!(response.outcome, Outcome::Raised);
    assert_eq!(response.exceptions(), [(Raised::ByApplication, "KeyError")]);
    assert_eq!((response.status(), &*response.body()), ("200 OK", &b"sent"[..]));
    assert!(response.to_string().contains("in fails"), "the traceback of the cause: {response}");
}

#[test]
fn with_exc_info_it_raises_the_same_object() {
    holds(
        r#"
        import sys
        start_response("200 OK", [])(b"sent")
        try:
            raise KeyError
        except KeyError as cause:
            try:
                start_response("500 Oops", [], sys.exc_info())
            except KeyError as raised:
                assert raised is cause
            else:
                assert False, "nothing was raised"
        return []
        "#,
    );
}

#[test]
fn with_exc_info_it_raises_with_the_traceback_of_the_tuple() {
    holds(
        r#"
        import sys, traceback

        def fails():
            raise KeyError

        start_response("200 OK", [])(b"sent")
        try:
            fails()
        except KeyError as cause:
            exc_info = sys.exc_info()
            cause.__traceback__ = None
            try:
                start_response("500 Oops", [], exc_info)
            except KeyError as raised:
                assert "fails" in [frame.name for frame in traceback.extract_tb(raised.__traceback__)]
            else:
                assert False, "nothing was raised"
        return []
        "#,
    );
}

#[test]
fn exc_info_is_a_tuple_of_three() {
    holds(
        r#"
        for wrong in [], "x", 1, KeyError("x"):
            assert raised_by(start_response, "200 OK", [], wrong) is RuntimeError, wrong
        start_response("200 OK", [], (1,))(b"sent")
        assert raised_by(start_response, "200 OK", [], (1,)) is TypeError
        assert raised_by(start_response, "200 OK", [], ("no", "exception", None)) is TypeError
        return []
        "#,
    );
}

#[test]
fn after_the_request_it_raises() {
    let source = r#"
        def application(environ, start):
            global start_response
            start_response = start
            start("200 OK", [])
            return []
    "#;
    with_application(source, |application| {
        application.serve(&Request::new());
        application.holds_outside(
            r#"
            assert raised_by(start_response, "200 OK", []) is RuntimeError
            assert raised_by(start_response, "200 OK", [], (KeyError, KeyError(), None)) is RuntimeError
            "#,
        );
    });
}

#[test]
fn the_head_comes_before_the_body() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 OK", [])
            yield b"one"
            yield b"two"
        "#,
    );
    assert!(matches!(response.events[..], [Event::Start { .. }, Event::Write(_), Event::Write(_)]), "{response}");
}
