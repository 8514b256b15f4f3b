"""wsgi.file_wrapper of PEP 3333, "Optional Platform-Specific File Handling"."""

import io
import sys

# What decides what a file reads, and where it stands.
READING = ("read", "readinto", "readall", "read1", "readable", "raw", "seek", "tell", "fileno", "flush")
LOOKING_UP = ("__getattribute__", "__getattr__")


def reads_as(file, base):
    """Whether reads of the file are those of a class of io: neither its class nor the file itself has others."""
    file_class = type(file)
    if file_class is not base:
        if not isinstance(file, base):
            return False
        for name in READING + LOOKING_UP:
            if getattr(file_class, name, None) is not getattr(base, name, None):
                return False
    attributes = vars(file)
    return not any(name in attributes for name in READING)


def unwrapped(file):
    """The file in what tempfile.NamedTemporaryFile() gives; any other file itself."""
    tempfile = sys.modules.get("tempfile")
    if tempfile is None or type(file) is not getattr(tempfile, "_TemporaryFileWrapper", None):
        return file
    # It keeps the methods that were used, each with a function around it.
    attributes = vars(file)
    for name in READING:
        if name in attributes and getattr(attributes[name], "__wrapped__", None) != getattr(file.file, name, None):
            return None
    return file.file


def place_of(wrapper):
    """Descriptor and offset from which reading the wrapped file gives the rest of that descriptor's file; else None.

    A descriptor is not enough: gzip.open() has that of the compressed file, and any class may read what it likes.
    """
    wrapper_class = type(wrapper)
    if wrapper_class.__iter__ is not FileWrapper.__iter__ or wrapper_class.__next__ is not FileWrapper.__next__:
        return None
    blksize = wrapper.blksize
    if not isinstance(blksize, int) or blksize < 1:
        return None
    file = unwrapped(wrapper.filelike)
    try:
        if reads_as(file, io.BufferedReader) or reads_as(file, io.BufferedRandom):
            if not reads_as(file.raw, io.FileIO):
                return None
        elif not reads_as(file, io.FileIO):
            return None
        if not file.readable():
            return None
        if isinstance(file, io.BufferedRandom):
            # What was written must be in the file when the server reads it.
            file.flush()
        return file.fileno(), file.tell()
    except (OSError, ValueError):
        return None


def close_of(filelike):
    """What closes it; None if nothing does.

    BufferedReader.close() flushes, which does nothing for a file that is only read, and closes the raw file. In CPython
    3.13t it takes its own lock twice for that, and gives the processor away forty times in between (17 us in place of 5;
    with the GIL, while others wait for it). So the raw file of an ordinary open(path, "rb") is closed here.
    """
    if type(filelike) is io.BufferedReader and "close" not in vars(filelike) and type(filelike.raw) is io.FileIO:
        return filelike.raw.close
    return getattr(filelike, "close", None)


class FileWrapper:
    """Iterates over a file-like object in blocks, or is sent by the server as a file."""

    def __init__(self, filelike, blksize=8192):
        if not isinstance(blksize, int):
            raise TypeError(f"blksize must be int, not {type(blksize).__name__}")
        if blksize < 0:
            raise ValueError("blksize must not be negative")
        self.__filelike = filelike
        self.__blksize = blksize
        self.__closed = False

    @property
    def filelike(self):
        if self.__closed:
            raise ValueError("the file wrapper is closed")
        return self.__filelike

    @property
    def blksize(self):
        return self.__blksize

    def __iter__(self):
        return self

    def __next__(self):
        blksize = self.blksize
        if not isinstance(blksize, int):
            raise TypeError(f"blksize must be int, not {type(blksize).__name__}")
        data = self.filelike.read(blksize)
        if not isinstance(data, bytes):
            raise TypeError(f"read() of the file-like object must return bytes, not {type(data).__name__}")
        if not data:
            raise StopIteration
        return data

    def close(self):
        if self.__closed:
            return
        filelike, self.__filelike = self.__filelike, None
        self.__closed = True
        try:
            close = close_of(filelike)
            if close is not None:
                close()
        except Exception:
            pass

