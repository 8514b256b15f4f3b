"""Tools for development, around an application: debugger, coverage, profiler, recorder. Debug mode alone has them.

Called by `application` in httpd. Each tool is a key of `tools`, with its directory as the value.
"""

import atexit
import io
import itertools
import os
import pprint
import time
import traceback

_numbers = itertools.count()


def begin(tools: dict[str, str]) -> None:
    """Starts what has to see the application being loaded."""
    if directory := tools.get("coverage"):
        _begin_coverage(directory)
    if directory := tools.get("profiler"):
        _begin_profiler(directory)
    if tools.get("debugger") == "startup":
        import pdb

        pdb.Pdb().set_trace()


def wrap(application, tools: dict[str, str]):
    """The application within the tools that see each request."""
    if "debugger" in tools:
        application = Debugger(application)
    if directory := tools.get("recorder"):
        application = Recorder(application, directory)
    return application


def _begin_coverage(directory: str) -> None:
    import coverage

    measurement = coverage.Coverage()
    measurement.start()

    def report():
        measurement.stop()
        measurement.html_report(directory=directory)

    atexit.register(report)


def _begin_profiler(directory: str) -> None:
    import cProfile

    profile = cProfile.Profile()
    profile.enable()

    def dump():
        profile.disable()
        profile.dump_stats(os.path.join(directory, f"{time.time_ns() // 1000}-{os.getpid()}.pstats"))

    atexit.register(dump)


class Debugger:
    """Enters pdb where the application raises, then lets the exception go on."""

    def __init__(self, application):
        self._application = application

    def __call__(self, environ, start_response):
        with _PostMortem():
            result = self._application(environ, start_response)
        return _Iteration(result, _PostMortem)


class _PostMortem:
    def __enter__(self):
        return self

    def __exit__(self, _kind, error, where):
        if error is not None and not isinstance(error, StopIteration):
            import pdb

            traceback.print_exception(error)
            pdb.post_mortem(where)
        return False


class _Iteration:
    """A response whose iteration and close run inside of a context manager."""

    def __init__(self, result, guard):
        self._result, self._guard = result, guard
        with guard():
            self._iterator = iter(result)

    def __iter__(self):
        return self

    def __next__(self):
        with self._guard():
            return next(self._iterator)

    def close(self):
        if hasattr(self._result, "close"):
            with self._guard():
                self._result.close()


class Recorder:
    """Writes each request and its response to files that begin with time, process and number."""

    def __init__(self, application, directory: str):
        self._application, self._directory = application, directory

    def __call__(self, environ, start_response):
        stem = os.path.join(self._directory, f"{time.time_ns() // 1000}-{os.getpid()}-{next(_numbers)}")
        _write(stem, "iheaders", pprint.pformat(environ))
        body = environ["wsgi.input"].read()
        _write(stem, "icontent", body)
        environ["wsgi.input"] = io.BytesIO(body)
        content = open(f"{stem}.ocontent", "wb", buffering=0)

        def record_start(status, headers, exc_info=None):
            _write(stem, "oheaders", pprint.pformat((status, headers)))
            write = start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

            def record_write(data):
                content.write(data)
                return write(data)

            return record_write

        try:
            result = self._application(environ, record_start)
        except BaseException as error:
            _write_error(stem, "oaexcept", error)
            content.close()
            raise
        return _Recording(result, content, stem)


class _Recording:
    def __init__(self, result, content, stem):
        self._result, self._content, self._stem = result, content, stem
        self._iterator = None

    def __iter__(self):
        return self

    def __next__(self):
        try:
            self._iterator = self._iterator or iter(self._result)
            block = next(self._iterator)
        except StopIteration:
            raise
        except BaseException as error:
            _write_error(self._stem, "orexcept", error)
            raise
        self._content.write(block)
        return block

    def close(self):
        try:
            if hasattr(self._result, "close"):
                self._result.close()
        except BaseException as error:
            _write_error(self._stem, "ofexcept", error)
            raise
        finally:
            self._content.close()


def _write(stem: str, suffix: str, content: str | bytes) -> None:
    with open(f"{stem}.{suffix}", "wb") as file:
        file.write(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)


def _write_error(stem: str, suffix: str, error: BaseException) -> None:
    _write(stem, suffix, "".join(traceback.format_exception(error)))
