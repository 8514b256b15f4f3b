//! The page for people: one document without scripts, which the browser fetches anew every few seconds.

use super::super::ends::DIED;
use super::super::meter::Outcome;
use super::{Counts, Embedded, Group, LastEnd, Process, RunningRequest, Snapshot};
use core::fmt::{self, Display, Write as _};
use std::collections::BTreeSet;

/// The media type.
pub(crate) const TYPE: &str = "text/html; charset=utf-8";
/// What the browser may do with the page: show it.
pub(crate) const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
<meta http-equiv=\"refresh\" content=\"5\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
<title>WSGI status</title>\n<style>\n\
:root { --text: #1c1e21; --faint: #5c6370; --ground: #fbfbfc; --panel: #fff; --line: #d9dce1; --good: #1a7f37; --bad: #b42318; }\n\
@media (prefers-color-scheme: dark) { :root { --text: #e4e6ea; --faint: #9aa1ac; --ground: #15171b; --panel: #1d2025; --line: #363b44; --good: #4ac26b; --bad: #ff7b72; } }\n\
* { box-sizing: border-box; }\n\
body { margin: 0 auto; padding: 1rem; max-width: 75rem; font: 15px/1.45 system-ui, sans-serif; color: var(--text); background: var(--ground); }\n\
h1 { font-size: 1.3rem; margin: 0 0 .25rem; }\nh2 { font-size: 1.1rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }\nh3 { font-size: .95rem; margin: 1rem 0 .25rem; }\n\
section { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; margin: 1rem 0; }\n\
p { margin: .25rem 0; }\n.faint { color: var(--faint); }\n.good { color: var(--good); }\n.bad { color: var(--bad); font-weight: 600; }\n\
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .5rem 1rem; margin: 0; }\n\
dt { color: var(--faint); font-size: .8rem; }\ndd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }\n\
.wide { overflow-x: auto; }\ntable { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }\n\
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }\n\
th { color: var(--faint); font-size: .8rem; font-weight: 500; }\n.path { display: inline-block; white-space: normal; overflow-wrap: anywhere; min-width: 10rem; unicode-bidi: isolate; }\n\
@media (max-width: 45rem) {\n\
thead { display: none; }\ntable, tbody, tr { display: block; }\n\
tr { border-bottom: 1px solid var(--line); padding: .4rem 0; }\n\
td { display: flex; gap: .75rem; justify-content: space-between; border: 0; padding: .05rem 0; white-space: normal; text-align: right; }\n\
td::before { content: attr(data-column); color: var(--faint); font-size: .8rem; text-align: left; white-space: nowrap; }\n\
.path { min-width: 0; }\n}\n\
</style>\n</head>\n<body>\n";

/// Text of which nothing is markup, nor a sign that controls how others are shown.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|sign| match sign {
            '<' => out.write_str("&lt;"),
            '>' => out.write_str("&gt;"),
            '&' => out.write_str("&amp;"),
            '"' => out.write_str("&quot;"),
            '\'' => out.write_str("&#39;"),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.write_char('\u{fffd}'),
            sign if sign.is_control() => out.write_char('\u{fffd}'),
            sign => out.write_char(sign),
        })
    }
}

/// Seconds in the unit that fits; a dash for what is not known.
struct Seconds(Option<f64>);

impl Display for Seconds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => out.write_str("–"),
            Some(seconds) if seconds < 1.0 => write!(out, "{:.1} ms", seconds * 1000.0),
            Some(seconds) if seconds < 100.0 => write!(out, "{seconds:.1} s"),
            Some(seconds) if seconds < 6000.0 => write!(out, "{:.0} min", seconds / 60.0),
            Some(seconds) if seconds < 360_000.0 => write!(out, "{:.0} h", seconds / 3600.0),
            Some(seconds) => write!(out, "{:.0} d", seconds / 86_400.0),
        }
    }
}

struct Memory(Option<u64>);

impl Display for Memory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => out.write_str("–"),
            Some(bytes) => write!(out, "{:.0} MiB", bytes as f64 / f64::from(1 << 20)),
        }
    }
}

/// The whole page.
pub(crate) fn write(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = String::from(HEAD);
    // Writing to a String does not fail.
    let _ = write_body(&mut out, snapshot);
    out.push_str("</body>\n</html>\n");
    out.into_bytes()
}

fn write_body(out: &mut String, snapshot: &Snapshot) -> fmt::Result {
    writeln!(out, "<h1>WSGI status</h1>")?;
    let (implementation, python) = (Escaped(snapshot.implementation), Escaped(snapshot.python));
    writeln!(out, "<p class=\"faint\">{implementation}, Python {python}</p>")?;
    if let Some(host) = &snapshot.virtual_host {
        let host = Escaped(host);
        writeln!(
            out,
            "<p class=\"faint\">The virtual host {host}: the process groups that it declares, and requests to it. The \
             page of the main server shows all.</p>"
        )?;
    }
    if snapshot.draining {
        writeln!(out, "<p class=\"bad\">Draining: no new requests are to be sent here.</p>")?;
    }
    for group in &snapshot.groups {
        write_group(out, group)?;
    }
    if let Some(embedded) = &snapshot.embedded {
        write_embedded(out, embedded)?;
    }
    if let Some(refused) = snapshot.refused.as_ref().filter(|counts| counts.totals().requests() > 0) {
        writeln!(out, "<section>\n<h2>Refused before a process was chosen</h2>\n<dl>")?;
        write_counts(out, refused)?;
        writeln!(out, "</dl>\n</section>")?;
    }
    write_requests(out, &snapshot.requests)
}

fn row(out: &mut String, name: &str, value: impl Display) -> fmt::Result {
    writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>")
}

fn write_counts(out: &mut String, counts: &Counts) -> fmt::Result {
    let (totals, lately) = (counts.totals(), &counts.lately);
    row(out, "requests", totals.requests())?;
    row(out, "running or waiting", totals.running)?;
    row(out, "per second, lately", format_args!("{:.1}", lately.requests_per_second))?;
    row(out, "median, lately", Seconds(lately.p50_seconds))?;
    row(out, "95 of 100 within", Seconds(lately.p95_seconds))?;
    row(out, "99 of 100 within", Seconds(lately.p99_seconds))?;
    for outcome in [Outcome::ClientError, Outcome::ServerError, Outcome::Cut, Outcome::Died] {
        let count = totals.ended[outcome as usize];
        let class = if count > 0 && outcome != Outcome::ClientError { " class=\"bad\"" } else { "" };
        row(out, outcome.name(), format_args!("<span{class}>{count}</span>"))?;
    }
    Ok(())
}

fn write_group(out: &mut String, group: &Group) -> fmt::Result {
    writeln!(out, "<section>\n<h2>Process group {}</h2>\n<dl>", Escaped(&group.name))?;
    let ready = group.processes.iter().filter(|process| process.state == "ready").count();
    let class = if ready == 0 && group.threads_per_process > 0 { "bad" } else { "good" };
    let wanted = group.processes_wanted;
    row(out, "processes ready", format_args!("<span class=\"{class}\">{ready} of {wanted}</span>"))?;
    let busy: u32 = group.processes.iter().map(|process| process.threads_busy).sum();
    let threads: u32 = group.processes.iter().map(|process| process.threads).sum();
    row(out, "threads busy", format_args!("{busy} of {threads}"))?;
    row(out, "queue", format_args!("{} of {}", group.queue.length, group.queue.limit))?;
    row(out, "oldest wait", Seconds((group.queue.length > 0).then_some(group.queue.oldest_wait_seconds)))?;
    row(out, "GIL", group.gil)?;
    write_undeclared(out, &group.processes)?;
    write_counts(out, &group.counts)?;
    writeln!(out, "</dl>")?;
    write_processes(out, &group.processes)?;
    write_ends(out, &group.last_ends)?;
    writeln!(out, "</section>")
}

fn write_embedded(out: &mut String, embedded: &Embedded) -> fmt::Result {
    writeln!(out, "<section>\n<h2>Embedded: httpd's own processes</h2>\n<dl>")?;
    row(out, "GIL", embedded.gil)?;
    write_undeclared(out, &embedded.processes)?;
    write_counts(out, &embedded.counts)?;
    writeln!(out, "</dl>")?;
    write_processes(out, &embedded.processes)?;
    write_ends(out, &embedded.last_ends)?;
    writeln!(out, "</section>")
}

/// Extension modules that any of the processes has imported and that are not declared safe without the GIL.
fn write_undeclared(out: &mut String, processes: &[Process]) -> fmt::Result {
    let told = || processes.iter().filter_map(|process| process.undeclared_extensions.as_ref());
    let names: BTreeSet<_> = told().flat_map(|told| &told.names).collect();
    let most = told().map(|told| told.count).max().unwrap_or_default();
    if most == 0 {
        return row(out, "undeclared extensions", "none");
    }
    write!(out, "<div><dt>undeclared extensions</dt><dd class=\"bad\">")?;
    for (number, name) in names.iter().enumerate() {
        write!(out, "{}{}", if number == 0 { "" } else { ", " }, Escaped(name))?;
    }
    match most.saturating_sub(names.len() as u64) {
        0 => {}
        more => write!(out, " and {more} more")?,
    }
    writeln!(out, "</dd></div>")
}

/// The cells of a row, in the order of the columns. On a narrow screen each of them shows the name of its column.
struct Cells<'a> {
    out: &'a mut String,
    columns: core::slice::Iter<'a, &'a str>,
}

impl Cells<'_> {
    fn cell(&mut self, value: impl Display) -> fmt::Result {
        let column = self.columns.next().unwrap_or(&"");
        write!(self.out, "<td data-column=\"{column}\">{value}</td>")
    }

    /// A dash for what is not known.
    fn known(&mut self, value: Option<impl Display>) -> fmt::Result {
        match value {
            Some(value) => self.cell(value),
            None => self.cell("–"),
        }
    }
}

/// A table; on a narrow screen a list of its rows.
fn table<T>(
    out: &mut String,
    title: &str,
    columns: &[&str],
    rows: &[T],
    write_row: impl Fn(&mut Cells<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    write!(out, "<h3>{title}</h3>\n<div class=\"wide\"><table>\n<thead><tr>")?;
    columns.iter().try_for_each(|column| write!(out, "<th scope=\"col\">{column}</th>"))?;
    writeln!(out, "</tr></thead>\n<tbody>")?;
    for row in rows {
        out.push_str("<tr>");
        write_row(&mut Cells { out, columns: columns.iter() }, row)?;
        out.push_str("</tr>\n");
    }
    writeln!(out, "</tbody></table></div>")
}

const PROCESS: [&str; 11] = [
    "process",
    "state",
    "age",
    "cores used",
    "CPU time",
    "memory",
    "threads busy",
    "applications",
    "collections of garbage",
    "their time",
    "the longest",
];

fn write_processes(out: &mut String, processes: &[Process]) -> fmt::Result {
    if processes.is_empty() {
        return writeln!(out, "<p class=\"faint\">No process.</p>");
    }
    table(out, "Processes", &PROCESS, processes, |cells, process| {
        cells.cell(process.pid)?;
        cells.cell(process.state)?;
        cells.cell(Seconds(process.age_seconds))?;
        cells.known(process.cpu_cores.map(|cores| format!("{cores:.2}")))?;
        cells.cell(Seconds(process.cpu_seconds))?;
        cells.cell(Memory(process.memory_bytes))?;
        cells.cell(format_args!("{} of {}", process.threads_busy, process.threads))?;
        match (process.applications_loaded, process.applications_failed) {
            (Some(loaded), Some(failed)) if failed > 0 => {
                cells.cell(format_args!("{loaded}, <span class=\"bad\">{failed} not loaded</span>"))?;
            }
            (loaded, _) => cells.known(loaded)?,
        }
        let garbage = process.garbage.as_ref();
        cells.known(
            garbage.map(|garbage| garbage.collections.iter().fold(0_u64, |sum, one| sum.saturating_add(*one))),
        )?;
        cells.cell(Seconds(garbage.map(|garbage| garbage.pause_seconds_sum)))?;
        cells.cell(Seconds(garbage.map(|garbage| garbage.pause_seconds_longest)))
    })
}

fn write_ends(out: &mut String, ends: &[LastEnd]) -> fmt::Result {
    if ends.is_empty() {
        return Ok(());
    }
    let columns = ["process", "time (UTC)", "cause", "how", "requests under way"];
    table(out, "Processes that ended", &columns, ends, |cells, end| {
        cells.cell(end.pid)?;
        cells.cell(TimeOfDay(end.time))?;
        cells.cell(end.cause)?;
        match (end.signal, end.exit_status) {
            (Some(signal), _) => cells.cell(format_args!("signal {signal}"))?,
            (None, Some(status)) => cells.cell(format_args!("exit status {status}"))?,
            (None, None) if end.cause == DIED => cells.cell("see httpd's error log")?,
            (None, None) => cells.cell("–")?,
        }
        cells.cell(end.requests_under_way)
    })
}

/// A time in seconds since the epoch.
struct TimeOfDay(u32);

impl Display for TimeOfDay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, second) = (i64::from(self.0) / 86_400, self.0 % 86_400);
        // Days since 1970 to a date of the Gregorian calendar, by eras of 400 years that begin on the first of March.
        let day = day + 719_468;
        let (era, day) = (day / 146_097, day % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(out, "{year}-{month:02}-{day_of_month:02} {hour:02}:{minute:02}:{second:02}")
    }
}

fn write_requests(out: &mut String, requests: &[RunningRequest]) -> fmt::Result {
    writeln!(out, "<section>\n<h2>Requests that run</h2>")?;
    if requests.is_empty() {
        writeln!(out, "<p class=\"faint\">None.</p>")?;
    } else {
        let columns = ["age", "phase", "method", "path", "group", "process", "thread", "request id"];
        table(out, "Oldest first", &columns, requests, |cells, request| {
            cells.cell(Seconds(Some(request.age_seconds)))?;
            cells.cell(request.phase)?;
            cells.cell(Escaped(&request.method))?;
            cells.cell(format_args!("<span class=\"path\">{}</span>", Escaped(&request.path)))?;
            cells.cell(Escaped(if request.group.is_empty() { "embedded" } else { &request.group }))?;
            cells.known(request.pid)?;
            cells.known(request.thread)?;
            cells.cell(Escaped(&request.id))
        })?;
    }
    writeln!(out, "</section>")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NASTY, snapshot};
    use super::*;

    #[test]
    fn nothing_that_comes_from_outside_is_markup() {
        let page = String::from_utf8(write(&snapshot())).expect("UTF-8");
        assert!(!page.contains("<i>") && !page.contains(NASTY) && !page.contains('\u{202e}'), "{page}");
        assert_eq!(page.matches("&lt;i&gt;&amp;&quot;&#39;\\\u{fffd}\u{fffd}").count(), 5, "{page}");
        assert!(page.contains(" and 1 more</dd>"), "{page}");
        assert!(!page.contains("<script"));
    }

    #[test]
    fn times_are_dates() {
        for (time, date) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_764_503_045, "2025-11-30 11:44:05"),
            (u32::MAX, "2106-02-07 06:28:15"),
        ] {
            assert_eq!(TimeOfDay(time).to_string(), date);
        }
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        let shown = |seconds| Seconds(Some(seconds)).to_string();
        assert_eq!(
            [0.0021, 2.25, 600.0, 36_000.0, 864_000.0].map(shown),
            ["2.1 ms", "2.2 s", "10 min", "10 h", "10 d"]
        );
        assert_eq!(Seconds(None).to_string(), "–");
    }
}
