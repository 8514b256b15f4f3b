//! What is seen of an httpd at one moment, and how it is written: for people as HTML, for machines as JSON and OpenMetrics.
//!
//! All of it is a copy. Texts may hold anything that a client has sent: each writer escapes what it writes.

pub(crate) mod html;
pub(crate) mod openmetrics;

use super::buckets::BUCKETS;
use super::buckets::quantile;
use super::bulletin::{GENERATIONS, Told};
use super::ends::End;
use super::exemplars::Exemplar;
use super::meter::{Lately, Outcome, Totals};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// One httpd, or as much of it as may be shown.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    /// The module and its version.
    pub(crate) implementation: &'static str,
    pub(crate) python: &'static str,
    /// Seconds since the epoch.
    pub(crate) time: u64,
    /// Whether it was asked that no new requests be sent here.
    pub(crate) draining: bool,
    /// Whether this is about one virtual host only.
    pub(crate) virtual_host: Option<String>,
    /// httpd's own processes.
    pub(crate) embedded: Option<Embedded>,
    pub(crate) groups: Vec<Group>,
    /// Requests that were refused before it was clear who serves them.
    pub(crate) refused: Option<Counts>,
    /// Those that run.
    pub(crate) requests: Vec<RunningRequest>,
}

/// httpd's own processes, as far as they run Python.
#[derive(Debug, Serialize)]
pub(crate) struct Embedded {
    pub(crate) gil: &'static str,
    pub(crate) counts: Counts,
    pub(crate) processes: Vec<Process>,
    pub(crate) starts: u64,
    /// How many processes ended, by cause.
    pub(crate) ends: BTreeMap<&'static str, u64>,
    /// The latest first.
    pub(crate) last_ends: Vec<LastEnd>,
}

/// A process group.
#[derive(Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) gil: &'static str,
    /// How many processes are configured.
    pub(crate) processes_wanted: u32,
    pub(crate) threads_per_process: u32,
    pub(crate) queue: Queue,
    pub(crate) counts: Counts,
    pub(crate) processes: Vec<Process>,
    pub(crate) starts: u64,
    /// How many processes ended, by cause.
    pub(crate) ends: BTreeMap<&'static str, u64>,
    /// The latest first.
    pub(crate) last_ends: Vec<LastEnd>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Queue {
    pub(crate) length: u32,
    pub(crate) limit: u32,
    pub(crate) oldest_wait_seconds: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Process {
    /// Its place among the processes of the group, or of httpd: another process has it afterwards.
    pub(crate) place: usize,
    pub(crate) pid: u32,
    pub(crate) state: &'static str,
    pub(crate) age_seconds: Option<f64>,
    pub(crate) cpu_seconds: Option<f64>,
    /// How many cores it has used lately.
    pub(crate) cpu_cores: Option<f64>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) threads_busy: u32,
    pub(crate) threads: u32,
    pub(crate) applications_loaded: Option<u64>,
    pub(crate) applications_failed: Option<u64>,
    /// Collections of garbage since it was started.
    pub(crate) garbage: Option<Garbage>,
    /// Extension modules that are not declared safe without the GIL.
    pub(crate) undeclared_extensions: Option<Undeclared>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Garbage {
    /// By generation.
    pub(crate) collections: [u64; GENERATIONS],
    pub(crate) objects_collected: u64,
    pub(crate) pause_seconds_sum: f64,
    pub(crate) pause_seconds_longest: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Undeclared {
    pub(crate) count: u64,
    /// Of as many as there was room for.
    pub(crate) names: Vec<String>,
}

impl From<&Told> for Garbage {
    fn from(told: &Told) -> Self {
        Self {
            collections: told.collections,
            objects_collected: told.collected,
            pause_seconds_sum: told.pauses_microseconds as f64 / 1e6,
            pause_seconds_longest: told.longest_microseconds as f64 / 1e6,
        }
    }
}

impl From<Told> for Undeclared {
    fn from(told: Told) -> Self {
        Self { count: told.undeclared, names: told.names }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct LastEnd {
    pub(crate) time: u32,
    pub(crate) pid: u32,
    pub(crate) cause: &'static str,
    /// The signal that killed it.
    pub(crate) signal: Option<u8>,
    /// Its exit status, if it was not killed.
    pub(crate) exit_status: Option<u8>,
    pub(crate) requests_under_way: u16,
}

impl From<End> for LastEnd {
    fn from(end: End) -> Self {
        Self {
            time: end.time,
            pid: end.process,
            cause: end.cause,
            signal: (end.signal != 0).then_some(end.signal),
            exit_status: end.status,
            requests_under_way: end.requests,
        }
    }
}

/// Counters of requests.
#[derive(Debug, Serialize)]
pub(crate) struct Counts {
    #[serde(flatten)]
    totals: Shown,
    lately: Recent,
    #[serde(skip)]
    exemplars: [Option<Exemplar>; BUCKETS],
}

/// [`Totals`] for machines.
#[derive(Debug)]
struct Shown(Totals);

#[derive(Debug, Serialize)]
struct Recent {
    seconds: f64,
    requests: u64,
    requests_per_second: f64,
    p50_seconds: Option<f64>,
    p95_seconds: Option<f64>,
    p99_seconds: Option<f64>,
}

impl Counts {
    pub(crate) fn new(totals: Totals, lately: &Lately) -> Self {
        let (counts, seconds) = (&lately.counts, lately.seconds);
        let requests = counts.requests();
        let at = |percent| quantile(&counts.buckets, percent);
        let recent = Recent {
            seconds,
            requests,
            requests_per_second: if seconds > 0.0 { requests as f64 / seconds } else { 0.0 },
            p50_seconds: at(50),
            p95_seconds: at(95),
            p99_seconds: at(99),
        };
        Self { totals: Shown(totals), lately: recent, exemplars: [None; BUCKETS] }
    }

    /// With the last traced request of each bucket.
    pub(crate) fn with_exemplars(self, exemplars: [Option<Exemplar>; BUCKETS]) -> Self {
        Self { exemplars, ..self }
    }

    fn totals(&self) -> &Totals {
        &self.totals.0
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(totals) = self;
        let outcomes = Outcome::ALL.into_iter().map(|outcome| (outcome.name(), totals.ended[outcome as usize]));
        let value = serde_json::json!({
            "requests": outcomes.collect::<BTreeMap<_, _>>(),
            "requests_total": totals.requests(),
            "requests_running": totals.running,
            "duration_seconds_sum": totals.sum as f64 / 1e6,
        });
        value.serialize(serializer)
    }
}

/// A request that runs.
#[derive(Debug, Serialize)]
pub(crate) struct RunningRequest {
    /// What the logs call it.
    pub(crate) id: String,
    /// Empty in httpd's own processes.
    pub(crate) group: String,
    /// The process that runs the application, if one has been found.
    pub(crate) pid: Option<u32>,
    /// The thread that runs the application there, by the system's number.
    pub(crate) thread: Option<u32>,
    /// The child of httpd.
    pub(crate) httpd_pid: u32,
    pub(crate) phase: &'static str,
    pub(crate) age_seconds: f64,
    pub(crate) method: String,
    /// With the query if that is asked for; of a long one the beginning.
    pub(crate) path: String,
}

/// For machines.
///
/// # Errors
/// None: all of it can be written.
pub(crate) fn json(snapshot: &Snapshot) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(snapshot)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::buckets::bucket_of;
    use super::*;

    /// With texts that mean something in each of the formats.
    pub(crate) const NASTY: &str = "<i>&\"'\\\n\u{202e}";

    pub(crate) fn counts() -> Counts {
        let mut buckets = [0; BUCKETS];
        buckets[bucket_of(6_000)] = 3;
        buckets[bucket_of(1_200_000)] = 1;
        let totals = Totals { ended: [0, 3, 0, 0, 1, 0, 2], running: 1, sum: 1_218_000, buckets };
        Counts::new(totals.clone(), &Lately { seconds: 60.0, counts: totals })
    }

    pub(crate) fn snapshot() -> Snapshot {
        let process = Process {
            place: 1,
            pid: 4711,
            state: "ready",
            age_seconds: Some(90.0),
            cpu_seconds: Some(1.5),
            cpu_cores: Some(0.25),
            memory_bytes: Some(50 << 20),
            threads_busy: 1,
            threads: 5,
            applications_loaded: Some(1),
            applications_failed: Some(0),
            garbage: Some(Garbage {
                collections: [7, 2, 1],
                objects_collected: 100,
                pause_seconds_sum: 0.5,
                pause_seconds_longest: 0.25,
            }),
            undeclared_extensions: Some(Undeclared { count: 2, names: vec![NASTY.into()] }),
        };
        let end = End { time: 1, process: 4710, cause: "signal", signal: 9, status: None, requests: 1 };
        Snapshot {
            implementation: "mod_wsgi-rs/0",
            python: "3.13",
            time: 1_700_000_000,
            draining: false,
            virtual_host: None,
            embedded: Some(Embedded {
                gil: "on",
                counts: counts(),
                processes: Vec::new(),
                starts: 3,
                ends: [("died", 1), ("left", 1)].into(),
                last_ends: Vec::new(),
            }),
            groups: vec![Group {
                name: NASTY.into(),
                gil: "off",
                processes_wanted: 1,
                threads_per_process: 5,
                queue: Queue { length: 2, limit: 100, oldest_wait_seconds: 0.5 },
                counts: counts(),
                processes: vec![process],
                starts: 2,
                ends: [("signal", 1), ("exit", 0)].into(),
                last_ends: vec![end.into()],
            }],
            refused: Some(counts()),
            requests: vec![RunningRequest {
                id: "abc".into(),
                group: NASTY.into(),
                pid: Some(4711),
                thread: Some(4712),
                httpd_pid: 4700,
                phase: "application",
                age_seconds: 2.25,
                method: NASTY.into(),
                path: NASTY.into(),
            }],
        }
    }

    #[test]
    fn json_holds_texts_as_they_are() {
        let text = json(&snapshot()).expect("JSON");
        let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(value["requests"][0]["path"], NASTY);
        assert_eq!(value["groups"][0]["counts"]["requests_total"], 6);
        assert_eq!(value["groups"][0]["counts"]["requests"]["died"], 2);
        assert_eq!(value["groups"][0]["last_ends"][0]["signal"], 9);
        assert_eq!(value["groups"][0]["processes"][0]["undeclared_extensions"]["names"][0], NASTY);
        assert_eq!(value["groups"][0]["processes"][0]["garbage"]["collections"][0], 7);
        assert_eq!(value["embedded"]["gil"], "on");
    }
}
