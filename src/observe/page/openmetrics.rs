//! OpenMetrics 1.0: the text that Prometheus and others collect.
//!
//! Labels have few values, whatever clients do: groups and places of processes are configured, and the rest is named here.

use super::super::buckets::{PUBLISHED, bucket_of, up_to};
use super::super::exemplars::Exemplar;
use super::super::meter::Outcome;
use super::{Counts, Process, Snapshot};
use core::fmt::Write as _;

/// The media type.
pub(crate) const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A text under way. A family of metrics stands together.
struct Text(String);

/// A value of a metric.
#[derive(Clone, Copy)]
enum Value {
    Whole(u64),
    Real(f64),
}

impl Text {
    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(self.0, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.0, "# HELP {name} {help}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: Value) {
        self.0.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            self.0.push(if number == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"");
            self.push_escaped(text);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = match value {
            Value::Whole(number) => writeln!(self.0, " {number}"),
            Value::Real(number) => writeln!(self.0, " {number:?}"),
        };
    }

    /// A bucket of a histogram, with one of the requests in it.
    fn bucket(&mut self, name: &str, labels: &[(&str, &str)], count: u64, exemplar: Option<Exemplar>) {
        self.sample(name, labels, Value::Whole(count));
        if let Some(Exemplar { ids, took, time }) = exemplar {
            self.0.pop();
            let ids = format!("trace_id=\"{}\",span_id=\"{}\"", ids.trace_id(), ids.span_id());
            let _ = writeln!(self.0, " # {{{ids}}} {:?} {time}", took as f64 / 1e6);
        }
    }

    fn push_escaped(&mut self, text: &str) {
        for sign in text.chars() {
            match sign {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                sign => self.0.push(sign),
            }
        }
    }
}

/// Who serves: the labels of requests, and their counts.
fn servers(snapshot: &Snapshot) -> Vec<([(&'static str, &str); 2], &Counts)> {
    let embedded = snapshot.embedded.iter().map(|embedded| ([("mode", "embedded"), ("group", "")], &embedded.counts));
    let groups = snapshot.groups.iter().map(|group| ([("mode", "daemon"), ("group", &*group.name)], &group.counts));
    let refused = snapshot.refused.iter().map(|counts| ([("mode", "refused"), ("group", "")], counts));
    embedded.chain(groups).chain(refused).collect()
}

/// The whole text.
pub(crate) fn write(snapshot: &Snapshot) -> Vec<u8> {
    let mut text = Text(String::new());
    text.family("wsgi_server", "info", "", "The module and the Python that it runs.");
    let labels = [("implementation", snapshot.implementation), ("python", snapshot.python)];
    text.sample("wsgi_server_info", &labels, Value::Whole(1));
    text.family("wsgi_draining", "gauge", "", "1 if it was asked that no new requests be sent here.");
    text.sample("wsgi_draining", &[], Value::Whole(snapshot.draining.into()));
    write_requests(&mut text, snapshot);
    write_groups(&mut text, snapshot);
    write_ends(&mut text, snapshot);
    write_processes(&mut text, snapshot);
    text.0.push_str("# EOF\n");
    text.0.into_bytes()
}

fn write_requests(text: &mut Text, snapshot: &Snapshot) {
    let servers = servers(snapshot);
    let help = "Requests that have ended, by class of status; cut: the response was cut short; died: the process of httpd died.";
    text.family("wsgi_requests", "counter", "", help);
    for (labels, counts) in &servers {
        for outcome in Outcome::ALL {
            let labels = [labels[0], labels[1], ("outcome", outcome.name())];
            text.sample("wsgi_requests_total", &labels, Value::Whole(counts.totals().ended[outcome as usize]));
        }
    }
    text.family("wsgi_requests_running", "gauge", "", "Requests that run or wait.");
    for (labels, counts) in &servers {
        text.sample("wsgi_requests_running", labels, Value::Whole(counts.totals().running));
    }
    let name = "http_server_request_duration_seconds";
    text.family(name, "histogram", "seconds", "Time from the handler to the end of the response, waiting included.");
    for (labels, counts) in &servers {
        write_histogram(text, name, labels, counts);
    }
}

fn write_histogram(text: &mut Text, name: &str, labels: &[(&str, &str); 2], counts: &Counts) {
    let totals = counts.totals();
    let bucket = format!("{name}_bucket");
    let mut inside = 0;
    for (bound, bound_in_seconds) in PUBLISHED {
        let labels = [labels[0], labels[1], ("le", bound_in_seconds)];
        let buckets = inside..bucket_of(bound) + 1;
        inside = buckets.end;
        text.bucket(&bucket, &labels, up_to(&totals.buckets, bound), latest(&counts.exemplars[buckets]));
    }
    let count: u64 = totals.buckets.iter().fold(0, |sum, count| sum.wrapping_add(*count));
    let labels_of_all = [labels[0], labels[1], ("le", "+Inf")];
    text.bucket(&bucket, &labels_of_all, count, latest(&counts.exemplars[inside..]));
    text.sample(&format!("{name}_count"), labels, Value::Whole(count));
    text.sample(&format!("{name}_sum"), labels, Value::Real(totals.sum as f64 / 1e6));
}

/// The latest of some exemplars.
fn latest(exemplars: &[Option<Exemplar>]) -> Option<Exemplar> {
    exemplars.iter().flatten().max_by_key(|exemplar| exemplar.time).copied()
}

fn write_groups(text: &mut Text, snapshot: &Snapshot) {
    text.family("wsgi_gil_enabled", "gauge", "", "1 if Python runs with its GIL.");
    if let Some(embedded) = &snapshot.embedded {
        let labels = [("mode", "embedded"), ("group", "")];
        text.sample("wsgi_gil_enabled", &labels, Value::Whole((embedded.gil == "on").into()));
    }
    for group in &snapshot.groups {
        let labels = [("mode", "daemon"), ("group", &*group.name)];
        text.sample("wsgi_gil_enabled", &labels, Value::Whole((group.gil == "on").into()));
    }
    type Gauge = (&'static str, &'static str, &'static str, fn(&super::Group) -> Value);
    let gauges: [Gauge; 4] = [
        ("wsgi_group_processes_wanted", "", "Processes that are configured.", |group| {
            Value::Whole(group.processes_wanted.into())
        }),
        ("wsgi_queue_length", "", "Requests that wait for a thread of the group.", |group| {
            Value::Whole(group.queue.length.into())
        }),
        ("wsgi_queue_limit", "", "As many may wait (listen-backlog).", |group| Value::Whole(group.queue.limit.into())),
        ("wsgi_queue_oldest_wait_seconds", "seconds", "How long the oldest of them has waited.", |group| {
            Value::Real(group.queue.oldest_wait_seconds)
        }),
    ];
    for (name, unit, help, value) in gauges {
        text.family(name, "gauge", unit, help);
        for group in &snapshot.groups {
            text.sample(name, &[("group", &group.name)], value(group));
        }
    }
    text.family("wsgi_group_processes", "gauge", "", "Processes of the group, by state.");
    for group in &snapshot.groups {
        for state in ["starting", "ready", "draining"] {
            let count = group.processes.iter().filter(|process| process.state == state).count();
            let labels = [("group", &*group.name), ("state", state)];
            text.sample("wsgi_group_processes", &labels, Value::Whole(count as u64));
        }
    }
}

fn write_ends(text: &mut Text, snapshot: &Snapshot) {
    let embedded = snapshot.embedded.iter().map(|embedded| ("embedded", "", embedded.starts, &embedded.ends));
    let groups = snapshot.groups.iter().map(|group| ("daemon", &*group.name, group.starts, &group.ends));
    let all: Vec<_> = embedded.chain(groups).collect();
    text.family("wsgi_process_starts", "counter", "", "Processes that were started.");
    for (mode, group, starts, _) in &all {
        text.sample("wsgi_process_starts_total", &[("mode", mode), ("group", group)], Value::Whole(*starts));
    }
    text.family("wsgi_process_ends", "counter", "", "Processes that ended, by cause.");
    for (mode, group, _, ends) in &all {
        for (cause, count) in *ends {
            let labels = [("mode", *mode), ("group", *group), ("cause", *cause)];
            text.sample("wsgi_process_ends_total", &labels, Value::Whole(*count));
        }
    }
}

fn write_processes(text: &mut Text, snapshot: &Snapshot) {
    let embedded = snapshot.embedded.iter().flat_map(|embedded| &embedded.processes);
    let embedded = embedded.map(|process| ("embedded", "", process));
    let groups = snapshot.groups.iter();
    let daemons = groups.flat_map(|group| group.processes.iter().map(|process| ("daemon", &*group.name, process)));
    let processes: Vec<_> = embedded.chain(daemons).collect();
    type Measure = (&'static str, &'static str, &'static str, &'static str, fn(&Process) -> Option<Value>);
    let measures: [Measure; 9] = [
        ("wsgi_process_threads", "gauge", "", "Threads that serve requests.", |process| {
            Some(Value::Whole(process.threads.into()))
        }),
        ("wsgi_process_threads_busy", "gauge", "", "Threads that have a request.", |process| {
            Some(Value::Whole(process.threads_busy.into()))
        }),
        ("wsgi_process_cpu_seconds", "counter", "seconds", "CPU time that the process has used.", |process| {
            process.cpu_seconds.map(Value::Real)
        }),
        ("wsgi_process_cpu_cores", "gauge", "", "Cores that the process has used lately.", |process| {
            process.cpu_cores.map(Value::Real)
        }),
        ("wsgi_process_gc_pause_seconds", "counter", "seconds", "Time of the collections of garbage.", |process| {
            process.garbage.as_ref().map(|garbage| Value::Real(garbage.pause_seconds_sum))
        }),
        ("wsgi_process_gc_pause_longest_seconds", "gauge", "seconds", "Time of the longest of them.", |process| {
            process.garbage.as_ref().map(|garbage| Value::Real(garbage.pause_seconds_longest))
        }),
        (
            "wsgi_process_undeclared_extensions",
            "gauge",
            "",
            "Extension modules that are not declared safe without the GIL.",
            |process| process.undeclared_extensions.as_ref().map(|undeclared| Value::Whole(undeclared.count)),
        ),
        ("wsgi_process_memory_bytes", "gauge", "bytes", "Memory of the process that is resident.", |process| {
            process.memory_bytes.map(Value::Whole)
        }),
        ("wsgi_process_age_seconds", "gauge", "seconds", "How long ago the process was started.", |process| {
            process.age_seconds.map(Value::Real)
        }),
    ];
    write_collections(text, &processes);
    for (name, kind, unit, help, measure) in measures {
        text.family(name, kind, unit, help);
        let sample = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        for (mode, group, process) in &processes {
            let place = process.place.to_string();
            if let Some(value) = measure(process) {
                text.sample(&sample, &[("mode", mode), ("group", group), ("place", &place)], value);
            }
        }
    }
}

fn write_collections(text: &mut Text, processes: &[(&str, &str, &Process)]) {
    text.family("wsgi_process_gc_collections", "counter", "", "Collections of garbage, by generation.");
    for (mode, group, process) in processes {
        let place = process.place.to_string();
        let collections = process.garbage.iter().flat_map(|garbage| garbage.collections);
        for (count, generation) in collections.zip(["0", "1", "2"]) {
            let labels = [("mode", *mode), ("group", *group), ("place", &*place), ("generation", generation)];
            text.sample("wsgi_process_gc_collections_total", &labels, Value::Whole(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::snapshot;
    use super::*;

    #[test]
    fn labels_are_escaped_and_the_text_has_an_end() {
        let text = String::from_utf8(write(&snapshot())).expect("UTF-8");
        let name = "<i>&\\\"'\\\\\\n\u{202e}";
        assert!(text.contains(&format!("wsgi_queue_length{{group=\"{name}\"}} 2\n")), "{text}");
        assert!(text.ends_with("\n# EOF\n"));
        assert!(
            text.contains("http_server_request_duration_seconds_bucket{mode=\"embedded\",group=\"\",le=\"0.01\"} 3\n")
        );
        assert!(
            text.contains("http_server_request_duration_seconds_bucket{mode=\"embedded\",group=\"\",le=\"+Inf\"} 4\n")
        );
        assert!(text.contains("http_server_request_duration_seconds_sum{mode=\"embedded\",group=\"\"} 1.218\n"));
        assert!(text.contains("wsgi_requests_total{mode=\"embedded\",group=\"\",outcome=\"died\"} 2\n"));
    }

    #[test]
    fn a_family_is_named_once_and_before_its_samples() {
        let text = String::from_utf8(write(&snapshot())).expect("UTF-8");
        let mut families = Vec::new();
        for line in text.lines() {
            if let Some(family) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()) {
                assert!(!families.contains(&family), "{family}");
                families.push(family);
            } else if !line.starts_with('#') {
                assert!(line.starts_with(families.last().expect("a family")), "{line}");
            }
        }
    }
}
