//! PEP 3333, "Input and Error Streams": `wsgi.input`.

use crate::wsgi::gateway::Outcome;
use crate::wsgi::testing::{Request, Response, holds, with_application};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Three lines in pieces that end nowhere near a line's end.
fn three_lines() -> Request {
    Request::new().body("one\ntw").body("o\nth").body("ree")
}

#[test]
fn read_without_size_returns_everything() {
    three_lines().holds("assert input.read() == b'one\\ntwo\\nthree'");
    three_lines().holds("assert input.read(-1) == b'one\\ntwo\\nthree'");
}

#[test]
fn read_with_size_returns_that_many_bytes() {
    three_lines().holds("assert [input.read(7), input.read(5), input.read(5)] == [b'one\\ntwo', b'\\nthre', b'e']");
}

#[test]
fn read_past_the_end_returns_nothing_any_number_of_times() {
    three_lines().holds(
        r#"
        input.read()
        assert [input.read(), input.read(1), input.read(), input.readline(), input.readlines()] == [b'', b'', b'', b'', []]
        assert list(input) == list(input) == []
        "#,
    );
}

#[test]
fn an_empty_body_ends_at_once() {
    holds(
        "assert (input.read(), input.read(9), input.readline(), input.readlines(), list(input)) == (b'', b'', b'', [], [])",
    );
}

#[test]
fn everything_it_returns_is_bytes() {
    three_lines()
        .holds("assert {type(input.read(1)), type(input.readline()), *map(type, input.readlines())} == {bytes}");
}

#[test]
fn read_is_not_limited_by_content_length() {
    three_lines().header("Content-Length", "3").holds("assert input.read() == b'one\\ntwo\\nthree'");
}

#[test]
fn nothing_is_read_before_the_application_asks() {
    let response = three_lines().holds("errors.write('before\\n'); input.read(1)");
    assert_eq!(response.position_of_line("before"), 0, "{response}");
}

#[test]
fn a_body_that_no_one_reads_is_left_to_the_host() {
    assert!(three_lines().holds("pass").reads().is_empty());
}

#[test]
fn read_of_nothing_asks_the_host_once_for_the_sake_of_100_continue() {
    let response =
        three_lines().holds("assert [input.read(0), input.read(0)] == [b'', b'']; assert input.read(3) == b'one'");
    assert_eq!(response.reads()[0], 0);
    assert_eq!(response.reads().iter().filter(|want| **want == 0).count(), 1, "{response}");
}

#[test]
fn a_sized_read_asks_the_host_for_no_more() {
    let response = three_lines().holds("assert input.read(8) == b'one\\ntwo\\n'");
    assert_eq!(response.reads(), [8, 2]);
}

#[test]
fn a_size_beyond_all_bodies_costs_nothing_up_front() {
    three_lines().holds("assert input.read(2 ** 62) == b'one\\ntwo\\nthree'");
}

#[test]
fn readline_keeps_the_newline() {
    three_lines().holds("assert [input.readline() for _ in range(4)] == [b'one\\n', b'two\\n', b'three', b'']");
}

#[test]
fn readline_takes_a_size() {
    three_lines().holds("assert [input.readline(2) for _ in range(4)] == [b'on', b'e\\n', b'tw', b'o\\n']");
    three_lines().holds("assert [input.readline(99), input.readline(-1)] == [b'one\\n', b'two\\n']");
}

#[test]
fn readline_of_nothing_does_not_read() {
    let response = three_lines().holds("assert input.readline(0) == b''");
    assert!(response.reads().is_empty());
}

#[test]
fn a_read_of_nothing_does_not_wait_for_a_thread_that_reads() {
    // The body comes when the line is written: after the reads of nothing.
    let request = three_lines().body_waits_for_line("nothing was read");
    request.holds(
        r#"
        import threading, time

        got = []
        reader = threading.Thread(target=lambda: got.append(input.read(3)))
        reader.start()
        time.sleep(0.02)
        assert [input.read(0), input.readline(0)] == [b"", b""]
        errors.write("nothing was read\n")
        reader.join()
        assert got == [b"one"]
        "#,
    );
}

#[test]
fn only_a_line_feed_ends_a_line() {
    Request::new()
        .body("a\rb\r\nc\x0bd\u{85}")
        .holds("assert input.readlines() == [b'a\\rb\\r\\n', b'c\\x0bd\\xc2\\x85']");
}

#[test]
fn readlines_returns_all_lines() {
    three_lines().holds("assert input.readlines() == [b'one\\n', b'two\\n', b'three']");
    three_lines().holds("assert input.readlines(0) == [b'one\\n', b'two\\n', b'three']");
    three_lines().holds("assert input.readlines(-1) == [b'one\\n', b'two\\n', b'three']");
}

#[test]
fn readlines_stops_when_the_hint_is_reached() {
    three_lines().holds("assert [input.readlines(4), input.readlines(1)] == [[b'one\\n'], [b'two\\n']]");
    three_lines().holds("assert input.readlines(5) == [b'one\\n', b'two\\n']");
}

#[test]
fn iteration_yields_lines() {
    three_lines().holds("assert iter(input) is input and list(input) == [b'one\\n', b'two\\n', b'three']");
}

#[test]
fn the_ways_to_read_may_be_mixed() {
    three_lines().holds(
        r#"
        assert next(input) == b"one\n"
        assert input.read(2) == b"tw"
        assert input.readline() == b"o\n"
        assert input.readlines(1) == [b"three"]
        "#,
    );
}

/// Python's expression for one read: `r(5)`, `n()` and so on, as the application below defines them.
fn any_read() -> impl Strategy<Value = String> {
    let size = prop_oneof![
        Just("0".to_owned()),
        Just("None".to_owned()),
        (-2_i32..5).prop_map(|size| size.to_string()),
        (0_u32..200).prop_map(|size| size.to_string()),
        (8_000_u32..70_000).prop_map(|size| size.to_string()),
        Just(String::new()),
    ];
    let name = prop_oneof![Just("read"), Just("read"), Just("readline"), Just("readline"), Just("readlines")];
    prop_oneof![
        8 => (name, size).prop_map(|(name, size)| format!("file.{name}({size})")),
        1 => Just("next(file, None)".to_owned()),
        1 => Just("[line for _, line in zip(range(3), file)]".to_owned()),
    ]
}

/// Bodies of lines, short and long, whose pieces end anywhere.
fn any_body() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let line = prop_oneof![
        6 => proptest::collection::vec(any::<u8>(), 0..40),
        2 => proptest::collection::vec(any::<u8>().prop_filter("no newline", |byte| *byte != b'\n'), 0..200),
        1 => (7_000_usize..20_000).prop_map(|length| vec![b'x'; length]),
    ];
    let end = prop_oneof![Just(&b""[..]), Just(&b"\n"[..])];
    let bytes = proptest::collection::vec((line, end), 0..12)
        .prop_map(|lines| lines.iter().flat_map(|(line, end)| [&line[..], end].concat()).collect::<Vec<_>>());
    (bytes, 1_usize..9_000).prop_map(|(bytes, piece)| bytes.chunks(piece).map(<[u8]>::to_vec).collect())
}

#[test]
fn any_sequence_of_reads_gives_what_a_file_gives() {
    let source = r#"
        import io

        def results(file, reads):
            return [eval(read, {"file": file}) for read in reads]

        def application(environ, start_response):
            expected = results(io.BytesIO(body), reads.decode().split(";"))
            given = results(environ["wsgi.input"], reads.decode().split(";"))
            assert given == expected, f"{reads}: {given!r} and not {expected!r}"
            start_response("200 OK", [])
            return []
    "#;
    with_application(source, |application| {
        let cases = (any_body(), proptest::collection::vec(any_read(), 1..12));
        let outcome = TestRunner::new(Config::with_cases(300)).run(&cases, |(pieces, reads)| {
            application.set("body", &pieces.concat());
            application.set("reads", reads.join(";").as_bytes());
            let response = application.serve(&pieces.into_iter().fold(Request::new(), Request::body));
            prop_assert!(response.outcome == Outcome::Complete, "{response}");
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    });
}

#[test]
fn a_line_longer_than_any_buffer_is_one_line() {
    let line = "x".repeat(200_000) + "\n";
    let request = Request::new().body(&line).body(&line).body("end");
    request.holds("assert [len(line) for line in input] == [200001, 200001, 3]");
}

#[test]
fn lines_read_one_by_one_cost_no_more_memory_than_a_line() {
    // Lines end nowhere near the ends of blocks.
    let request = Request::new().body_repeated(("x".repeat(999) + "\n").repeat(1000) + "12", 64);
    request.holds(
        r#"
        def resident():
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1]) * 4096 / 2**20

        before = resident()
        lines = sum(1 for _ in input)
        assert lines == 64_001, lines
        assert resident() - before < 32, (before, resident())
        "#,
    );
}

#[test]
fn arguments_that_are_no_size_raise_type_error() {
    holds(
        r#"
        for method in input.read, input.readline, input.readlines:
            for wrong in (1.0,), ("1",), (1, 2):
                assert raised_by(method, *wrong) is TypeError, (method, wrong)
            assert raised_by(method, size=1) is TypeError
        "#,
    );
}

#[test]
fn none_is_no_limit() {
    for call in ["input.read(None)", "b''.join(input.readlines(None))", "input.readline(None) + input.read(None)"] {
        three_lines().holds(&format!("assert {call} == b'one\\ntwo\\nthree'"));
    }
}

#[test]
fn a_size_is_anything_that_can_be_an_index() {
    three_lines().holds(
        r#"
        class Size:
            def __index__(self):
                return 2

        assert [input.read(Size()), input.readline(Size()), input.read(True)] == [b"on", b"e\n", b"t"]
        "#,
    );
}

#[test]
fn close_has_no_effect() {
    three_lines().holds("assert input.close() is None and input.read(3) == b'one'");
}

#[test]
fn there_is_no_way_back() {
    holds("assert not [name for name in ('seek', 'tell', 'readinto') if hasattr(input, name)]");
}

#[test]
fn it_has_no_descriptor_and_says_so_as_python_streams_do() {
    holds("assert raised_by(input.fileno) is __import__('io').UnsupportedOperation");
}

#[test]
fn an_application_cannot_make_one() {
    holds("assert raised_by(type(input)) is TypeError");
}

#[test]
fn a_body_that_breaks_off_raises_os_error() {
    for call in ["input.read()", "input.read(4)", "input.readline()", "input.readlines()", "list(input)"] {
        let request = Request::new().body("one").body_breaks();
        request.holds(&format!("assert raised_by(lambda: {call}) is OSError"));
    }
}

#[test]
fn bytes_that_satisfy_a_read_come_before_the_error() {
    let request = Request::new().body("one\ntwo").body_breaks();
    request.holds(
        "assert [input.readline(), input.read(3)] == [b'one\\n', b'two']; assert raised_by(input.read, 1) is OSError",
    );
}

#[test]
fn after_an_error_every_way_to_read_raises() {
    let request = Request::new().body("one\ntwo").body_breaks();
    request.holds(
        r#"
        assert raised_by(input.read) is OSError
        for call in input.read, input.readline, input.readlines, input.__next__:
            assert raised_by(call) is OSError, call
        assert raised_by(input.read, 1) is OSError
        assert raised_by(input.read, 0) is OSError
        "#,
    );
}

#[test]
fn after_an_error_in_a_line_no_part_of_it_is_returned() {
    let request = Request::new().body("one\ntwo").body_breaks();
    request.holds(
        r#"
        assert input.readline() == b"one\n"
        assert raised_by(input.readline) is OSError
        assert raised_by(input.readline, 2) is OSError
        assert raised_by(input.read, 2) is OSError
        "#,
    );
}

#[test]
fn an_error_that_no_one_catches_ends_the_request() {
    let response =
        Request::new().body_breaks().serve("def application(environ, start_response): environ['wsgi.input'].read()");
    assert_eq!(response.outcome, Outcome::Raised);
    assert_eq!(response.exceptions()[0].1, "OSError");
}

#[test]
fn after_the_request_every_way_to_read_raises() {
    let source = r#"
        def application(environ, start_response):
            global input
            input = environ["wsgi.input"]
            input.readline()
            start_response("200 OK", [])
            return []
    "#;
    with_application(source, |application| {
        application.serve(&three_lines());
        application.holds_outside(
            r#"
            for call in input.read, input.readline, input.readlines, input.__next__:
                assert raised_by(call) is RuntimeError, call
            assert raised_by(input.read, 0) is RuntimeError
            assert input.close() is None
            "#,
        );
    });
}

#[test]
fn other_threads_run_while_a_read_waits() {
    let request = three_lines().body_waits_for_line("from another thread");
    let response: Response = request.holds(
        r#"
        import threading, time

        def later():
            time.sleep(0.02)
            errors.write("from another thread\n")

        thread = threading.Thread(target=later)
        thread.start()
        assert input.read(3) == b"one"
        thread.join()
        "#,
    );
    assert_eq!(response.lines(), ["from another thread"]);
}

#[test]
fn threads_that_share_it_lose_no_byte() {
    let body: String = (0..2000).map(|number| format!("{number:09}\n")).collect();
    let request = body.as_bytes().chunks(77).fold(Request::new(), |request, piece| request.body(piece));
    request.holds(
        r#"
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(4) as pool:
            lines = [line for lines in pool.map(lambda _: list(input), range(4)) for line in lines]
        assert sorted(lines) == [b"%09d\n" % number for number in range(2000)]
        "#,
    );
}
