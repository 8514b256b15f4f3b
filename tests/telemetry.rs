//! `WSGITelemetryService`: processes tell a collector what happens in them, in the datagrams of mod_wsgi-telemetry, whose
//! consumer from PyPI reads them here. A collector that is not there, or does not read, costs nobody anything.

use crate::support::{Builder, GilMode, Httpd, in_both_modes, variable, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const DAEMON: &str = "WSGIRestrictEmbedded On\nWSGIDaemonProcess group threads=3\n\
                      WSGIScriptAlias / {app} process-group=group application-group=%{GLOBAL}\n";
const EMBEDDED: &str = "WSGIScriptAlias / {app}\nWSGIApplicationGroup %{GLOBAL}\n";

/// A directory for sockets that daemons can reach.
fn place() -> TempDir {
    let place = tempfile::tempdir().expect("a directory");
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).expect("a directory");
    place
}

fn serving(place: &TempDir, conf: &str) -> Builder {
    let service = format!("WSGITelemetryService unix:{}/t.sock interval=0.5\n", place.path().display());
    Httpd::with(&format!("{service}{conf}"), "telemetry.py")
}

/// The consumer.
struct Consumer {
    program: Child,
    output: PathBuf,
}

impl Consumer {
    /// The program; none where there is no ready-made wheel of what it needs for this Python.
    fn program() -> Option<PathBuf> {
        let program = Path::new(&variable("MOD_WSGI_VENV")).join("bin/mod_wsgi-telemetry");
        if !program.exists() {
            println!("left out: {} is not there", program.display());
        }
        Some(program).filter(|program| program.exists())
    }

    /// Starts it with these arguments, and waits until it listens.
    fn start(place: &TempDir, arguments: &[&str]) -> Self {
        let (socket, output) = (place.path().join("t.sock"), place.path().join("frames"));
        let listen = format!("unix:{}", socket.display());
        let program = Command::new(Self::program().expect("a consumer"))
            .args(arguments)
            .args(["--listen", &listen, "--socket-mode", "0666"])
            .env("PYTHONUNBUFFERED", "1")
            .stdout(File::create(&output).expect("a file"))
            .stderr(Stdio::null())
            .spawn()
            .expect("the consumer runs");
        let is_open = || fs::metadata(&socket).is_ok_and(|file| file.permissions().mode() & 0o777 == 0o666);
        wait_for("the consumer to listen", || is_open().then_some(()));
        Self { program, output }
    }

    /// What it has read so far.
    fn frames(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn wait_for(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || self.frames().into_iter().find(|frame| is_it(frame)))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn is(frame: &Value, kind: &str) -> bool {
    frame["kind"] == kind
}

/// The frames of each process, in their order.
fn by_process(frames: Vec<Value>) -> BTreeMap<u64, Vec<Value>> {
    let mut processes = BTreeMap::<_, Vec<_>>::new();
    for frame in frames {
        processes.entry(frame["pid"].as_u64().expect("a process")).or_default().push(frame);
    }
    processes
}

/// Checks what any process tells. Datagrams may be lost where the consumer is too slow; the last one says how many.
fn check_process(frames: &[Value]) {
    let number = |frame: &Value| frame["seq"].as_u64().expect("a number");
    assert!(frames.windows(2).all(|pair| number(&pair[0]) < number(&pair[1])), "{frames:#?}");
    let last = frames.last().expect("a frame");
    assert!(is(last, "process_stopped"), "{last:#?}");
    if number(last) != frames.len() as u64 {
        return;
    }
    assert!(is(&frames[0], "process_started"), "{:#?}", frames[0]);
    let ticks: Vec<_> = frames.iter().filter(|frame| is(frame, "request_metrics")).collect();
    let sum = |name: &str| -> u64 { ticks.iter().filter_map(|tick| tick["fields"][name].as_u64()).sum() };
    assert_eq!(Some(sum("request_count")), last["fields"]["lifetime_request_count"].as_u64());
    let classes = ["status_1xx_total", "status_2xx_total", "status_3xx_total", "status_4xx_total", "status_5xx_total"];
    assert_eq!(classes.map(sum).iter().sum::<u64>(), sum("request_count"));
    assert_eq!(sum("input_bytes_total"), 5000);
    for tick in ticks {
        let fields = &tick["fields"];
        let busy = fields["request_count"].as_u64() > Some(0);
        assert_eq!(fields.get("request_time_min").is_some(), busy, "{tick:#?}");
        assert_eq!(fields["request_time_buckets"].as_array().map(Vec::len), Some(65), "{tick:#?}");
    }
}

/// Serves some requests, one of them slow, and returns what the consumer has read of the process.
fn serve(conf: &str, mode: GilMode) -> Vec<Value> {
    let place = place();
    let consumer = Consumer::start(&place, &["dump", "--format", "json"]);
    let conf = format!("{conf}WSGISlowRequests 0.3\nWSGITelemetryOptions CaptureUserAgent\n");
    let httpd = serving(&place, &conf).gil_mode(mode).start();
    httpd.get("/").assert(200, "done");
    assert_eq!(httpd.get("/missing").status, 404);
    assert_eq!(httpd.get("/raise").status, 500);
    httpd.get("/collect").assert(200, "done");
    httpd.post("/read", "x".repeat(5000)).assert(200, "5000");
    let mut held = httpd.connect();
    held.send(
        "GET /hold?password=secret HTTP/1.1\r\nHost: localhost\r\nUser-Agent: agent/1\r\nConnection: close\r\n\r\n",
    );
    let is_slow = |state: u64| {
        move |frame: &Value| {
            let fields = &frame["fields"];
            is(frame, "slow_request") && fields["slow_record_state"] == state && fields["slow_path_info"] == "/hold"
        }
    };
    let running = consumer.wait_for("a slow request that runs", is_slow(0));
    httpd.wait_for_log("  File \"*telemetry.py\", line *in application");
    fs::write(httpd.app_path("release"), "").expect("a file");
    assert_eq!(held.response().status, 200);
    let ended = consumer.wait_for("its end", is_slow(1));
    assert_eq!(running["fields"]["slow_log_id"], ended["fields"]["slow_log_id"]);
    let fields = &ended["fields"];
    for (name, value) in [
        ("slow_method", "GET"),
        ("slow_scheme", "http"),
        ("slow_hostname", "localhost"),
        ("slow_protocol", "HTTP/1.1"),
        ("slow_peer_ip", "127.0.0.1"),
        ("slow_user_agent", "agent/1"),
    ] {
        assert_eq!(fields[name], value, "{ended:#?}");
    }
    assert_eq!((&fields["slow_status"], &fields["slow_active_at_completion"]), (&200.into(), &1.into()), "{ended:#?}");
    assert!(fields["slow_duration"].as_f64() >= Some(0.3), "{ended:#?}");
    assert!(!ended.to_string().contains("secret"));
    // The application's own window is another one.
    let counted: u64 = httpd.get("/metrics").text().parse().expect("a number");
    assert!(counted >= 5, "{counted}");
    consumer
        .wait_for("garbage", |frame| is(frame, "gc_snapshot") && frame["fields"]["gc_collections2"].as_u64() > Some(0));
    wait_for("a collection", || {
        httpd.get("/collect").assert(200, "done");
        // Not more of them than the consumer reads.
        std::thread::sleep(Duration::from_millis(200));
        let is_whole = |frame: &Value| is(frame, "gc_event") && frame["fields"]["gc_event_generation"] == 2;
        consumer.frames().iter().any(is_whole).then_some(())
    });
    httpd.finish(&["WSGI0174", "Traceback", "WSGI116", "  File"]);
    consumer.wait_for("the end", |frame| is(frame, "process_stopped"));
    consumer.frames()
}

#[test]
fn a_daemon_tells_its_collector() {
    if Consumer::program().is_none() {
        return;
    }
    in_both_modes(|mode| {
        let processes = by_process(serve(DAEMON, mode));
        let [frames] = &processes.values().collect::<Vec<_>>()[..] else { panic!("{processes:#?}") };
        check_process(frames);
        let tick = frames.iter().find(|frame| is(frame, "request_metrics")).expect("a tick");
        let fields = &tick["fields"];
        let gil = if mode == GilMode::Free { "off" } else { "on" };
        assert_eq!((&fields["process_group"], &fields["id350"]), (&"group".into(), &gil.into()), "{tick:#?}");
        assert_eq!((&fields["mpm_name"], &fields["request_threads_maximum"]), (&"event".into(), &3.into()));
        assert!(fields["python_version"].as_str().is_some_and(|version| version.split('.').count() == 3));
        assert!(fields["id351"].is_u64() && fields["telemetry_interval"] == 0.5, "{tick:#?}");
        let stopping = frames.iter().find(|frame| is(frame, "process_stopping")).expect("a decision");
        assert_eq!(stopping["fields"]["shutdown_reason"], "shutdown_signal");
        let stopped = &frames[frames.len() - 1]["fields"];
        assert_eq!((&stopped["graceful_drain"], &stopped["active_requests_at_exit"]), (&1.into(), &0.into()));
    });
}

#[test]
fn a_child_of_httpd_tells_the_collector_too() {
    if Consumer::program().is_none() {
        return;
    }
    let processes = by_process(serve(EMBEDDED, GilMode::Free));
    let frames = processes.values().max_by_key(|frames| frames.len()).expect("a process");
    check_process(frames);
    let tick = frames.iter().find(|frame| is(frame, "request_metrics")).expect("a tick");
    assert!(tick["fields"].get("process_group").is_none() && tick["fields"].get("queue_time").is_none(), "{tick:#?}");
    assert_eq!(tick["fields"]["request_threads_maximum"], 8);
}

#[test]
fn top_of_the_consumer_shows_the_processes() {
    if Consumer::program().is_none() {
        return;
    }
    let place = place();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let _consumer = Consumer::start(&place, &["serve", "--http-port", &port.to_string()]);
    let httpd = serving(&place, DAEMON).start();
    httpd.get("/").assert(200, "done");
    let shown = wait_for("the process on the screen", || {
        let url = format!("ws://127.0.0.1:{port}/ws");
        let program = Consumer::program().expect("a consumer");
        let top =
            Command::new(program).args(["top", "--once", "--no-color", "--url", &url]).output().expect("top runs");
        let text = String::from_utf8_lossy(&top.stdout).into_owned();
        (top.status.success() && text.contains("group")).then_some(text)
    });
    println!("{shown}");
    assert!(shown.contains("PID") && shown.contains("THR"), "{shown}");
    httpd.finish(&[]);
}

#[test]
fn a_collector_that_is_not_there_or_does_not_read_costs_nothing() {
    let place = place();
    for conf in [DAEMON, EMBEDDED] {
        let httpd = serving(&place, conf).start();
        httpd.get("/").assert(200, "done");
        // It comes later, and never reads.
        let socket = place.path().join("t.sock");
        let collector = UnixDatagram::bind(&socket).expect("a socket");
        fs::set_permissions(&socket, Permissions::from_mode(0o666)).expect("a socket");
        let mut frame = [0; 16 << 10];
        let length = collector.recv(&mut frame).expect("a datagram");
        assert!(length > 24 && frame.starts_with(b"WSGI\x01"), "{length}");
        for _ in 0..50 {
            httpd.get("/").assert(200, "done");
        }
        httpd.finish(&[]);
        fs::remove_file(&socket).expect("a socket");
    }
}

#[test]
fn a_path_that_is_too_long_is_told() {
    let conf = format!("WSGITelemetryService unix:/run/{}\n{DAEMON}", "x".repeat(120));
    let httpd = Httpd::with(&conf, "telemetry.py").start();
    httpd.get("/").assert(200, "done");
    httpd.finish(&["WSGI0132: no telemetry: the path '/run/xxx"]);
}
