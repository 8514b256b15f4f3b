//! The error log, read back as records.

use super::IN_DAEMONS;

/// One record of the error log, in httpd's default format. A traceback, which
/// is written as one record a line, is one entry: its lines joined by newlines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub module: String,
    pub level: String,
    /// `pid 1:tid 2`
    pub thread: String,
    pub client: Option<String>,
    pub message: String,
}

/// What stands in an error log.
#[derive(Clone, Debug, Default)]
pub struct ErrorLog {
    pub entries: Vec<Entry>,
}

/// Numbers of the notices by which httpd tells of its own start, restart and
/// stop (event, worker, prefork, core).
const LIFE_OF_HTTPD: [&str; 17] = [
    "AH00489:",
    "AH00292:",
    "AH00163:",  // configured, resuming normal operations
    "AH00094:",  // command line
    "WSGI1007:", // a sub-interpreter of a free-threaded Python: how it scales
    "AH00491:",
    "AH00295:",
    "AH00169:", // SIGTERM
    "AH00492:",
    "AH00296:",
    "AH00170:", // SIGWINCH, graceful stop
    "AH00493:",
    "AH00297:",
    "AH00171:", // SIGUSR1, graceful restart
    "AH00494:",
    "AH00298:",
    "AH00173:", // SIGHUP
];

/// What httpd says of itself where children end, or requests are served, more slowly than it expects: of a busy machine
/// and of the small size that tests give it, not of a fault. A child that does not end at all is AH00046, and a process
/// that is left over fails the test.
const BUSY_MACHINE: [&str; 11] = [
    "AH00045:", // a child takes more than three seconds to end
    "AH00484:", "AH00286:", "AH00161:", // as many requests as there are threads (event, worker, prefork)
    "AH10159:", "AH00287:", // nearly as many
    "AH03490:", "AH00288:", // no place for a new child, as long as old ones are there
    "AH00486:", "AH00289:", "AH00162:", // many children had to be started
];

/// What mod_ssl says where the machine's OpenSSL is older than the one it was built against: nothing of this project's.
const OLD_OPENSSL: &str = "AH01882:";

impl ErrorLog {
    pub fn parse(text: &str) -> Self {
        let mut log = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let entry = Entry::parse(line);
            match log.open_traceback(&entry) {
                Some(index) => {
                    let traceback = &mut log.entries[index].message;
                    traceback.push('\n');
                    traceback.push_str(&entry.message);
                }
                None => log.entries.push(entry),
            }
        }
        log
    }

    /// Entries whose message matches a pattern, see [`matches`].
    pub fn matching(&self, pattern: &str) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| matches(&entry.message, pattern)).collect()
    }

    pub fn count(&self, pattern: &str) -> usize {
        self.matching(pattern).len()
    }

    /// Shows that each pattern is met and that nothing else stands in the log.
    ///
    /// The notices by which httpd tells of its own life are allowed and need
    /// not be named. That a child died (AH00050 to AH00052) is allowed only by a
    /// pattern that names it.
    #[track_caller]
    pub fn assert_only(&self, expected: &[&str]) {
        let missing: Vec<_> = expected.iter().filter(|pattern| self.count(pattern) == 0).collect();
        let explained =
            |entry: &Entry| entry.is_life_of_httpd() || expected.iter().any(|pattern| matches(&entry.message, pattern));
        let strange = self.entries.iter().filter(|entry| !explained(entry));
        let strange: Vec<_> =
            strange.map(|entry| format!("{}:{} {}", entry.module, entry.level, entry.message)).collect();
        assert!(
            missing.is_empty() && strange.is_empty(),
            "error log: expected but missing: {missing:#?}\npresent but not expected: {strange:#?}"
        );
    }

    /// The entry that this record continues, if it is a line of a traceback.
    fn open_traceback(&self, next: &Entry) -> Option<usize> {
        let index = self.entries.iter().rposition(|entry| entry.thread == next.thread)?;
        let so_far = &self.entries[index].message;
        if self.entries[index].module != next.module || !is_traceback_start(so_far) {
            return None;
        }
        let last = so_far.lines().next_back().unwrap_or_default();
        let unfinished = last.starts_with("Traceback (") || last.starts_with(' ') || is_link(last);
        (unfinished || is_link(&next.message)).then_some(index)
    }
}

fn is_traceback_start(message: &str) -> bool {
    message.starts_with("Traceback (most recent call last):") || message.starts_with("  File \"")
}

/// The sentences that join the tracebacks of chained exceptions.
fn is_link(line: &str) -> bool {
    line.starts_with("During handling of the above exception")
        || line.starts_with("The above exception was the direct cause")
}

impl Entry {
    fn parse(line: &str) -> Self {
        let mut fields = Vec::new();
        let mut rest = line;
        // [time] [module:level] [pid 1:tid 2]
        while fields.len() < 3 {
            let Some((field, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else { break };
            fields.push(field);
            rest = after;
        }
        let [_, source, thread] = fields[..] else {
            // What reached the file by another way (a line on stderr) is kept whole.
            let message = line.to_owned();
            return Self { module: String::new(), level: String::new(), thread: String::new(), client: None, message };
        };
        let (module, level) = source.split_once(':').unwrap_or(("", source));
        let (client, message) = split_client(rest);
        Self { module: module.to_owned(), level: level.to_owned(), thread: thread.to_owned(), client, message }
    }

    fn is_life_of_httpd(&self) -> bool {
        if IN_DAEMONS && self.level == "info" && self.message.starts_with("process group 'requests'") {
            return true;
        }
        if BUSY_MACHINE.iter().chain([&OLD_OPENSSL]).any(|number| self.message.starts_with(number)) {
            return true;
        }
        self.level == "notice" && LIFE_OF_HTTPD.iter().any(|number| self.message.starts_with(number))
    }
}

/// Who the record is about, if anybody, and its message. `remote` is what httpd
/// calls the client of a connection within a connection, as HTTP/2 has them.
fn split_client(text: &str) -> (Option<String>, String) {
    for mark in ["[client ", "[remote "] {
        let Some((before, after)) = text.split_once(mark) else { continue };
        if !before.is_empty() && !before.starts_with('(') {
            continue;
        }
        if let Some((client, message)) = after.split_once("] ") {
            return (Some(client.to_owned()), format!("{before}{message}"));
        }
        // A record without text.
        return (after.strip_suffix(']').map(str::to_owned), before.to_owned());
    }
    (None, text.to_owned())
}

/// Whether a message contains a pattern. `*` in the pattern stands for any text.
pub fn matches(message: &str, pattern: &str) -> bool {
    let mut rest = message;
    pattern.split('*').all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}
