//! The applications in examples/ run as their own httpd.conf says.

use crate::support::{Builder, Connection, Httpd, Response, variable, wait_for};
use std::path::Path;
use std::{fs, thread};

/// A server that includes the configuration of an example.
fn example(name: &str) -> Builder {
    let venv = variable("MOD_WSGI_VENV");
    let conf = format!(
        "Define EXAMPLE_FOLDER {{root}}/{name}\nDefine EXAMPLE_VENV {venv}\nInclude {{root}}/{name}/httpd.conf"
    );
    Httpd::bare(&conf).folder(&format!("examples/{name}"), name)
}

/// What stands between two marks.
#[track_caller]
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{before:?} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("{after:?} in {text}")).0
}

#[test]
fn hello_says_who_answers() {
    let httpd = example("hello").start();
    let response = httpd.get("/");
    assert_eq!(response.status, 200, "{response:?}");
    let text = response.text();
    assert!(text.contains("Hello from Python ") && text.contains("interpreter  main"), "{text}");
    assert!(text.contains("GIL          off"), "{text}");
    httpd.finish(&[]);
}

#[test]
fn groups_run_in_different_gil_modes_side_by_side() {
    let httpd = example("groups").start();
    for (group, gil, processes) in [("free", "off", 1), ("classic", "on", 2)] {
        let response = httpd.get(&format!("/{group}"));
        assert_eq!(response.status, 200, "{response:?}");
        let text = response.text();
        assert_eq!(between(text, "group    ", "\n"), group);
        assert_eq!(between(text, "GIL      ", "\n"), gil);
        assert_eq!(between(text, "one of ", " with"), processes.to_string());
    }
    httpd.get("/elsewhere").assert_error_page(404);
    httpd.finish(&[]);
}

#[test]
fn two_requests_of_cpu_are_under_way_at_once() {
    let httpd = example("cpu").start();
    httpd.get("/?n=x").assert(400, "n is a whole number up to 35\n");
    let answers: Vec<_> = thread::scope(|scope| {
        let ask = || scope.spawn(|| httpd.get("/?n=27").text().to_owned());
        [ask(), ask()].map(|asked| asked.join().expect("an answer")).into()
    });
    // "fib(27) = 196418: begin to end, ..., thread 123"; times of one day compare as text.
    let [first, second] = &answers[..] else { panic!("two answers") };
    let begin = |answer| between(answer, ": ", " to ").to_owned();
    let end = |answer| between(answer, " to ", ",").to_owned();
    let thread = |answer| between(answer, "thread ", "\n").to_owned();
    assert!(first.starts_with("fib(27) = 196418: ") && second.starts_with("fib(27) = 196418: "), "{answers:?}");
    assert!(begin(first) < end(second) && begin(second) < end(first), "{answers:?}");
    assert_ne!(thread(first), thread(second));
    httpd.finish(&[]);
}

#[test]
fn flask_pins_notes_from_a_form_and_as_json() {
    let httpd = example("flask").start();
    let page = httpd.get("/");
    assert!(page.status == 200 && page.text().contains("Nothing yet."), "{page:?}");

    let form = httpd.request("POST", "/").header("Content-Type", "application/x-www-form-urlencoded");
    let response = form.body("text=buy+caf%C3%A9").send();
    assert_eq!((response.status, response.header("Location")), (303, Some("/")));
    let json = httpd.request("POST", "/api/notes").header("Content-Type", "application/json");
    assert_eq!(json.body(r#"{"text": "second"}"#).send().status, 201);
    let json = httpd.request("POST", "/api/notes").header("Content-Type", "application/json");
    assert_eq!(json.body("no json").send().status, 400);

    let notes = httpd.get("/api/notes");
    assert!(notes.text().contains(r#""text":"buy caf\u00e9""#), "{notes:?}");
    assert!(httpd.get("/").text().contains("buy caf\u{e9}"));
    assert_eq!(httpd.request("DELETE", "/api/notes/1").send().status, 204);
    assert_eq!(httpd.request("DELETE", "/api/notes/1").send().status, 404);

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = httpd.connect();
                for _ in 0..25 {
                    let page = connection.get("/");
                    assert!(page.status == 200 && page.complete && page.text().contains("second"), "{page:?}");
                }
            });
        }
    });
    // What it logs has a level: that a note is pinned is not for a log of warnings.
    let missing = "[script *app.wsgi] notes: there is no note 1";
    assert_eq!(httpd.error_log().matching(missing).first().map(|entry| &*entry.level), Some("warn"));
    httpd.finish(&[missing]);
}

#[test]
fn django_shows_books_and_lets_its_admin_in() {
    let builder = example("django").open_folder("open");
    let state = builder.root().join("open/state").display().to_string();
    let httpd = builder.env("DJANGO_EXAMPLE_STATE", &state).start();
    let shelf = httpd.get("/");
    assert!(shelf.status == 200 && shelf.text().contains("Invisible Cities"), "{shelf:?}");

    let login = httpd.get("/admin/login/");
    let token = between(login.text(), "name=\"csrfmiddlewaretoken\" value=\"", "\"");
    let cookie = cookie(&login, "csrftoken");
    let answer = httpd
        .request("POST", "/admin/login/?next=/admin/")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Cookie", &cookie)
        .body(format!("csrfmiddlewaretoken={token}&username=demo&password=demo&next=/admin/"))
        .send();
    assert_eq!((answer.status, answer.header("Location")), (302, Some("/admin/")), "{answer:?}");
    let session = self::cookie(&answer, "sessionid");
    let admin = httpd.request("GET", "/admin/").header("Cookie", &session).send();
    assert!(admin.status == 200 && admin.text().contains("Site administration"), "{admin:?}");

    let style = httpd.get("/static/admin/css/base.css");
    assert!(style.status == 200 && style.complete && style.body.len() > 1000, "{style:?}");
    assert_eq!(httpd.get("/nowhere/").status, 404);
    httpd.finish(&["Not Found: /nowhere/"]);
}

#[test]
fn events_time_requests_and_end_a_thread_of_the_application() {
    let httpd = example("events").start();
    httpd.get("/").assert(200, "under way: /\n");
    httpd.get("/sleep").assert(200, "under way: /sleep\n");
    let slow = "slow request: /sleep took * s and answered 200";
    httpd.wait_for_log(slow);
    // Requests that begin while another one lists them.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = httpd.connect();
                for _ in 0..50 {
                    let list = connection.get("/");
                    assert!(list.status == 200 && list.text().starts_with("under way: /"), "{list:?}");
                }
            });
        }
    });
    // The thread is waited for at the end; no one else tells it to go.
    // On a busy machine others are slow too.
    httpd.finish(&["slow request: /* took * s and answered 200"]);
}

#[test]
fn metrics_are_shown_as_prometheus_reads_them() {
    let httpd = example("metrics").modules(&["authz_host"]).start();
    for _ in 0..3 {
        httpd.get("/work").assert(200, "done\n");
    }
    let value = |text: &str, name: &str| between(text, &format!("\n{name} "), "\n").to_owned();
    let first = httpd.get("/metrics").text().to_owned();
    assert!(first.starts_with("# TYPE wsgi_request_total counter\n"), "{first}");
    assert_eq!(value(&first, "wsgi_responses_total{class=\"2xx\"}"), "3");
    assert_eq!(value(&first, "wsgi_seconds_count{phase=\"application\"}"), "3");
    // Three times 50 ms and more.
    assert_eq!(value(&first, "wsgi_seconds_bucket{phase=\"application\",le=\"0.032\"}"), "0");
    let sum: f64 = value(&first, "wsgi_seconds_sum{phase=\"application\"}").parse().expect("a number");
    assert!(sum >= 0.15, "{first}");
    assert_eq!(value(&first, "wsgi_active_requests"), "1");
    // What has been counted stays counted.
    assert_eq!(value(httpd.get("/metrics").text(), "wsgi_request_total"), "4");
    httpd.finish(&[]);
}

#[test]
fn pages_are_made_of_files_by_a_handler_script() {
    let httpd = example("pages").start();
    let page = httpd.get("/about.page");
    assert_eq!((page.status, page.header("Content-Type")), (200, Some("text/html; charset=utf-8")), "{page:?}");
    assert_eq!(between(page.text(), "<h1>", "</h1>"), "About handler scripts");
    assert!(page.text().contains("<p>Marks such as &lt;b&gt; &amp; &quot;quotes&quot;"), "{page:?}");
    let page = httpd.get("/missing.page");
    assert!(page.status == 404 && page.text().contains("There is no /missing.page here."), "{page:?}");
    httpd.finish(&[]);
}

#[test]
fn pages_are_guarded_by_scripts() {
    let httpd = example("access").modules(&["auth_basic", "authn_core", "authz_user"]).start();
    httpd.get("/local.txt").assert(200, "This page is for: local\n");
    for page in ["members", "staff"] {
        let target = format!("/{page}.txt");
        assert_eq!(httpd.get(&target).status, 401);
        // demo:demo, demo:other and other:demo
        for (credentials, status) in [("ZGVtbzpkZW1v", 200), ("ZGVtbzpvdGhlcg==", 401), ("b3RoZXI6ZGVtbw==", 401)] {
            let request = httpd.request("GET", &target).header("Authorization", &format!("Basic {credentials}"));
            assert_eq!(request.send().status, status, "{page}: {credentials}");
        }
    }
    httpd.finish(&["AH01617: user demo: authentication failure*", "AH01618: user other not found*"]);
}

/// There is no wheel of pydantic-core, which FastAPI needs, for every Python.
fn has_fastapi() -> bool {
    let libraries = fs::read_dir(Path::new(&variable("MOD_WSGI_VENV")).join("lib")).into_iter().flatten().flatten();
    libraries.into_iter().any(|library| library.path().join("site-packages/fastapi").is_dir())
}

#[test]
fn fastapi_takes_orders_through_a2wsgi() {
    if !has_fastapi() {
        return;
    }
    let httpd = example("fastapi").start();
    let place =
        |order: &str| httpd.request("POST", "/orders").header("Content-Type", "application/json").body(order).send();
    let placed = place(r#"{"article": "tea", "count": 2}"#);
    assert_eq!((placed.status, placed.text()), (201, r#"{"number":1,"article":"tea","count":2}"#));
    let refused = place(r#"{"article": "tea", "count": 0}"#);
    assert!(refused.status == 422 && refused.text().contains("greater than or equal to 1"), "{refused:?}");
    httpd.get("/orders/1").assert(200, r#"{"article":"tea","count":2}"#);
    httpd.get("/orders/2").assert(404, r#"{"detail":"there is no such order"}"#);
    // Plain functions run in other threads than the event loop, which has one for all.
    let threads: Vec<_> = thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| httpd.get("/slow").text().to_owned())).collect();
        asked.into_iter().map(|asked| asked.join().expect("an answer")).collect()
    });
    assert!(threads.iter().all(|thread| *thread == threads[0]), "{threads:?}");
    let answer = httpd.get("/where");
    assert_eq!(between(answer.text(), "\"gil\":", "}"), "false");
    assert_ne!(between(answer.text(), "\"thread\":", ","), between(&threads[0], "\"thread\":", "}"));
    httpd.finish(&[]);
}

#[test]
fn server_sent_events_reach_all_who_listen_at_once() {
    let httpd = example("sse").start();
    let listen = || {
        let mut connection = httpd.connect();
        connection.send_get("/events");
        let head = connection.head();
        assert_eq!((head.status, head.header("Content-Type")), (200, Some("text/event-stream")));
        assert_eq!(connection.chunk().as_deref(), Some(&b": welcome\n\n"[..]));
        connection
    };
    // What is not a comment, which tells that the stream is still there.
    let next = |listener: &mut Connection| loop {
        let chunk = listener.chunk();
        if chunk.as_deref() != Some(b": still here\n\n") {
            break chunk;
        }
    };
    let mut listeners = [listen(), listen()];
    for (said, event) in [("hello", "data: hello\n\n"), ("two\nlines", "data: two\ndata: lines\n\n")] {
        assert_eq!(httpd.post("/say", said).status, 204);
        for listener in &mut listeners {
            assert_eq!(next(listener).as_deref(), Some(event.as_bytes()));
        }
    }
    assert!(httpd.get("/").text().contains("new EventSource(\"events\")"));
    let ended = httpd.get("/events?seconds=0");
    assert!(ended.complete);
    ended.assert(200, ": welcome\n\n");
    assert_eq!(httpd.request("DELETE", "/events").send().status, 204);
    for listener in &mut listeners {
        assert_eq!(next(listener), None);
    }
    httpd.finish(&[]);
}

#[test]
fn an_upload_tells_another_request_how_far_it_is() {
    let httpd = example("upload").start();
    httpd.get("/progress?id=a").assert(404, "{\"error\": \"no upload of this name is under way\"}\n");
    let mut upload = httpd.connect();
    upload.send("POST /upload?id=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n");
    upload.send("x".repeat(100_000));
    // It reads blocks of 64 KiB.
    let progress = wait_for("the first block", || {
        let progress = httpd.get("/progress?id=a");
        progress.text().contains("\"received\": 65536").then_some(progress)
    });
    progress.assert(200, "{\"received\": 65536, \"of\": 200000}\n");
    httpd.post("/upload?id=a", "y").assert(409, "{\"error\": \"there is an upload of this name\"}\n");
    upload.send("x".repeat(100_000));
    let digest = "91e3faafd322bcdf160f3f0ce886acb092b9b9e2a1e8526b40f21a8898a8700b";
    upload.response().assert(200, &format!("{{\"received\": 200000, \"sha256\": \"{digest}\"}}\n"));
    assert_eq!(httpd.get("/progress?id=a").status, 404);
    let chunked = httpd.request("PUT", "/upload?id=b").chunked(&["one", "two"]).send();
    assert!(chunked.status == 200 && chunked.text().contains("\"received\": 6,"), "{chunked:?}");
    assert!(httpd.get("/").text().contains("<progress id=\"bar\""));
    httpd.finish(&[]);
}

#[test]
fn an_application_knows_its_users_by_name() {
    let httpd = example("auth").modules(&["auth_basic", "authn_core", "authz_user"]).start();
    let get = |target: &str, credentials: &str| {
        httpd.request("GET", target).header("Authorization", &format!("Basic {credentials}")).send()
    };
    assert_eq!(httpd.get("/").status, 401);
    // Anna:anna and ben:ben; anna:wrong and eve:eve
    let [anna, ben, wrong, eve] = ["QW5uYTphbm5h", "YmVuOmJlbg==", "YW5uYTp3cm9uZw==", "ZXZlOmV2ZQ=="];
    get("/", anna).assert(200, "Hello, anna.\n");
    get("/", ben).assert(200, "Hello, ben.\n");
    get("/reports", anna).assert(200, "Reports for anna.\n");
    for (target, credentials) in [("/reports", ben), ("/", wrong), ("/", eve)] {
        assert_eq!(get(target, credentials).status, 401, "{target}: {credentials}");
    }
    let denied = ["anna: authentication", "eve: authentication"].map(|who| format!("AH01617: user {who} failure*"));
    httpd.finish(&[&denied[0], &denied[1], "AH01631: user ben: authorization failure for \"/reports\"*"]);
}

#[test]
fn one_server_has_applications_in_each_gil_mode() {
    let httpd = example("modes").start();
    let mut processes = Vec::new();
    for (path, group, interpreter, gil) in [
        ("/embedded", "(httpd itself)", "(main)", "off"),
        ("/free", "free", "(main)", "off"),
        ("/classic", "classic", "(main)", "on"),
        ("/blue", "pair", "blue", "on"),
        ("/green", "pair", "green", "on"),
    ] {
        let response = httpd.get(path);
        assert_eq!(response.status, 200, "{response:?}");
        let said = ["group        ", "interpreter  ", "GIL          "].map(|name| between(response.text(), name, "\n"));
        assert_eq!(said, [group, interpreter, gil]);
        processes.push(between(response.text(), "process      ", "\n").to_owned());
    }
    // The last two share a process.
    assert_eq!(processes.pop(), processes.last().cloned());
    processes.sort();
    processes.dedup();
    assert_eq!(processes.len(), 4);
    httpd.finish(&[]);
}

#[test]
fn each_example_is_described_and_runs_here() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/examples.md")).expect("the page");
    let tests = include_str!("examples.rs");
    let tested: Vec<_> = ["requirements.txt", "requirements-if-wheel.txt"]
        .map(|name| fs::read_to_string(root.join("tests").join(name)).expect("a list of packages"))
        .iter()
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    for entry in fs::read_dir(root.join("examples")).expect("the examples") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(page.contains(&format!("| [{name}](../examples/{name}) | ")), "docs/examples.md does not list {name}");
        assert!(tests.contains(&format!("example(\"{name}\")")), "no test runs {name}");
        assert!(path.join("httpd.conf").exists(), "{name} has no httpd.conf");
        let readme = fs::read_to_string(path.join("README.md")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(readme.starts_with("# ") && readme.lines().count() <= 10, "README.md of {name} is not short");
        let needs = fs::read_to_string(path.join("requirements.txt")).unwrap_or_default();
        for line in needs.lines().filter(|line| !line.starts_with('#')) {
            assert!(tested.iter().any(|tested| tested == line), "{name} needs {line}, the tests have another version");
        }
    }
}

/// A cookie that a response sets, as the next request sends it back.
#[track_caller]
fn cookie(response: &Response, name: &str) -> String {
    let cookies = response.values("Set-Cookie");
    let found = cookies.iter().map(|cookie| cookie.trim()).find(|cookie| cookie.starts_with(&format!("{name}=")));
    let found = found.unwrap_or_else(|| panic!("no cookie {name} in {response:?}"));
    found.split(';').next().expect("a cookie has a value").to_owned()
}

const HOSTING: &str = include_str!("../docs/hosting.md");

/// The blocks of docs/hosting.md in this language, below the heading that begins so.
fn blocks(heading: &str, language: &str) -> Vec<&'static str> {
    let section = between(HOSTING, &format!("\n### {heading}"), "\n### ");
    section
        .split(&format!("```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect()
}

/// A configuration of docs/hosting.md as it can run here: with the virtual environment and the user that there are.
fn as_it_runs_here(conf: &str) -> String {
    let venv = variable("MOD_WSGI_VENV");
    let word = |word: &str| match word.split_once('=') {
        Some(("python-home", _)) => format!("python-home={venv}"),
        Some(("user", _)) => "user=www-data".to_owned(),
        _ => word.to_owned(),
    };
    let line = |line: &str| match line.split_once(' ') {
        Some(("WSGIPythonHome", _)) => format!("WSGIPythonHome {venv}"),
        // The server under test has loaded the module, and has logs.
        Some(("LoadModule" | "ErrorLog" | "CustomLog", _)) => String::new(),
        _ => line.split(' ').map(word).collect::<Vec<_>>().join(" "),
    };
    conf.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Pages whose configurations an operator copies.
const PAGES: [&str; 6] = [
    HOSTING,
    include_str!("../docs/start.md"),
    include_str!("../docs/moving.md"),
    include_str!("../docs/free-threading.md"),
    include_str!("../docs/operating.md"),
    include_str!("../docs/daemons.md"),
];

#[test]
fn each_configuration_of_the_guides_is_accepted() {
    let modules = ["alias", "auth_basic", "authn_core", "authn_file", "authz_core", "authz_user"];
    for page in PAGES {
        let all: Vec<_> = page.split("```apache\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(!all.is_empty());
        for conf in &all {
            println!("{conf}");
            Httpd::bare(&as_it_runs_here(conf)).modules(&modules).config_test().assert_ok();
        }
    }
    let applications = HOSTING.split("```apache\n").filter(|conf| conf.contains("WSGIScriptAlias")).count();
    assert!(applications > 8, "{applications}");
}

/// A server with the lines that docs/hosting.md has for an application. Its directory is `site` below the root.
fn hosted(heading: &str) -> Builder {
    let ([conf], [script]) = (&blocks(heading, "apache")[..], &blocks(heading, "python")[..]) else {
        panic!("not one configuration and one script below {heading}")
    };
    let path = script.lines().next().and_then(|line| line.strip_prefix("# ")).expect("the path of the script");
    let (folder, name) = path.rsplit_once('/').expect("a path");
    Httpd::bare(&as_it_runs_here(conf).replace(folder, "{root}/site"))
        .modules(&["alias"])
        .file(&format!("site/{name}"), script)
}

#[test]
fn an_application_of_flask_is_hosted_as_described() {
    let app = "import flask\napp = flask.Flask(__name__)\n@app.get('/')\ndef index(): return 'flask'\n";
    let httpd = hosted("Flask").file("site/site_app.py", app).start();
    httpd.get("/").assert(200, "flask");
    httpd.finish(&[]);
}

#[test]
fn a_site_of_django_is_hosted_as_described() {
    let settings = "SECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'mysite.urls'\n";
    let urls = "from django.http import HttpResponse\nfrom django.urls import path\n\
                def index(request): return HttpResponse(request.headers.get('Authorization', 'none'))\n\
                urlpatterns = [path('', index)]\n";
    let httpd = hosted("Django")
        .file("site/mysite/settings.py", settings)
        .file("site/mysite/urls.py", urls)
        .file("site/media/picture", "a picture")
        .start();
    httpd.request("GET", "/").header("Authorization", "Token 1").send().assert(200, "Token 1");
    httpd.get("/media/picture").assert(200, "a picture");
    httpd.finish(&[]);
}
