"""Turns against the server that runs it, as the path says; `/` only names the process."""

import array
import contextlib
import ctypes
import os
import signal
import socket
import struct

HEAD, DATA, FILE, LOG, END, ABORT, CHANGED = 17, 18, 19, 21, 22, 23, 24
LOADED = 2


def sockets(kind):
    """Copies of those of that kind over which somebody listens to this process, to be closed."""
    copies = []
    for number in sorted(map(int, os.listdir("/proc/self/fd"))):
        try:
            copy = os.dup(number)
        except OSError:
            continue
        try:
            found = socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
            continue
        if found.type == kind and not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            copies.append(found)
        else:
            found.close()
    return copies


def text(data):
    return struct.pack("<I", len(data)) + data


def frame(kind, payload=b""):
    return struct.pack("<BxxxI", kind, len(payload)) + payload


def say(data, descriptors=()):
    """Says it to every child of httpd that is connected before the first one hears it.

    What an attack says with a second call may reach the connection of the request after it.
    """
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    for child in sockets(socket.SOCK_STREAM):
        with child, contextlib.suppress(OSError):  # It may have heard enough.
            child.sendmsg([data], [rights] if descriptors else [])


def head(status=b"200 OK", headers=(), length=2**64 - 1):
    parts = b"".join(text(name) + text(value) for name, value in headers)
    return frame(HEAD, struct.pack("<Q", length) + text(status) + parts)


# What a client would take for the response to its next request.
FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
BODY = frame(DATA, FORGED) + frame(END)
# Heads that are refused.
HEADS = {
    "transfer_encoding": head(headers=[(b"transfer-encoding", b"chunked")]),
    "identity": head(headers=[(b"Transfer-Encoding", b"identity")], length=len(FORGED)),
    "connection": head(headers=[(b"Connection", b"keep-alive")]),
    "keep_alive": head(headers=[(b"Keep-Alive", b"timeout=5")]),
    "proxy_connection": head(headers=[(b"Proxy-Connection", b"keep-alive")]),
    "te": head(headers=[(b"TE", b"trailers")]),
    "trailer": head(headers=[(b"Trailer", b"X")]),
    "upgrade": head(headers=[(b"Upgrade", b"forged")]),
    "two_lengths": head(headers=[(b"Content-Length", b"5"), (b"Content-Length", b"6")], length=5),
    "another_length": head(headers=[(b"Content-Length", b"0")], length=len(FORGED)),
    "length_without_length": head(headers=[(b"Content-Length", b"0")]),
    "bad_length": head(headers=[(b"Content-Length", b"0x0")], length=0),
    "huge_length": head(length=2**63),
    "line_break": head(headers=[(b"X", b"a\r\nContent-Length: 0\r\n")]),
    "null": head(headers=[(b"X", b"a\0b")]),
    "bad_name": head(headers=[(b"Transfer-Encoding:chunked;", b"x")]),
    "no_name": head(headers=[(b"", b"x")]),
    "status_line": head(b"200 OK\r\nContent-Length: 0\r\n\r\n"),
    "status_0": head(b"000 No"),
    "status_199": head(b"199 Hm"),
    "status_text": head(b"OK"),
    "many_headers": head(headers=[(b"X", b"")] * 1001),
    "long_headers": head(headers=[(b"X", b"x" * 30000)] * 9),
    "millions": frame(HEAD, b"x" * 4_000_000),
}
# Responses whose body is not what their head says, or which have more than one end.
BODIES = {
    "too_long": head(length=5) + frame(DATA, b"first") + BODY,
    "too_long_at_once": head(length=5) + frame(DATA, b"first" + FORGED) + frame(END),
    "empty_then_more": head(length=0) + BODY,
    "too_short": head(length=500) + frame(DATA, b"first") + frame(END),
    "two_heads": head() + frame(DATA, b"first") + head() + BODY,
    "two_heads_at_once": head(length=5) + head(length=len(FORGED)) + BODY,
    "changed": head() + frame(DATA, b"first") + frame(CHANGED),
    "behind_the_end": head(length=5) + frame(DATA, b"first") + frame(END) + head(length=6) + frame(DATA, b"forged"),
    "behind_a_page": frame(ABORT, struct.pack("<H", 503)) + head() + BODY,
}
# What has no body goes on without one.
WITHOUT_BODY = {"status_204": "204 No Content", "status_304": "304 Not Modified", "head": "200 OK"}


def announce_file(descriptor, length):
    say(head() + frame(FILE, struct.pack("<QQB", 0, length, 1)) + frame(END), [descriptor])


def overwrite(fill):
    """Writes over all memory that this process shares with others."""
    with open("/proc/self/maps") as maps:
        shared = [line.split()[0] for line in maps if line.split()[1] == "rw-s"]
    for area in shared:
        start, end = (int(address, 16) for address in area.split("-"))
        data = fill(end - start)
        ctypes.memmove(start, data, len(data))


def noise():
    overwrite(os.urandom)


def ones():
    overwrite(lambda length: b"\xff" * length)


def sevens():
    """A number of requests that wait that is no multiple of anything, nor about to overflow."""
    overwrite(lambda length: b"\x77" * length)


def zeroes():
    overwrite(bytes)


def many_descriptors():
    """More with one message than its reader has room for, none of them announced."""
    null = os.open("/dev/null", os.O_RDONLY)
    say(head())
    for _ in range(3):
        say(frame(DATA, b"x"), [null] * 50)
    os.close(null)


def descriptor_after_descriptor():
    null = os.open("/dev/null", os.O_RDONLY)
    say(head())
    for _ in range(50):
        say(frame(DATA, b"x"), [null])
    os.close(null)


def beyond_the_end():
    with open(__file__, "rb") as file:
        announce_file(file.fileno(), 1 << 30)


def file_then(more):
    """Says that a file is all of the response, and goes on."""
    with open(__file__, "rb") as file:
        whole = frame(FILE, struct.pack("<QQB", 0, 5, 1))
        say(head(length=5) + whole + more, [file.fileno()])


def file_then_data():
    file_then(BODY)


def file_then_head():
    file_then(head(length=6) + frame(DATA, b"forged") + frame(END))


def file_then_abort():
    file_then(frame(ABORT, struct.pack("<H", 0)))


def part_of_a_file_as_the_whole():
    with open(__file__, "rb") as file:
        say(head(length=500) + frame(FILE, struct.pack("<QQB", 0, 5, 1)) + frame(END), [file.fileno()])


def entry(details):
    return bytes([3, 1]) + text(b"") + struct.pack("<I", 0) + text(b"") + text(b"said by the daemon") + text(b"~") * details


def short_lines():
    """Many lines of the log at five bytes each."""
    say(frame(LOG, entry(1000)) * 100)


def a_million_lines():
    say(frame(LOG, entry(1_000_000)))


def empty_the_log():
    """Empties all files that are open, and says something of its own."""
    for number in range(1024):
        with contextlib.suppress(OSError):
            os.ftruncate(number, 0)
    os.write(2, b"said \x1b[2Jby C code\n")


def fill_the_log():
    """A million short lines, more than the pipe holds."""
    for _ in range(100):
        os.write(2, b"~\n" * 10_000)


def no_file():
    here, there = socket.socketpair()
    with here, there:
        announce_file(here.fileno(), 100)


def interim():
    """What follows an interim response would be taken for the response to the next request."""
    say(head(b"100 Continue") + BODY)


def interim_abort():
    say(frame(ABORT, struct.pack("<H", 100)))


def endless_talk():
    """Tells the supervisor of a hundred megabytes of applications."""
    for line in sockets(socket.SOCK_SEQPACKET):
        with line:
            line.setblocking(True)
            for number in range(12_500):
                line.send(bytes([LOADED]) + text(b"%d" % number) + text(b"/" * 8000))


def hang_up():
    """Closes the line to the supervisor, and minds nothing any more."""
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(number))) as found:
            if found.type == socket.SOCK_SEQPACKET:
                os.close(int(number))
    while True:
        os.kill(os.getpid(), signal.SIGSTOP)


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if name in HEADS:
        say(HEADS[name] + BODY)
    elif name in BODIES:
        say(BODIES[name])
    elif name in WITHOUT_BODY:
        start_response(WITHOUT_BODY[name], [("Content-Length", str(len(FORGED)))])
        return [FORGED]
    elif name == "names":
        body = " ".join([*HEADS, *BODIES]).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    elif name:
        globals()[name]()
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
