"""WSGILogHandler On: mod_wsgi.LogHandler on the root logger, before any code of an application runs.

An application that configures logging itself wins: what one of its handlers takes is not logged here as well, and
basicConfig() does what it does where nobody has configured anything.
"""

import functools
import logging


def install(handler_class, level):
    root = logging.getLogger()
    if root.handlers:
        # sitecustomize has configured it.
        return

    def is_taken(record):
        logger = root.manager.loggerDict.get(record.name)
        if not isinstance(logger, logging.Logger):
            logger = root
        while logger is not None:
            for other in logger.handlers:
                if other is not handler and not isinstance(other, logging.NullHandler):
                    return True
            logger = logger.parent if logger.propagate else None
        return False

    class RootHandler(handler_class):
        """Logs what no handler of the application takes."""

        def emit(self, record):
            if not is_taken(record):
                super().emit(record)

    RootHandler.__module__ = "mod_wsgi"
    RootHandler.__qualname__ = "RootHandler"
    handler = RootHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    before = root.level
    root.addHandler(handler)
    if root.level == logging.WARNING and level < root.level:
        root.setLevel(level)
    real = logging.basicConfig

    @functools.wraps(real)
    def basic_config(**options):
        is_alone = root.handlers == [handler]
        if is_alone:
            root.removeHandler(handler)
            if root.level == level:
                root.setLevel(before)
        try:
            return real(**options)
        finally:
            if is_alone and not root.handlers:
                root.addHandler(handler)

    logging.basicConfig = basic_config
