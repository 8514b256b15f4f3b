//! Application groups: each is an interpreter of its own, whichever thread
//! serves it.

use crate::support::{Builder, Connection, GilMode, Httpd, Mpm, Response, in_both_modes, wait_for};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Barrier;
use std::thread;

/// One process of few threads, so that each of them meets every group; yet more
/// threads than clients, as event closes kept connections when no thread is idle.
const FEW_THREADS: &str = "StartServers 1\nServerLimit 1\nThreadLimit 5\nThreadsPerChild 5\n\
                           MaxRequestWorkers 5\nMinSpareThreads 1\nMaxSpareThreads 5";

/// What `identity.py` says of itself.
type Facts = BTreeMap<String, String>;

#[track_caller]
fn facts(response: &Response) -> Facts {
    assert!(response.status == 200 && response.complete, "{response:?}");
    let pairs = response.text().lines().map(|line| line.split_once('=').expect("key=value"));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[track_caller]
fn number(facts: &Facts, key: &str) -> u64 {
    facts[key].parse().unwrap_or_else(|_| panic!("{key} is no number: {facts:?}"))
}

/// What so many clients saw that began together, each on a connection of its own.
fn from_connections(
    count: usize,
    httpd: &Httpd,
    ask: impl Fn(&mut Connection, usize) -> Vec<Facts> + Sync,
) -> Vec<Facts> {
    let (ask, begin) = (&ask, &Barrier::new(count));
    thread::scope(|scope| {
        let client = |number| {
            scope.spawn(move || {
                let mut connection = httpd.connect();
                begin.wait();
                ask(&mut connection, number)
            })
        };
        let clients: Vec<_> = (0..count).map(client).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client without complaint")).collect()
    })
}

/// Three groups at `/main`, `/one` and `/two`, on connections that are kept for any number of requests.
fn three_groups() -> Builder {
    let conf = "MaxKeepAliveRequests 0\nWSGIScriptAliasMatch ^/(main|one|two) {app}\n\
                <Location /main>\nWSGIApplicationGroup %{GLOBAL}\n</Location>\n\
                <Location /one>\nWSGIApplicationGroup one\n</Location>\n\
                <Location /two>\nWSGIApplicationGroup two\n</Location>";
    Httpd::with(conf, "identity.py").size(FEW_THREADS)
}

#[test]
fn a_thread_serves_each_group_in_the_interpreter_of_that_group() {
    const ROUNDS: usize = 50;
    in_both_modes(|mode| {
        let httpd = three_groups().gil_mode(mode).start();
        let groups = [("/main", ""), ("/one", "one"), ("/two", "two")];
        let seen = from_connections(3, &httpd, |connection, client| {
            let mut seen = Vec::new();
            for round in 0..ROUNDS * groups.len() {
                let (path, group) = groups[(round + client) % groups.len()];
                let facts = facts(&connection.get(path));
                for key in ["group", "group_of_interpreter", "group_at_load"] {
                    assert_eq!(facts[key], group, "{path}: {key} of {facts:?}");
                }
                seen.push(facts);
            }
            seen
        });
        let interpreters: BTreeSet<_> = seen.iter().map(|facts| (&facts["group"], &facts["interpreter"])).collect();
        assert_eq!(interpreters.len(), 3, "an interpreter for each group: {interpreters:?}");
        let numbers: BTreeSet<_> = interpreters.iter().map(|(_, number)| number).collect();
        assert_eq!(numbers.len(), 3, "no interpreter for two groups: {interpreters:?}");
        assert!(
            interpreters.contains(&(&String::new(), &"0".to_owned())),
            "%{{GLOBAL}} is the main one: {interpreters:?}"
        );
        let mut met = BTreeMap::<_, BTreeSet<_>>::new();
        for facts in &seen {
            met.entry(&facts["thread"]).or_default().insert(&facts["group"]);
        }
        let met_all = met.values().filter(|groups| groups.len() == 3).count();
        assert!(met_all >= 2, "threads went from group to group: {met:?}");
        httpd.finish(&[]);
    });
}

#[test]
fn state_is_kept_within_a_group_and_not_shared_between_groups() {
    in_both_modes(|mode| {
        let httpd = three_groups().gil_mode(mode).start();
        let mut connection = httpd.connect();
        for round in 1..=3 {
            for (path, group) in [("/main", ""), ("/one", "one"), ("/two", "two")] {
                let facts = facts(&connection.get(path));
                assert_eq!(number(&facts, "requests"), round, "{facts:?}");
                let left = if round == 1 { "" } else { group };
                assert_eq!(facts["left_in_sys"], left, "{facts:?}");
            }
        }
        httpd.finish(&[]);
    });
}

#[test]
fn no_request_is_lost_by_a_counter_with_a_lock() {
    in_both_modes(|mode| {
        let httpd = three_groups().gil_mode(mode).start();
        let seen =
            from_connections(3, &httpd, |connection, _| (0..60).map(|_| facts(&connection.get("/one"))).collect());
        let counts: BTreeSet<_> = seen.iter().map(|facts| number(facts, "requests")).collect();
        assert_eq!(counts, (1..=180).collect(), "each request saw the state that the one before left");
        httpd.finish(&[]);
    });
}

#[test]
fn what_a_thread_keeps_for_itself_survives_from_request_to_request() {
    in_both_modes(|mode| {
        for path in ["/main", "/one"] {
            let httpd = three_groups().gil_mode(mode).start();
            let seen = from_connections(3, &httpd, |connection, _| {
                let mut seen = Vec::new();
                for _ in 0..30 {
                    seen.push(facts(&connection.get(path)));
                    // In between the thread is in another interpreter.
                    seen.push(facts(&connection.get("/two")));
                }
                seen
            });
            let mut counts = BTreeMap::<_, Vec<_>>::new();
            for facts in &seen {
                let of_thread = counts.entry((&facts["group"], &facts["thread"])).or_default();
                of_thread.push(number(facts, "requests_of_thread"));
            }
            for (thread, mut counts) in counts {
                counts.sort_unstable();
                let all: Vec<u64> = (1..=counts.len() as u64).collect();
                assert_eq!(counts, all, "{thread:?} has a threading.local of its own, and one only");
            }
            httpd.finish(&[]);
        }
    });
}

#[test]
fn the_group_of_a_request_follows_its_tokens() {
    let mut conf = "WSGIScriptAlias /at {app}\nSetEnvIf X-Group (.+) GROUP=$1\n".to_owned();
    for (path, group) in [
        ("global", "%{GLOBAL}"),
        ("server", "%{SERVER}"),
        ("host", "%{HOST}"),
        ("env", "%{ENV:GROUP}"),
        ("literal", "a group"),
    ] {
        conf += &format!("<Location /at/{path}>\nWSGIApplicationGroup \"{group}\"\n</Location>\n");
    }
    conf += "<VirtualHost *:{port}>\nServerName name\nServerAlias *\n</VirtualHost>";
    in_both_modes(|mode| {
        let httpd = Httpd::with(&conf, "identity.py").modules(&["setenvif"]).gil_mode(mode).start();
        let identity = |path: &str, host: &str, variable: &str| {
            let request = format!("GET /at/{path} HTTP/1.1\r\nHost: {host}\r\nX-Group: {variable}\r\n\r\n");
            let facts = facts(&httpd.connect().send(request).response());
            assert_eq!(facts["group"], facts["group_of_interpreter"], "{facts:?}");
            number(&facts, "interpreter")
        };
        let main = identity("global", "a", "");
        assert_eq!(main, 0);
        let server = identity("server", "a", "");
        assert_eq!(server, identity("server", "b", ""), "one server, whatever the client calls it");
        let host = identity("host", "a", "");
        assert_ne!(host, identity("host", "b", ""), "a host each");
        assert_eq!(host, identity("host", "a", ""));
        assert_eq!(host, identity("env", "b", "a"), "the same name is the same group, wherever it came from");
        assert_eq!(identity("env", "a", "name"), server);
        assert_eq!(identity("env", "a", "a group"), identity("literal", "a", ""));
        assert_eq!(identity("env", "a", "%{GLOBAL}"), main);
        let default = identity("anything", "a", "");
        assert_eq!(default, identity("else", "b", ""), "one mount point, one group");
        assert!(![main, server, host].contains(&default));
        httpd.finish(&[]);
    });
}

#[test]
fn scripts_at_different_mount_points_are_in_groups_of_their_own_by_default() {
    in_both_modes(|mode| {
        let conf = "WSGIScriptAlias /one {app}\nWSGIScriptAlias /two {app}";
        let httpd = Httpd::with(conf, "identity.py").gil_mode(mode).start();
        let [one, again, two] = ["/one", "/one/x", "/two"].map(|path| facts(&httpd.get(path)));
        assert_eq!(one["interpreter"], again["interpreter"]);
        assert_ne!(one["interpreter"], two["interpreter"]);
        assert!(one["group"].ends_with("|/one") && two["group"].ends_with("|/two"), "{one:?} {two:?}");
        httpd.finish(&[]);
    });
}

/// A server in which a header names the group, and whose script notes each load of it.
fn group_by_header(app: &str) -> Builder {
    let conf = "WSGIScriptAlias / {app}\nWSGIApplicationGroup %{ENV:GROUP}\nSetEnvIf X-Group (.+) GROUP=$1";
    let builder = Httpd::with(conf, app).modules(&["setenvif"]).open_folder("notes");
    let notes = builder.root().join("notes").display().to_string();
    builder.env("NOTES", &notes)
}

fn loads(httpd: &Httpd) -> Vec<String> {
    let text = fs::read_to_string(httpd.root().join("notes/loads")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn threads_that_meet_a_new_group_at_once_make_one_interpreter() {
    const GROUPS: usize = 12;
    in_both_modes(|mode| {
        let httpd = group_by_header("slow_load.py").gil_mode(mode).start();
        for group in 0..GROUPS {
            let answers = from_connections(6, &httpd, |connection, _| {
                connection.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Group: {group}\r\n\r\n"));
                vec![facts(&connection.response())]
            });
            let interpreters: BTreeSet<_> = answers.iter().map(|facts| &facts["interpreter"]).collect();
            assert_eq!(interpreters.len(), 1, "group {group}: {answers:?}");
            assert!(answers.iter().all(|facts| facts["group"] == group.to_string()), "{answers:?}");
        }
        let expected: Vec<_> = (0..GROUPS).map(|group| group.to_string()).collect();
        assert_eq!(loads(&httpd), expected, "the script was loaded once in each group");
        httpd.finish(&[]);
    });
}

#[test]
fn a_script_that_loads_slowly_is_loaded_once_and_holds_up_no_other() {
    in_both_modes(|mode| {
        for group in ["%{GLOBAL}", "named"] {
            let conf = format!(
                "WSGIScriptAlias /slow {{app}}\nWSGIScriptAlias /other {{apps}}/identity.py\nWSGIApplicationGroup {group}"
            );
            let builder = Httpd::with(&conf, "slow_load.py").app("identity.py").open_folder("notes").gil_mode(mode);
            let notes = builder.root().join("notes").display().to_string();
            let httpd = builder.env("NOTES", &notes).env("WAIT_FOR", &format!("{notes}/release")).start();
            let mut waiting = [httpd.connect(), httpd.connect(), httpd.connect()];
            for connection in &mut waiting {
                connection.send_get("/slow");
            }
            wait_for("the script to be loading", || (!loads(&httpd).is_empty()).then_some(()));
            for _ in 0..3 {
                let other = facts(&httpd.get("/other"));
                assert_eq!(other["group"], group.replace("%{GLOBAL}", ""));
            }
            fs::write(format!("{notes}/release"), "").expect("our own folder");
            for connection in &mut waiting {
                facts(&connection.response());
            }
            assert_eq!(loads(&httpd).len(), 1, "{:?}", loads(&httpd));
            httpd.finish(&[]);
        }
    });
}

#[test]
fn each_process_of_prefork_has_interpreters_of_its_own() {
    let httpd = three_groups()
        .mpm(Mpm::Prefork)
        .size("StartServers 3\nServerLimit 12\nMaxRequestWorkers 12")
        .gil_mode(GilMode::Free);
    let httpd = httpd.start();
    // Two connections that are kept are in two processes.
    let mut connections = [httpd.connect(), httpd.connect()];
    for connection in &mut connections {
        for (path, group) in [("/main", ""), ("/one", "one"), ("/main", ""), ("/two", "two")] {
            let facts = facts(&connection.get(path));
            assert_eq!((&*facts["group"], &*facts["group_of_interpreter"]), (group, group));
            assert_eq!(
                number(&facts, "requests"),
                if path == "/main" { number(&facts, "requests_of_thread") } else { 1 }
            );
        }
    }
    httpd.finish(&[]);
}
