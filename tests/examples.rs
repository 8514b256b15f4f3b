//! The applications in examples/ run as their own httpd.conf says.

use crate::support::{Builder, Httpd, Response, variable};
use std::thread;

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
    // The thread is waited for at the end; no one else tells it to go.
    httpd.finish(&[slow]);
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
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    conf.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_configuration_for_hosting_is_accepted() {
    let all: Vec<_> = HOSTING.split("```apache\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let modules = ["alias", "auth_basic", "authn_core", "authn_file", "authz_core", "authz_user"];
    for conf in &all {
        println!("{conf}");
        Httpd::bare(&as_it_runs_here(conf)).modules(&modules).config_test().assert_ok();
    }
    let applications = all.iter().filter(|conf| conf.contains("WSGIScriptAlias")).count();
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
