"""The page that --debug shows where an application raises or does not load: the traceback, with lines of source.

`application` puts `Tracebacks` around the application in httpd. Only a client of this machine sees the page, and what it
says is in the error log too; anyone else gets httpd's answer for a failed request. It shows no values of variables and
needs no JavaScript.
"""

import ipaddress
import linecache
import sys
import sysconfig
import traceback
from html import escape

# Set by httpd for connections from this machine, see `configuration`.
LOCAL = "MOD_WSGI_LOCAL_CLIENT"
# A proxy on this machine passes on requests of others.
OF_PROXIES = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP", "HTTP_VIA")
LINES_AROUND = 4
MOST_FRAMES = 60
LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
BETWEEN = {
    True: "This exception was the direct cause of the one below.",
    False: "While this exception was handled, the one below was raised.",
}
STYLE = """\
:root { color-scheme: light dark; --mark: #fff1c2; --line: #d8d8d8; --dim: #666; --red: #b00020 }
@media (prefers-color-scheme: dark) { :root { --mark: #4a3d10; --line: #444; --dim: #aaa; --red: #ff7b8a } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; overflow-wrap: anywhere } h1 b { color: var(--red) }
p, summary { color: var(--dim) } summary b { font-weight: 600; color: CanvasText }
details { border: 1px solid var(--line); border-radius: .3rem; margin: .5rem 0; padding: .3rem .6rem }
pre { font: .85rem/1.5 ui-monospace, monospace; overflow-x: auto; margin: .4rem 0 }
mark { background: var(--mark); color: inherit; display: inline-block; min-width: 100% }
"""
HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
]


class Tracebacks:
    """Calls the application, and answers in its place where it raises before its first byte has been sent."""

    def __init__(self, application, names: list[str]):
        self._application = application
        self._names = names

    def __call__(self, environ, start_response):
        if not may_see(environ, self._names):
            return self._application(environ, start_response)
        try:
            result = self._application(environ, start_response)
            # Nothing of a list is still to be computed.
            return result if isinstance(result, (list, tuple)) else Iteration(result, environ, start_response)
        except Exception as error:
            return answer(error, environ, start_response)


class Iteration:
    """A response that may raise before its first block and between its blocks."""

    def __init__(self, result, environ, start_response):
        self._result, self._environ, self._start_response = result, environ, start_response
        self._iterator = None

    def __iter__(self):
        return self

    def __next__(self):
        try:
            if self._iterator is None:
                self._iterator = iter(self._result)
            return next(self._iterator)
        except StopIteration:
            raise
        except Exception as error:
            # Raises the exception again if a part has been sent: the module logs it and cuts the response then.
            blocks = answer(error, self._environ, self._start_response)
            self._iterator = iter(())
            return blocks[0]

    def close(self):
        if hasattr(self._result, "close"):
            self._result.close()


class NotLoaded:
    """Stands for an application that does not load: shows why, and tries again with each request."""

    def __init__(self, error: BaseException, load, names: list[str]):
        self._load, self._names = load, names
        self._application = None
        # Those that the failure went through; a change of one of them may cure it.
        self.files = {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
        if isinstance(error, SyntaxError) and error.filename:
            self.files.add(error.filename)

    def __call__(self, environ, start_response):
        if self._application is None:
            try:
                self._application = self._load()
            except (Exception, SystemExit) as error:
                if not may_see(environ, self._names):
                    raise
                return answer(error, environ, start_response, loading=True)
        return self._application(environ, start_response)


def may_see(environ, names: list[str]) -> bool:
    """Whether the client is on this machine: by its connection, which no header can change. A request that a proxy has
    passed on may be anyone's, and so may one for a name that is neither this machine's nor the site's: a page elsewhere
    can have its name lead here."""
    if environ.pop(LOCAL, None) != "1" or any(key in environ for key in OF_PROXIES):
        return False
    if not _is_loopback(environ.get("REMOTE_ADDR", "")):
        return False
    name = _host(environ.get("HTTP_HOST", "localhost"))
    return name in names or name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _host(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].lower()


def _is_loopback(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def answer(error: BaseException, environ, start_response, *, loading: bool = False) -> list[bytes]:
    """Answers 500 with the page of the exception, and logs it. Raises it again if it is too late for an answer."""
    request = f"{environ['REQUEST_METHOD']} {environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    body = page(error, request, loading=loading).encode("utf-8", "backslashreplace")
    headers = [*HEADERS, ("Content-Length", str(len(body)))]
    start_response("500 Internal Server Error", headers, (type(error), error, error.__traceback__))
    print("".join(traceback.format_exception(error)), end="", file=environ["wsgi.errors"], flush=True)
    return [body]


def page(error: BaseException, request: str, *, loading: bool) -> str:
    """The whole page. Everything that is not its own text is escaped."""
    where = "The code of the application does not load." if loading else "The application raised an exception."
    kind = escape(type(error).__name__)
    parts = [
        f"<h1><b>{kind}</b>: {escape(_text(error))}</h1>",
        f"<p>{where} Request: <code>{escape(request)}</code>. Python {sys.version.split()[0]}.</p>",
        *_chain(error),
        f"<details><summary>As text</summary><pre>{escape(''.join(traceback.format_exception(error)))}</pre></details>",
        "<p>Only clients of this machine see this page, because of --debug. The error log has the same.</p>",
    ]
    head = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{kind}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>\n{STYLE}</style>\n'
    )
    return head + "\n".join(parts) + "\n</html>\n"


def _text(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return error.msg or ""
    try:
        return str(error)
    except Exception:
        return "(its text cannot be made)"


def _chain(error: BaseException) -> list[str]:
    """The frames of the exception, those of what led to it first."""
    links: list[tuple[BaseException, str]] = []
    between = ""
    while not any(error is link for link, _ in links):
        links.insert(0, (error, between))
        if error.__cause__ is not None:
            error, between = error.__cause__, "This exception was the direct cause of the one below."
        elif error.__context__ is not None and not error.__suppress_context__:
            error, between = error.__context__, "While this exception was handled, the one below was raised."
        else:
            break
    parts: list[str] = []
    for link, after in links:
        parts += _frames(link)
        if len(links) > 1:
            parts.append(f"<pre>{escape(''.join(traceback.format_exception_only(link)).strip())}</pre>")
        if after:
            parts.append(f"<p>{after}</p>")
    return parts


def _frames(error: BaseException) -> list[str]:
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    # What calls the application is of no interest.
    while frames and frames[0][0].co_filename.startswith(__file__.rpartition("/")[0] + "/"):
        frames.pop(0)
    left_out = len(frames) - MOST_FRAMES
    parts = []
    for number, (code, line) in enumerate(frames):
        if left_out > 0 and MOST_FRAMES // 2 <= number < len(frames) - MOST_FRAMES // 2:
            if number == MOST_FRAMES // 2:
                parts.append(f"<p>{left_out} more calls</p>")
            continue
        name = getattr(code, "co_qualname", code.co_name)
        parts.append(_source(code.co_filename, line, name, is_last=number == len(frames) - 1))
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        parts.append(_source(error.filename, error.lineno, "", is_last=True))
    return parts


def _source(file: str, line: int, name: str, *, is_last: bool) -> str:
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    rows = []
    for number in range(max(1, line - LINES_AROUND), min(len(lines), line + LINES_AROUND) + 1):
        row = escape(f"{number:>5}  " + lines[number - 1].rstrip("\r\n"))
        rows.append(f"<mark>{row}</mark>" if number == line else row)
    title = f"<b>{escape(file)}</b>, line {line}" + (f", in <code>{escape(name)}</code>" if name else "")
    text = "\n".join(rows) or "(no source)"
    # Frames of libraries are folded, unless the exception was raised there.
    is_open = " open" if is_last or not file.startswith(LIBRARIES) else ""
    return f"<details{is_open}><summary>{title}</summary><pre>{text}</pre></details>"
