//! PEP 3333, "Specification Details" and "Buffering and Streaming": the result of the callable.

use crate::wsgi::gateway::{Outcome, Raised};
use crate::wsgi::testing::{Event, Request, Response, serve};

/// The response of an application that returns that expression.
fn returns(expression: &str) -> Response {
    serve(&answering(expression))
}

fn answering(expression: &str) -> String {
    let source = "
        class Bytes(bytes): pass

        class Sequence:
            def __getitem__(self, index):
                return [b'one', b'two'][index]

        class List(list): pass

        def application(environ, start_response):
            start_response('200 OK', [])
            return EXPRESSION
    ";
    source.replace("EXPRESSION", expression)
}

#[test]
fn every_iterable_of_bytes_is_a_body() {
    for expression in [
        "[b'one', b'two']",
        "(b'one', b'two')",
        "iter([b'one', b'two'])",
        "(block for block in (b'one', b'two'))",
        "Sequence()",
        "List([b'one', b'two'])",
        "{b'one': 1, b'two': 2}",
        "[Bytes(b'one'), b'two']",
        "map(Bytes, [b'one', b'two'])",
        "__import__('io').BytesIO(b'onetwo')",
        "[b'', b'one', b'', b'two', b'']",
    ] {
        let response = returns(expression);
        assert_eq!(response.outcome, Outcome::Complete, "{expression}: {response}");
        assert_eq!(response.body(), b"onetwo", "{expression}");
    }
}

#[test]
fn the_callable_may_be_a_generator() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 OK", [])
            yield b"one"
            yield b"two"
        "#,
    );
    assert_eq!(response.blocks(), ["one", "two"]);
}

#[test]
fn the_callable_may_be_any_object_that_can_be_called() {
    let response = serve(
        r#"
        class Application:
            def __init__(self, environ, start_response):
                self.start_response = start_response

            def __iter__(self):
                self.start_response("200 OK", [])
                return iter([b"body"])

        application = Application
        "#,
    );
    assert_eq!(response.body(), b"body");
}

#[test]
fn the_callable_gets_two_positional_arguments() {
    let response = serve(
        r#"
        def application(*arguments, **named):
            assert len(arguments) == 2 and not named
            arguments[1]("200 OK", [])
            return []
        "#,
    );
    assert_eq!(response.outcome, Outcome::Complete, "{response}");
}

#[test]
fn an_empty_result_is_an_empty_body() {
    for expression in ["[]", "()", "iter([])", "[b'']", "iter([b'', b''])"] {
        let response = returns(expression);
        assert_eq!((response.outcome, response.status()), (Outcome::Complete, "200 OK"), "{expression}");
        assert!(response.body().is_empty(), "{expression}");
    }
}

#[test]
fn each_block_is_sent_before_the_next_is_asked_for() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 OK", [])
            yield b"one"
            environ["wsgi.errors"].write("asked for two\n")
            yield b"two"
        "#,
    );
    let line = response.position_of_line("asked for two");
    assert_eq!(response.events[line - 1], Event::Write(b"one".to_vec()), "{response}");
}

#[test]
fn an_empty_block_does_not_begin_the_response() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 First", [])
            yield b""
            start_response("200 Second", [])
            yield b"body"
        "#,
    );
    assert_eq!(response.status(), "200 Second");
}

#[test]
fn a_small_list_goes_out_with_the_end_of_the_response() {
    let response = returns("[b'one', b'two']");
    assert!(response.blocks().is_empty(), "{response}");
    assert_eq!(response.body(), b"onetwo");
}

#[test]
fn a_large_list_is_not_copied_into_one_piece() {
    let response = returns("[b'x' * 100_000, b'y' * 100_000]");
    assert_eq!(response.pieces().iter().map(|piece| piece.len()).collect::<Vec<_>>(), [100_000, 100_000]);
    assert_eq!(response.blocks().len(), 0, "nothing asks the host to hurry");
}

#[test]
fn a_list_or_tuple_of_blocks_of_any_length_is_sent_whole_and_in_order() {
    for lengths in
        ["[0, 65536, 1, 65537, 0, 65535, 2]", "[1] * 70000 + [200000]", "[65537, 65537]", "[0] * 9 + [70000]"]
    {
        for kind in ["list", "tuple"] {
            let blocks = format!("{kind}(bytes([65 + n % 26]) * length for n, length in enumerate({lengths}))");
            let (sent, joined) = (returns(&blocks), returns(&format!("[b''.join({blocks})]")));
            assert_eq!(sent.outcome, Outcome::Complete, "{blocks}");
            assert!(sent.body() == joined.body(), "{blocks}");
        }
    }
}

#[test]
fn a_list_that_other_threads_change_while_it_is_sent_gives_whole_blocks_or_an_error() {
    let response = serve(
        r#"
        import threading

        def application(environ, start_response):
            start_response("200 OK", [])
            blocks = [bytes([65 + n % 26]) * 700 for n in range(3000)]
            over = threading.Event()

            def change():
                while not over.is_set():
                    del blocks[1000:]
                    blocks.extend(bytes([97 + n % 26]) * 700 for n in range(2000))

            thread = threading.Thread(target=change)
            thread.start()
            threading.Timer(0.2, over.set).start()
            return blocks
        "#,
    );
    let body = response.body();
    assert!(body.chunks(700).all(|block| block.iter().all(|byte| byte == &block[0])), "{response}");
}

#[test]
fn no_content_length_is_made_up() {
    for expression in ["[b'one']", "(b'one',)", "iter([b'one'])", "List([b'one'])"] {
        let response = returns(expression);
        assert_eq!((response.length(), response.headers().len()), (None, 0), "{expression}");
    }
}

#[test]
fn what_is_no_iterable_is_an_error() {
    for expression in ["None", "1", "object()", "Bytes"] {
        let response = returns(expression);
        assert_eq!(response.exceptions(), [(Raised::ByApplication, "TypeError")], "{expression}");
        assert_eq!(response.outcome, Outcome::Raised, "{expression}");
        assert!(!response.has_head(), "{expression}");
    }
}

#[test]
fn a_block_that_is_no_bytes_is_an_error() {
    for expression in [
        "['text']",
        "('text',)",
        "iter(['text'])",
        "b'body'",
        "'text'",
        "[bytearray(b'x')]",
        "[memoryview(b'x')]",
        "[None]",
        "[1]",
    ] {
        let response = returns(expression);
        assert_eq!(response.exceptions(), [(Raised::ByApplication, "TypeError")], "{expression}");
        assert_eq!(response.outcome, Outcome::Raised, "{expression}");
        assert!(!response.has_head() && response.body().is_empty(), "{expression}: {response}");
    }
}

#[test]
fn a_list_is_checked_before_any_of_it_is_sent() {
    for size in [1, 100_000] {
        let response = returns(&format!("[b'x' * {size}, 'text']"));
        assert_eq!(response.outcome, Outcome::Raised);
        assert!(!response.has_head() && response.body().is_empty(), "{response}");
    }
}

#[test]
fn after_a_bad_block_the_iteration_stops() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 OK", [])
            yield b"good"
            yield "bad"
            environ["wsgi.errors"].write("asked for more\n")
            yield b"never"
        "#,
    );
    assert_eq!((response.outcome, response.blocks()), (Outcome::Raised, vec!["good"]));
    assert!(response.lines().is_empty(), "{response}");
}

#[test]
fn an_exception_before_the_body_leaves_no_trace_of_the_headers() {
    for statement in ["raise ValueError", "return iter(lambda: 1 / 0, None)"] {
        let response = serve(&format!(
            "
            def application(environ, start_response):
                start_response('200 OK', [('X-A', '1')])
                {statement}
            "
        ));
        assert_eq!(response.outcome, Outcome::Raised);
        assert!(!response.has_head(), "{response}");
    }
}

#[test]
fn an_exception_half_way_is_not_the_end_of_a_complete_response() {
    let response = serve(
        r#"
        def application(environ, start_response):
            start_response("200 OK", [])
            yield b"half"
            raise ValueError("the other half")
        "#,
    );
    assert_eq!((response.outcome, response.blocks()), (Outcome::Raised, vec!["half"]));
    assert_eq!(response.exceptions(), [(Raised::ByApplication, "ValueError")]);
}

#[test]
fn no_exception_is_beyond_the_request() {
    for (exception, raised) in [
        ("ValueError", Raised::ByApplication),
        ("KeyboardInterrupt", Raised::ByApplication),
        ("GeneratorExit", Raised::ByApplication),
        ("StopIteration", Raised::ByApplication),
        ("BaseException", Raised::ByApplication),
        ("SystemExit", Raised::Exit),
    ] {
        let response = serve(&format!("def application(environ, start_response): raise {exception}"));
        assert_eq!(response.outcome, Outcome::Raised, "{exception}");
        assert_eq!(response.exceptions(), [(raised, exception)]);
    }
}

#[test]
fn an_exit_of_the_iteration_ends_the_request_only() {
    let response = serve(
        r#"
        import sys

        def application(environ, start_response):
            start_response("200 OK", [])
            yield b"half"
            sys.exit(1)
        "#,
    );
    assert_eq!((response.outcome, response.exceptions()), (Outcome::Raised, vec![(Raised::Exit, "SystemExit")]));
}

#[test]
fn when_the_client_is_gone_the_iteration_stops_quietly() {
    let source = r#"
        def application(environ, start_response):
            start_response("200 OK", [])
            for number in range(100):
                environ["wsgi.errors"].write(f"block {number}\n")
                yield b"block"
    "#;
    let response = Request::new().client_leaves_after(2).serve(source);
    assert_eq!((response.outcome, response.blocks().len()), (Outcome::ClientGone, 2));
    assert_eq!(response.lines(), ["block 0", "block 1", "block 2"]);
    assert!(response.exceptions().is_empty());
}

#[test]
fn when_the_host_has_answered_the_iteration_stops_quietly() {
    let response = Request::new().answered_by_the_host().serve(&answering("iter([b'one', b'two'])"));
    assert_eq!((response.outcome, response.exceptions().len()), (Outcome::Answered, 0));
    assert!(response.body().is_empty());
}

#[test]
fn other_threads_run_while_a_block_waits_for_the_client() {
    let request = Request::new().client_waits_for_line("from another thread");
    let response = request.serve(
        r#"
        import threading, time

        def application(environ, start_response):
            def later():
                time.sleep(0.02)
                environ["wsgi.errors"].write("from another thread\n")

            thread = threading.Thread(target=later)
            thread.start()
            start_response("200 OK", [])
            yield b"body"
            thread.join()
        "#,
    );
    assert_eq!((response.outcome, response.blocks()), (Outcome::Complete, vec!["body"]), "{response}");
}
