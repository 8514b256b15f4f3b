//! A server whose process group runs `apps/faults.py`, and what tests do to its processes.

use super::{Builder, Httpd, Process, wait_for};
use std::collections::BTreeSet;
use std::fs;

/// The server; `options` are those of its process group, `conf` stands behind it.
pub fn serving(options: &str, conf: &str) -> Builder {
    let conf = format!(
        "WSGIDaemonProcess group {options}\n\
         WSGIScriptAlias / {{app}} process-group=group application-group=%{{GLOBAL}}\n{conf}\n"
    );
    let builder = Httpd::with(&conf, "faults.py").open_folder("notes");
    let notes = builder.root().join("notes").display().to_string();
    builder.env("NOTES", &notes)
}

/// Lets go of the requests that wait.
pub fn release(httpd: &Httpd) {
    fs::write(httpd.root().join("notes/release"), "").expect("our own folder");
}

/// The processes that have noted this, the number of each counted as often as it did.
pub fn noted(httpd: &Httpd, text: &str) -> Vec<(Process, u64)> {
    let files = fs::read_dir(httpd.root().join("notes")).expect("the folder of notes").flatten();
    let note = |file: fs::DirEntry| {
        let name = file.file_name().into_string().ok()?;
        let process = name.strip_prefix(text)?.strip_prefix('.')?.parse().ok()?;
        Some((Process(process), file.metadata().ok()?.len()))
    };
    files.filter_map(note).collect()
}

/// The process that has noted this first.
#[track_caller]
pub fn wait_for_note(httpd: &Httpd, text: &str) -> Process {
    wait_for(&format!("the note {text:?}"), || noted(httpd, text).first().map(|(process, _)| *process))
}

/// Waits until this has been noted so often by all processes together.
#[track_caller]
pub fn wait_for_notes(httpd: &Httpd, text: &str, count: u64) {
    let sum = || noted(httpd, text).iter().map(|(_, count)| count).sum::<u64>();
    wait_for(&format!("{count} notes {text:?}"), || (sum() >= count).then_some(()));
}

/// Returns once so many daemon processes have threads for requests: before, a request may meet a short time limit of a test on
/// a busy machine. They have them last of all, behind Python.
#[track_caller]
pub fn wait_until_started(httpd: &Httpd, count: usize) {
    wait_for(&format!("{count} processes with threads"), || {
        let daemons = httpd.children().into_iter().flat_map(Process::children);
        (daemons.filter(|daemon| daemon.threads() > 1).count() >= count).then_some(())
    });
}

/// The process that answers.
#[track_caller]
pub fn answering(httpd: &Httpd) -> Process {
    let response = httpd.get("/pid");
    assert_eq!(response.status, 200, "{response:?}");
    Process(response.text().parse().expect("a number"))
}

/// Asks until so many processes have answered, and names them. The supervisor is their parent.
#[track_caller]
pub fn daemons(httpd: &Httpd, count: usize) -> Vec<Process> {
    let mut seen = BTreeSet::new();
    wait_for(&format!("{count} daemons"), || {
        seen.insert(answering(httpd));
        seen.retain(|process| process.is_alive());
        (seen.len() >= count).then_some(())
    });
    seen.into_iter().collect()
}

#[track_caller]
pub fn supervisor(httpd: &Httpd) -> Process {
    answering(httpd).parent().expect("a daemon has a parent")
}

#[track_caller]
pub fn wait_for_end(process: Process) {
    wait_for(&format!("{process:?} to end"), || (!process.is_alive()).then_some(()));
}
