//! `WSGILogFormat` and `WSGILogHandler`: how the module writes to the error log, and what gets there without a change to the
//! application.

use crate::support::two_groups::python;
use crate::support::{Httpd, IN_DAEMONS, PROCESS_GROUP, in_both_modes, wait_for};
use serde_json::Value;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// The lines of the log that are JSON objects. Any other line is httpd's.
fn objects(httpd: &Httpd) -> Vec<Value> {
    let log = httpd.error_log_text();
    let (json, other): (Vec<_>, Vec<_>) = log.lines().partition(|line| line.starts_with('{'));
    assert!(!other.iter().any(|line| line.contains("wsgi:")), "{other:#?}");
    json.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn said<'a>(objects: &'a [Value], beginning: &str) -> Vec<&'a Value> {
    let begins = |object: &&Value| object["message"].as_str().is_some_and(|message| message.starts_with(beginning));
    objects.iter().filter(begins).collect()
}

#[test]
fn what_the_module_logs_is_json() {
    let conf = "WSGIScriptAlias / {app}\nWSGILogFormat json\nWSGILogHandler On\n";
    in_both_modes(|mode| {
        let httpd = Httpd::with(conf, "log_format.py").gil_mode(mode).log_level("warn wsgi:info").start();
        let response = httpd.request("GET", "/").header("traceparent", &format!("00-{TRACE}-{SPAN}-01")).send();
        assert_eq!(response.status, 500);
        let objects = wait_for("the traceback", || {
            let objects = objects(&httpd);
            (!said(&objects, "WSGI0174").is_empty()).then_some(objects)
        });
        let [raised] = said(&objects, "WSGI0174: the application raised ValueError")[..] else {
            panic!("{objects:#?}")
        };
        let id = raised["request_id"].as_str().expect("an id").to_owned();
        assert!(httpd.wait_for_access("GET /").contains(&id));
        let details = raised["details"].as_str().expect("a traceback");
        assert!(details.starts_with("Traceback (most recent call last):\n  File \""), "{details}");
        assert!(details.ends_with("ValueError: of a \"request\" \\ \u{20ac}"), "{details}");
        assert_eq!((&raised["code"], &raised["level"]), (&"WSGI0174".into(), &"error".into()));
        let [printed] = said(&objects, "printed \"quotes\" \\ caf\u{e9}")[..] else { panic!("{objects:#?}") };
        // A record is one object, unless it is very long.
        let [record] = said(&objects, "app: first \"line\"\n\tsecond \\line")[..] else { panic!("{objects:#?}") };
        assert_eq!(record["level"], "warn");
        let script = httpd.app_path("log_format.py").display().to_string();
        for object in [raised, printed, record] {
            for (name, value) in [("request_id", &*id), ("trace_id", TRACE), ("span_id", SPAN), ("script", &script)] {
                assert_eq!(object[name], value, "{object}");
            }
            assert_eq!(object["group"], PROCESS_GROUP, "{object}");
            assert!(object["time"].as_str().is_some_and(|time| time.ends_with('Z') && time.contains('T')));
        }
        let long: Vec<_> = objects.iter().filter(|object| object["record"].is_string() && *object != record).collect();
        assert!(long.len() > 1 && long.iter().all(|object| object["record"] == long[0]["record"]), "{long:#?}");
        let text: Vec<_> = long.iter().filter_map(|object| object["message"].as_str()).collect();
        let expected: Vec<_> = (0..2000).map(|number| format!("line {number}")).collect();
        assert!(text.join("\n") == format!("app: {}", expected.join("\n")), "{:.300}", text.join("\n"));
        // What belongs to no request is JSON too.
        let [loaded] = said(&objects, "loaded")[..] else { panic!("{objects:#?}") };
        assert_eq!((&loaded["script"], loaded.get("request_id")), (&Value::from(&*script), None), "{loaded}");
        let [started, ..] = said(&objects, "Python 3")[..] else { panic!("{objects:#?}") };
        assert_eq!((&started["level"], started.get("request_id")), (&"info".into(), None));
        httpd.finish(&["{\"time\":\""]);
    });
}

#[test]
fn lines_of_one_record_have_an_id_in_common() {
    let httpd = Httpd::with("WSGIScriptAlias / {app}\nWSGILogHandler On\n", "log_format.py").start();
    assert_eq!(httpd.get("/").status, 500);
    httpd.wait_for_log("WSGI0174");
    let log = httpd.error_log();
    let id = |pattern: &str| {
        let [entry] = log.matching(pattern)[..] else { panic!("{pattern}: {:?}", log.matching(pattern)) };
        assert_eq!(entry.level, "warn");
        entry.message.split_once("[record ").and_then(|(_, rest)| rest.split_once(']')).expect("an id").0.to_owned()
    };
    let first = id("[script *log_format.py] [record *] app: first");
    assert_eq!(id("[script *log_format.py] [record *] *second"), first);
    assert_ne!(id("[record *] app: line 0"), first);
    assert_eq!(id("[record *] line 1999"), id("[record *] app: line 0"));
    httpd.finish(&["loaded", "printed", "[record ", "WSGI0174", "Traceback"]);
}

/// A handler on the root logger of an application that knows nothing of it.
const ROOT: &str = "WSGIScriptAlias / {app}\nWSGILogHandler On\n";
const LOGGING: &str = "__import__('logging')";

#[test]
fn an_application_that_configures_nothing_logs_to_the_error_log() {
    in_both_modes(|mode| {
        let httpd = Httpd::with(ROOT, "evaluate.py").gil_mode(mode).start();
        let log = |code: &str| python(&httpd, "/", &format!("{LOGGING}.{code}"));
        log("getLogger('app.views').warning('told')");
        log("getLogger('app.views').info('not told')");
        let told = httpd.error_log();
        let [entry] = told.matching("app.views: told")[..] else { panic!("{}", httpd.error_log_text()) };
        assert!(entry.level == "warn" && entry.client.is_some() && entry.message.starts_with("[script "), "{entry:?}");
        let kind = format!("[isinstance(one, mod_wsgi.LogHandler) for one in {LOGGING}.getLogger().handlers]");
        assert_eq!(python(&httpd, "/", &kind), "[True]");
        assert_eq!(httpd.error_log().count("not told"), 0);
        httpd.finish(&["app.views: told"]);
    });
    // The level of the root logger follows LogLevel.
    let httpd = Httpd::with(ROOT, "evaluate.py").log_level("warn wsgi:info").start();
    python(&httpd, "/", &format!("[{LOGGING}.info('informed'), {LOGGING}.debug('silent')]"));
    assert_eq!(httpd.error_log().matching("root: informed")[0].level, "info");
    let own = if IN_DAEMONS { "process group" } else { "Python" };
    httpd.finish(&["root: informed", "loading the script", "Python", own]);
}

#[test]
fn an_application_that_configures_logging_itself_wins() {
    let httpd = Httpd::with(ROOT, "evaluate.py").start();
    let run = |code: &str| python(&httpd, "/", code);
    // A handler of its own takes a record: it is not logged twice. One that does nothing counts for nothing.
    run(&format!("{LOGGING}.getLogger('quiet').addHandler({LOGGING}.NullHandler())"));
    run(&format!("{LOGGING}.getLogger('quiet').warning('first')"));
    run(&format!("{LOGGING}.getLogger('own').addHandler({LOGGING}.StreamHandler())"));
    run(&format!("{LOGGING}.getLogger('own.part').warning('second')"));
    let settings = "{'version': 1, 'handlers': {'h': {'class': 'logging.StreamHandler'}}, \
                    'loggers': {'django': {'handlers': ['h']}}}";
    run(&format!("__import__('logging.config').config.dictConfig({settings})"));
    run(&format!("{LOGGING}.getLogger('django.request').warning('third')"));
    run(&format!("{LOGGING}.getLogger('elsewhere').warning('fourth')"));
    // basicConfig() does what it does where there is no handler yet.
    run(&format!("{LOGGING}.basicConfig(format='basic %(message)s', level=20)"));
    run(&format!("{LOGGING}.getLogger('elsewhere').info('fifth')"));
    let log = httpd.error_log();
    let count = |pattern: &str| log.count(pattern);
    assert_eq!((count("first"), count("] quiet: first")), (1, 1));
    assert_eq!((count("second"), count(": second")), (1, 0));
    assert_eq!((count("third"), count(": third")), (1, 0));
    assert_eq!((count("fourth"), count("] elsewhere: fourth")), (1, 1));
    assert_eq!((count("fifth"), count("] basic fifth")), (1, 1));
    httpd.finish(&["first", "second", "third", "fourth", "fifth"]);
}
