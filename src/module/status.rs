//! `SetHandler wsgi-status`: what requests and processes do, for people and for machines.
//!
//! Answered from shared memory and `/proc`, without Python. The main server's page shows everything, that of a virtual host
//! the groups which it declares and the requests to it: what others have in common is theirs as well.

use crate::apache::directive::server_settings;
use crate::apache::hook::RequestHook;
use crate::apache::request::Request;
use crate::apache::server::Server;
use crate::apache::status::Status;
use crate::apache::{mpm, scoreboard};
use crate::config::WsgiConfiguration;
use crate::config::server::StartUp;
use crate::daemon::generation::{self, Generation, Group};
use crate::module::answer::{self, Answer};
use crate::module::{child, readiness};
use crate::observe::board::{Board, board};
use crate::observe::clock;
use crate::observe::cpu::Look;
use crate::observe::ends::{DIED, LEFT};
use crate::observe::meter::Meter;
use crate::observe::page::{self, Counts, Snapshot, html, openmetrics};
use crate::observe::threads::{Phase, Running};
use crate::process::this_process::IMPLEMENTATION;
use crate::process::this_process::{EMBEDDED, process};
use crate::python::config::FREE_THREADED_BUILD;
use crate::request::counting::server_number;
use crate::unix::process::{Taken, taken};
use crate::wire::table::State;

/// The name of the handler.
const HANDLER: &[u8] = b"wsgi-status";

/// The hook that shows the status.
pub(crate) struct StatusPage;

/// How the status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Html,
    Json,
    OpenMetrics,
}

impl RequestHook for StatusPage {
    fn run(request: &mut Request<'_>) -> Status {
        if request.handler() != HANDLER {
            return Status::DECLINED;
        }
        if let Err(status) = answer::check_method(request) {
            return status;
        }
        let Some(board) = board() else { return Status::SERVICE_UNAVAILABLE };
        board.wait_for_ends();
        let snapshot = View::of(request, board).snapshot();
        let (media_type, body) = match format_of(request) {
            Format::Html => (html::TYPE, html::write(&snapshot)),
            Format::OpenMetrics => (openmetrics::TYPE, openmetrics::write(&snapshot)),
            Format::Json => match page::json(&snapshot) {
                Ok(text) => ("application/json", text),
                Err(_) => return Status::INTERNAL_SERVER_ERROR,
            },
        };
        let headers = [("Vary", "Accept"), ("Content-Security-Policy", html::POLICY)];
        Answer { status: 200, status_line: "200 OK", media_type, headers: &headers, body: &body }.send(request)
    }
}

/// What the query says counts before what the client accepts.
fn format_of(request: &Request<'_>) -> Format {
    let asked = |word: &[u8]| request.query().split(|byte| *byte == b'&').any(|part| part == word);
    if asked(b"metrics") {
        Format::OpenMetrics
    } else if asked(b"json") {
        Format::Json
    } else if answer::accepts(request, "application/openmetrics-text") {
        Format::OpenMetrics
    } else if answer::accepts(request, "application/json") {
        Format::Json
    } else {
        Format::Html
    }
}

/// All of it for machines, for those who ask the supervisor.
pub(crate) fn of_everything(generation: &'static Generation<'static>) -> Option<serde_json::Value> {
    serde_json::to_value(View::of_everything(generation, board()?).snapshot()).ok()
}

/// What is looked at, and how much of it may be shown.
struct View<'r> {
    board: &'static Board,
    server: Server<'r>,
    is_main: bool,
    start_up: Option<&'r StartUp>,
    /// Whether httpd's own processes run Python.
    runs_embedded: bool,
    groups: &'static [Group<'static>],
    now: u64,
    running: Vec<Running>,
}

/// Requests that run, the oldest first.
fn running(board: &Board) -> Vec<Running> {
    let mut running: Vec<_> = board.threads.running().collect();
    running.sort_by_key(|running| running.began);
    running
}

impl<'r> View<'r> {
    fn of(request: &'r Request<'r>, board: &'static Board) -> Self {
        Self {
            board,
            server: request.server(),
            is_main: !request.server().place().is_virtual,
            start_up: process().map(|process| process.start_up),
            runs_embedded: readiness::runs_python(),
            groups: generation::mine().map_or(&[][..], |generation| &generation.groups),
            now: clock::now(),
            running: running(board),
        }
    }

    fn of_everything(generation: &'static Generation<'static>, board: &'static Board) -> Self {
        Self {
            board,
            server: generation.main,
            is_main: true,
            start_up: server_settings::<WsgiConfiguration>(generation.main).map(|settings| &settings.start_up),
            runs_embedded: child::are_to_run_python(generation.main),
            groups: &generation.groups,
            now: clock::now(),
            running: running(board),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let shown = |group: &&Group| self.is_main || group.server.as_raw() == self.server.as_raw();
        let embedded = self.is_main && self.runs_embedded;
        Snapshot {
            implementation: IMPLEMENTATION,
            python: env!("MOD_WSGI_PYTHON_VERSION"),
            time: clock::epoch(),
            draining: self.board.is_draining(),
            virtual_host: (!self.is_main).then(|| String::from_utf8_lossy(self.server.host_name()).into_owned()),
            embedded: embedded.then(|| self.embedded()),
            groups: self.groups.iter().filter(shown).map(|group| self.group(group)).collect(),
            refused: self.is_main.then(|| self.counts(&self.board.refused)),
            requests: self.running.iter().filter(|running| self.shows(running)).map(|one| self.request(one)).collect(),
        }
    }

    /// Whether the request is to this server. Numbers of servers mean nothing in another generation of the configuration.
    fn shows(&self, running: &Running) -> bool {
        let generation = u64::try_from(mpm::generation()).unwrap_or(0);
        let is_here = running.server == server_number(self.server) && running.generation == generation;
        self.is_main || is_here
    }

    fn age(&self, since: u64) -> f64 {
        self.now.saturating_sub(since) as f64 / 1e6
    }

    fn counts(&self, meter: &Meter) -> Counts {
        let totals = self.board.totals(meter);
        let lately = meter.lately(&totals, self.now);
        Counts::new(totals, &lately).with_exemplars(meter.exemplars().read())
    }

    fn request(&self, running: &Running) -> page::RunningRequest {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        page::RunningRequest {
            id: text(&running.id),
            group: self.board.group_of(running.meter).unwrap_or_default(),
            pid: (running.process != 0).then_some(running.process),
            thread: self.thread(running),
            httpd_pid: running.owner,
            phase: running.phase.name(),
            age_seconds: self.age(running.began),
            method: text(&running.method),
            path: text(&running.path),
        }
    }

    /// The thread that runs the application, if one does.
    fn thread(&self, running: &Running) -> Option<u32> {
        if running.process == running.owner {
            return Some(running.thread).filter(|thread| *thread != 0);
        }
        let group = self.groups.iter().find(|group| group.meter.number == running.meter)?;
        group.bulletin.thread(running.process, running.seat?)
    }

    fn embedded(&self) -> page::Embedded {
        let records = 0..mpm::most_processes().unsigned_abs();
        let ends = self.board.embedded.ends();
        page::Embedded {
            gil: self.gil(EMBEDDED),
            counts: self.counts(&self.board.embedded),
            processes: records.filter_map(|number| self.child(number)).collect(),
            starts: ends.starts(),
            ends: ends.counts().filter(|(cause, _)| [LEFT, DIED].contains(cause)).collect(),
            last_ends: ends.last().map(Into::into).collect(),
        }
    }

    /// How many cores a process has used lately.
    fn cores(&self, pid: u32, taken: &Taken) -> Option<f64> {
        let cpu = u64::try_from(taken.cpu.as_micros()).ok()?;
        self.board.cpu.cores(pid, Look { taken: clock::now(), cpu }, taken.age.as_secs_f64())
    }

    /// A child of httpd. Those that finish what they have are among them, as far as httpd still has them in its scoreboard.
    fn child(&self, number: u32) -> Option<page::Process> {
        let score = scoreboard::process(number)?;
        let pid = u32::try_from(score.process).ok().filter(|pid| *pid != 0)?;
        let taken = taken(pid)?;
        let told = self.board.bulletin.find(pid);
        let is_busy = |running: &&Running| running.owner == pid && running.meter == self.board.embedded.number;
        Some(page::Process {
            place: number as usize + 1,
            pid,
            state: if score.quiescing { "draining" } else { "ready" },
            age_seconds: Some(taken.age.as_secs_f64()),
            cpu_seconds: Some(taken.cpu.as_secs_f64()),
            cpu_cores: self.cores(pid, &taken),
            memory_bytes: Some(taken.resident),
            threads_busy: u32::try_from(self.running.iter().filter(is_busy).count()).unwrap_or(u32::MAX),
            threads: mpm::threads_per_process().unsigned_abs(),
            applications_loaded: None,
            applications_failed: None,
            garbage: told.as_ref().map(Into::into),
            undeclared_extensions: told.map(Into::into),
        })
    }

    fn group(&self, group: &'static Group<'static>) -> page::Group {
        let (length, limit) = group.table.queue();
        let waits = |running: &&Running| running.phase == Phase::Queue && running.meter == group.meter.number;
        let oldest = self.running.iter().find(waits).map_or(0.0, |running| self.age(running.began));
        page::Group {
            name: group.config.name.to_string(),
            gil: self.gil(&group.config.name),
            processes_wanted: group.config.processes,
            threads_per_process: group.config.threads,
            queue: page::Queue { length, limit, oldest_wait_seconds: oldest },
            counts: self.counts(group.meter),
            processes: (0..group.table.places()).filter_map(|place| self.daemon(group, place)).collect(),
            starts: group.meter.ends().starts(),
            ends: group.meter.ends().counts().filter(|(cause, _)| ![LEFT, DIED].contains(cause)).collect(),
            last_ends: group.meter.ends().last().map(Into::into).collect(),
        }
    }

    /// What the daemon itself may have written, in the table, is bounded: its state and its seats.
    fn daemon(&self, group: &Group, place: usize) -> Option<page::Process> {
        let enrolled = group.roll.get(place)?;
        let taken = taken(enrolled.process);
        let told = group.bulletin.find(enrolled.process);
        Some(page::Process {
            place: place + 1,
            pid: enrolled.process,
            state: match group.table.state(place) {
                State::Empty | State::Starting => "starting",
                State::Ready => "ready",
                State::Draining => "draining",
            },
            age_seconds: Some(self.age(enrolled.started)),
            cpu_seconds: taken.map(|taken| taken.cpu.as_secs_f64()),
            cpu_cores: taken.and_then(|taken| self.cores(enrolled.process, &taken)),
            memory_bytes: taken.map(|taken| taken.resident),
            threads_busy: group.table.in_flight(place),
            threads: group.config.threads,
            applications_loaded: Some(enrolled.loaded),
            applications_failed: Some(enrolled.failed),
            garbage: told.as_ref().map(Into::into),
            undeclared_extensions: told.map(Into::into),
        })
    }

    /// Whether the processes of a group run with the GIL: it is settled when Python starts, and stays.
    fn gil(&self, group: &str) -> &'static str {
        let is_free = self.start_up.is_some_and(|start_up| start_up.interpreters.free_threading(group));
        if FREE_THREADED_BUILD && is_free { "off" } else { "on" }
    }
}
