"""Inside Windows: say every command with no words, in one process, and print what came of it.

Argument: a folder for the home. Output: one JSON object, command → [exit status, output and errors].
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import Any

import typer.main

from desktop_logger.cli import app, door


def leaves(group: Any, words: list[str]) -> list[list[str]]:
    """The words of every command."""
    found: list[list[str]] = []
    for name, command in group.commands.items():
        found += leaves(command, [*words, name]) if hasattr(command, "commands") else [[*words, name]]
    return found


def said(words: list[str]) -> tuple[int, str]:
    """What the command line answers."""
    kept = io.StringIO()
    with contextlib.redirect_stdout(kept), contextlib.redirect_stderr(kept):
        status = door._run(words)
    return status, kept.getvalue()


if __name__ == "__main__":
    os.environ["DESKTOP_LOGGER_HOME"] = sys.argv[1]
    print(json.dumps({" ".join(words): said(words) for words in leaves(typer.main.get_command(app.build()), [])}))
