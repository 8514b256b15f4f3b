//! What the log is told that belongs to no request: records of `logging`, and lines of standard streams.

use crate::apache::log::{self, Level, Source};
use crate::apache::log_json;
use crate::process::this_process::{EMBEDDED, process};
use crate::python::loading::{self, Loading};
use crate::wsgi::gateway::{Record, Severity};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

impl From<Severity> for Level {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Critical,
            Severity::Error => Self::Error,
            Severity::Warning => Self::Warning,
            Severity::Info => Self::Info,
            Severity::Debug => Self::Debug,
        }
    }
}

/// Where an application logged a record, if that is known.
pub(crate) fn source_of(record: &Record<'_>) -> Option<Source> {
    record.source.map(|source| Source::new(source.file, source.line))
}

/// Writes a record that belongs to no request.
pub(crate) fn write_without_request(record: &Record<'_>) {
    let source = source_of(record);
    let write = |text: &str| log::server_at(None, record.severity.into(), source.as_ref(), text);
    if log_json::is_on() {
        return write(record.text.trim_end_matches('\n'));
    }
    let lines: Vec<_> = record.lines().collect();
    if let [line] = lines[..] {
        return write(line);
    }
    let id = record_id();
    lines.iter().for_each(|line| write(&format!("[record {id}] {line}")));
}

/// A name for a record, which its lines have in common: no other record of this httpd has it.
pub(crate) fn record_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed))
}

/// Writes a line of a standard stream that belongs to no request.
pub(crate) fn write_line_without_request(line: &str) {
    let Some(loading) = loading::current() else { return log::server(None, Level::Error, line) };
    let script = String::from_utf8_lossy(&loading.path);
    log::server_script(Level::Error, &script, &origin(&loading, &script), line);
}

/// How a line begins that a script writes while it is loaded: its path, and its groups as an alias names them.
fn origin(loading: &Loading, script: &str) -> String {
    let global = |name: &str| if name.is_empty() { "%{GLOBAL}".to_owned() } else { name.to_owned() };
    format!(
        "[script {script}] [process-group={} application-group={}] ",
        global(process().map_or(EMBEDDED, |process| process.group)),
        global(&loading.application_group)
    )
}
