//! The multi-processing modules: event, worker and prefork, and the workers
//! that they retire.

use crate::support::{GilMode, Httpd, Mpm, Process, wait_for};
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

/// What `identity.py` says of the request.
#[track_caller]
fn facts(httpd: &Httpd, path: &str) -> BTreeMap<String, String> {
    let response = httpd.get(path);
    assert!(response.status == 200 && response.complete, "{response:?}");
    let pairs = response.text().lines().map(|line| line.split_once('=').expect("key=value"));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

const TWO_GROUPS: &str = "MaxKeepAliveRequests 0\nWSGIScriptAliasMatch ^/(main|named) {app}\n\
                          <Location /main>\nWSGIApplicationGroup %{GLOBAL}\n</Location>";

/// Each MPM in each GIL mode, as `test` sees it.
fn under_every_mpm(test: impl Fn(Mpm, GilMode)) {
    for mpm in Mpm::ALL {
        for mode in GilMode::BOTH {
            println!("{mpm:?}, GIL mode {mode:?}");
            test(mpm, mode);
        }
    }
}

#[test]
fn many_clients_are_served_by_the_main_interpreter_and_by_others() {
    under_every_mpm(|mpm, mode| {
        let httpd = Httpd::with(TWO_GROUPS, "identity.py").mpm(mpm).gil_mode(mode).start();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut connection = httpd.connect();
                    for round in 0..40 {
                        let path = ["/main", "/named"][round % 2];
                        let response = connection.get(path);
                        assert!(response.status == 200 && response.complete, "{path}: {response:?}");
                    }
                });
            }
        });
        httpd.finish(&[]);
    });
}

#[test]
fn the_environ_tells_whether_threads_and_processes_are_many() {
    const ONE_THREAD: &str = "StartServers 2\nServerLimit 2\nThreadLimit 1\nThreadsPerChild 1\nMaxRequestWorkers 2\n\
                              MinSpareThreads 1\nMaxSpareThreads 2";
    const ONE_PROCESS: &str = "StartServers 1\nServerLimit 1\nThreadLimit 2\nThreadsPerChild 2\nMaxRequestWorkers 2\n\
                               MinSpareThreads 1\nMaxSpareThreads 2";
    const TWO_PROCESSES: &str = "StartServers 2\nServerLimit 2\nThreadLimit 2\nThreadsPerChild 2\nMaxRequestWorkers 4\n\
                                 MinSpareThreads 1\nMaxSpareThreads 4";
    for (mpm, size, threads, processes) in [
        (Mpm::Event, ONE_PROCESS, "True", "False"),
        (Mpm::Event, TWO_PROCESSES, "True", "True"),
        (Mpm::Event, ONE_THREAD, "False", "True"),
        (Mpm::Worker, ONE_PROCESS, "True", "False"),
        (Mpm::Worker, TWO_PROCESSES, "True", "True"),
        (Mpm::Prefork, "StartServers 2\nServerLimit 3\nMaxRequestWorkers 3\nMinSpareServers 1", "False", "True"),
    ] {
        let httpd = Httpd::with(TWO_GROUPS, "identity.py").mpm(mpm).size(size).start();
        for path in ["/main", "/named"] {
            let facts = facts(&httpd, path);
            let told = (&*facts["multithread"], &*facts["multiprocess"]);
            assert_eq!(told, (threads, processes), "{mpm:?}\n{size}");
        }
        httpd.finish(&[]);
    }
}

#[test]
fn a_request_thread_has_a_number_that_it_keeps() {
    for mode in GilMode::BOTH {
        let httpd = Httpd::with(TWO_GROUPS, "identity.py").gil_mode(mode).start();
        let mut numbers = BTreeMap::<String, BTreeSet<String>>::new();
        for round in 0..40 {
            let facts = facts(&httpd, ["/main", "/named"][round % 2]);
            numbers.entry(facts["thread"].clone()).or_default().insert(facts["thread_id"].clone());
        }
        assert!(numbers.values().all(|numbers| numbers.len() == 1), "one number a thread: {numbers:?}");
        let distinct: BTreeSet<_> = numbers.values().flatten().collect();
        assert_eq!(distinct.len(), numbers.len(), "one thread a number: {numbers:?}");
        // Nought is the main thread of the process, which serves no request here.
        let in_range = |number: &&String| (1..=8).contains(&number.parse::<u32>().expect("a number"));
        assert!(distinct.iter().all(in_range), "{numbers:?}");
        httpd.finish(&[]);
    }
}

#[test]
fn under_prefork_the_only_thread_has_number_nought() {
    let httpd = Httpd::with(TWO_GROUPS, "identity.py").mpm(Mpm::Prefork).start();
    for path in ["/main", "/named", "/main"] {
        assert_eq!(facts(&httpd, path)["thread_id"], "0");
    }
    httpd.finish(&[]);
}

#[test]
fn a_process_that_has_served_its_share_leaves_in_peace() {
    under_every_mpm(|mpm, mode| {
        let conf = format!("{TWO_GROUPS}\nMaxConnectionsPerChild 4");
        let httpd = Httpd::with(&conf, "identity.py").mpm(mpm).gil_mode(mode);
        let size = match mpm {
            Mpm::Prefork => "StartServers 2\nServerLimit 4\nMaxRequestWorkers 4\nMinSpareServers 2\nMaxSpareServers 4",
            _ => {
                "StartServers 1\nServerLimit 3\nThreadLimit 2\nThreadsPerChild 2\nMaxRequestWorkers 6\n\
                  MinSpareThreads 1\nMaxSpareThreads 6"
            }
        };
        let httpd = httpd.size(size).start();
        let mut seen = BTreeSet::<Process>::new();
        // httpd looks once a second for processes to replace.
        let patience = std::time::Instant::now() + Duration::from_secs(10);
        while seen.len() < 4 {
            assert!(std::time::Instant::now() < patience, "no process was replaced: {seen:?}");
            for path in ["/main", "/named"] {
                facts(&httpd, path);
            }
            seen.extend(httpd.children());
        }
        httpd.finish(&[]);
    });
}

#[test]
fn processes_that_are_too_many_leave_in_peace() {
    const SIZE: &str = "StartServers 4\nServerLimit 4\nThreadLimit 2\nThreadsPerChild 2\nMaxRequestWorkers 8\n\
                        MinSpareThreads 1\nMaxSpareThreads 3";
    for (mpm, mode) in [(Mpm::Event, GilMode::Free), (Mpm::Event, GilMode::Shared), (Mpm::Worker, GilMode::Free)] {
        let httpd = Httpd::with(TWO_GROUPS, "identity.py").mpm(mpm).gil_mode(mode).size(SIZE).start();
        wait_for("four processes", || (httpd.children().len() == 4).then_some(()));
        for round in 0..16 {
            facts(&httpd, ["/main", "/named"][round % 2]);
        }
        let mut fewest = 4;
        let patience = std::time::Instant::now() + Duration::from_secs(12);
        while fewest > 2 {
            assert!(std::time::Instant::now() < patience, "no process was retired: {:?}", httpd.children());
            facts(&httpd, "/named");
            fewest = fewest.min(httpd.children().len());
            thread::sleep(Duration::from_millis(20));
        }
        facts(&httpd, "/main");
        httpd.finish(&[]);
    }
}
