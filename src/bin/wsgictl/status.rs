//! The status, for people: groups, processes and the requests that run.

use crate::connection::Failure;
use crate::output::{self, harmless};
use crate::table::{Look, Table};
use core::time::Duration;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Instant;

/// Moves to the upper left corner.
const HOME: &str = "\u{1b}[H";
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";
/// Without a terminal nobody scrolls back: so many of the running requests are shown again and again.
const REQUESTS_WATCHED: usize = 20;

/// CPU seconds of processes at a time.
struct Before {
    time: Instant,
    cpu: HashMap<u64, f64>,
}

/// All of it, once.
pub(crate) fn text(status: &Value) -> String {
    let colours = output::has_colours();
    let mut out = view(status, None, colours);
    let running = &status["requests"];
    if !list(running).is_empty() {
        out += &format!("\n{}", requests_table(list(running), colours));
    }
    out
}

/// The requests that run.
pub(crate) fn requests(requests: &Value) -> String {
    match list(requests) {
        [] => "no request runs\n".to_owned(),
        some => requests_table(some, output::has_colours()),
    }
}

/// Shows the status again and again, until the user ends it.
///
/// # Errors
/// The server is gone.
pub(crate) fn watch(interval: Duration, mut ask: impl FnMut() -> Result<Value, Failure>) -> Result<(), Failure> {
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let colours = output::has_colours();
    let mut before: Option<Before> = None;
    loop {
        let answer = ask()?;
        let status = &answer["status"];
        let mut out = view(status, before.as_ref(), colours);
        let running = list(&status["requests"]);
        if !running.is_empty() {
            let shown = &running[..running.len().min(REQUESTS_WATCHED)];
            out += &format!("\n{}", requests_table(shown, colours));
            if running.len() > shown.len() {
                out += &format!("and {} more\n", running.len() - shown.len());
            }
        }
        before = Some(Before { time: Instant::now(), cpu: cpu_seconds(status) });
        if is_terminal {
            let lines: Vec<_> = out.lines().map(|line| format!("{line}{CLEAR_LINE}\n")).collect();
            out = format!("{HOME}{}{CLEAR_BELOW}", lines.concat());
        } else {
            out.push('\n');
        }
        output::print(&out)?;
        std::thread::sleep(interval);
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |list| list)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn word(value: &Value) -> String {
    value.as_str().map(harmless).unwrap_or_default()
}

fn plain(text: impl Into<String>) -> (String, Look) {
    (text.into(), Look::Plain)
}

/// A number that should be 0.
fn bad(count: u64) -> (String, Look) {
    (count.to_string(), if count == 0 { Look::Plain } else { Look::Alarm })
}

/// What is counted together: each group, and httpd's own processes.
fn subjects(status: &Value) -> Vec<(String, &Value)> {
    let embedded = Some(&status["embedded"]).filter(|embedded| !embedded.is_null());
    let embedded = embedded.map(|embedded| ("(embedded)".to_owned(), embedded));
    let groups = list(&status["groups"]).iter().map(|group| (word(&group["name"]), group));
    embedded.into_iter().chain(groups).collect()
}

fn cpu_seconds(status: &Value) -> HashMap<u64, f64> {
    let subjects = subjects(status).into_iter();
    let processes = subjects.flat_map(|(_, subject)| list(&subject["processes"]));
    processes.filter_map(|process| Some((process["pid"].as_u64()?, process["cpu_seconds"].as_f64()?))).collect()
}

fn view(status: &Value, before: Option<&Before>, colours: bool) -> String {
    let draining = if status["draining"].as_bool() == Some(true) { "draining" } else { "" };
    let seconds = number(&status["time"]) % 86_400;
    let time = format!("{:02}:{:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let head = format!("{}, Python {}, {time}", word(&status["implementation"]), word(&status["python"]));
    let subjects = subjects(status);
    let mut out = format!("{head}  {}", Look::Warning.paint(draining, colours)).trim_end().to_owned();
    out += "\n\n";
    out += &groups_table(&subjects).text(colours);
    let processes = processes_table(&subjects, before);
    out += &format!("\n{}", processes.text(colours));
    out
}

fn groups_table(subjects: &[(String, &Value)]) -> Table {
    let mut table = Table::new(&[
        "GROUP",
        "GIL",
        "PROCESSES",
        "BUSY",
        "QUEUE",
        "REQ/S",
        "P50",
        "P95",
        "P99",
        "REQUESTS",
        "5XX",
        "CUT",
        "DIED",
    ]);
    for (name, subject) in subjects {
        let (processes, counts) = (list(&subject["processes"]), &subject["counts"]);
        let sum = |field: &str| processes.iter().map(|process| number(&process[field])).sum::<u64>();
        let ready = processes.iter().filter(|process| process["state"] == "ready").count() as u64;
        let wanted = subject["processes_wanted"].as_u64();
        let look = if wanted.is_some_and(|wanted| ready < wanted) { Look::Warning } else { Look::Plain };
        let queue = &subject["queue"];
        let waiting = number(&queue["length"]);
        let lately = &counts["lately"];
        let time = |field: &str| plain(lately[field].as_f64().map_or("-".to_owned(), duration));
        let outcome = |field: &str| number(&counts["requests"][field]);
        table.push(vec![
            plain(name),
            plain(word(&subject["gil"])),
            (wanted.map_or(ready.to_string(), |wanted| format!("{ready}/{wanted}")), look),
            plain(format!("{}/{}", sum("threads_busy"), sum("threads"))),
            if queue.is_null() {
                plain("-")
            } else {
                let look = if waiting > 0 { Look::Warning } else { Look::Plain };
                (format!("{waiting}/{}", number(&queue["limit"])), look)
            },
            plain(format!("{:.1}", lately["requests_per_second"].as_f64().unwrap_or(0.0))),
            time("p50_seconds"),
            time("p95_seconds"),
            time("p99_seconds"),
            plain(number(&counts["requests_total"]).to_string()),
            bad(outcome("5xx")),
            bad(outcome("cut")),
            bad(outcome("died")),
        ]);
    }
    table
}

/// CPU time is shown as seconds so far, and as cores in use where there is a moment before to compare with.
fn processes_table(subjects: &[(String, &Value)], before: Option<&Before>) -> Table {
    let cpu_head = if before.is_some() { "CORES" } else { "CPU" };
    let mut table = Table::new(&["PID", "GROUP", "STATE", "AGE", cpu_head, "MEMORY", "BUSY"]);
    for (name, subject) in subjects {
        for process in list(&subject["processes"]) {
            let pid = number(&process["pid"]);
            let state = word(&process["state"]);
            let look = if state == "ready" { Look::Plain } else { Look::Warning };
            let cpu = process["cpu_seconds"].as_f64().map(|cpu| match before {
                Some(before) => cores(before, pid, cpu),
                None => duration(cpu),
            });
            table.push(vec![
                plain(pid.to_string()),
                plain(name),
                (state, look),
                plain(process["age_seconds"].as_f64().map_or("-".to_owned(), duration)),
                plain(cpu.unwrap_or_else(|| "-".to_owned())),
                plain(process["memory_bytes"].as_u64().map_or("-".to_owned(), memory)),
                plain(format!("{}/{}", number(&process["threads_busy"]), number(&process["threads"]))),
            ]);
        }
    }
    table
}

fn cores(before: &Before, pid: u64, cpu: f64) -> String {
    let passed = before.time.elapsed().as_secs_f64();
    let used = cpu - before.cpu.get(&pid).copied().unwrap_or(cpu);
    format!("{:.2}", if passed > 0.0 { (used / passed).max(0.0) } else { 0.0 })
}

fn requests_table(requests: &[Value], colours: bool) -> String {
    let mut table = Table::new(&["AGE", "GROUP", "PID", "PHASE", "REQUEST-ID", "METHOD", "PATH"]);
    for request in requests {
        let group = word(&request["group"]);
        table.push(vec![
            plain(duration(request["age_seconds"].as_f64().unwrap_or(0.0))),
            plain(if group.is_empty() { "(embedded)".to_owned() } else { group }),
            plain(request["pid"].as_u64().map_or("-".to_owned(), |pid| pid.to_string())),
            plain(word(&request["phase"])),
            plain(word(&request["id"])),
            plain(word(&request["method"])),
            plain(word(&request["path"])),
        ]);
    }
    table.text(colours)
}

/// A time in the unit that says most.
fn duration(seconds: f64) -> String {
    match seconds {
        less if less < 0.01 => format!("{:.1}ms", less * 1000.0),
        less if less < 1.0 => format!("{:.0}ms", less * 1000.0),
        less if less < 60.0 => format!("{less:.1}s"),
        less if less < 3600.0 => format!("{}m{:02}s", less as u64 / 60, less as u64 % 60),
        less if less < 86_400.0 => format!("{}h{:02}m", less as u64 / 3600, less as u64 / 60 % 60),
        more => format!("{}d{:02}h", more as u64 / 86_400, more as u64 / 3600 % 24),
    }
}

fn memory(bytes: u64) -> String {
    match bytes >> 20 {
        small if small < 1024 => format!("{small}M"),
        large => format!("{:.1}G", large as f64 / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status() -> Value {
        let counts = json!({
            "requests": {"2xx": 5, "5xx": 1, "cut": 0, "died": 0}, "requests_total": 6,
            "lately": {"requests_per_second": 0.1, "p50_seconds": 0.0042, "p95_seconds": null, "p99_seconds": 1.5},
        });
        let process = json!({
            "pid": 10, "state": "ready", "age_seconds": 61.0, "cpu_seconds": 1.0, "memory_bytes": 52_428_800,
            "threads_busy": 1, "threads": 5,
        });
        json!({
            "implementation": "mod_wsgi-rs/0", "python": "3.13", "time": 3_661, "draining": true, "embedded": null,
            "groups": [{
                "name": "demo\u{1b}[2J", "gil": "off", "processes_wanted": 2, "queue": {"length": 3, "limit": 100},
                "counts": counts, "processes": [process],
            }],
            "requests": [{
                "id": "abc", "group": "demo", "pid": 10, "phase": "application", "age_seconds": 2.25, "method": "GET",
                "path": "/a\u{1b}]0;x",
            }],
        })
    }

    #[test]
    fn groups_processes_and_requests_are_shown() {
        let out = view(&status(), None, false) + &requests_table(list(&status()["requests"]), false);
        for part in [
            "mod_wsgi-rs/0, Python 3.13, 01:01:01 UTC  draining",
            "off        1/2   1/5  3/100    0.1  4.2ms    -  1.5s         6    1    0     0",
            "1m01s  1.0s     50M   1/5",
            "2.2s  demo    10  application  abc         GET     /a\u{fffd}]0;x",
        ] {
            assert!(out.contains(part), "{part}\n{out}");
        }
        assert!(!out.contains('\u{1b}'));
        assert!(view(&status(), None, true).contains("\u{1b}[33m1/2\u{1b}[0m"));
    }

    #[test]
    fn what_is_missing_is_no_fault() {
        let out = view(&json!({}), None, false);
        assert!(out.contains("GROUP") && out.contains("PID"), "{out}");
        assert_eq!(requests(&Value::Null), "no request runs\n");
    }

    #[test]
    fn cores_are_counted_between_two_looks() {
        let before = Before { time: Instant::now(), cpu: cpu_seconds(&status()) };
        assert_eq!(before.cpu.get(&10), Some(&1.0));
        assert_eq!(cores(&before, 99, 7.0), "0.00");
    }

    #[test]
    fn times_and_sizes_are_short() {
        let times = [0.001, 0.25, 9.0, 3599.0, 3600.0, 90_000.0].map(duration);
        assert_eq!(times, ["1.0ms", "250ms", "9.0s", "59m59s", "1h00m", "1d01h"]);
        assert_eq!([5 << 20, 3 << 30].map(memory), ["5M", "3.0G"]);
    }
}
