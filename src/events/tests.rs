//! What subscribers are told of a request, and what they may change.

use super::Serving;
use super::running::{ACTIVE_REQUESTS, REQUEST_DATA, RequestFunctions, ThreadPlace};
use crate::python::class::ClassType;
use crate::wsgi::environ::Key;
use crate::wsgi::gateway::{Outcome, Raised};
use crate::wsgi::testing::{self, Application, PROCESS, Request, Response};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Loads `source`, with subscribers of its own, which see no events of other tests: it finds `event_callbacks`, `request_data`,
/// `active_requests` and `RequestTimeout` among its names.
fn with_subscribers<R>(source: &str, body: impl FnOnce(&Application<'_, '_>) -> R) -> R {
    testing::run(|attached| {
        let py = attached.py;
        let serving = Serving::new(py, PROCESS).expect("what an interpreter needs");
        let functions =
            ClassType::new(py).expect("a class").instance(py, RequestFunctions(serving.active_requests.clone()));
        let functions = functions.expect("an instance");
        let names = PyDict::new(py);
        names.set_item("event_callbacks", &serving.events.all).expect("a dictionary");
        names.set_item("RequestTimeout", &serving.wsgi.request_timeout).expect("a dictionary");
        for (name, method) in [("request_data", REQUEST_DATA), ("active_requests", ACTIVE_REQUESTS)] {
            names.set_item(name, functions.bound_method(method).expect("a method")).expect("a dictionary");
        }
        let module = testing::load_with(attached, source, &names);
        let place = ThreadPlace::new(py, &serving);
        body(&Application::new(attached, &serving.wsgi, module, &|id, serve| serve(&place.begin(py, id).watched())))
    })
}

/// A subscriber that keeps what it is told, and applications that need no more than that.
const PRELUDE: &str = "
    told = []

    def note(name, **payload):
        told.append((name, payload))

    event_callbacks.append(note)

    def names():
        return [name for name, payload in told]

    def payload(name):
        return dict(told)[name]

    def ok(environ, start_response):
        start_response('200 OK', [('X-A', '1')])
        return [b'one']

    application = ok
";

fn with_prelude<R>(source: &str, body: impl FnOnce(&Application<'_, '_>) -> R) -> R {
    let dedented: String =
        source.lines().map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n").collect();
    let prelude: String =
        PRELUDE.lines().map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n").collect();
    with_subscribers(&(prelude + &dedented), body)
}

fn request() -> Request {
    Request::new().known(Key::RequestId, "id-1")
}

/// Serves one request with the prelude and `source`; then `assertions` hold.
fn serve(request: &Request, source: &str, assertions: &str) -> Response {
    with_prelude(source, |application| {
        let response = application.serve(request);
        println!("{response}");
        application.holds_outside(assertions);
        response
    })
}

#[test]
fn a_request_starts_answers_and_finishes() {
    let response =
        serve(&request(), "", "assert names() == ['request_started', 'response_started', 'request_finished']");
    assert_eq!(response.outcome, Outcome::Complete);
}

#[test]
fn an_exception_is_told_between_the_response_and_the_end() {
    let source = "
    def application(environ, start_response):
        start_response('200 OK', [])
        raise ValueError('spam')
    ";
    let assertions = "
        assert names() == ['request_started', 'response_started', 'request_exception', 'request_finished'], names()
        kind, value, traceback = payload('request_exception')['exception_info']
        assert kind is ValueError and str(value) == 'spam' and traceback.tb_next is None, traceback
        assert payload('request_exception')['request_id'] == 'id-1'
        assert payload('request_finished')['status'] == 200
    ";
    assert_eq!(serve(&request(), source, assertions).exceptions(), [(Raised::ByApplication, "ValueError")]);
}

#[test]
fn an_exception_of_close_is_told_too() {
    let source = "
    class Result:
        def __iter__(self):
            return iter([b'one'])

        def close(self):
            raise KeyError

    def application(environ, start_response):
        start_response('200 OK', [])
        return Result()
    ";
    let assertions = "
        assert names() == ['request_started', 'response_started', 'request_exception', 'request_finished'], names()
        assert payload('request_exception')['exception_info'][0] is KeyError
    ";
    assert_eq!(serve(&request(), source, assertions).outcome, Outcome::Complete);
}

#[test]
fn the_start_of_a_request_is_told_in_full() {
    let assertions = "
        start = payload('request_started')
        assert set(start) == {
            'request_id', 'thread_id', 'daemon_connects', 'daemon_restarts', 'server_pid', 'request_start', 'queue_start',
            'daemon_start', 'application_start', 'application_object', 'callable_object', 'request_environ', 'request_data',
        }, start
        environ = start['request_environ']
        assert start['request_id'] == 'id-1' == environ['mod_wsgi.request_id']
        assert start['thread_id'] == environ['mod_wsgi.thread_id']
        assert start['server_pid'] == 1 and start['callable_object'] == 'application'
        assert start['application_object'] is application
        assert start['request_start'] == 1234567890.5 and start['queue_start'] == start['daemon_start'] == 0.0
        assert start['application_start'] == environ['mod_wsgi.application_start']
        assert start['daemon_connects'] == start['daemon_restarts'] == 0
    ";
    serve(&request(), "", assertions);
}

#[test]
fn the_end_of_a_request_is_told_in_full() {
    let source = "
    def application(environ, start_response):
        body = environ['wsgi.input'].readline()
        write = start_response('201 Created', [('Content-Length', '4')])
        write(b'')
        write(body)
        return iter([b'', b'12345'])
    ";
    let assertions = "
        end = payload('request_finished')
        assert set(end) == {
            'request_id', 'thread_id', 'server_pid', 'request_start', 'queue_start', 'daemon_start', 'application_finish',
            'application_time', 'input_reads', 'input_length', 'input_time', 'output_writes', 'output_length',
            'output_time', 'cpu_user_time', 'cpu_system_time', 'cpu_time', 'gil_wait_time', 'gil_wait_count', 'status',
            'request_data',
        }, end
        assert end['status'] == 201
        # A line was read, although more had come.
        assert (end['input_reads'], end['input_length']) == (1, 3)
        # Empty blocks do not count; bytes beyond the length do.
        assert (end['output_writes'], end['output_length']) == (2, 8)
        # One read and two writes.
        assert end['gil_wait_count'] == 3, end
        assert 0 <= end['cpu_time'] <= end['application_time']
        assert end['cpu_time'] == end['cpu_user_time'] + end['cpu_system_time']
        for key in ('input_time', 'output_time', 'gil_wait_time'):
            assert 0 <= end[key] <= end['application_time'], key
        assert end['application_finish'] - payload('request_started')['application_start'] == end['application_time']
    ";
    let response = serve(&request().body("ab\ncd"), source, assertions);
    assert_eq!(response.body(), b"ab\n1");
}

#[test]
fn the_status_is_500_where_none_was_chosen() {
    let source = "
    def application(environ, start_response):
        raise ValueError
    ";
    serve(&request(), source, "assert payload('request_finished')['status'] == 500");
}

#[test]
fn a_response_is_told_before_it_is_looked_at() {
    let source = "
    def application(environ, start_response):
        assert raised_by(start_response, 'none', 'at all') is TypeError
        try:
            1 / 0
        except ZeroDivisionError:
            import sys
            start_response('500 Oops', [('X-A', '1')], sys.exc_info())
        return []
    ";
    let assertions = "
        assert names() == ['request_started', 'response_started', 'response_started', 'request_finished'], names()
        first, second = told[1][1], told[2][1]
        assert (first['response_status'], first['response_headers'], first['exception_info']) == ('none', 'at all', None)
        assert second['response_status'] == '500 Oops' and second['exception_info'][0] is ZeroDivisionError
        assert set(second) == {'request_id', 'response_status', 'response_headers', 'exception_info', 'request_data'}
    ";
    serve(&request(), source, assertions);
}

#[test]
fn a_call_of_start_response_that_is_wrong_in_itself_is_not_told() {
    let source = "
    def application(environ, start_response):
        assert raised_by(start_response, '200 OK') is TypeError
        assert raised_by(start_response, '200 OK', [], 'no tuple') is RuntimeError
        write = start_response('200 OK', [])
        write(b'x')
        assert raised_by(start_response, '200 OK', []) is RuntimeError
        return []
    ";
    let response = serve(&request(), source, "assert names().count('response_started') == 1");
    assert_eq!(response.outcome, Outcome::Complete);
}

#[test]
fn subscribers_change_headers_in_place_only() {
    let source = "
    def change(name, **payload):
        if name == 'response_started':
            payload['response_headers'].append(('X-B', '2'))
            return {'response_status': '404 Not Found', 'response_headers': []}

    event_callbacks.insert(0, change)
    ";
    let response =
        serve(&request(), source, "assert payload('response_started')['response_status'] == '404 Not Found'");
    assert_eq!(response.status(), "200 OK");
    assert_eq!(response.headers(), [("X-A", "1"), ("X-B", "2")]);
}

#[test]
fn what_a_subscriber_returns_is_merged_for_those_after_it() {
    let source = "
    def more(name, **payload):
        payload['spam'] = 1
        return {'eggs': 2, 'status': 0}

    class Returned(dict):
        pass

    event_callbacks[:] = [more, lambda name, **payload: [('eggs', 3)], lambda name, **payload: Returned(ham=4), note]
    ";
    let assertions = "
        end = payload('request_finished')
        assert end['eggs'] == 2 and end['ham'] == 4 and end['status'] == 0 and 'spam' not in end, end
    ";
    serve(&request(), source, assertions);
}

#[test]
fn subscribers_may_put_another_application_in_its_place() {
    let source = "
    def replace(name, **payload):
        if name == 'request_started':
            original = payload['application_object']
            return {'application_object': lambda environ, start: [b'before '] + original(environ, start)}

    event_callbacks.insert(0, replace)
    ";
    assert_eq!(serve(&request(), source, "").body(), b"before one");
}

#[test]
fn subscribers_may_change_the_environ() {
    let source = "
    def change(name, **payload):
        if name == 'request_started':
            payload['request_environ']['X'] = b'from a subscriber'

    event_callbacks.append(change)

    def application(environ, start_response):
        start_response('200 OK', [])
        return [environ['X']]
    ";
    assert_eq!(serve(&request(), source, "").body(), b"from a subscriber");
}

#[test]
fn nothing_that_a_subscriber_raises_stops_the_others_or_the_request() {
    let source = "
    def fail(name, **payload):
        raise {'request_started': ValueError, 'response_started': SystemExit}.get(name, KeyboardInterrupt)

    event_callbacks.insert(0, fail)
    event_callbacks.insert(1, 'not even callable')
    ";
    let response = serve(&request(), source, "assert len(told) == 3");
    response_is_ok(&response);
    let by = Raised::BySubscriber;
    let expected = [
        (by, "ValueError"),
        (by, "TypeError"),
        (Raised::ExitOfSubscriber, "SystemExit"),
        (by, "TypeError"),
        (by, "KeyboardInterrupt"),
        (by, "TypeError"),
    ];
    assert_eq!(response.exceptions(), expected);
}

#[test]
fn a_request_that_is_ended_for_its_time_within_a_subscriber_is_ended() {
    let source = "
    def late(event, name, **payload):
        if name == event:
            raise RequestTimeout

    import functools
    event_callbacks.append(functools.partial(late, WHICH))
    ";
    for event in ["request_started", "response_started"] {
        let source = source.replace("WHICH", &format!("'{event}'"));
        let response = serve(&request(), &source, "assert payload('request_finished')['status'] == 504");
        assert_eq!((response.outcome, response.exceptions()), (Outcome::TimedOut, vec![]), "{event}");
    }
    // Too late: the response is there.
    let response = serve(&request(), &source.replace("WHICH", "'request_finished'"), "");
    response_is_ok(&response);
}

fn response_is_ok(response: &Response) {
    assert_eq!((response.outcome, &*response.body()), (Outcome::Complete, &b"one"[..]), "{response}");
}

#[test]
fn the_list_is_taken_as_it_is_when_the_event_begins() {
    let source = "
    def late(name, **payload):
        told.append(('late ' + name, payload))

    def unsubscribe(name, **payload):
        event_callbacks[:] = [late]

    event_callbacks.insert(0, unsubscribe)
    ";
    let assertions = "assert names() == ['request_started', 'late response_started', 'late request_finished'], names()";
    response_is_ok(&serve(&request(), source, assertions));
}

#[test]
fn who_subscribes_during_a_request_is_told_the_rest_without_measurements() {
    let source = "
    event_callbacks.clear()

    def application(environ, start_response):
        event_callbacks.append(note)
        return ok(environ, start_response)
    ";
    let assertions = "
        assert names() == ['response_started', 'request_finished']
        end = payload('request_finished')
        assert end['application_time'] >= 0 and end['output_length'] == 3
        assert 'cpu_time' not in end and 'gil_wait_time' not in end
    ";
    response_is_ok(&serve(&request(), source, assertions));
}

#[test]
fn a_request_without_an_id_is_told_without_one() {
    let response = serve(&Request::new(), "", "assert all('request_id' not in payload for name, payload in told)");
    response_is_ok(&response);
}

#[test]
fn a_request_has_one_dictionary_for_all_that_are_told() {
    let source = "
    seen = []

    def look(name, **payload):
        seen.append(request_data())
        assert payload['request_data'] is seen[0]
        payload['request_data'][name] = True

    event_callbacks[:] = [look]

    def application(environ, start_response):
        seen.append(request_data())
        return ok(environ, start_response)
    ";
    let assertions = "
        assert len(seen) == 4 and all(data is seen[0] for data in seen)
        assert seen[0] == {'request_started': True, 'response_started': True, 'request_finished': True}
        assert raised_by(request_data) is RuntimeError
        assert raised_by(request_data, 1) is TypeError
    ";
    response_is_ok(&serve(&request(), source, assertions));
}

#[test]
fn another_thread_runs_no_request() {
    let source = "
    import threading

    def application(environ, start_response):
        raised = []
        thread = threading.Thread(target=lambda: raised.append(raised_by(request_data)))
        thread.start()
        thread.join()
        assert raised == [RuntimeError]
        return ok(environ, start_response)
    ";
    response_is_ok(&serve(&request(), source, ""));
}

#[test]
fn start_response_of_another_thread_is_told_as_well() {
    let source = "
    import threading

    def application(environ, start_response):
        thread = threading.Thread(target=start_response, args=('200 OK', []))
        thread.start()
        thread.join()
        return [b'one']
    ";
    let assertions = "
        assert names() == ['request_started', 'response_started', 'request_finished']
        assert payload('response_started')['request_data'] is payload('request_finished')['request_data']
    ";
    response_is_ok(&serve(&request(), source, assertions));
}

#[test]
fn each_request_has_a_dictionary_of_its_own() {
    let source = "
    seen = []

    def application(environ, start_response):
        seen.append(request_data())
        seen[-1]['number'] = len(seen)
        return ok(environ, start_response)
    ";
    with_prelude(source, |application| {
        (0..3).for_each(|_| response_is_ok(&application.serve(&request())));
        application.holds_outside("assert seen == [{'number': 1}, {'number': 2}, {'number': 3}]");
    });
}

#[test]
fn a_look_at_the_active_requests_finds_those_that_began_before() {
    let source = "
    def application(environ, start_response):
        active = active_requests()
        assert type(active) is dict
        assert active == {environ['mod_wsgi.request_id']: request_data()}, active
        assert active is active_requests()
        return ok(environ, start_response)
    ";
    with_prelude(source, |application| {
        for id in ["a", "b", "c"] {
            response_is_ok(&application.serve(&Request::new().known(Key::RequestId, id)));
            application.holds_outside("assert active_requests() == {}");
        }
    });
}

#[test]
fn the_active_requests_belong_to_the_application_too() {
    let source = "
    def application(environ, start_response):
        active_requests().clear()
        active_requests()['mine'] = 1
        return ok(environ, start_response)
    ";
    response_is_ok(&serve(&request(), source, "assert active_requests() == {'mine': 1}"));
}
