//! A request, from httpd's handler phase to its end: each step is one line of [`serve`].

use crate::apache::body::Input;
use crate::apache::boundary::caught;
use crate::apache::directive::directory_settings;
use crate::apache::hook::RequestHook;
use crate::apache::log::Level;
use crate::apache::refusal;
use crate::apache::request::{FileKind, Request};
use crate::apache::status::Status;
use crate::config::WsgiConfiguration;
use crate::config::alias::ScriptAlias;
use crate::config::process_group::is_visible;
use crate::config::settings::Settings;
use crate::config::values::group_literal;
use crate::daemon::child::dispatch;
use crate::daemon::generation::{self, Group};
use crate::module::readiness;
use crate::observe::watch::Watch;
use crate::process::script_path;
use crate::process::this_process::process;
use crate::python::Attached;
use crate::python::interpreter;
use crate::python::script::{Event, Reloading};
use crate::request::call::call;
use crate::request::counting;
use crate::request::exchange::EmbeddedExchange;
use crate::request::facts::{EmbeddedFacts, Terms};
use crate::request::fault::Fault;
use crate::request::group::{self, Mount};
use crate::request::log_entry::Entry;
use crate::request::response::EmbeddedSink;
use crate::request::said::{self, Said};
use crate::request::script_owner;
use crate::request::target::{Target, Wanted};
use crate::request::trace;
use crate::scripts::dispatch as dispatch_script;
use crate::wsgi::gateway::{Outcome, SinkError};
use core::sync::atomic::AtomicBool;

/// The hook that makes responses.
pub(crate) struct Handler;

impl RequestHook for Handler {
    fn run(request: &mut Request<'_>) -> Status {
        let Some(target) = Target::of(request) else { return Status::DECLINED };
        counting::counted(request, |request, watch| {
            let status = serve(request, target, watch).unwrap_or_else(|fault| fault.answer(request));
            refusal::take_rest(request, refusal::REST_TIME);
            if status.is_server_error() {
                request.keep_whole_out_of_caches();
            }
            status
        })
    }
}

/// Serves a request that is ours.
fn serve<'r>(request: &mut Request<'r>, target: Target<'r>, watch: Option<&Watch>) -> Result<Status, Fault> {
    check_target(request, target)?;
    let mut settings = settings_of(request, target);
    if settings.trace_context {
        trace::make(request);
    }
    check_body(request, &settings)?;
    if request.has_body() {
        refusal::hold_back(request);
    }
    let mount = Mount::of(request);
    dispatch_script::choose(request, &mount, target, &mut settings)?;
    let process_group = process_group(request, &mount, &settings)?;
    let application_group = group::expand(request, &mount, settings.application_group);
    let wanted = Wanted {
        application_group: &application_group,
        origin: group::origin(request, &mount, target, settings.application_group),
        modified: target.modified(request),
    };
    let callable = group::callable(request, settings.callable_object);
    let (settings, mount, callable) = (&settings, &mount, &callable);
    let terms = Terms { settings, mount, process_group: &process_group, target, callable };
    let status = if process_group.is_empty() {
        counting::enter_embedded(watch, request);
        serve_here(request, terms, &wanted)?
    } else {
        serve_there(&terms.facts(request), &wanted, watch)?
    };
    mention_withheld_credentials(&terms.facts(request), status);
    Ok(status)
}

/// Serves the request in a daemon of its process group.
fn serve_there(facts: &EmbeddedFacts<'_>, wanted: &Wanted<'_>, watch: Option<&Watch>) -> Result<Status, Fault> {
    let group = running_group(facts.request, facts.terms.process_group)?;
    counting::enter(watch, group.meter, facts.request);
    script_owner::check(facts.request, &group.config)?;
    dispatch::serve(facts, group, wanted)
}

/// An application that checks passwords itself answers 401 for ever where it is not shown them.
fn mention_withheld_credentials(facts: &EmbeddedFacts<'_>, status: Status) {
    let request = facts.request;
    let is_unauthorized = status == Status::UNAUTHORIZED
        || (status == Status::OK && request.status() == i32::from(Status::UNAUTHORIZED.code()));
    let is_withheld = is_unauthorized
        && request.user().is_none()
        && !facts.passes_authorization()
        && request.headers_in().get(c"Authorization").is_some();
    let script = facts.terms.target.script(request);
    if is_withheld && said::for_the_first_time(Said::AuthorizationWithheld, script) {
        Entry::of_module(Level::Info, WITHHELD.to_owned()).write(request);
    }
}

const WITHHELD: &str = "WSGI1100: the application answered 401, and was not shown the Authorization header of the request; \
                        if it checks credentials itself it needs WSGIPassAuthorization On";

fn check_target(request: &Request<'_>, target: Target<'_>) -> Result<(), Fault> {
    if let Target::File(alias) = target {
        check_file(request, alias)?;
    }
    if !request.accepts_path_info() && !request.path_info().is_empty() {
        return Err(Fault::PathInfo);
    }
    Ok(())
}

/// A file that is a script must be one that may be executed. A handler script needs no file.
fn check_file(request: &Request<'_>, alias: Option<&ScriptAlias>) -> Result<(), Fault> {
    if alias.is_none() && !request.allows_exec_cgi() {
        return Err(Fault::ExecCgiOff);
    }
    match request.file_kind() {
        FileKind::Missing => Err(Fault::Missing),
        FileKind::Directory => Err(Fault::IsDirectory),
        FileKind::Regular | FileKind::Other => Ok(()),
    }
}

/// The settings in force: what directives say, and over it what the alias or the handler script says.
fn settings_of<'r>(request: &Request<'r>, target: Target<'r>) -> Settings<'r> {
    let directory = directory_settings::<WsgiConfiguration>(request).copied().unwrap_or_default();
    let mut settings = directory.resolve();
    if let Some(options) = target.options() {
        settings.process_group = options.process_group.unwrap_or(settings.process_group);
        settings.application_group = options.application_group.unwrap_or(settings.application_group);
        settings.callable_object = options.callable_object.unwrap_or(settings.callable_object);
        settings.pass_authorization = options.pass_authorization.unwrap_or(settings.pass_authorization);
    }
    settings
}

/// Refuses a body that cannot be served before Python sees anything of the request. An error document has none: what was
/// refused once is not refused to its page.
fn check_body(request: &Request<'_>, settings: &Settings<'_>) -> Result<(), Fault> {
    if request.is_error_document() {
        return Ok(());
    }
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some(encoding) = request.headers_in().get(c"Transfer-Encoding") {
        if !encoding.eq_ignore_ascii_case(b"chunked") {
            return Err(Fault::TransferEncoding(lossy(encoding)));
        }
        if !settings.chunked_request && !ends_without_a_byte(request) {
            return Err(Fault::Chunked);
        }
    }
    let Some(text) = request.headers_in().get(c"Content-Length") else { return Ok(()) };
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let length = core::str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse::<u64>().ok());
    let length = length.ok_or_else(|| Fault::ContentLength(lossy(text)))?;
    let limit = request.body_limit();
    if limit > 0 && length > limit.unsigned_abs() {
        return Err(Fault::TooLarge(length, limit));
    }
    Ok(())
}

/// Whether a body that may have any length turns out to be none. Over HTTP/2 a client may say that its request is complete
/// after it has sent the headers; until then mod_http2 calls the body chunked.
fn ends_without_a_byte(request: &Request<'_>) -> bool {
    let is_empty = request.protocol().starts_with(b"HTTP/2") && Input::new(request).is_empty();
    if is_empty {
        // httpd has seen the end, and has no more use for the header.
        request.headers_in().remove(c"Transfer-Encoding");
    }
    is_empty
}

/// The name of the process group that serves; empty is this process.
fn process_group(request: &Request<'_>, mount: &Mount<'_>, settings: &Settings<'_>) -> Result<String, Fault> {
    let group = group::expand(request, mount, settings.process_group);
    if let Some(allowed) = settings.restrict_process {
        let is_allowed = allowed.iter().any(|name| group_literal(name).eq_ignore_ascii_case(&group));
        if !is_allowed {
            return Err(Fault::ProcessGroupRefused(group));
        }
    }
    let restricted = process().is_some_and(|process| process.start_up.restrict_embedded);
    if group.is_empty() && restricted { Err(Fault::EmbeddedRefused) } else { Ok(group) }
}

/// The process group of that name, if the server of the request may use it.
fn running_group(request: &Request<'_>, name: &str) -> Result<&'static Group<'static>, Fault> {
    let generation = generation::mine().ok_or_else(|| Fault::NoProcessGroup(name.to_owned()))?;
    let running = generation.group(name).ok_or_else(|| Fault::UnknownProcessGroup(name.to_owned()))?;
    if is_visible(running.server, request.server()) {
        Ok(running)
    } else {
        Err(Fault::ProcessGroupElsewhere(name.to_owned()))
    }
}

/// Serves the request in this process.
fn serve_here(request: &mut Request<'_>, terms: Terms<'_>, wanted: &Wanted<'_>) -> Result<Status, Fault> {
    let interpreter = interpreter::named(wanted.application_group, wanted.origin).map_err(Fault::of_interpreter)?;
    let answered = AtomicBool::new(false);
    let mut exchange = EmbeddedExchange::new(request, terms, &answered);
    let outcome = caught(|| interpreter.run(|attached| call_attached(attached, terms, wanted.modified, &mut exchange)));
    match outcome {
        Ok(outcome) => finish(&mut exchange, outcome?),
        Err(panic) => {
            let status = Fault::of_panic(panic).answer(exchange.request());
            Ok(abandon(&mut exchange, status))
        }
    }
}

/// The part of a request that runs attached to Python.
fn call_attached(
    attached: &Attached<'_>,
    terms: Terms<'_>,
    modified: i64,
    exchange: &mut EmbeddedExchange<'_>,
) -> Result<Outcome, Fault> {
    let (path, resource) = (terms.target.script(exchange.request()), exchange.request().filename());
    let reloading = if terms.settings.script_reloading { Reloading::Here } else { Reloading::Off };
    let script = script_path::script(path, modified, resource, reloading, terms.callable);
    let watch = |event: &Event<'_>| {
        if let Event::Loaded = event {
            readiness::note_loaded(attached.interpreter.name(), path);
        }
    };
    call(attached, &script, &watch, exchange)
}

/// Ends the response, detached from Python, and says what httpd is to do.
fn finish(exchange: &mut EmbeddedExchange<'_>, outcome: Outcome) -> Result<Status, Fault> {
    if exchange.response().was_answered() {
        return Ok(EmbeddedSink::ANSWERED);
    }
    let sent = match outcome.seen_by_client(exchange.request().is_head()) {
        Outcome::Complete => exchange.response().end(),
        Outcome::Short { announced, given } => match exchange.response().end_short() {
            Ok(false) => {
                let status = Fault::Short { announced, given }.answer(exchange.request());
                exchange.response().cut();
                return Ok(status);
            }
            ended => ended.map(drop),
        },
        // What it raised is that the filter has failed, most likely.
        Outcome::Raised | Outcome::TimedOut if exchange.response().filter_failure().is_some() => Ok(()),
        Outcome::TimedOut => {
            let status = Fault::TimedOut.answer(exchange.request());
            return Ok(abandon(exchange, status));
        }
        // The exception has been logged where it was caught. Most likely it is that the client was too slow, if it was.
        Outcome::Raised if exchange.is_client_too_slow() => return Ok(abandon(exchange, Status::REQUEST_TIMEOUT)),
        Outcome::Raised => return Ok(abandon(exchange, Status::INTERNAL_SERVER_ERROR)),
        Outcome::ClientGone => Err(SinkError::ClientGone(String::new())),
        Outcome::Answered => Err(SinkError::Answered),
    };
    if let Some(error) = exchange.response().filter_failure() {
        let status = Fault::Filter(error).answer(exchange.request());
        return Ok(abandon(exchange, status));
    }
    Ok(match sent {
        Ok(()) => {
            if exchange.is_unread() {
                exchange.response().push_out();
            }
            Status::OK
        }
        Err(SinkError::Answered) => EmbeddedSink::ANSWERED,
        Err(SinkError::ClientGone(_)) => {
            exchange.request().give_response_up();
            Status::OK
        }
    })
}

/// Puts an error page in the place of the response, or cuts it if the client has seen some of it.
fn abandon(exchange: &mut EmbeddedExchange<'_>, status: Status) -> Status {
    if exchange.response().can_be_taken_back() {
        exchange.response().take_back();
        return exchange.response().refusal().unwrap_or(status);
    }
    exchange.response().cut();
    Status::OK
}
