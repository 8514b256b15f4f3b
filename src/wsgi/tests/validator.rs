//! The checker of the standard library stands between server and application and
//! raises whenever either breaks the protocol.

use crate::wsgi::environ::Key;
use crate::wsgi::gateway::Outcome;
use crate::wsgi::testing::Request;

const READS_AND_ECHOES: &str = r#"
    from wsgiref.validate import validator

    def plain(environ, start_response):
        input, errors = environ["wsgi.input"], environ["wsgi.errors"]
        parts = [input.read(2), input.readline(), *input.readlines(1), *input, input.read(1)]
        errors.write("a line\n")
        errors.writelines(["another\n"])
        errors.flush()
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"written ")
        return iter(parts)

    application = validator(plain)
"#;

#[test]
fn wsgiref_validate_finds_nothing() {
    let request = Request::new().known(Key::RequestMethod, "POST").header("Content-Length", "18");
    let response = request.body("one\ntwo\n").body("three\nfour").serve(READS_AND_ECHOES);
    assert_eq!(response.outcome, Outcome::Complete, "{response}");
    assert_eq!(response.body(), b"written one\ntwo\nthree\nfour");
    assert_eq!(response.lines(), ["a line", "another"]);
}

#[test]
fn wsgiref_validate_is_awake() {
    let response = Request::new().serve(
        r#"
        from wsgiref.validate import validator

        @validator
        def application(environ, start_response):
            start_response("200 OK", [])
            return [b"a response without Content-Type"]
        "#,
    );
    assert_eq!(response.outcome, Outcome::Raised, "{response}");
}
