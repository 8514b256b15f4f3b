"""Writes httpd.conf from `Settings`: only what is in force, in the order in which a request meets it.

Called by `serverroot`. It decides nothing and reads no files.
"""

import re
import sys
from pathlib import Path

from . import capacity
from .page import Page
from .settings import Settings, rotatelogs
from .tracebacks import LOCAL

HANDLER = "wsgi-handler"
RESOURCE_HANDLER = "wsgi-resource"

# Each timeout of a daemon process, with the value that WSGIDaemonProcess has without the option.
DAEMON_NUMBERS = {
    "maximum_requests": 0,
    "startup_timeout": 0,
    "shutdown_timeout": 5,
    "graceful_timeout": 15,
    "eviction_timeout": 0,
    "deadlock_timeout": 300,
    "inactivity_timeout": 0,
    "request_timeout": 0,
    "interrupt_timeout": 0,
    "connect_timeout": 15,
    "socket_timeout": 0,
    "queue_timeout": 0,
    "response_socket_timeout": 0,
    "restart_interval": 0,
    "cpu_time_limit": 0,
    "send_buffer_size": 0,
    "receive_buffer_size": 0,
    "header_buffer_size": 0,
    "response_buffer_size": 0,
}


def render(settings: Settings) -> str:
    page = Page()
    page.raw("# Made by wsgi-express, and made anew at each start: change the command line, or add --include-file.")
    for part in (
        _identity,
        _modules,
        _server,
        _sizes,
        _logs,
        _python,
        _daemons,
        _transfer,
        _document_root,
        _handlers,
        _access,
        _aliases,
        _hosts,
        _proxies,
        _services,
        _includes,
    ):
        part(page, settings)
    return page.text()


def _identity(page: Page, s: Settings) -> None:
    page.comment("The server")
    page.line("ServerName", s.host if ":" not in s.host else f"[{s.host}]")
    page.line("ServerRoot", s.root)
    page.line("DefaultRuntimeDir", s.root)
    page.line("PidFile", s.pid_file)
    page.line("ServerTokens", "ProductOnly")
    page.line("ServerSignature", "Off")
    if s.user:
        page.line("User", s.user)
        page.line("Group", s.group)
    page.line("Listen", f"{s.listen}{s.options.port}")
    if s.https:
        page.line("Listen", f"{s.listen}{s.options.https_port}", "https")
    page.line("ListenBacklog", s.options.server_backlog)


def _modules(page: Page, s: Settings) -> None:
    page.comment("Modules of httpd")
    for name in _names_of_modules(s):
        if not s.httpd.is_compiled_in(name):
            page.line("LoadModule", f"{name}_module", s.httpd.file_of(name))
    page.line("LoadModule", "wsgi_module", s.module)


def _names_of_modules(s: Settings) -> list[str]:
    o = s.options
    conditions = [
        (f"mpm_{s.mpm}", True),
        ("unixd", True),
        ("log_config", o.access_log or not o.log_to_terminal),
        ("authn_core", True),
        ("authz_core", True),
        ("authz_host", True),
        ("access_compat", bool(o.include_file or o.allow_override)),
        ("mime", True),
        ("rewrite", True),
        ("alias", True),
        ("dir", True),
        ("env", True),
        ("headers", True),
        ("setenvif", s.tracebacks),
        ("filter", True),
        ("reqtimeout", True),
        ("http2", o.http2),
        ("autoindex", o.directory_listing),
        ("deflate", o.compress_responses),
        (f"auth_{o.auth_type.lower()}", bool(o.auth_user_script)),
        ("authz_user", bool(o.auth_user_script)),
        ("proxy", bool(o.proxy_mount_point or o.proxy_virtual_host)),
        ("proxy_http", bool(o.proxy_mount_point or o.proxy_virtual_host)),
        ("status", o.server_status or o.server_metrics),
        ("cgid" if s.mpm != "prefork" and s.httpd.has("cgid") else "cgi", o.with_cgi),
        ("socache_shmcb", s.https),
        ("ssl", s.https),
    ]
    return [name for name, wanted in conditions if wanted]


def _server(page: Page, s: Settings) -> None:
    o = s.options
    page.comment("Requests")
    page.line("TypesConfig", s.mime_types)
    page.line("Timeout", o.socket_timeout)
    page.line("LimitRequestBody", o.limit_request_body)
    read = [_read_timeout(s, "header"), _read_timeout(s, "body")]
    page.line("RequestReadTimeout", *filter(None, read) if any(read) else ("header=0", "body=0"))
    if o.http2:
        page.line("Protocols", "h2", "h2c", "http/1.1")
    if o.keep_alive_timeout:
        page.line("KeepAlive", "On")
        page.line("KeepAliveTimeout", o.keep_alive_timeout)
    else:
        page.line("KeepAlive", "Off")
    with page.section("Directory", "/"):
        page.line("AllowOverride", "None")
        page.line("Require", "all", "denied")


def _read_timeout(s: Settings, part: str) -> str | None:
    timeout, most, rate = (getattr(s.options, f"{part}_{name}") for name in ("timeout", "max_timeout", "min_rate"))
    if not timeout:
        return None
    return f"{part}={timeout}" + (f"-{most}" if most else "") + (f",MinRate={rate}" if rate else "")


def _sizes(page: Page, s: Settings) -> None:
    page.comment("Processes and threads of httpd")
    threads = 1 if s.debug else s.options.threads
    processes = 1 if s.debug else s.processes
    parts = capacity.Fractions(
        s.options.initial_workers, s.options.minimum_spare_workers, s.options.maximum_spare_workers
    )
    most = capacity.clients(processes, threads, s.options.max_clients)
    alone = s.embedded or s.debug
    if s.mpm == "prefork":
        sizes = capacity.embedded_prefork(processes, threads) if alone else capacity.prefork(most, parts)
        page.line("ServerLimit", sizes.max_request_workers)
        page.line("MaxRequestWorkers", sizes.max_request_workers)
        page.line("StartServers", sizes.start_servers)
        page.line("MinSpareServers", sizes.min_spare_servers)
        page.line("MaxSpareServers", sizes.max_spare_servers)
    else:
        sizes = capacity.embedded_threaded(processes, threads) if alone else capacity.threaded(most, parts)
        page.line("ServerLimit", sizes.server_limit)
        page.line("ThreadLimit", sizes.threads_per_child)
        page.line("ThreadsPerChild", sizes.threads_per_child)
        page.line("MaxRequestWorkers", sizes.max_request_workers)
        page.line("StartServers", sizes.start_servers)
        page.line("MinSpareThreads", sizes.min_spare_threads)
        page.line("MaxSpareThreads", sizes.max_spare_threads)
    page.line("MaxConnectionsPerChild", s.options.maximum_requests if s.embedded else 0)


def _logs(page: Page, s: Settings) -> None:
    o = s.options
    page.comment("Logs")
    page.raw(f"LogLevel {' '.join(o.log_level.split())}")
    page.line("ErrorLog", _log(s, s.error_log))
    if o.error_log_format:
        page.line("ErrorLogFormat", o.error_log_format)
    if o.access_log:
        formats = {"common": "%h %l %u %t \"%r\" %>s %b", "combined": '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"'}
        wanted = o.access_log_format or "common"
        page.line("CustomLog", _log(s, s.access_log), formats.get(wanted, wanted))
    if s.options.server_metrics or s.options.server_status:
        page.line("ExtendedStatus", "On")


def _log(s: Settings, file: str) -> str:
    if s.options.rotate_logs and not s.log_to_terminal:
        return f"|{rotatelogs(s)} {file}.%Y-%m-%d-%H_%M_%S {s.options.max_log_size}M"
    return file


def _python(page: Page, s: Settings) -> None:
    o = s.options
    page.comment("Python")
    page.line("WSGIPythonHome", sys.prefix)
    page.line("WSGISocketPrefix", Path(o.socket_prefix, "wsgi") if o.socket_prefix else s.root / "wsgi")
    if s.free_threading:
        page.line("WSGIFreeThreading", "On")
    if o.switch_interval is not None:
        page.line("WSGISwitchInterval", o.switch_interval)
    if s.daemons or s.static:
        page.line("WSGIRestrictEmbedded", "On")
    elif s.python_path:
        page.line("WSGIPythonPath", ":".join(s.python_path))
    if s.debug:
        page.line("WSGIRestrictStdin", "Off")
    if o.orphan_interpreter:
        page.line("WSGIDestroyInterpreter", "Off")
    for warning in o.python_warnings:
        page.line("WSGIPythonWarnings", warning)
    if o.server_metrics:
        page.line("WSGIServerMetrics", "On")
    if o.telemetry_service:
        page.line("WSGITelemetryService", o.telemetry_service, f"interval={o.telemetry_interval}")
    for option in o.telemetry_options:
        page.line("WSGITelemetryOptions", *option.split())
    if o.slow_requests:
        page.line("WSGISlowRequests", o.slow_requests)
    if o.drain_time:
        page.line("WSGIDrainTime", o.drain_time)
    page.line("WSGICallableObject", o.callable_object)
    page.line("WSGIPassAuthorization", "On")
    if o.map_head_to_get.lower() != "auto":
        page.line("WSGIMapHEADToGET", o.map_head_to_get)
    if o.chunked_request:
        page.line("WSGIChunkedRequest", "On")
    if o.error_override:
        page.line("WSGIErrorOverride", "On")
    if not (s.reloading or s.watches):
        page.line("WSGIScriptReloading", "Off")
    if o.trust_proxy_header:
        page.line("WSGITrustedProxyHeaders", *o.trust_proxy_header)
    if o.trust_proxy:
        page.line("WSGITrustedProxies", *o.trust_proxy)


def _daemons(page: Page, s: Settings) -> None:
    if not s.daemons:
        return
    o = s.options
    page.comment("Processes of the application")
    words = [s.process_group, f"display-name={s.display_name}", f"home={s.working_directory}"]
    if o.processes is not None:
        words.append(f"processes={s.processes}")
    words.append(f"threads={o.threads}")
    words += _python_words(s)
    words.append(f"listen-backlog={o.daemon_backlog}")
    words += [
        f"{key.replace('_', '-')}={getattr(o, key)}"
        for key, default in DAEMON_NUMBERS.items()
        if getattr(o, key) != default
    ]
    words.append(f"response-flush-delay={o.response_flush_delay}")
    if o.switch_interval is not None:
        words.append(f"switch-interval={o.switch_interval}")
    page.long("WSGIDaemonProcess", *words)


def _python_words(s: Settings) -> list[str]:
    words = [f"python-path={':'.join(s.python_path)}"] if s.python_path else []
    words += [f"python-eggs={s.options.python_eggs}"] if s.options.python_eggs else []
    words += [f"lang={s.locale}", f"locale={s.locale}"]
    return words + (["server-metrics=On"] if s.options.server_metrics else [])


def _services(page: Page, s: Settings) -> None:
    o = s.options
    if not o.service_script:
        return
    page.comment("Services")
    users, groups, logs = dict(o.service_user), dict(o.service_group), dict(o.service_log_file)
    for name, script in o.service_script:
        group = f"service:{name}"
        words = [group, "display-name=%{GROUP}", f"home={s.working_directory}", "threads=0", *_python_words(s)]
        words += [f"user={users[name]}"] if name in users else []
        words += [f"group={groups[name]}"] if name in groups else []
        lines = Page()
        lines.long("WSGIDaemonProcess", *words)
        lines.line("WSGIImportScript", script, f"process-group={group}", "application-group=%{GLOBAL}")
        if name not in logs:
            page.raw(lines.text().rstrip())
            continue
        # A virtual host gives the service an error log of its own; no request is for it.
        with page.section("VirtualHost", f"*:{o.port}"):
            page.line("ServerName", f"_service_{name}_")
            page.line("ErrorLog", _log(s, str(s.logs / logs[name])))
            page.raw(lines.text().rstrip())


def _transfer(page: Page, s: Settings) -> None:
    o = s.options
    if o.enable_sendfile:
        page.comment("Files are sent by the kernel")
        page.line("EnableSendfile", "On")
        page.line("WSGIEnableSendfile", "On")
    if o.compress_responses:
        page.comment("Text is compressed")
        types = ("plain", "html", "xml", "css", "javascript")
        page.line(
            "AddOutputFilterByType",
            "DEFLATE",
            *(f"text/{kind}" for kind in types),
            "application/xhtml+xml",
            "application/javascript",
            "application/json",
        )


def _document_root(page: Page, s: Settings) -> None:
    o = s.options
    page.comment("Files are served as they are; the application answers for everything else")
    page.line("DocumentRoot", s.document_root)
    if o.directory_index:
        page.line("DirectoryIndex", o.directory_index)
    with page.section("Directory", s.document_root):
        page.line("AllowOverride", *(o.allow_override or ["None"]))
        page.line("Require", "all", "granted")
        options = ["+ExecCGI"] * o.with_cgi + ["+Indexes"] * o.directory_listing
        if options:
            page.line("Options", *options)
        if o.with_cgi:
            page.line("AddHandler", "cgi-script", ".cgi")
        page.line("RewriteEngine", "On")
        page.line("RewriteOptions", "InheritDownBefore")
        page.comment("Hidden files such as .git/config are nobody's business")
        page.line("RewriteCond", "%{REQUEST_FILENAME}", "-f")
        page.line("RewriteRule", "(^|/)[.](?!well-known/)", "-", "[F]")
        if o.rewrite_rules:
            page.line("Include", o.rewrite_rules)
        if not s.static and s.mount_point == "/":
            _to_the_application(page, s)
    if not s.static and s.mount_point != "/":
        with page.section("Directory", str(s.document_root) + s.mount_point):
            page.line("RewriteEngine", "On")
            _to_the_application(page, s)


def _to_the_application(page: Page, s: Settings) -> None:
    page.line("RewriteCond", "%{REQUEST_FILENAME}", "!-f")
    if s.options.directory_index:
        page.line("RewriteCond", "%{REQUEST_FILENAME}", "!-d")
    own = ["status", "wsgi-status"] * s.options.server_status + ["wsgi-health(/.*)?"] * s.options.health
    if own:
        page.line("RewriteCond", "%{REQUEST_URI}", f"!^/server-({'|'.join(own)})$")
    page.line("RewriteRule", ".*", "-", f"[H={HANDLER}]")


def _handlers(page: Page, s: Settings) -> None:
    o = s.options
    page.comment("The application")
    with page.section("Directory", s.root):
        with page.section("Files", "handler.wsgi"):
            page.line("Require", "all", "granted")
    if not s.static:
        where = [f"process-group={s.process_group if s.daemons else '%{GLOBAL}'}"]
        where.append(f"application-group={o.application_group}")
        page.line("WSGIHandlerScript", HANDLER, s.root / "handler.wsgi", *where)
        # The name of an interpreter that depends on the request cannot be prepared.
        if "%{" not in o.application_group or o.application_group == "%{GLOBAL}":
            page.line("WSGIImportScript", s.root / "handler.wsgi", *where)
    if s.tracebacks:
        page.comment("Tracebacks are for clients of this machine: by the address of the connection, whatever proxies say")
        local = " || ".join(f"%{{CONN_REMOTE_ADDR}} -ipmatch '{addresses}'" for addresses in ("127.0.0.0/8", "::1/128"))
        page.line("SetEnvIfExpr", local, f"{LOCAL}=1")
    for key, value in o.setenv:
        page.line("SetEnv", key, value)
    for key in o.passenv:
        page.line("PassEnv", key)
    if o.add_handler:
        group = s.process_group if s.daemons else "%{GLOBAL}"
        for extension, _ in o.add_handler:
            page.line("AddHandler", RESOURCE_HANDLER, extension)
        where = [f"process-group={group}", "application-group=%{GLOBAL}"]
        page.line("WSGIHandlerScript", RESOURCE_HANDLER, s.root / "resource.wsgi", *where)
    for path in o.ignore_activity:
        with page.section("Location", path):
            page.line("WSGIIgnoreActivity", "On")


def _access(page: Page, s: Settings) -> None:
    o = s.options
    if o.host_access_script:
        page.comment("Who may come in")
        with page.section("Location", "/"):
            page.line("WSGIAccessScript", o.host_access_script)
    if o.auth_user_script:
        page.comment("Names and passwords")
        with page.section("Location", "/"):
            page.line("AuthType", o.auth_type)
            page.line("AuthName", s.process_group)
            page.line(f"Auth{o.auth_type}Provider", "wsgi")
            page.line("WSGIAuthUserScript", o.auth_user_script)
            if o.auth_group_script:
                page.line("WSGIAuthGroupScript", o.auth_group_script)
            with page.bare_section("RequireAll"):
                page.line("Require", "valid-user")
                if o.auth_group_script:
                    page.line("Require", "wsgi-group", o.auth_group)
    if o.server_status:
        page.comment("Status of httpd and of the application, for this machine alone")
        for name in ("server-status", "wsgi-status"):
            with page.section("Location", f"/server-{name.removeprefix('server-')}"):
                page.line("SetHandler", name)
                page.line("Require", "local")
    if o.health:
        page.comment("Probes")
        with page.section("Location", "/server-wsgi-health"):
            page.line("SetHandler", "wsgi-health")
            page.line("Require", "local")
            if o.health_from:
                page.line("Require", "ip", *o.health_from)


def _aliases(page: Page, s: Settings) -> None:
    o = s.options
    if o.url_alias or o.error_document:
        page.comment("Other files and error pages")
    # The longer ones first: the first that fits counts.
    for url, file in sorted(o.url_alias, reverse=True):
        path = Path(file)
        if path.is_file():
            page.line("Alias", url, file)
            with page.section("Directory", path.parent):
                with page.section("Files", path.name):
                    page.line("Require", "all", "granted")
            continue
        page.line("Alias", url, file)
        with page.section("Directory", file):
            page.line("AllowOverride", *(o.allow_override or ["None"]))
            page.line("Require", "all", "granted")
    for status, url in o.error_document:
        page.line("ErrorDocument", status, url)


def _proxies(page: Page, s: Settings) -> None:
    o = s.options
    if not (o.proxy_mount_point or o.proxy_virtual_host):
        return
    page.comment("Servers behind this one")
    if o.proxy_timeout:
        page.line("ProxyTimeout", o.proxy_timeout)
    for path, url in o.proxy_mount_point:
        bare, target = path.rstrip("/"), url if path.endswith("/") else url.rstrip("/") + "/"
        page.line("ProxyPass", f"{bare}/", target, "upgrade=websocket")
        page.line("ProxyPassReverse", f"{bare}/", target)
        page.line("RedirectMatch", f"^{re.escape(bare)}$", f"{bare}/")
        with page.section("Location", f"{bare}/"):
            _forwarded(page)
            page.line("RequestHeader", "set", "X-Forwarded-Prefix", bare or "/")
    for name, url in o.proxy_virtual_host:
        with page.section("VirtualHost", f"*:{o.port}"):
            _proxied_host(page, name, url)
        if s.https:
            with page.section("VirtualHost", f"*:{o.https_port}"):
                _tls(page, s)
                _proxied_host(page, name, url)


def _proxied_host(page: Page, name: str, url: str) -> None:
    target = url.rstrip("/") + "/"
    page.line("ServerName", name)
    page.line("ProxyPass", "/", target, "upgrade=websocket")
    page.line("ProxyPassReverse", "/", target)
    _forwarded(page)


def _forwarded(page: Page) -> None:
    page.line("RequestHeader", "set", "X-Forwarded-Port", "expr=%{SERVER_PORT}")
    page.line("RequestHeader", "set", "X-Forwarded-Scheme", "expr=%{REQUEST_SCHEME}")


def _hosts(page: Page, s: Settings) -> None:
    o = s.options
    if s.https:
        page.comment("TLS")
        page.line("SSLSessionCache", f"shmcb:{s.root}/ssl-cache(512000)")
    if o.server_name:
        page.comment(f"Requests for other names than {o.server_name} are refused")
        _default_host(page, s, o.port, tls=False)
        _site(page, s, o.port, tls=False)
        if s.https:
            _default_host(page, s, o.https_port, tls=True)
            _site(page, s, o.https_port, tls=True)
    elif s.https or o.proxy_virtual_host or o.service_log_file:
        # The first virtual host answers for names that no other one has.
        page.comment("The site")
        _site(page, s, o.port, tls=False)
        if s.https:
            _site(page, s, o.https_port, tls=True)


def _default_host(page: Page, s: Settings, port: int, *, tls: bool) -> None:
    with page.section("VirtualHost", f"_default_:{port}"):
        page.line("ServerName", "_wsgi_")
        if tls:
            _tls(page, s)
        with page.section("Location", "/"):
            page.line("Require", *(["local"] if s.options.allow_localhost else ["all", "denied"]))


def _site(page: Page, s: Settings, port: int, *, tls: bool) -> None:
    o = s.options
    with page.section("VirtualHost", f"*:{port}"):
        page.line("ServerName", f"[{s.name}]" if ":" in s.name else s.name)
        if o.server_alias:
            page.line("ServerAlias", *o.server_alias)
        if tls:
            _tls(page, s)
            if o.hsts_policy:
                page.line("Header", "always", "set", "Strict-Transport-Security", o.hsts_policy)
        elif o.https_only:
            _redirect_to_https(page, s)
        elif o.ssl_ca_certificate_file:
            # What needs a client certificate is not to be had without TLS.
            for path in o.ssl_verify_client or ["/"]:
                with page.section("Location", path):
                    page.line("Require", "all", "denied")
    if (o.server_name or "").startswith("www."):
        with page.section("VirtualHost", f"*:{port}"):
            page.line("ServerName", o.server_name.removeprefix("www."))
            if tls:
                _tls(page, s)
            scheme = "https" if tls else "http"
            page.line("Redirect", "permanent", "/", f"{scheme}://{o.server_name}:{port}/")


def _redirect_to_https(page: Page, s: Settings) -> None:
    port = "" if s.options.https_port == 443 else f":{s.options.https_port}"
    name = s.options.server_name or "%{SERVER_NAME}"
    page.line("RewriteEngine", "On")
    page.line("RewriteRule", "^", f"https://{name}{port}%{{REQUEST_URI}}", "[R=302,L,NE]")


def _tls(page: Page, s: Settings) -> None:
    o = s.options
    page.line("SSLEngine", "On")
    page.line("SSLCertificateFile", o.ssl_certificate_file)
    page.line("SSLCertificateKeyFile", o.ssl_certificate_key_file)
    if o.ssl_certificate_chain_file:
        page.line("SSLCertificateChainFile", o.ssl_certificate_chain_file)
    if o.ssl_environment:
        page.line("SSLOptions", "+StdEnvVars")
    if o.ssl_ca_certificate_file:
        page.line("SSLCACertificateFile", o.ssl_ca_certificate_file)
        page.line("SSLVerifyClient", "none")
        for path in o.ssl_verify_client or ["/"]:
            with page.section("Location", path):
                page.line("SSLVerifyClient", "require")
                page.line("SSLVerifyDepth", "1")


def _includes(page: Page, s: Settings) -> None:
    if s.options.include_file:
        page.comment("Added by --include-file")
        for path in s.options.include_file:
            page.line("Include", path)
