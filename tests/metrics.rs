//! `mod_wsgi.start_recording_metrics()`, `request_metrics()` and `process_metrics()`, in httpd's own processes and in a group's.

use crate::support::{Builder, Httpd, Load, Mpm, in_both_modes, two_groups, wait_for};
use std::fs::{self, File};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A child of httpd with eight threads.
    Embedded,
    /// A process of a group with three.
    Daemon,
}

impl Place {
    const BOTH: [Self; 2] = [Self::Embedded, Self::Daemon];

    /// A server with `apps/metrics.py` in the main interpreter and in another.
    fn serving(self, conf: &str) -> Builder {
        let group =
            if self == Self::Daemon { "WSGIDaemonProcess group threads=3\nWSGIProcessGroup group\n" } else { "" };
        Httpd::with(&format!("MaxKeepAliveRequests 0\n{group}{}{conf}", two_groups::TWO_GROUPS), "metrics.py")
    }
}

/// In each place, without a GIL, with one, and built with one.
fn everywhere(test: impl Fn(Place, &dyn Fn(&str) -> Builder)) {
    for place in Place::BOTH {
        println!("{place:?}");
        in_both_modes(|mode| test(place, &|conf| place.serving(conf).gil_mode(mode)));
        println!("a build with the GIL");
        test(place, &|conf| place.serving(conf).gil_build());
    }
}

#[track_caller]
fn ask(httpd: &Httpd, what: &str) -> String {
    let response = httpd.get(&format!("/main?{what}"));
    assert_eq!(response.status, 200, "{what}: {response:?}");
    response.text().to_owned()
}

/// A server that records, with a new window.
#[track_caller]
fn recording(builder: Builder) -> Httpd {
    let httpd = builder.start();
    assert_eq!(ask(&httpd, "start"), "None");
    ask(&httpd, "forget");
    httpd
}

/// The keys of `request_metrics()` with their types; `N` stands for the number of threads.
const REQUESTS: &str = "\
    application_time:float application_time_buckets:int[65] application_time_max_us:int application_time_min_us:int \
    capacity_utilization:float cpu_system_time:float cpu_system_utilization:float cpu_time:float cpu_user_time:float \
    cpu_user_utilization:float cpu_utilization:float daemon_time:DAEMON daemon_time_buckets:int[65] \
    daemon_time_max_us:COUNT daemon_time_min_us:COUNT gil_wait_count:int gil_wait_time:float \
    gil_wait_time_buckets:int[65] gil_wait_time_max_us:int gil_wait_time_min_us:int input_bytes:int \
    input_read_time:float input_read_time_buckets:int[65] input_read_time_max_us:int input_read_time_min_us:int \
    input_reads:int memory_max_rss:int memory_rss:int output_bytes:int output_write_time:float \
    output_write_time_buckets:int[65] output_write_time_max_us:int output_write_time_min_us:int output_writes:int \
    pid:int queue_time:DAEMON queue_time_buckets:int[65] queue_time_max_us:COUNT queue_time_min_us:COUNT \
    request_count:int request_threads_active:int request_threads_buckets:int[N] request_threads_busy_time:float[N] \
    request_threads_completed:int[N] request_threads_cpu_time:float[N] request_threads_current_elapsed:float[N] \
    request_threads_max_duration:float[N] request_threads_maximum:int request_threads_started:int \
    request_throughput:float request_time:float request_time_buckets:int[65] request_time_max_us:int \
    request_time_min_us:int sample_period:float server_time:float server_time_buckets:int[65] \
    server_time_max_us:int server_time_min_us:int start_time:float status_1xx:int status_2xx:int status_3xx:int \
    status_4xx:int status_5xx:int stop_time:float";

const PROCESS: &str = "\
    active_requests:int cpu_system_time:float cpu_time:float cpu_user_time:float current_time:float \
    memory_max_rss:int memory_rss:int pid:int request_busy_time:float request_count:int request_threads:int \
    restart_time:float running_time:int threads:dict[1]; request_count:int thread_id:int";

/// Shows that keys and types are those, with one thread that has served.
#[track_caller]
fn assert_shape(httpd: &Httpd, place: Place, threads: u32) {
    let (kind, count) = if place == Place::Daemon { ("float", "int") } else { ("NoneType", "NoneType") };
    let expected = REQUESTS.replace("DAEMON", kind).replace("COUNT", count).replace("[N]", &format!("[{threads}]"));
    assert_eq!(ask(httpd, "request_shape"), expected);
    let shape = ask(httpd, "process_shape");
    let served = shape.split_once("dict[").expect("threads").1;
    let served = served.split_once(']').expect("a number").0;
    assert_eq!(shape, PROCESS.replace("dict[1]", &format!("dict[{served}]")));
}

#[test]
fn keys_and_types_are_those_of_the_interface() {
    everywhere(|place, serving| {
        let httpd = recording(serving(""));
        assert_shape(&httpd, place, if place == Place::Daemon { 3 } else { 8 });
        httpd.finish(&[]);
    });
}

#[test]
fn every_mpm_counts_the_threads_that_serve() {
    for (mpm, size, threads) in [
        (Mpm::Worker, None, 8),
        (
            Mpm::Prefork,
            Some("StartServers 1\nServerLimit 1\nMaxRequestWorkers 1\nMinSpareServers 1\nMaxSpareServers 1\n"),
            1,
        ),
    ] {
        in_both_modes(|mode| {
            let builder = Place::Embedded.serving("").mpm(mpm).gil_mode(mode);
            let httpd = recording(if let Some(size) = size { builder.size(size) } else { builder });
            assert_shape(&httpd, Place::Embedded, threads);
            ask(&httpd, "forget");
            for _ in 0..5 {
                ask(&httpd, "plain");
            }
            assert_eq!(ask(&httpd, "totals"), "6 0/6/0/0/0 0 0 24 6");
            assert_eq!(ask(&httpd, "process"), "10");
            httpd.finish(&[]);
        });
    }
}

#[test]
fn nothing_is_told_before_recording_has_started() {
    everywhere(|_, serving| {
        let httpd = serving("").start();
        assert_eq!(ask(&httpd, "silent"), "True True");
        assert_eq!(ask(&httpd, "strict"), "6");
        assert_eq!(ask(&httpd, "silent"), "True True");
        // Again is as good as once, and it is the process that records.
        for path in ["/main", "/named", "/main"] {
            httpd.get(&format!("{path}?start")).assert(200, "None");
            httpd.get("/named?silent").assert(200, "False False");
        }
        httpd.finish(&[]);
    });
}

#[test]
fn a_copy_of_a_process_records_nothing() {
    everywhere(|_, serving| {
        // Without sub-interpreters, which CPython's copy of a process cannot take down without the risk of a crash.
        let httpd = recording(serving(""));
        assert_eq!(ask(&httpd, "fork"), "True True");
        assert_eq!(ask(&httpd, "silent"), "False False");
        httpd.finish(&[]);
    });
}

#[test]
fn applications_have_their_own_metrics_beside_a_collector() {
    for place in Place::BOTH {
        let httpd = place.serving("WSGITelemetryService unix:/run/nowhere.sock\n").start();
        assert_eq!(ask(&httpd, "silent"), "True True");
        assert_eq!(ask(&httpd, "start"), "None");
        assert_eq!(ask(&httpd, "silent"), "False False");
        httpd.finish(&[]);
    }
}

#[test]
fn requests_are_counted_with_their_bytes_and_statuses() {
    everywhere(|_, serving| {
        let httpd = recording(serving("WSGIScriptAlias /broken {root}/apps/broken.py\n").file("apps/broken.py", "1/0"));
        for _ in 0..3 {
            httpd.get("/named?plain").assert(200, "done");
        }
        httpd.post("/main?echo", "spam").assert(201, "spam");
        assert_eq!(httpd.get("/named?redirect").status, 302);
        httpd.get("/main?fail").assert_error_page(500);
        // "done" four times, the first for the new window.
        assert_eq!(ask(&httpd, "totals").rsplit_once(' ').expect("words").0, "7 0/5/1/0/1 4 1 20");
        // A request whose script does not load is one, and has no application. The answer before had 24 bytes or so.
        httpd.get("/main/broken?plain");
        httpd.get("/broken").assert_error_page(500);
        let totals = ask(&httpd, "totals");
        assert!(totals.starts_with("3 0/2/0/0/0 0 0 "), "{totals}");
        httpd.finish(&["WSGI0174*ValueError*", "ValueError: spam", "ZeroDivisionError: *", "WSGI*broken.py*"]);
    });
}

#[test]
fn times_are_told_as_they_were() {
    everywhere(|_, serving| {
        let httpd = recording(serving(""));
        ask(&httpd, "sleep");
        httpd.get("/named?sleep").assert(200, "done");
        ask(&httpd, "plain");
        assert_eq!(ask(&httpd, "slow"), "2 True");
        ask(&httpd, "burn");
        assert_eq!(ask(&httpd, "burnt"), "True True");
        // One read, and four blocks of one byte.
        httpd.post("/main?echo", "spam").assert(201, "spam");
        assert_eq!(ask(&httpd, "waits"), "5");
        assert_eq!(ask(&httpd, "process"), "9");
        httpd.finish(&[]);
    });
}

#[test]
fn a_request_under_way_is_busy_and_not_yet_counted() {
    everywhere(|_, serving| {
        let httpd = recording(serving(""));
        let mut blocked = httpd.connect();
        blocked.send_get("/main?block");
        wait_for("both to be under way", || (ask(&httpd, "active") == "2").then_some(()));
        assert_eq!(ask(&httpd, "under_way"), "1");
        ask(&httpd, "forget");
        ask(&httpd, "release");
        blocked.response().assert(200, "done");
        // The one that began this window, the one that released, and the one that was blocked.
        assert_eq!(ask(&httpd, "count"), "3");
        assert_eq!(ask(&httpd, "active"), "1");
        httpd.finish(&[]);
    });
}

#[test]
fn the_request_that_loads_a_recording_script_is_the_first() {
    for place in Place::BOTH {
        in_both_modes(|mode| {
            let httpd = place.serving("").gil_mode(mode).env("RECORDED", "when loaded").start();
            ask(&httpd, "plain");
            httpd.get("/named?plain").assert(200, "done");
            assert_eq!(ask(&httpd, "totals"), "2 0/2/0/0/0 0 0 8 2");
            httpd.finish(&[]);
        });
    }
}

#[test]
fn windows_that_threads_take_turns_to_read_have_each_request_once() {
    for place in Place::BOTH {
        in_both_modes(|mode| {
            let httpd = recording(place.serving("").gil_mode(mode));
            let mut reading = httpd.connect();
            reading.send_get("/main?windows");
            wait_for("both to be under way", || (ask(&httpd, "active") == "2").then_some(()));
            let load = Load::start(httpd.port, 2, "/named?plain", "done");
            load.wait_for_answers(400);
            load.stop();
            let others = ask(&httpd, "process").parse::<u32>().expect("a number");
            ask(&httpd, "release");
            // Beside those that had ended: "process" and "release".
            let read = reading.response().text().parse::<u32>().expect("a number");
            assert_eq!(read, others + 2);
            httpd.finish(&[]);
        });
    }
}

#[test]
fn a_request_that_finds_new_code_and_is_served_by_the_old_counts_once() {
    in_both_modes(|mode| {
        let httpd = Place::Daemon.serving("").gil_mode(mode).env("RECORDED", "when loaded").start();
        ask(&httpd, "plain");
        let script = httpd.app_path("metrics.py");
        fs::write(&script, "raise RuntimeError('unfinished')\n").expect("written");
        let file = File::options().append(true).open(&script).expect("the script");
        file.set_modified(SystemTime::now() + Duration::from_secs(10)).expect("a new time of change");
        // The first one asks for a successor, which does not come.
        for _ in 0..3 {
            ask(&httpd, "plain");
        }
        assert_eq!(ask(&httpd, "totals"), "4 0/4/0/0/0 0 0 16 4");
        let expected = ["WSGI1021: *", "WSGI0110: *", "Traceback*", "File *", "raise *", "RuntimeError: unfinished"];
        httpd.finish(&expected);
    });
}

#[test]
fn threads_of_http2_are_counted_too() {
    in_both_modes(|mode| {
        let httpd = Place::Embedded.serving("Protocols h2c http/1.1\n").modules(&["http2"]).gil_mode(mode);
        let httpd = recording(httpd);
        let address = format!("http://127.0.0.1:{}/named?plain", httpd.port);
        let asked = Command::new("nghttp").args(["--no-dep", "--multiply=20", &address]).output().expect("nghttp runs");
        assert_eq!(String::from_utf8_lossy(&asked.stdout), "done".repeat(20), "{asked:?}");
        // And the one that began this window.
        assert_eq!(ask(&httpd, "count"), "21");
        httpd.finish(&[]);
    });
}
