//! `mod_wsgi.LogHandler`: what applications log by `logging` goes to httpd's error log, at its level.

use crate::support::two_groups::python;
use crate::support::{Builder, Entry, Httpd, in_both_modes};

const ALIAS: &str = "WSGIScriptAlias / {app}\n";

fn logging(conf: &str) -> Builder {
    Httpd::with(&format!("{ALIAS}{conf}"), "log_handler.py")
}

/// The entries that match, as level, whether a client stands there, and message. Before the client httpd names the source
/// of what it logs at level debug.
fn entries(httpd: &Httpd, pattern: &str) -> Vec<(String, bool, String)> {
    let told = |entry: &Entry| {
        let message = entry.message.strip_prefix("views.py(42): [client ").and_then(|rest| rest.split_once("] "));
        let is_named = entry.client.is_some() || message.is_some();
        (entry.level.clone(), is_named, message.map_or(&*entry.message, |(_, message)| message).to_owned())
    };
    httpd.error_log().matching(pattern).into_iter().map(told).collect()
}

/// The lines of the error log that hold this, whatever their format.
fn lines(httpd: &Httpd, text: &str) -> Vec<String> {
    let log = httpd.error_log_text();
    log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

#[test]
fn each_level_of_logging_has_one_of_httpd() {
    in_both_modes(|mode| {
        let httpd = logging("").log_level("warn wsgi:debug").gil_mode(mode).start();
        let levels = "[5, 10, 19, 20, 25, 30, 35, 40, 49, 50, 99, 10**30, True, -10**30]";
        python(&httpd, "/", &format!("emit(*[record(level, f'level {{level}}') for level in {levels}])"));
        let script = format!("[script {}] ", httpd.app_path("log_handler.py").display());
        let expected = [
            ("debug", "5"),
            ("debug", "10"),
            ("debug", "19"),
            ("info", "20"),
            ("info", "25"),
            ("warn", "30"),
            ("warn", "35"),
            ("error", "40"),
            ("error", "49"),
            ("crit", "50"),
            ("crit", "99"),
            ("crit", "1000000000000000000000000000000"),
            ("debug", "True"),
            ("debug", "-1000000000000000000000000000000"),
        ];
        let expected = expected.map(|(level, number)| (level.to_owned(), true, format!("{script}level {number}")));
        assert_eq!(entries(&httpd, "[script *] level"), expected);
        httpd.finish(&["level", "loaded", "loading the script", "Python*started"]);
    });
}

#[test]
fn what_httpd_does_not_log_is_not_formatted() {
    let conf = "<Location /loud>\nLogLevel info\n</Location>\n<Location /silent>\nLogLevel crit\n</Location>\n";
    in_both_modes(|mode| {
        let httpd = logging(conf).gil_mode(mode).start();
        let formatted = |path: &str| {
            let each = "[emit(*[record(level, f'mark {level}') for level in (10, 20, 30, 40, 50)]), formatted][1]";
            python(&httpd, path, each)
        };
        assert_eq!(formatted("/"), "['mark 30', 'mark 40', 'mark 50']");
        assert_eq!(formatted("/loud"), "['mark 20', 'mark 30', 'mark 40', 'mark 50']");
        assert_eq!(formatted("/silent"), "['mark 50']");
        // A thread of its own has no request: what the server logs counts, which is warnings.
        assert_eq!(python(&httpd, "/loud", "[in_thread(log.info, 'no'), formatted][1]"), "[]");
        assert_eq!(python(&httpd, "/silent", "[in_thread(log.warning, 'mark 30'), formatted][1]"), "['mark 30']");
        assert_eq!(entries(&httpd, "mark").len(), 3 + 4 + 1 + 1);
        httpd.finish(&["mark", "loaded"]);
    });
}

#[test]
fn records_are_those_of_the_request_or_of_the_server() {
    let httpd = logging("").start();
    python(&httpd, "/", "[log.warning('here'), in_thread(log.warning, 'elsewhere')]");
    let script = format!("[script {}] ", httpd.app_path("log_handler.py").display());
    assert_eq!(entries(&httpd, "] here"), [("warn".to_owned(), true, format!("{script}here"))]);
    assert_eq!(entries(&httpd, "elsewhere"), [("warn".to_owned(), false, "elsewhere".to_owned())]);
    // While the script is loaded no request runs it yet.
    assert_eq!(entries(&httpd, "loaded"), [("warn".to_owned(), false, "loaded".to_owned())]);
    httpd.finish(&["here", "elsewhere", "loaded"]);
}

#[test]
fn each_line_is_an_entry() {
    let httpd = logging("").start();
    for text in [r"'one\n\ntwo\n'", "''", r"'\n'", r"'three\nfour'", r"'nul\0cut'", r"'caf\u00e9 \udc80'"] {
        python(&httpd, "/", &format!("emit(record(30, {text}))"));
    }
    let script = format!("[script {}] ", httpd.app_path("log_handler.py").display());
    let without_record = |message: String| match message.split_once("[record ") {
        Some((before, rest)) => format!("{before}{}", rest.split_once("] ").unwrap_or_default().1),
        None => message,
    };
    let messages = entries(&httpd, "[script").into_iter().map(|(_, _, message)| without_record(message));
    let messages: Vec<_> = messages.collect();
    let expected = ["one", "", "two", "", "three", "four", "nul", r"caf\xc3\xa9 ?"];
    let expected: Vec<_> = expected.iter().map(|line| format!("{script}{line}")).collect();
    assert_eq!(messages, expected);
    // httpd cuts lines at 8 KiB.
    python(&httpd, "/", "emit(record(30, 'x' * 100000))");
    let long = entries(&httpd, "xxx");
    assert!(long.len() == 1 && long[0].2.len() > 7000 && long[0].2.len() < 8192, "{}", long[0].2.len());
    // A long text of many lines is whole.
    python(&httpd, "/", r"emit(record(30, '\n'.join(f'many {number}.' for number in range(3000))))");
    assert_eq!(entries(&httpd, "many").len(), 3000);
    httpd.finish(&["[script", "loaded"]);
}

#[test]
fn the_place_in_the_source_is_where_the_application_logged() {
    let httpd = logging("ErrorLogFormat \"[%-m:%l] %F: %M\"\n").start();
    python(&httpd, "/", "[emit(record(30, 'placed')), log.error('by itself')]");
    python(&httpd, "/", "in_thread(emit, record(30, 'from a thread'))");
    let script = httpd.app_path("log_handler.py").display().to_string();
    assert_eq!(lines(&httpd, "placed"), [format!("[wsgi:warn] views.py(42): [script {script}] placed")]);
    assert_eq!(lines(&httpd, "by itself"), [format!("[wsgi:error] <string>(1): [script {script}] by itself")]);
    assert_eq!(lines(&httpd, "from a thread"), ["[wsgi:warn] views.py(42): from a thread"]);
    // What is no place is none.
    let strange = ["None, 1", "b'/x.py', 1", "'/x.py', None", "'/x.py', '1'", "'/x.py', -1", "'/x.py', 10**30"];
    for place in strange {
        python(&httpd, "/", &format!("emit(record(30, 'strange', {place}))"));
    }
    let expected = format!("[wsgi:warn] mod_wsgi(0): [script {script}] strange");
    assert_eq!(lines(&httpd, "strange"), vec![expected; strange.len()]);
    httpd.finish(&["[wsgi:", "AH00489", "AH00094", "AH00491"]);
}

#[test]
fn an_error_of_formatting_is_told() {
    let httpd = logging("").start();
    // The standard library prints what it cannot format to sys.stderr, which is the log.
    python(&httpd, "/", "log.warning('%d apples', 'no')");
    let told = entries(&httpd, "TypeError: %d format: a real number is required, not str");
    assert_eq!((told.len(), told[0].1), (1, true));
    assert_eq!(entries(&httpd, "--- Logging error ---").len(), 1);
    assert_eq!(entries(&httpd, "Arguments: ('no',)").len(), 1);
    // A handler may do something else.
    let own = "[setattr(Counting, 'handleError', lambda self, record: formatted.append('handled')), \
               own.warning('%d', 'x'), formatted][2]";
    assert_eq!(python(&httpd, "/", own), "['handled']");
    // A level that is none is the caller's mistake.
    for (level, error) in
        [("", "AttributeError"), ("'30'", "TypeError"), ("30.0", "TypeError"), ("None", "AttributeError")]
    {
        assert_eq!(python(&httpd, "/", &format!("attempt(emit, without_level({level}))")), format!("'{error}'"));
    }
    httpd.finish(&["loaded", "[script"]);
}

#[test]
fn it_is_a_handler_that_may_be_derived_from() {
    for builder in [logging(""), logging("").gil_build()] {
        check_class(builder.start());
    }
}

#[track_caller]
fn check_class(httpd: Httpd) {
    let class = "(lambda c: (c.__name__, c.__qualname__, c.__module__, c.__mro__[1] is logging.Handler, repr(c()), \
                 repr(c(logging.ERROR)), sorted(k for k in vars(c) if not k.startswith('__'))))(mod_wsgi.LogHandler)";
    let expected =
        "('LogHandler', 'LogHandler', 'mod_wsgi', True, '<LogHandler (NOTSET)>', '<LogHandler (ERROR)>', ['emit'])";
    assert_eq!(python(&httpd, "/", class), expected);
    assert_eq!(python(&httpd, "/", "[own.warning('derived'), Counting.count][1]"), "1");
    assert_eq!(entries(&httpd, "derived").len(), 1);
    // A level of the handler, and a filter, are those of logging.
    let quiet = "[log.handlers[0].setLevel(50), log.error('kept back'), log.handlers[0].setLevel(0)][0]";
    python(&httpd, "/", quiet);
    assert_eq!(entries(&httpd, "kept back").len(), 0);
    httpd.finish(&["derived", "loaded"]);
}

#[test]
fn a_script_that_decides_about_a_request_logs_in_its_name() {
    let script = "import logging, mod_wsgi\nlog = logging.Logger('access', 1)\nlog.addHandler(mod_wsgi.LogHandler())\n\
                  def allow_access(environ, host):\n    log.info('asked')\n    log.warning('from %s', host)\n    return True\n";
    let conf = "<Location />\nWSGIAccessScript {root}/access.py\n</Location>\n";
    let httpd = logging(conf).file("access.py", script).start();
    python(&httpd, "/", "1");
    let message = format!("[script {}/access.py] from 127.0.0.1", httpd.root().display());
    assert_eq!(entries(&httpd, "] from"), [("warn".to_owned(), true, message)]);
    httpd.finish(&["] from", "loaded"]);
}

#[test]
fn a_configuration_may_name_the_class() {
    let httpd = logging("").start();
    let settings = "{'version': 1, 'handlers': {'httpd': {'class': 'mod_wsgi.LogHandler'}}, \
                    'root': {'handlers': ['httpd'], 'level': 'DEBUG'}}";
    let configure = format!("__import__('logging.config').config.dictConfig({settings})");
    python(&httpd, "/", &format!("[{configure}, logging.getLogger('app').warning('configured')]"));
    assert_eq!(entries(&httpd, "] configured")[0].0, "warn");
    httpd.finish(&["configured", "loaded"]);
}

/// The interpreter is set up without `logging`, and finds the class all the same.
#[test]
fn logging_is_imported_when_it_is_wanted() {
    let httpd = Httpd::with(&format!("{ALIAS}WSGIApplicationGroup named\n"), "evaluate.py").start();
    assert_eq!(python(&httpd, "/", "'logging' in __import__('sys').modules"), "False");
    assert_eq!(python(&httpd, "/", "('LogHandler' in vars(mod_wsgi), 'LogHandler' in dir(mod_wsgi))"), "(False, True)");
    assert_eq!(python(&httpd, "/", "hasattr(mod_wsgi, 'Loghandler')"), "False");
    let missing = "(lambda error: str(error))(__import__('contextlib') and \
                   next(iter([e for e in [attempt(lambda: mod_wsgi.missing)]])))";
    assert_eq!(python(&httpd, "/", missing), "'AttributeError'");
    let same = "len({id(c) for c in (mod_wsgi.LogHandler, mod_wsgi.LogHandler, \
                __import__('mod_wsgi', fromlist=['LogHandler']).LogHandler)})";
    assert_eq!(python(&httpd, "/", same), "1");
    assert_eq!(python(&httpd, "/", "dir(mod_wsgi).count('LogHandler')"), "1");
    let many = "len(set(__import__('concurrent.futures').futures.ThreadPoolExecutor(8).map(\
                lambda _: id(mod_wsgi.__getattr__('LogHandler')), range(50))))";
    assert_eq!(python(&httpd, "/", many), "1");
    httpd.finish(&[]);
}
