"""httpd's configuration language: words, lines, sections and comments, as a person would lay them out."""

from contextlib import contextmanager

from .errors import Refused


def word(value: object) -> str:
    """A value as one word of a directive. Quoted only where it has to be.

    Raises `Refused` for what the language cannot hold: a new line, and `${`, which httpd would replace."""
    text = str(value)
    if "\n" in text or "\r" in text or "${" in text:
        raise Refused(f"httpd's configuration cannot hold {text!r}")
    plain = text and all(letter.isalnum() or letter in "/.,:;_-+%{}=*^$!@~[]()?&|#" for letter in text)
    if plain and not text.startswith("#"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Page:
    """Lines of a configuration, in the order in which they are added."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def comment(self, text: str) -> None:
        """Begins a part."""
        if self._depth == 0 and self._lines:
            self._lines.append("")
        self._add(f"# {text}")

    def line(self, directive: str, *words: object) -> None:
        self._add(" ".join([directive, *map(word, words)]))

    def raw(self, text: str) -> None:
        """A line whose words are already laid out."""
        self._add(text)

    def long(self, directive: str, *words: object) -> None:
        """A line with many words, one in each row."""
        rows = [f"{'  ' * self._depth}{directive}", *(f"{'  ' * (self._depth + 2)}{word(w)}" for w in words)]
        self._lines.append(" \\\n".join(rows))

    @contextmanager
    def section(self, name: str, argument: object):
        self._add(f"<{name} {word(argument)}>")
        self._depth += 1
        yield
        self._depth -= 1
        self._add(f"</{name}>")

    @contextmanager
    def bare_section(self, name: str):
        self._add(f"<{name}>")
        self._depth += 1
        yield
        self._depth -= 1
        self._add(f"</{name}>")

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def _add(self, line: str) -> None:
        self._lines.append("  " * self._depth + line)
