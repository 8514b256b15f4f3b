//! PEP 3333, "Handling the Content-Length Header".

use crate::wsgi::gateway::{Outcome, Raised};
use crate::wsgi::testing::{Response, serve};

/// The response of an application with that status and Content-Length that returns that expression.
fn announcing(status: &str, length: &str, expression: &str) -> Response {
    serve(&format!(
        "
        def application(environ, start_response):
            start_response('{status}', [('content-length', '{length}')])
            return {expression}
        "
    ))
}

/// A body of six bytes, in all the ways in which one can be sent.
const SIX: [&str; 5] =
    ["[b'abc', b'def']", "(b'abcdef',)", "iter([b'abc', b'def'])", "iter([b'a', b'', b'bcdef'])", "[b'abcdef']"];

#[test]
fn the_length_reaches_the_host_as_a_number() {
    for expression in SIX {
        let response = announcing("200 OK", "6", expression);
        assert_eq!((response.outcome, response.length()), (Outcome::Complete, Some(6)));
        assert_eq!(response.body(), b"abcdef");
    }
}

#[test]
fn bytes_beyond_it_are_not_sent() {
    for expression in SIX {
        let response = announcing("200 OK", "4", expression);
        assert_eq!((response.outcome, &*response.body()), (Outcome::Complete, &b"abcd"[..]), "{expression}");
    }
}

#[test]
fn bytes_beyond_zero_are_not_sent() {
    for expression in SIX {
        let response = announcing("200 OK", "0", expression);
        assert_eq!((response.outcome, response.length()), (Outcome::Complete, Some(0)), "{expression}");
        assert!(response.body().is_empty(), "{expression}");
    }
}

#[test]
fn the_iteration_goes_on_beyond_it() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 OK", [("Content-Length", "1")])
            yield b"abc"
            yield b"def"
            environ["wsgi.errors"].write("the end")
        "#,
    );
    assert_eq!((response.blocks(), response.lines()), (vec!["a"], vec!["the end"]));
}

#[test]
fn a_body_that_is_too_short_is_no_complete_response() {
    for expression in SIX {
        let response = announcing("200 OK", "10", expression);
        assert_eq!(response.outcome, Outcome::Short { announced: 10, given: 6 }, "{expression}");
        assert_eq!(response.body(), b"abcdef");
    }
}

#[test]
fn no_body_at_all_is_too_short_as_well() {
    for expression in ["[]", "iter([])", "[b'']"] {
        let response = announcing("200 OK", "10", expression);
        assert_eq!(response.outcome, Outcome::Short { announced: 10, given: 0 }, "{expression}");
    }
}

#[test]
fn a_status_that_has_no_body_is_never_short() {
    for status in ["204 No Content", "304 Not Modified"] {
        assert_eq!(announcing(status, "10", "[]").outcome, Outcome::Complete, "{status}");
    }
}

#[test]
fn an_exception_outranks_a_short_body() {
    assert_eq!(announcing("200 OK", "10", "iter([b'abc', 1])").outcome, Outcome::Raised);
}

#[test]
fn written_and_iterated_bytes_count_together() {
    let body = |length: &str| {
        serve(&format!(
            "
            def application(environ, start_response):
                write = start_response('200 OK', [('Content-Length', '{length}')])
                write(b'abc')
                return iter([b'def'])
            "
        ))
    };
    assert_eq!(body("6").outcome, Outcome::Complete);
    assert_eq!(body("4").blocks(), ["abc", "d"]);
    assert_eq!(body("7").outcome, Outcome::Short { announced: 7, given: 6 });
}

#[test]
fn what_is_no_number_is_an_error_when_the_response_begins() {
    for length in ["six", "-1", "1.0", "0x10", "1 2", "99999999999999999999", "9223372036854775808", "\\xb2"] {
        for expression in SIX {
            let response = announcing("200 OK", length, expression);
            assert_eq!(response.exceptions(), [(Raised::ByApplication, "ValueError")], "{length}: {response}");
            assert!(!response.has_head() && response.body().is_empty(), "{length}");
        }
    }
}

#[test]
fn blanks_and_a_plus_are_forgiven() {
    for length in ["6", " 6", "6 ", "+6", "006"] {
        assert_eq!(announcing("200 OK", length, "[b'abcdef']").length(), Some(6), "{length}");
    }
}

#[test]
fn an_empty_one_says_zero() {
    assert_eq!(announcing("200 OK", "", "[]").length(), Some(0));
}

#[test]
fn the_last_one_counts() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 OK", [("Content-Length", "1"), ("Content-Length", "3")])
            return [b"abc"]
        "#,
    );
    assert_eq!((response.outcome, response.length()), (Outcome::Complete, Some(3)));
}
