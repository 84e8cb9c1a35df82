"""The terminal of a ceremony: a person's keyboard and screen, or nothing.

Reading and writing go through descriptors 0 and 1, both of which must be terminals: a pipe, a file or ``yes`` is
refused. That stops accidents, not a script with a pseudo-terminal. Plain lines, no colour and no cursor movement, so
that it works at 80×24 and with a screen reader. An end of input is a refusal.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from desktop_logger.errors import Refused

_WIDEST = 100
_LONGEST_ANSWER = 4096


class Terminal:
    """Two descriptors that are terminals. Raises ``Refused`` when they are not."""

    plain = False
    """For a screen reader: sentences instead of columns, and no stops while something long is printed."""

    def __init__(self, reading: int = 0, writing: int = 1, *, plain: bool = False) -> None:
        if not (os.isatty(reading) and os.isatty(writing)):
            raise Refused(
                "this needs a person at a terminal; nothing was signed",
                "Run it yourself in a terminal window, without a pipe or a redirection.",
            )
        self.reading, self.writing, self.plain = reading, writing, plain

    def say(self, text: str = "") -> None:
        """Print lines, wrapped to the terminal's width."""
        sys.stdout.flush()
        self._print(self._lines(text))

    def page(self, text: str, more: str) -> None:
        """Print lines, waiting for Enter after each screenful."""
        lines = self._lines(text)
        step = len(lines) if self.plain else max(self._size()[1] - 2, 5)
        for start in range(0, len(lines), step):
            self._print(lines[start : start + step])
            if start + step < len(lines):
                self.ask(more)

    def _lines(self, text: str) -> list[str]:
        if self.plain:
            return plainly(text).split("\n")
        columns, _ = self._size()
        return [part for line in text.split("\n") for part in _wrap(line, columns)]

    def _print(self, lines: list[str]) -> None:
        data = ("\n".join(lines) + "\n").encode("utf-8", "replace")
        while data:
            data = data[os.write(self.writing, data) :]

    def ask(self, prompt: str) -> str:
        """The line that is typed after a prompt. Raises ``Refused`` at the end of input."""
        os.write(self.writing, f"{prompt} ".encode("utf-8", "replace"))
        return self._line()

    def secret(self, prompt: str) -> str:
        """The line that is typed after a prompt, not shown."""
        with self._without_echo():
            try:
                return self.ask(prompt)
            finally:
                os.write(self.writing, b"\n")

    def _line(self) -> str:
        data = b""
        while not data.endswith(b"\n"):
            chunk = os.read(self.reading, _LONGEST_ANSWER)
            if not chunk or len(data) > _LONGEST_ANSWER:
                raise Refused("the input ended; nothing was signed", "Nothing was written. Run it again at any time.")
            data += chunk
        return data.decode("utf-8", "replace").rstrip("\r\n")

    @contextmanager
    def _without_echo(self) -> Iterator[None]:
        import termios

        before = termios.tcgetattr(self.reading)
        after = termios.tcgetattr(self.reading)
        after[3] &= ~termios.ECHO
        after[3] |= termios.ICANON | termios.ISIG
        try:
            termios.tcsetattr(self.reading, termios.TCSADRAIN, after)
            yield
        finally:
            termios.tcsetattr(self.reading, termios.TCSADRAIN, before)

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self.writing)
        except OSError:
            return 80, 24
        return min(max(size.columns, 40), _WIDEST) - 1 if size.columns else 79, size.lines or 24


def flowing(text: str) -> str:
    """Text whose paragraphs and list entries are one line each, so that a terminal of any width can wrap them."""
    made: list[str] = []
    for line in text.split("\n"):
        goes_on = bool(made) and bool(made[-1]) and bool(line) and not line.startswith(("* ", "#"))
        if goes_on and not made[-1].startswith("#"):
            made[-1] += " " + line.strip()
        else:
            made.append(line)
    return "\n".join(made)


_LABEL = re.compile(r"^([A-ZÉÈÀ]{2,12})(?: {2,}|(?<=^.{6}) )(?=\S)")
"""The first word of a line of the summary, in its column of seven."""


def plainly(text: str) -> str:
    """The same words as sentences that a screen reader reads on: one line each, no columns, no marks."""
    made: list[str] = []
    for line in text.split("\n"):
        label = _LABEL.match(line)
        bare = re.sub(r"[*`]|^#+ ", "", _LABEL.sub(r"\1: ", line)).strip()
        if label or not line.startswith("  ") or not made or not made[-1]:
            made.append(bare)
        else:
            made[-1] += f" {bare}"
    return "\n".join(made)


def _wrap(line: str, columns: int) -> list[str]:
    if len(line) <= columns:
        return [line]
    indent = " " * (len(line) - len(line.lstrip(" ")))
    hanging = indent + ("  " if line.lstrip().startswith(("* ", "- ")) else "")
    return textwrap.wrap(line, columns, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
