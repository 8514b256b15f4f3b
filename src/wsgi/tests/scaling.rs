//! A measurement: threads of one interpreter that serve side by side, without a server. The benchmark runs it under strace,
//! which counts the waits (`make bench BENCH_ARGS="--workloads adapter"`); other runs leave it out.

use crate::wsgi::gateway::Outcome;
use crate::wsgi::testing::{Request, on_threads};
use std::time::Instant;

const APPLICATION: &str = r#"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, World!"]
"#;

/// Until each thread has its objects.
const WARM_UP: usize = 100;

/// A number from the environment.
fn number(name: &str) -> usize {
    let text = std::env::var(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}"))
}

#[test]
#[ignore = "a measurement, which takes its numbers from the environment"]
fn threads_of_one_interpreter_serve_side_by_side() {
    let (threads, requests) = (number("BENCH_THREADS"), number("BENCH_REQUESTS"));
    let began = Instant::now();
    on_threads(APPLICATION, threads, |application| {
        let request = Request::new();
        for _ in 0..WARM_UP + requests / threads {
            assert_eq!(application.serve(&request).outcome, Outcome::Complete);
        }
    });
    println!("\nbench: {} s", began.elapsed().as_secs_f64());
}
