//! PEP 3333, "Optional Platform-Specific File Handling": `wsgi.file_wrapper`.

use crate::wsgi::gateway::{Outcome, Raised};
use crate::wsgi::testing::{Event, Request, Response, holds, with_application};
use std::io::Write as _;

/// The response of an application that opens a file of `abcdefghij` as `file`, runs
/// `statements`, which may change `headers`, and returns the expression.
fn sends(statements: &str, expression: &str) -> Response {
    sends_to(&Request::new(), statements, expression)
}

fn sends_to(request: &Request, statements: &str, expression: &str) -> Response {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(b"abcdefghij").expect("room for ten bytes");
    let source = "
        import io, os

        def application(environ, start_response):
            file_wrapper, errors = environ['wsgi.file_wrapper'], environ['wsgi.errors']
            file, headers = open(path, 'rb'), []
            STATEMENTS
            write = start_response('200 OK', headers)
            return EXPRESSION
    ";
    let source = source.replace("STATEMENTS", statements).replace("EXPRESSION", expression);
    with_application(&source, |application| {
        application.set("path", file.path().to_str().expect("UTF-8").as_bytes());
        application.serve(request)
    })
}

#[test]
fn a_file_is_sent_by_the_host() {
    let response = sends("pass", "file_wrapper(file)");
    assert_eq!(response.file(), Some((0, &b"abcdefghij"[..])), "{response}");
    assert_eq!(response.outcome, Outcome::Complete);
    assert!(matches!(response.events.last(), Some(Event::File { complete: true, .. })), "{response}");
}

#[test]
fn its_length_is_announced() {
    let response = sends("pass", "file_wrapper(file)");
    assert_eq!((response.length(), response.headers()), (Some(10), vec![("Content-Length", "10")]));
}

#[test]
fn it_is_sent_from_its_position() {
    let response = sends("file.seek(3)", "file_wrapper(file)");
    assert_eq!((response.file(), response.length()), (Some((3, &b"defghij"[..])), Some(7)));
    let response = sends("file.read(3)", "file_wrapper(file)");
    assert_eq!(response.file(), Some((3, &b"defghij"[..])), "the buffer's read-ahead is no position: {response}");
}

#[test]
fn it_is_sent_up_to_the_length_that_the_application_announced() {
    let response = sends("headers.append(('Content-Length', '4'))", "file_wrapper(file)");
    assert_eq!(
        (response.outcome, response.length(), response.file()),
        (Outcome::Complete, Some(4), Some((0, &b"abcd"[..])))
    );
}

#[test]
fn a_file_shorter_than_announced_is_a_short_response() {
    let response = sends("headers.append(('Content-Length', '20'))", "file_wrapper(file)");
    assert_eq!(response.outcome, Outcome::Short { announced: 20, given: 10 });
    assert_eq!(response.file(), Some((0, &b"abcdefghij"[..])));
    assert!(
        matches!(response.events.last(), Some(Event::File { complete: false, .. })),
        "the host cannot tell: {response}"
    );
}

#[test]
fn a_position_beyond_the_end_sends_nothing() {
    let response = sends("file.seek(99)", "file_wrapper(file)");
    assert_eq!((response.outcome, response.length()), (Outcome::Complete, Some(0)));
    assert!(response.body().is_empty());
}

#[test]
fn the_block_size_does_not_matter_to_a_file() {
    assert_eq!(sends("pass", "file_wrapper(file, 1)").file(), Some((0, &b"abcdefghij"[..])));
}

#[test]
fn a_subclass_is_sent_as_a_file_too() {
    let response = sends("class Own(file_wrapper): pass", "Own(file)");
    assert_eq!(response.file(), Some((0, &b"abcdefghij"[..])));
}

#[test]
fn the_file_is_closed_afterwards() {
    let response = sends(
        "file = type('File', (io.FileIO,), {'close': lambda self: (errors.write('closed\\n'), io.FileIO.close(self))})(path)",
        "file_wrapper(file)",
    );
    // `io` closes a file once more when it is freed.
    assert_eq!(response.lines().first(), Some(&"closed"), "{response}");
    assert_eq!(response.file(), Some((0, &b"abcdefghij"[..])));
}

#[test]
fn the_position_of_the_file_is_not_moved() {
    let statements = "file.close = lambda: errors.write(f'at {os.lseek(file.fileno(), 0, 1)}\\n')";
    let response = sends(&format!("file = io.FileIO(path); file.seek(2); {statements}"), "file_wrapper(file)");
    assert_eq!((response.file(), response.lines()), (Some((2, &b"cdefghij"[..])), vec!["at 2"]), "{response}");
}

#[test]
fn a_file_after_written_bytes_is_iterated() {
    let response =
        sends("start_response('200 OK', headers)(b'written ')\n            return file_wrapper(file)", "None");
    assert_eq!((response.file(), &*response.body()), (None, &b"written abcdefghij"[..]), "{response}");
}

#[test]
fn a_file_after_an_empty_write_is_sent_by_the_host() {
    let response = sends("start_response('200 OK', headers)(b'')\n            return file_wrapper(file)", "None");
    assert_eq!((response.outcome, response.file()), (Outcome::Complete, Some((0, &b"abcdefghij"[..]))), "{response}");
}

#[test]
fn what_is_no_regular_file_is_iterated() {
    let pipe = "ends = os.pipe(); os.write(ends[1], b'abcdefghij'); os.close(ends[1]); file = open(ends[0], 'rb')";
    for file in ["file = io.BytesIO(b'abcdefghij')", pipe] {
        let response = sends(file, "file_wrapper(file, 4)");
        assert_eq!((response.file(), response.length()), (None, None), "{file}: {response}");
        assert_eq!(response.blocks(), ["abcd", "efgh", "ij"], "{file}");
    }
}

#[test]
fn a_pipe_that_claims_a_position_is_iterated() {
    let pipe = "ends = os.pipe(); os.write(ends[1], b'abcdefghij'); os.close(ends[1])
            file = type('File', (io.FileIO,), {'tell': lambda self: 0})(ends[0])";
    let response = sends(pipe, "file_wrapper(file, 4)");
    assert_eq!((response.file(), response.blocks()), (None, vec!["abcd", "efgh", "ij"]), "{response}");
}

/// Statements that make `file`, after `path` names the file of `abcdefghij`.
const FILES_OF_IO: [&str; 9] = [
    "file = open(path, 'rb', buffering=0)",
    "file = open(path, 'r+b')",
    "file = open(path, 'r+b', buffering=0)",
    "file = open(os.open(path, os.O_RDONLY), 'rb')",
    "file = os.fdopen(os.open(path, os.O_RDONLY), 'rb', closefd=True)",
    "file = io.BufferedReader(io.FileIO(path), 3)",
    "file = open(path, 'r+b'); file.write(b'abc'); file.seek(0)",
    "import tempfile; file = tempfile.TemporaryFile(); file.write(b'abcdefghij'); file.seek(0)",
    "import tempfile; file = tempfile.NamedTemporaryFile(); file.write(b'abcdefghij'); file.flush(); file.read(); file.seek(0)",
];

#[test]
fn the_files_of_io_are_sent_by_the_host() {
    for file in FILES_OF_IO {
        let response = sends(file, "file_wrapper(file)");
        assert_eq!(response.file(), Some((0, &b"abcdefghij"[..])), "{file}: {response}");
    }
}

#[test]
fn what_was_written_is_sent_from_where_the_file_stands() {
    let response = sends("file = open(path, 'r+b'); file.write(b'ABC')", "file_wrapper(file)");
    assert_eq!(response.file(), Some((3, &b"defghij"[..])), "{response}");
    let response =
        sends("file = open(path, 'r+b'); file.seek(8); file.write(b'IJKL'); file.seek(8)", "file_wrapper(file)");
    assert_eq!(response.file(), Some((8, &b"IJKL"[..])), "{response}");
    for mode in ["a+b", "w+b"] {
        let response = sends(&format!("file = open(path, '{mode}')"), "file_wrapper(file)");
        assert_eq!((response.outcome, &*response.body()), (Outcome::Complete, &b""[..]), "{mode}: {response}");
    }
}

/// Statements that make `file`, whose descriptor has other bytes than what it reads.
const OTHER_FILES: [&str; 16] = [
    "import gzip; open(path, 'wb').write(gzip.compress(b'abcdefghij')); file = gzip.open(path)",
    "import bz2; open(path, 'wb').write(bz2.compress(b'abcdefghij')); file = bz2.open(path)",
    "import lzma; open(path, 'wb').write(lzma.compress(b'abcdefghij')); file = lzma.open(path)",
    "import gzip; open(path, 'wb').write(gzip.compress(b'abcdefghij')); file = io.BufferedReader(gzip.open(path))",
    "import zipfile; name = os.fsdecode(path); z = zipfile.ZipFile(name, 'w'); z.writestr('a', b'abcdefghij'); z.close(); file = zipfile.ZipFile(name).open('a')",
    "open(path, 'wb').write(b'ABCDEFGHIJ'); file = type('Lower', (io.BufferedReader,), \
     {'read': lambda self, size=-1: io.BufferedReader.read(self, size).lower()})(io.FileIO(path))",
    "open(path, 'wb').write(b'ABCDEFGHIJ'); file = io.BufferedReader(type('Lower', (io.FileIO,), \
     {'readinto': lambda self, b: (n := io.FileIO.readinto(self, b), b.__setitem__(slice(n), bytes(b[:n]).lower()))[0]})(path))",
    "open(path, 'wb').write(b'ABCDEFGHIJ'); raw = file; \
     file = type('Lower', (), {'read': lambda self, size: raw.read(size).lower(), '__getattr__': lambda self, name: getattr(raw, name)})()",
    "open(path, 'wb').write(b'ABCDEFGHIJ'); raw = open(path, 'rb'); file = raw; read = raw.read; raw.read = lambda size: read(size).lower()",
    "open(path, 'wb').write(b'ABCDEFGHIJ'); raw = io.FileIO(path); file = raw; read = raw.read; raw.read = lambda size: read(size).lower()",
    "import tempfile; file = tempfile.NamedTemporaryFile(); file.write(b'ABCDEFGHIJ'); file.seek(0); \
     read = file.read; file.read = lambda size: read(size).lower()",
    "import tempfile; file = tempfile.SpooledTemporaryFile(); file.write(b'abcdefghij'); file.seek(0)",
    "import tempfile; file = tempfile.SpooledTemporaryFile(4); file.write(b'abcdefghij'); file.seek(0)",
    "import socket; ends = socket.socketpair(); ends[1].send(b'abcdefghij'); ends[1].close(); file = ends[0].makefile('rb')",
    "file_wrapper = type('Own', (file_wrapper,), {'__next__': lambda self: super(type(self), self).__next__().lower()}); \
     open(path, 'wb').write(b'ABCDEFGHIJ')",
    "file = io.BytesIO(b'abcdefghij')",
];

#[test]
fn a_file_whose_descriptor_is_not_its_content_is_iterated() {
    for file in OTHER_FILES {
        let response = sends(file, "file_wrapper(file, 4)");
        assert_eq!((response.outcome, response.file()), (Outcome::Complete, None), "{file}: {response}");
        assert_eq!(response.body(), b"abcdefghij", "{file}: {response}");
    }
}

#[test]
fn a_file_whose_size_is_made_up_is_iterated() {
    for path in ["/proc/self/status", "/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"] {
        let Ok(content) = std::fs::read(path) else { continue };
        let response = sends(&format!("file = open('{path}', 'rb')"), "file_wrapper(file)");
        assert_eq!(
            (response.outcome, response.file(), response.length()),
            (Outcome::Complete, None, None),
            "{response}"
        );
        assert_eq!(response.body()[..10], content[..10], "{path}: {response}");
    }
}

#[test]
fn an_empty_file_and_one_of_holes_are_files() {
    let response = sends("file = open(path, 'w+b')", "file_wrapper(file)");
    assert_eq!((response.file(), response.length()), (Some((0, &b""[..])), Some(0)), "{response}");
    let response = sends("open(path, 'wb').truncate(10)", "file_wrapper(file)");
    assert_eq!(response.file(), Some((0, &[0; 10][..])), "{response}");
}

#[test]
fn a_file_that_cannot_be_read_or_gives_text_is_an_error() {
    for (file, error) in [
        ("file = open(path)", "TypeError"),
        ("file = io.TextIOWrapper(file)", "TypeError"),
        ("import gzip; open(path, 'wb').write(gzip.compress(b'a')); file = gzip.open(path, 'rt')", "TypeError"),
        ("file = open(path, 'ab')", "UnsupportedOperation"),
        ("file = open(path, 'ab', buffering=0)", "UnsupportedOperation"),
        ("file = io.BufferedWriter(io.FileIO(path, 'a'))", "UnsupportedOperation"),
    ] {
        let response = sends(file, "file_wrapper(file)");
        assert_eq!(response.exceptions(), [(Raised::ByApplication, error)], "{file}: {response}");
        assert!(!response.has_head(), "{file}: {response}");
    }
}

#[test]
fn a_block_size_of_nothing_reads_nothing() {
    let response = sends("pass", "file_wrapper(file, 0)");
    assert_eq!(
        (response.outcome, response.file(), &*response.body()),
        (Outcome::Complete, None, &b""[..]),
        "{response}"
    );
}

#[test]
fn an_object_with_read_alone_is_iterated() {
    let file =
        "file = type('File', (), {'read': lambda self, size, rest=[b'ab', b'c']: rest.pop(0) if rest else b''})()";
    let response = sends(file, "file_wrapper(file)");
    assert_eq!((response.outcome, response.blocks()), (Outcome::Complete, vec!["ab", "c"]), "{response}");
}

#[test]
fn a_file_without_a_number_for_position_is_iterated() {
    for tell in ["lambda self: 'here'", "lambda self: None", "lambda self: 1 / 0", "lambda self: -1"] {
        let file = format!("file = type('File', (io.FileIO,), {{'tell': {tell}}})(path)");
        let response = sends(&file, "file_wrapper(file, 4)");
        assert_eq!((response.file(), response.blocks()), (None, vec!["abcd", "efgh", "ij"]), "{tell}: {response}");
    }
}

#[test]
fn a_file_that_is_closed_already_is_an_error() {
    let response = sends("file.close()", "file_wrapper(file)");
    assert_eq!(
        (response.outcome, response.exceptions()),
        (Outcome::Raised, vec![(Raised::ByApplication, "ValueError")])
    );
}

#[test]
fn the_header_rules_hold_for_a_file() {
    let response = sends("headers.append(('Content-Length', 'ten'))", "file_wrapper(file)");
    assert_eq!(response.exceptions(), [(Raised::ByApplication, "ValueError")]);
    assert!(!response.has_head() && response.body().is_empty());
    let response = sends("return file_wrapper(file)", "None");
    assert_eq!(response.exceptions(), [(Raised::ByApplication, "RuntimeError")]);
    assert!(!response.has_head() && response.body().is_empty());
}

#[test]
fn a_client_that_is_gone_is_no_exception() {
    let response = sends_to(&Request::new().client_leaves_after(0), "pass", "file_wrapper(file)");
    assert_eq!((response.outcome, response.exceptions().len()), (Outcome::ClientGone, 0), "{response}");
}

#[test]
fn other_threads_run_while_a_file_waits_for_the_client() {
    let path = format!("{}/mod_wsgi_test_{}", std::env::temp_dir().display(), std::process::id());
    let request = Request::new().client_waits_for_file(path.clone().leak());
    let statements = format!(
        "import threading, time
            def later():
                time.sleep(0.02)
                # Nobody waits for the exchange who only has something for the log.
                errors.write('from another thread\\n')
                open('{path}', 'w').close()
            threading.Thread(target=later).start()"
    );
    let response = sends_to(&request, &statements, "file_wrapper(file)");
    assert_eq!(response.file(), Some((0, &b"abcdefghij"[..])), "{response}");
    assert_eq!(response.lines(), ["from another thread"]);
}

#[test]
fn it_is_a_class_that_can_be_called_with_names() {
    holds(
        r#"
        import io
        file_wrapper = environ["wsgi.file_wrapper"]
        assert isinstance(file_wrapper, type)
        wrapper = file_wrapper(filelike=io.BytesIO(b"abc"), blksize=2)
        assert (wrapper.blksize, type(wrapper.filelike), list(wrapper)) == (2, io.BytesIO, [b"ab", b"c"])
        assert file_wrapper(None).blksize == 8192
        "#,
    );
}

#[test]
fn its_arguments_are_checked() {
    holds(
        r#"
        file_wrapper = environ["wsgi.file_wrapper"]
        assert raised_by(file_wrapper) is raised_by(file_wrapper, None, "1") is raised_by(file_wrapper, None, None) is TypeError
        assert raised_by(file_wrapper, None, 1.0) is TypeError
        assert raised_by(file_wrapper, None, -1) is ValueError
        "#,
    );
}

#[test]
fn its_attributes_cannot_be_set() {
    holds(
        r#"
        wrapper = environ["wsgi.file_wrapper"](None)
        for name in "filelike", "blksize":
            assert raised_by(setattr, wrapper, name, 1) is AttributeError, name
        "#,
    );
}

#[test]
fn it_is_its_own_iterator() {
    holds(
        r#"
        import io
        file_wrapper = environ["wsgi.file_wrapper"]
        wrapper = file_wrapper(io.BytesIO(b"abcd"), 3)
        assert iter(wrapper) is wrapper
        assert (next(wrapper), next(wrapper), raised_by(next, wrapper)) == (b"abc", b"d", StopIteration)
        assert list(file_wrapper(io.BytesIO(b"abc"), 0)) == []
        "#,
    );
}

#[test]
fn what_it_reads_must_be_bytes() {
    holds(
        r#"
        import io
        file_wrapper = environ["wsgi.file_wrapper"]
        assert raised_by(next, file_wrapper(io.StringIO("text"))) is TypeError

        class Own(file_wrapper):
            blksize = "1"

        assert raised_by(next, Own(io.BytesIO(b"abc"))) is TypeError
        "#,
    );
}

#[test]
fn its_close_closes_the_file_once() {
    holds(
        r#"
        closed = []
        file = type("File", (), {"close": lambda self: closed.append(1)})()
        wrapper = environ["wsgi.file_wrapper"](file)
        assert wrapper.close() is wrapper.close() is None and closed == [1]
        assert raised_by(getattr, wrapper, "filelike") is raised_by(next, wrapper) is ValueError
        "#,
    );
}

#[test]
fn its_close_leaves_nothing_of_a_file_open() {
    holds(
        r#"
        import io, os, tempfile, warnings

        file_wrapper = environ["wsgi.file_wrapper"]
        path = tempfile.mkstemp()[1]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for mode, buffering in [("rb", -1), ("rb", 0), ("r+b", -1), ("r", -1)]:
                file = open(path, mode, buffering)
                descriptor = file.fileno()
                if "+" in mode:
                    file.write(b"unwritten so far")
                file_wrapper(file).close()
                assert file.closed, mode
                assert raised_by(os.fstat, descriptor) is OSError, mode
                assert raised_by(file.read) is ValueError, mode
                file.close()
                del file
        assert open(path).read() == "unwritten so far"
        os.unlink(path)
        "#,
    );
}

#[test]
fn its_close_calls_the_close_that_a_file_was_given() {
    holds(
        r#"
        import io, os

        class Reader(io.BufferedReader):
            def close(self):
                closed.append("class")
                super().close()

        class Raw(io.FileIO):
            def close(self):
                closed.append("raw")
                super().close()

        closed, file_wrapper = [], environ["wsgi.file_wrapper"]
        file = open(os.devnull, "rb")
        file.close = lambda: closed.append("instance")
        file_wrapper(file).close()
        assert closed == ["instance"] and not file.closed
        del file.close
        file.close()
        file_wrapper(Reader(io.FileIO(os.devnull))).close()
        assert closed[1:2] == ["class"]
        file_wrapper(io.BufferedReader(Raw(os.devnull))).close()
        assert "raw" in closed
        "#,
    );
}

#[test]
fn its_close_does_not_raise() {
    holds(
        r#"
        file_wrapper = environ["wsgi.file_wrapper"]
        assert raised_by(file_wrapper(object()).close) is None
        file = type("File", (), {"close": lambda self: 1 / 0})()
        assert raised_by(file_wrapper(file).close) is None
        "#,
    );
}
