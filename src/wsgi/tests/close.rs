//! PEP 3333, "Specification Details": `close()` of the result.

use crate::wsgi::gateway::{Outcome, Raised};
use crate::wsgi::testing::{Event, Request, Response, serve};

/// A result whose blocks are `blocks` and whose `close()` runs `statement` after it has logged.
fn closing(blocks: &str, statement: &str) -> String {
    let source = "
        class Result:
            def __iter__(self):
                yield from BLOCKS

            def close(self, *arguments):
                assert not arguments
                errors.write('closed\\n')
                STATEMENT

        def application(environ, start_response):
            global errors
            errors = environ['wsgi.errors']
            start_response('200 OK', [])
            return Result()
    ";
    source.replace("BLOCKS", blocks).replace("STATEMENT", statement)
}

fn is_closed_once(response: &Response) {
    assert_eq!(response.lines(), ["closed"], "{response}");
}

#[test]
fn close_is_called_once_after_the_iteration() {
    let response = serve(&closing("[b'one', b'two']", "pass"));
    is_closed_once(&response);
    assert_eq!(response.outcome, Outcome::Complete);
    assert_eq!(response.events.last(), Some(&Event::Line("closed".into())));
}

#[test]
fn close_is_called_when_the_body_is_empty() {
    is_closed_once(&serve(&closing("[]", "pass")));
}

#[test]
fn close_is_called_when_the_iteration_raises() {
    let response = serve(&closing("(1 / 0 for _ in 'x')", "pass"));
    is_closed_once(&response);
    assert_eq!(response.exceptions(), [(Raised::ByApplication, "ZeroDivisionError")]);
}

#[test]
fn close_is_called_when_a_block_is_bad() {
    is_closed_once(&serve(&closing("[b'one', 'two', b'three']", "pass")));
}

#[test]
fn close_is_called_when_the_client_is_gone() {
    let response = Request::new().client_leaves_after(1).serve(&closing("[b'one', b'two', b'three']", "pass"));
    is_closed_once(&response);
    assert_eq!(response.outcome, Outcome::ClientGone);
}

#[test]
fn close_is_called_when_the_result_is_no_iterable() {
    let response = serve(&closing("[]", "pass").replace("__iter__", "no_iter"));
    is_closed_once(&response);
    assert_eq!(response.outcome, Outcome::Raised);
}

#[test]
fn close_is_called_when_start_response_was_not() {
    let response = serve(&closing("[b'one']", "pass").replace("start_response('200 OK', [])", "pass"));
    is_closed_once(&response);
    assert_eq!(response.outcome, Outcome::Raised);
}

#[test]
fn close_is_that_of_the_result_and_not_of_its_iterator() {
    let response = serve(
        r#"
        class Iterator:
            def __next__(self):
                raise StopIteration

            def close(self):
                errors.write("the iterator's\n")

        class Result:
            def __iter__(self):
                return Iterator()

            def close(self):
                errors.write("the result's\n")

        def application(environ, start_response):
            global errors
            errors = environ["wsgi.errors"]
            start_response("200 OK", [])
            return Result()
        "#,
    );
    assert_eq!(response.lines(), ["the result's"]);
}

#[test]
fn close_of_a_list_subclass_is_called_too() {
    let response = serve(
        r#"
        class Result(list):
            def close(self):
                errors.write("closed\n")

        def application(environ, start_response):
            global errors
            errors = environ["wsgi.errors"]
            start_response("200 OK", [])
            return Result([b"body"])
        "#,
    );
    is_closed_once(&response);
    assert_eq!(response.body(), b"body");
}

#[test]
fn close_of_a_generator_lets_it_clean_up() {
    let source = r#"
        def application(environ, start_response):
            start_response("200 OK", [])
            try:
                yield b"one"
                yield b"two"
            finally:
                environ["wsgi.errors"].write("cleaned up\n")
    "#;
    assert_eq!(serve(source).lines(), ["cleaned up"]);
    assert_eq!(Request::new().client_leaves_after(0).serve(source).lines(), ["cleaned up"]);
}

#[test]
fn a_result_without_close_is_fine() {
    let response = serve(&closing("[b'one']", "pass").replace("def close", "def other"));
    assert_eq!((response.outcome, response.exceptions().len()), (Outcome::Complete, 0));
}

#[test]
fn close_is_not_called_when_the_callable_raised() {
    let response = serve(&closing("[]", "pass").replace("return Result()", "raise ValueError"));
    assert!(response.lines().is_empty(), "{response}");
}

#[test]
fn an_exception_of_close_changes_nothing_but_the_log() {
    for (statement, class) in [
        ("raise ValueError", "ValueError"),
        ("raise SystemExit", "SystemExit"),
        ("raise AttributeError", "AttributeError"),
    ] {
        let response = serve(&closing("[b'one']", statement));
        assert_eq!((response.outcome, &*response.body()), (Outcome::Complete, &b"one"[..]), "{class}");
        assert_eq!(response.exceptions(), [(Raised::ByClose, class)]);
    }
}

#[test]
fn an_exception_of_looking_for_close_is_logged() {
    let response = serve(&closing("[b'one']", "pass").replace("def close", "@property\n            def close"));
    // The property's own call counts as the look-up; what it returns is no callable.
    assert_eq!(response.exceptions(), [(Raised::ByClose, "TypeError")], "{response}");
    let response =
        serve(&closing("[b'one']", "raise ValueError").replace("def close", "@property\n            def close"));
    assert_eq!((response.outcome, response.exceptions()), (Outcome::Complete, vec![(Raised::ByClose, "ValueError")]));
}

#[test]
fn the_exception_of_the_iteration_is_logged_before_close_is_called() {
    let response = serve(&closing("[1]", "raise ValueError"));
    assert_eq!(response.exceptions(), [(Raised::ByApplication, "TypeError"), (Raised::ByClose, "ValueError")]);
    assert!(matches!(response.events[0], Event::Exception { raised: Raised::ByApplication, .. }), "{response}");
}

#[test]
fn close_may_still_read_and_write() {
    let statement = "write(b' and closed'); errors.write(input.read().decode())";
    let source = closing("[b'body']", statement)
        .replace("global errors", "global errors, input, write")
        .replace("start_response('200 OK', [])", "input, write = environ['wsgi.input'], start_response('200 OK', [])");
    let response = Request::new().body("the rest").serve(&source);
    assert_eq!(response.exceptions(), [], "{response}");
    assert_eq!((&*response.body(), response.lines()), (&b"body and closed"[..], vec!["closed", "the rest"]));
}
