"""Transcripts in documents, run as they stand.

Every fenced block marked ``console`` is one: lines that start with ``$ `` are run in order by a shell on a terminal,
in one home for the whole document, and what follows a command is what it must show. ``…`` alone on a line stands for
any lines, inside a line for any text. Prompts are answered as the ceremony's reader would. ``<!-- before: … -->``
holds lines that are run unseen at that place; what they write to ``.env`` (``NAME=value``) is in the environment of
what follows. A ``make`` command is only looked up (``make -n``): the suite itself
runs under make. Other fenced blocks are not commands: ``text``, ``python``, ``toml``, ``json``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pexpect

from tests.ceremony import sign

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$|^<!-- before:\s*(.*?)-->", re.MULTILINE | re.DOTALL)
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NOT_RUN = {"text", "python", "toml", "json"}


class Step(NamedTuple):
    """One command, where it stands, and what it must show (``None``: it is not shown at all)."""

    line: int
    command: str
    shown: str | None


def steps(document: str) -> Iterator[Step]:
    """The commands of a document, in order. Raises ``ValueError`` for a fenced block of no known kind."""
    for block in _BLOCK.finditer(document):
        line = document.count("\n", 0, block.start()) + 1
        kind, body, unseen = block.groups()
        if unseen is not None:
            yield Step(line, unseen, None)
        elif kind == "console":
            yield from _commands(body, line + 1)
        elif kind not in NOT_RUN:
            raise ValueError(f"line {line}: a fenced block must be one of console, {', '.join(sorted(NOT_RUN))}")


def _commands(body: str, line: int) -> Iterator[Step]:
    command, shown, at = "", [""], line
    for number, text in enumerate(body.splitlines(), line):
        if text.startswith("$ "):
            if command:
                yield Step(at, command, "\n".join(shown))
            command, shown, at = text[2:], [], number
        elif not command:
            raise ValueError(f"line {number}: a console block starts with a command")
        else:
            shown.append(text)
    yield Step(at, command, "\n".join(shown))


def pattern(shown: str) -> re.Pattern[str]:
    """What a transcript shows, as a pattern over lines without trailing space."""
    parts = []
    for line in shown.rstrip().splitlines():
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*?".join(re.escape(piece.rstrip()) for piece in line.split("…")) + r" *\n")
    return re.compile("".join(parts))


def play(
    document: str, folder: str, env: Mapping[str, str], after: Callable[[str], None] = lambda _command: None
) -> list[str]:
    """Run a document's commands in ``folder``; returns what went wrong. ``after`` may act between commands."""
    wrong = []
    environment = os.path.join(folder, ".env")
    for step in steps(document):
        known = dict(env)
        if os.path.exists(environment):
            with open(environment, encoding="utf-8") as file:
                known |= dict(line.rstrip("\n").split("=", 1) for line in file)
        make = step.command.startswith("make ")
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        child = pexpect.spawn(
            "/bin/bash",
            ["-ec", f"make -n {step.command[5:]}" if make else step.command],
            cwd=root if make else folder,
            env=known,
            encoding="utf-8",
            timeout=180,
            dimensions=(50, 120),
        )
        said = _ESCAPE.sub("", sign(child)).replace("\r", "")
        said = "".join(f"{line.rstrip()}\n" for line in said.splitlines())
        if child.exitstatus and not (step.shown or "").startswith("error:"):
            wrong.append(f"line {step.line}: $ {step.command}\nended with status {child.exitstatus}:\n{said}")
        elif step.shown and not make and not pattern(step.shown).fullmatch(said):
            wrong.append(f"line {step.line}: $ {step.command}\nshould show:\n{step.shown}\nand showed:\n{said}")
        after(step.command)
    return wrong
