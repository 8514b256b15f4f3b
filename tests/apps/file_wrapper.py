"""Ways to answer with a file; the path names the function that answers."""

import bz2
import gzip
import io
import lzma
import os
import socket
import tempfile
import zipfile

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


def closes(wrapper, environ, write):
    file = io.FileIO(PATH)

    def close():
        seen.append("position %d" % os.lseek(file.fileno(), 0, os.SEEK_CUR))
        io.FileIO.close(file)

    file.close = close
    seen.clear()
    return wrapper(file)


TEXT = b"".join(b"line %05d\n" % line for line in range(10_000))


class Lower(io.BufferedReader):
    """Reads other bytes than those of its descriptor."""

    def read(self, size=-1):
        return super().read(size).lower()


class Proxy:
    """A class of its own over a file."""

    def __init__(self, file):
        self.file = file

    def read(self, size):
        return self.file.read(size).upper()

    def __getattr__(self, name):
        return getattr(self.file, name)


def filled(file):
    file.write(TEXT)
    file.seek(11)
    return file


def temporary(data):
    file = tempfile.TemporaryFile()
    file.write(data)
    file.seek(0)
    return file


def zipped():
    archive = tempfile.TemporaryFile()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        writer.writestr("member", TEXT)
    return zipfile.ZipFile(archive).open("member")


def partly_read():
    file = open(PATH, "rb")
    file.readline()
    return file


def through_a_socket():
    here, there = socket.socketpair()
    there.sendall(TEXT[:50_000])
    there.close()
    return here.makefile("rb")


def through_a_pipe():
    read_end, write_end = os.pipe()
    os.write(write_end, TEXT[:50_000])
    os.close(write_end)
    return os.fdopen(read_end, "rb")


FILES = {
    "gzip": lambda: gzip.open(temporary(gzip.compress(TEXT))),
    "bz2": lambda: bz2.open(temporary(bz2.compress(TEXT))),
    "lzma": lambda: lzma.open(temporary(lzma.compress(TEXT))),
    "zip": zipped,
    "subclass": lambda: Lower(io.FileIO(PATH)),
    "proxy": lambda: Proxy(open(PATH, "rb")),
    "proc": lambda: open("/proc/version", "rb"),
    "sys": lambda: open("/sys/kernel/mm/transparent_hugepage/enabled", "rb"),
    "socket": through_a_socket,
    "pipe": through_a_pipe,
    "spooled in memory": lambda: filled(tempfile.SpooledTemporaryFile()),
    "spooled on disk": lambda: filled(tempfile.SpooledTemporaryFile(100)),
    # These are files, and what they read is in them.
    "temporary": lambda: filled(tempfile.TemporaryFile()),
    "named temporary": lambda: filled(tempfile.NamedTemporaryFile()),
    "unbuffered": lambda: open(PATH, "rb", buffering=0),
    "descriptor": lambda: os.fdopen(os.open(PATH, os.O_RDONLY), "rb"),
    "partly read": partly_read,
    "append": lambda: tempfile.TemporaryFile("a+b"),
}


def kind(wrapper, environ, write):
    return wrapper(FILES[environ["QUERY_STRING"].replace("%20", " ")](), 1000)


def kind_read(wrapper, environ, write):
    """What reading it in blocks gives."""
    file = FILES[environ["QUERY_STRING"].replace("%20", " ")]()
    return [b"".join(iter(lambda: file.read(1000), b""))]


def only_written(wrapper, environ, write):
    return wrapper(open(os.devnull, "ab"))


def as_text(wrapper, environ, write):
    return wrapper(open(PATH))


def what_was_seen(wrapper, environ, write):
    return [",".join(seen).encode()]
