"""mod_wsgi.LogHandler, made when it is first asked for: not every application logs, and logging takes a while to import."""

import logging


def make(takes, write):
    class LogHandler(logging.Handler):
        """Logs to the error log of httpd, at the level that matches that of the record.

        In the name of the request that the thread runs, or else of the server. What LogLevel does not let through is
        dropped before it is formatted.
        """

        def emit(self, record):
            if not takes(record.levelno):
                return
            try:
                text = self.format(record)
                write(record.levelno, text, getattr(record, "pathname", None), getattr(record, "lineno", None))
            except RecursionError:
                # As in the handlers of the standard library: there is no stack left to handle it with.
                raise
            except Exception:
                self.handleError(record)

    LogHandler.__module__ = "mod_wsgi"
    LogHandler.__qualname__ = "LogHandler"
    return LogHandler
