//! What the log is told about a request: by the application, or about it.
//!
//! In a daemon entries are made where the application runs and are written by the child of httpd that has the
//! request, so that both modes write the same lines.

use crate::apache::log::{self, Level, Source};
use crate::apache::log_json::{self, OfRequest, Said};
use crate::apache::request::Request;
use crate::observe::watch;
use crate::process::log::{record_id, source_of};
use crate::python::script::Event;
use crate::request::target;
use crate::request::trace;
use crate::wsgi::gateway::{ErrorLog, Raised, Record, Severity};
use crate::wsgi::response::ResponseHead;
use num_enum::{IntoPrimitive, TryFromPrimitive};

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) level: Level,
    pub(crate) speaker: Speaker,
    pub(crate) text: String,
    /// A traceback, a record per line.
    pub(crate) details: Vec<String>,
    /// Where the application logged it, if that is known.
    pub(crate) source: Option<Source>,
    /// What lines of one record of the application have in common, where it has several.
    pub(crate) record: Option<String>,
}

/// The interpreter of an application group; the empty name is that of the main one.
pub(crate) fn interpreter_in_words(application_group: &str) -> String {
    if application_group.is_empty() {
        "the main interpreter".to_owned()
    } else {
        format!("interpreter '{application_group}'")
    }
}

/// As many lines and bytes of a record make an entry: it fits into a frame of a daemon.
const LINES: usize = 500;
const BYTES: usize = 64 << 10;

/// Lines, in pieces that make an entry each.
fn pieces<'a>(lines: &'a [&'a str]) -> Vec<&'a [&'a str]> {
    let (mut pieces, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (number, line) in lines.iter().enumerate() {
        if number > start && (number - start >= LINES || bytes + line.len() > BYTES) {
            pieces.push(&lines[start..number]);
            (start, bytes) = (number, 0);
        }
        bytes += line.len();
    }
    pieces.extend((start < lines.len()).then(|| &lines[start..]));
    pieces
}

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub(crate) enum Speaker {
    /// The application wrote a line: the script comes first.
    Application,
    /// The module: script and request id come last.
    Module,
}

impl Entry {
    /// A line of this module, without details.
    pub(crate) fn of_module(level: Level, text: String) -> Self {
        Self { level, speaker: Speaker::Module, text, details: Vec::new(), source: None, record: None }
    }

    /// A line that the application wrote.
    pub(crate) fn line(text: &str) -> Self {
        Self::of_application(Level::Error, text, None)
    }

    fn of_application(level: Level, text: &str, source: Option<Source>) -> Self {
        Self { level, speaker: Speaker::Application, text: text.to_owned(), details: Vec::new(), source, record: None }
    }

    /// What the application logged by `logging`: an entry, or several for a record of very many lines.
    pub(crate) fn of_record(record: &Record<'_>) -> impl Iterator<Item = Self> {
        let (level, source) = (record.severity.into(), source_of(record));
        let lines: Vec<_> = record.lines().collect();
        let id = (lines.len() > 1).then(record_id);
        let entries = pieces(&lines).into_iter().filter_map(|piece| {
            let (first, rest) = piece.split_first()?;
            let details = rest.iter().map(|line| (*line).to_owned()).collect();
            Some(Self { details, record: id.clone(), ..Self::of_application(level, first, source.clone()) })
        });
        entries.collect::<Vec<_>>().into_iter()
    }

    /// An exception that the application let through.
    pub(crate) fn exception(raised: Raised, class: &str, traceback: &[String]) -> Self {
        let (code, text) = match raised {
            Raised::ByApplication => ("WSGI0174", format!("the application raised {class}")),
            Raised::Exit => ("WSGI0175", "the application raised SystemExit, which ends no process here".to_owned()),
            Raised::ByClose => ("WSGI0194", format!("close() of the response raised {class}")),
            Raised::BySubscriber => ("WSGI0112", format!("a function subscribed to events raised {class}")),
            Raised::ExitOfSubscriber => {
                ("WSGI0190", "a function subscribed to events raised SystemExit, which ends no process here".to_owned())
            }
        };
        let text = format!("{code}: {text}");
        Self { details: traceback.to_vec(), ..Self::of_module(Level::Error, text) }
    }

    /// What is not passed on of what the application said, if anything.
    pub(crate) fn left_out(head: &ResponseHead) -> Option<Self> {
        let names = head.hop_by_hop_headers();
        if names.is_empty() {
            return None;
        }
        let text = format!("WSGI1090: hop-by-hop headers of the application were left out: {}", names.join(", "));
        Some(Self::of_module(Level::Warning, text))
    }

    /// What happens to a script, where that is of interest.
    pub(crate) fn event(interpreter: &str, event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::Loading { again } => {
                let verb = if *again { "reloading" } else { "loading" };
                Self::of_module(Level::Info, format!("{verb} the script in {}", interpreter_in_words(interpreter)))
            }
            Event::Loaded => return None,
            Event::ReloadRequiredRaised(traceback) => {
                let text = "WSGI1005: reload_required() of the script raised an exception".to_owned();
                Self { details: traceback.to_vec(), ..Self::of_module(Level::Error, text) }
            }
        })
    }

    /// Writes the entry in the name of `request`.
    pub(crate) fn write(&self, request: &Request<'_>) {
        self.write_about(request, target::script_of(request));
    }

    /// Writes the entry in the name of `request`, about a script that need not be the one that answers.
    pub(crate) fn write_about(&self, request: &Request<'_>, script: &[u8]) {
        if !log::request_logs(request, self.level) {
            return;
        }
        let script = String::from_utf8_lossy(script);
        if log_json::is_on() && self.write_json(request, &script) {
            return;
        }
        let trace = trace::ids(request).map(|ids| ids.to_string());
        let trace = trace.as_deref().unwrap_or_default();
        let space = if trace.is_empty() { "" } else { " " };
        let line = match self.speaker {
            Speaker::Application => {
                let record = self.record.as_ref().map_or_else(String::new, |id| format!(" [record {id}]"));
                let write = |line: &str| {
                    let line = format!("[script {script}]{space}{trace}{record} {line}");
                    log::request_at(request, self.level, self.source.as_ref(), &line);
                };
                write(&self.text);
                return self.details.iter().for_each(|line| write(line));
            }
            Speaker::Module => {
                let id = String::from_utf8_lossy(request.log_id().unwrap_or(b"-"));
                format!("{} [script {script}] [request {id}]{space}{trace}", self.text)
            }
        };
        log::request_at(request, self.level, self.source.as_ref(), &line);
        for line in &self.details {
            log::request(request, self.level, &format!("{line}{space}{trace}"));
        }
    }
}

impl Entry {
    /// Writes the entry as JSON; `false` if the log is no file.
    fn write_json(&self, request: &Request<'_>, script: &str) -> bool {
        let id = String::from_utf8_lossy(request.log_id().unwrap_or(b"-"));
        let client = format!("{}:{}", String::from_utf8_lossy(request.client_address()), request.client_port());
        let ids = trace::ids(request).map(|ids| (ids.trace_id(), ids.span_id()));
        let trace = ids.as_ref().map(|(trace, span)| (&**trace, &**span));
        let group = watch::group();
        let request_in_words = OfRequest { id: &id, client: &client, script, trace, group: group.as_deref() };
        let whole;
        let (text, details) = match self.speaker {
            Speaker::Module => (&*self.text, &self.details[..]),
            // A record is one message.
            Speaker::Application => {
                let lines = core::iter::once(&self.text).chain(&self.details);
                whole = lines.map(String::as_str).collect::<Vec<_>>().join("\n");
                (&*whole, &[][..])
            }
        };
        let record = self.record.as_deref();
        let said = Said {
            text,
            details,
            request: Some(request_in_words),
            source: self.source.as_ref(),
            record,
            ..Said::default()
        };
        log_json::put(request.server(), self.level, &said)
    }
}

/// Writes entries about one request, wherever its log is.
pub(crate) trait EntryWriter {
    /// Whether `LogLevel` lets a line of that level through.
    fn passes(&self, level: Level) -> bool;
    /// Writes them in their order.
    fn write(&self, entries: &[Entry]);
}

/// The log of a request, as `wsgi` knows it.
pub(crate) struct EntryLog<W>(pub(crate) W);

impl<W: EntryWriter> ErrorLog for EntryLog<W> {
    fn takes(&self, severity: Severity) -> bool {
        self.0.passes(severity.into())
    }

    fn record(&mut self, record: &Record<'_>) {
        self.0.write(&Entry::of_record(record).collect::<Vec<_>>());
    }

    fn line(&mut self, text: &str) {
        self.0.write(&[Entry::line(text)]);
    }

    fn exception(&mut self, raised: Raised, class: &str, traceback: &[String]) {
        self.0.write(&[Entry::exception(raised, class, traceback)]);
    }

    fn announce(&mut self, interpreter: &str, event: &Event<'_>) {
        if let Some(entry) = Entry::event(interpreter, event) {
            self.0.write(&[entry]);
        }
    }
}

/// httpd's log, for lines about a request of this process.
pub(crate) struct HttpdLog<'r> {
    pub(crate) request: &'r Request<'r>,
    /// The script that the lines are about, if that is not the one that answers.
    pub(crate) script: Option<&'r [u8]>,
}

impl EntryWriter for HttpdLog<'_> {
    fn passes(&self, level: Level) -> bool {
        log::request_logs(self.request, level)
    }

    fn write(&self, entries: &[Entry]) {
        for entry in entries {
            match self.script {
                Some(script) => entry.write_about(self.request, script),
                None => entry.write(self.request),
            }
        }
    }
}
