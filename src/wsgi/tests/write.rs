//! PEP 3333, "The write() Callable".

use crate::wsgi::gateway::Outcome;
use crate::wsgi::testing::{Event, Request, holds, serve, with_application};

/// A response whose body is written; `statements` have `write`, and return.
fn writes(request: &Request, statements: &str) -> crate::wsgi::testing::Response {
    let source = "
        def application(environ, start_response):
            write = start_response('200 OK', [])
            errors = environ['wsgi.errors']
            STATEMENTS
            return []
    ";
    request.serve(&source.replace("STATEMENTS", statements))
}

#[test]
fn bytes_go_to_the_client_at_once() {
    let response = writes(&Request::new(), "write(b'one'); errors.write('between\\n'); write(b'two')");
    let line = response.position_of_line("between");
    assert_eq!(response.events[line - 1], Event::Write(b"one".to_vec()));
    assert_eq!(response.events[line + 1], Event::Write(b"two".to_vec()));
}

#[test]
fn empty_bytes_only_process_the_headers() {
    let response = writes(&Request::new(), "write(b''); errors.write('after\\n')");
    assert!(matches!(response.events[0], Event::Start { .. }), "{response}");
    assert_eq!(response.position_of_line("after"), 1);
    assert!(response.blocks().is_empty());
}

#[test]
fn it_takes_one_bytes_object() {
    holds(
        r#"
        write = start_response("200 OK", [])
        for wrong in "text", bytearray(b"x"), memoryview(b"x"), None, 1, [b"x"]:
            assert raised_by(write, wrong) is TypeError, wrong
        assert raised_by(write) is raised_by(write, b"a", b"b") is TypeError
        assert raised_by(write, data=b"a") is TypeError
        class Bytes(bytes): pass
        assert write(Bytes(b"subclass")) is None
        return []
        "#,
    );
}

#[test]
fn it_may_be_followed_by_iteration() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 OK", [])(b"written ")
            return iter([b"and ", b"iterated"])
        "#,
    );
    assert_eq!(response.blocks(), ["written ", "and ", "iterated"]);
}

#[test]
fn it_may_be_followed_by_a_list() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 OK", [])(b"written ")
            return [b"and ", b"listed"]
        "#,
    );
    assert_eq!(response.body(), b"written and listed");
}

#[test]
fn it_may_be_called_while_the_result_is_iterated() {
    let response = serve(
        r#"
        def application(environ, start_response):
            write = start_response("200 OK", [])
            def result():
                yield b"one "
                write(b"two ")
                yield b"three"
            return result()
        "#,
    );
    assert_eq!(response.blocks(), ["one ", "two ", "three"]);
}

#[test]
fn before_start_response_it_raises() {
    holds("assert raised_by(start_response.__self__.write, b'body') is RuntimeError");
}

#[test]
fn after_the_request_it_raises() {
    let source = "
        def application(environ, start_response):
            global write
            write = start_response('200 OK', [])
            return []
    ";
    with_application(source, |application| {
        application.serve(&Request::new());
        application.holds_outside("assert raised_by(write, b'late') is raised_by(write, b'') is RuntimeError");
    });
}

#[test]
fn when_the_client_is_gone_it_raises_os_error() {
    let statements = "write(b'one'); assert raised_by(write, b'two') is raised_by(write, b'three') is OSError";
    let response = writes(&Request::new().client_leaves_after(1), statements);
    assert_eq!(response.outcome, Outcome::Complete, "{response}");
    assert_eq!(response.blocks(), ["one"]);
}

#[test]
fn when_the_host_has_answered_it_raises_os_error() {
    let response = writes(&Request::new().answered_by_the_host(), "assert raised_by(write, b'one') is OSError");
    assert_eq!(response.outcome, Outcome::Complete, "{response}");
    assert!(response.body().is_empty());
}

#[test]
fn an_error_of_it_that_no_one_catches_ends_the_request() {
    let response = writes(&Request::new().client_leaves_after(0), "write(b'one')");
    assert_ne!(response.outcome, Outcome::Complete, "{response}");
}

#[test]
fn other_threads_run_while_it_waits_for_the_client() {
    let request = Request::new().client_waits_for_line("from another thread");
    let response = request.holds(
        r#"
        import threading, time

        def later():
            time.sleep(0.02)
            errors.write("from another thread\n")

        thread = threading.Thread(target=later)
        thread.start()
        start_response("200 OK", [])(b"body")
        thread.join()
        return []
        "#,
    );
    assert_eq!(response.blocks(), ["body"]);
}

#[test]
fn other_threads_run_while_two_of_them_wait_for_the_client() {
    let request = Request::new().client_waits_for_line("from the third thread");
    let response = request.holds(
        r#"
        import threading, time

        def later():
            time.sleep(0.05)
            errors.write("from the third thread\n")

        write = start_response("200 OK", [])
        threads = [threading.Thread(target=write, args=(b"block",)) for _ in range(2)]
        threads.append(threading.Thread(target=later))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return []
        "#,
    );
    assert_eq!(response.blocks(), ["block", "block"]);
}
