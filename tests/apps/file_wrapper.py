"""Ways to answer with a file; the path names the function that answers."""

import io
import os
import tempfile

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")
HEADERS = [("Content-Type", "application/octet-stream")]
seen = []


def application(environ, start_response):
    wrapper = environ["wsgi.file_wrapper"]
    headers = list(HEADERS)
    if "HTTP_X_LENGTH" in environ:
        headers.append(("Content-Length", environ["HTTP_X_LENGTH"]))
    write = start_response("200 OK", headers)
    return globals()[environ["PATH_INFO"].strip("/")](wrapper, environ, write)


class Watched:
    """A file that tells what was asked of it."""

    def __init__(self, file, *hidden):
        self.file = file
        self.hidden = hidden

    def __getattr__(self, name):
        if name in self.hidden:
            raise AttributeError(name)
        seen.append(name)
        return getattr(self.file, name)


def whole(wrapper, environ, write):
    return wrapper(open(PATH, "rb"))


def from_offset(wrapper, environ, write):
    file = open(PATH, "rb")
    file.seek(int(environ["QUERY_STRING"]))
    return wrapper(file)


def small_blocks(wrapper, environ, write):
    return wrapper(open(PATH, "rb"), 7)


def buffered_read_before(wrapper, environ, write):
    file = open(PATH, "rb")
    file.read(10)
    return wrapper(file)


def derived(wrapper, environ, write):
    class Derived(wrapper):
        pass

    return Derived(open(PATH, "rb"))


def empty(wrapper, environ, write):
    return wrapper(tempfile.TemporaryFile())


def in_memory(wrapper, environ, write):
    return wrapper(io.BytesIO(b"in memory"), 4)


def only_read(wrapper, environ, write):
    class Reader:
        def __init__(self):
            self.blocks = [b"one", b"three", b""]

        def read(self, size):
            return self.blocks.pop(0)

    return wrapper(Reader())


def a_pipe(wrapper, environ, write):
    read, write_end = os.pipe()
    os.write(write_end, b"through a pipe")
    os.close(write_end)
    return wrapper(os.fdopen(read, "rb"))


def after_write(wrapper, environ, write):
    write(b"before:")
    return wrapper(open(PATH, "rb"))


def after_empty_write(wrapper, environ, write):
    write(b"")
    return wrapper(open(PATH, "rb"))


def read_fails(wrapper, environ, write):
    class Reader:
        def __init__(self):
            self.calls = 0

        def read(self, size):
            self.calls += 1
            if self.calls > 1:
                raise ValueError("disk on fire")
            return b"so far"

    return wrapper(Reader())


def watched(wrapper, environ, write):
    seen.clear()
    return wrapper(Watched(open(PATH, "rb")))


def watched_without_tell(wrapper, environ, write):
    seen.clear()
    return wrapper(Watched(open(PATH, "rb"), "tell"))


def closes(wrapper, environ, write):
    class Closing(io.FileIO):
        def close(self):
            if not self.closed:
                seen.append("position %d" % os.lseek(self.fileno(), 0, os.SEEK_CUR))
            super().close()

    seen.clear()
    return wrapper(Closing(PATH))


def what_was_seen(wrapper, environ, write):
    return [",".join(seen).encode()]
