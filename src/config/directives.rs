//! The directives: one row each. `httpd -L` prints the help texts, and error
//! messages quote them as what was expected.

use super::WsgiConfiguration;
use super::alias::ScriptAlias;
use super::control_script::ControlScript;
use super::control_socket::ControlSocket;
use super::group_name::{CallableName, GroupName};
use super::handler_script;
use super::import_script::ImportScript;
use super::inert;
use super::process_group::{self, ProcessGroup};
use super::python_home;
use super::server::ServerSettings;
use super::telemetry::{self, TelemetryOptions, TelemetryService};
use super::trusted_proxies::{self, TrustedProxies};
use super::values::{AcceptMutex, Audit, HashSeed, HeadToGet, choice, flag, leading_number, positive_seconds, seconds};
use crate::apache::directive::{Arguments, Configuration, Declare, Directive, Others, Scope, Setter, Words};
use core::ffi::CStr;

type SetDirectory = <WsgiConfiguration as Configuration>::SetDirectory;
type SetServer = fn(&mut ServerSettings, &Arguments<'_>) -> Result<(), String>;

const fn directory(
    name: &'static CStr,
    scope: Scope,
    set: SetDirectory,
    help: &'static CStr,
) -> Directive<WsgiConfiguration> {
    Directive { name, scope, words: Words::One, set: Setter::Directory(set), help }
}

const fn global(name: &'static CStr, set: SetServer, help: &'static CStr) -> Directive<WsgiConfiguration> {
    Directive { name, scope: Scope::Global, words: Words::One, set: Setter::Server(set), help }
}

/// A directive that takes any number of words.
const fn list(
    name: &'static CStr,
    scope: Scope,
    least: usize,
    set: SetDirectory,
    help: &'static CStr,
) -> Directive<WsgiConfiguration> {
    Directive { name, scope, words: Words::AtLeast(least), set: Setter::Directory(set), help }
}

const fn declaration(
    name: &'static CStr,
    least: usize,
    set: Declare<WsgiConfiguration>,
    help: &'static CStr,
) -> Directive<WsgiConfiguration> {
    Directive { name, scope: Scope::Server, words: Words::AtLeast(least), set: Setter::Declaration(set), help }
}

/// A directive of the main server that takes one word or more.
const fn global_list(name: &'static CStr, set: SetServer, help: &'static CStr) -> Directive<WsgiConfiguration> {
    Directive { name, scope: Scope::Global, words: Words::AtLeast(1), set: Setter::Server(set), help }
}

/// How many directives there are.
pub(crate) const COUNT: usize = DIRECTIVES.len();

/// Every directive of the module.
#[rustfmt::skip]
pub(crate) static DIRECTIVES: [Directive<WsgiConfiguration>; 56] = [
    declaration(c"WSGIScriptAlias", 2, |s, o, a| add_alias(s, o, ScriptAlias::prefix(a)?),
        c"a URL path, a script or directory of scripts, and options (process-group=, application-group=, callable-object=, pass-authorization=)"),
    declaration(c"WSGIScriptAliasMatch", 2, |s, o, a| add_alias(s, o, ScriptAlias::expression(a)?),
        c"a regular expression, a script, and options as for WSGIScriptAlias"),
    declaration(c"WSGIImportScript", 2, |s, o, a| add_import(s, o, ImportScript::parse(a)?),
        c"a script, process-group= and application-group="),
    declaration(c"WSGIDaemonProcess", 1, |s, o, a| { let group = ProcessGroup::parse(s, o, a)?; s.process_groups.push(group); Ok(()) },
        c"the name of a process group, and options (processes=, threads=, user=, ...)"),
    list(c"WSGIHandlerScript", Scope::Directory, 2, |s, a| { s.handler_scripts = Some(handler_script::more(s.handler_scripts, a)?); Ok(()) },
        c"the name of a handler, a script, and options (process-group=, application-group=, pass-authorization=)"),

    global(c"WSGISocketPrefix", |s, a| s.start_up.set_socket_prefix(a),
        c"what the paths of the sockets of daemon processes begin with, from the root or from ServerRoot"),
    global(c"WSGISocketRotation", |s, a| { s.start_up.keep_socket_names = !flag(a.first())?; Ok(()) },
        c"On or Off, without effect: sockets have other names after each restart"),
    global(c"WSGIAcceptMutex", |s, a| { s.start_up.accept_mutex = AcceptMutex::parse(a.first())?; Ok(()) },
        c"default or the name of a mutex, without effect: no two processes share a socket"),
    global(c"WSGIDrainTime", |s, a| { s.start_up.drain_time = seconds(a.first())?; Ok(()) },
        c"a number of seconds for which httpd serves on after apachectl graceful-stop while wsgi-health is not ready, 0 for none"),
    global_list(c"WSGIControlSocket", |s, a| { s.start_up.control_socket = Some(ControlSocket::parse(a)?); Ok(()) },
        c"off, or the path of the socket that wsgictl uses, and options (mode=, owner=, group=)"),
    global(c"WSGIStatusQuery", |s, a| { s.start_up.status_query = flag(a.first())?; Ok(()) },
        c"On or Off: whether wsgi-status shows the query strings of running requests"),
    global(c"WSGILogFormat", |s, a| { s.start_up.log_json = choice(a.first(), &[("Text", false), ("JSON", true)])?; Ok(()) },
        c"Text or JSON: how the module writes its lines of the error log"),
    global(c"WSGILogHandler", |s, a| { s.start_up.log_handler = flag(a.first())?; Ok(()) },
        c"On or Off: whether the root logger of logging writes to the error log"),
    global(c"WSGIServerMetrics", |s, a| { s.start_up.telemetry.server_metrics = flag(a.first())?; Ok(()) },
        c"On or Off: whether applications may ask for the metrics of httpd"),
    global_list(c"WSGITelemetryService", |s, a| { s.start_up.telemetry.service = Some(TelemetryService::parse(a.words(), s.start_up.telemetry.service.as_ref())?); Ok(()) },
        c"unix:/path of the socket that metrics are reported to, and interval=SECONDS"),
    global(c"WSGISlowRequests", |s, a| { s.start_up.telemetry.slow_requests = telemetry::slow_requests(a.first())?; Ok(()) },
        c"a number of seconds from which on a request is reported as slow, 0 for none"),
    global_list(c"WSGITelemetryOptions", |s, a| { s.start_up.telemetry.options = TelemetryOptions::parse(a.words(), s.start_up.telemetry.options)?; Ok(()) },
        c"CaptureUserAgent (with + or - or without), None or All"),

    global(c"WSGIFreeThreading", |s, a| s.start_up.set_free_threading(flag(a.first())?),
        c"On or Off: whether Python runs without its GIL"),
    global(c"WSGIFreeThreadingAudit", |s, a| { s.start_up.audit = Audit::parse(a.first())?; Ok(()) },
        c"Log, Strict or Off: what happens to extension modules that are not declared safe without the GIL"),
    global(c"WSGIPerInterpreterGIL", |s, a| s.start_up.set_per_interpreter_gil(flag(a.first())?),
        c"On or Off: whether sub-interpreters have a GIL of their own"),
    global(c"WSGISwitchInterval", |s, a| { s.start_up.interpreters.here().switch_interval = Some(positive_seconds(a.first())?); Ok(()) },
        c"a number of seconds after which a thread gives up the GIL"),

    global(c"WSGIPythonHome", |s, a| { python_home::check(a.first())?; s.start_up.python_home = Some(a.first().to_owned()); Ok(()) },
        c"the root of a Python installation or virtual environment"),
    global(c"WSGIPythonPath", |s, a| { s.start_up.interpreters.here().python_path = Some(a.first().to_owned()); Ok(()) },
        c"directories for sys.path, separated by colons"),
    global(c"WSGIPythonEggs", |s, a| { s.start_up.python_eggs = Some(a.first().to_owned()); Ok(()) },
        c"the directory that eggs are unpacked into"),
    global(c"WSGIPythonOptimize", |s, a| { s.start_up.python_optimize = leading_number(a.first()); Ok(()) },
        c"a level of optimisation, as python -O counts them"),
    global(c"WSGIPythonWarnings", |s, a| { s.start_up.python_warnings.push(a.first().to_owned()); Ok(()) },
        c"a filter for warnings, as python -W takes it"),
    global(c"WSGIPythonHashSeed", |s, a| { s.start_up.python_hash_seed = Some(HashSeed::parse(a.first())?); Ok(()) },
        c"random, or a number that seeds hash()"),
    global(c"WSGIDontWriteBytecode", |s, a| { s.start_up.dont_write_bytecode = flag(a.first())?; Ok(()) },
        c"On or Off: whether .pyc files are left unwritten"),
    global(c"WSGIDestroyInterpreter", |s, a| { s.start_up.keep_interpreters = !flag(a.first())?; Ok(()) },
        c"On or Off: whether interpreters are taken down when a process ends"),
    global(c"WSGICaseSensitivity", |s, a| { s.start_up.case_insensitive = !flag(a.first())?; Ok(()) },
        c"On or Off: whether file names differ by case"),
    global(c"WSGIRestrictEmbedded", |s, a| { s.start_up.set_restrict_embedded(flag(a.first())?); Ok(()) },
        c"On or Off: whether applications are kept out of httpd's own processes"),
    global(c"WSGIRestrictStdin", |s, a| { s.start_up.interpreters.here().restrict_stdin = Some(flag(a.first())?); Ok(()) },
        c"On or Off: whether the use of sys.stdin is an error"),
    global(c"WSGIRestrictStdout", |s, a| { s.start_up.interpreters.here().restrict_stdout = Some(flag(a.first())?); Ok(()) },
        c"On or Off: whether the use of sys.stdout is an error"),
    global(c"WSGIRestrictSignal", |s, a| { s.start_up.interpreters.here().restrict_signal = Some(flag(a.first())?); Ok(()) },
        c"On or Off: whether signal.signal() is kept from changing httpd's handlers"),
    global(c"WSGIVerboseDebugging", |s, a| { flag(a.first())?; s.start_up.notice(VERBOSE_DEBUGGING); Ok(()) },
        c"On or Off, without effect: LogLevel wsgi:debug is its successor"),
    Directive { name: c"<WSGIInterpreterOptions", scope: Scope::Global, words: Words::AtLeast(0),
        set: Setter::Section { open: |s, a| s.start_up.interpreters.open(a.words()), close: |s| s.start_up.interpreters.close() },
        help: c"process-group=, application-group= or both: the interpreters that the directives inside are for" },

    directory(c"WSGIProcessGroup", Scope::Directory, |s, a| { s.process_group = Some(GroupName::parse(a.first())); Ok(()) },
        c"the name of a process group, or %{GLOBAL}, %{ENV:NAME}"),
    list(c"WSGIRestrictProcess", Scope::Directory, 0, |s, a| { s.restrict_process = Some(Some(a.pool.slice(a.words()))); Ok(()) },
        c"names of the process groups that may be used, %{GLOBAL} for none"),
    directory(c"WSGIApplicationGroup", Scope::Directory, |s, a| { s.application_group = Some(GroupName::parse(a.first())); Ok(()) },
        c"the name of an interpreter, or %{GLOBAL}, %{SERVER}, %{HOST}, %{RESOURCE}, %{ENV:NAME}"),
    directory(c"WSGICallableObject", Scope::FileInfo, |s, a| { s.callable_object = Some(CallableName::parse(a.first())); Ok(()) },
        c"the name of the callable in the script, or %{ENV:NAME}"),
    directory(c"WSGIPassAuthorization", Scope::FileInfo, |s, a| { s.pass_authorization = Some(flag(a.first())?); Ok(()) },
        c"On or Off: whether the application sees the Authorization header"),
    directory(c"WSGIScriptReloading", Scope::FileInfo, |s, a| { s.script_reloading = Some(flag(a.first())?); Ok(()) },
        c"On or Off: whether a changed script is loaded anew"),
    directory(c"WSGIChunkedRequest", Scope::FileInfo, |s, a| { s.chunked_request = Some(flag(a.first())?); Ok(()) },
        c"On or Off: whether request bodies without a length are accepted"),
    directory(c"WSGIMapHEADToGET", Scope::FileInfo, |s, a| { s.map_head_to_get = Some(HeadToGet::parse(a.first())?); Ok(()) },
        c"On, Off or Auto: whether the application sees GET for a HEAD request"),
    directory(c"WSGIEnableSendfile", Scope::FileInfo, |s, a| { s.enable_sendfile = Some(flag(a.first())?); Ok(()) },
        c"On or Off: whether files of wsgi.file_wrapper may be sent by the kernel (sendfile)"),
    list(c"WSGITrustedProxyHeaders", Scope::FileInfo, 0, |s, a| { s.trusted_proxy_headers = Some(trusted_proxies::more_headers(s.trusted_proxy_headers, a)?); Ok(()) },
        c"names of headers by which proxies are believed, such as X-Forwarded-For"),
    list(c"WSGITrustedProxies", Scope::FileInfo, 0, |s, a| { s.trusted_proxies = Some(TrustedProxies::more(s.trusted_proxies, a)?); Ok(()) },
        c"IP addresses and networks of the proxies that are believed"),
    directory(c"WSGIPassApacheRequest", Scope::Directory, |s, a| { s.pass_apache_request = Some(flag(a.first())?); Ok(()) },
        c"On or Off: whether the application gets httpd's own record of the request"),
    directory(c"WSGIErrorOverride", Scope::FileInfo, |s, a| { s.error_override = Some(flag(a.first())?); Ok(()) },
        c"On or Off: whether error documents of httpd replace those of the application (daemon mode)"),
    directory(c"WSGIIgnoreActivity", Scope::FileInfo, |s, a| { s.ignore_activity = Some(flag(a.first())?); Ok(()) },
        c"On or Off: whether a request leaves a daemon process as idle as it was (inactivity-timeout)"),
    directory(c"WSGITraceContext", Scope::FileInfo, |s, a| { s.trace_context = Some(flag(a.first())?); Ok(()) },
        c"On or Off: whether requests that bring no trace context (traceparent) get one"),
    list(c"WSGIDispatchScript", Scope::Directory, 1, |s, a| { s.dispatch_script = Some(Some(ControlScript::parse(a)?)); Ok(()) },
        c"a script that chooses process group, application group and callable of requests, and application-group="),
    list(c"WSGIAccessScript", Scope::AuthConfig, 1, |s, a| { s.access_script = Some(Some(ControlScript::parse(a)?)); Ok(()) },
        c"a script that decides which clients may come in, and application-group="),
    list(c"WSGIAuthUserScript", Scope::AuthConfig, 1, |s, a| { s.auth_user_script = Some(Some(ControlScript::parse(a)?)); Ok(()) },
        c"a script that checks passwords of users, and application-group="),
    list(c"WSGIAuthGroupScript", Scope::AuthConfig, 1, |s, a| { s.auth_group_script = Some(Some(ControlScript::parse(a)?)); Ok(()) },
        c"a script that knows the groups of users, and application-group="),
    directory(c"WSGIGroupAuthoritative", Scope::AuthConfig, |_, a| inert::group_authoritative(a.first()),
        c"On or Off, without effect: Require decides who may enter"),
];

const VERBOSE_DEBUGGING: &str = "WSGI1008: WSGIVerboseDebugging has no effect; use LogLevel, e.g. LogLevel wsgi:debug";

/// An alias that names both its groups plainly is also loaded beforehand.
fn add_alias(
    server: &mut ServerSettings,
    others: &Others<'_, WsgiConfiguration>,
    alias: ScriptAlias,
) -> Result<(), String> {
    if let Some(script) = ImportScript::of_alias(&alias) {
        add_import(server, others, script)?;
    }
    server.aliases.push(alias);
    Ok(())
}

/// What is loaded beforehand names a process group that is there.
fn add_import(
    server: &mut ServerSettings,
    others: &Others<'_, WsgiConfiguration>,
    script: ImportScript,
) -> Result<(), String> {
    if !script.process_group.is_empty() {
        process_group::check_is_usable(&script.process_group, server, others)?;
    }
    server.import_scripts.push(script);
    Ok(())
}
