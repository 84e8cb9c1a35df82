"""Text for people, at most 80 columns wide. What is meant to be copied (a path, a command) is never broken inside."""

from __future__ import annotations

import re
import textwrap

WIDTH = 80
_COMMAND = re.compile(r"\b(?:desktop-logger|pip install|ray status)(?: [^\s;,]*[^\s;,.])+")
_ITEM = re.compile(r"(\s*)([-*|>]|[0-9]+\.)\s")


def narrow(text: str) -> str:
    """Markdown with its paragraphs and items filled anew; code in fences, headings and short rows of tables stay."""
    made: list[str] = []
    waiting: list[str] = []
    fenced = False

    def fill() -> None:
        if waiting:
            made.extend(_filled(" ".join(waiting), "  " if _ITEM.match(waiting[0]) else ""))
            waiting.clear()

    for line in text.splitlines():
        fence = line.startswith("```")
        if fence or fenced or not line.strip() or line.startswith("#") or _ITEM.match(line):
            fill()
        fenced ^= fence
        if fence or fenced or not line.strip() or line.startswith("#") or (line.startswith("|") and len(line) <= WIDTH):
            made.append(line)
        else:
            waiting.append(line.strip() if waiting else line)
    fill()
    return "\n".join(made)


def lines(text: str) -> str:
    """Each line filled by itself; a command in it stands on one line, to be copied."""
    return "\n".join(said(line, " " * (len(line) - len(line.lstrip()))) for line in text.splitlines())


def hanging(text: str, indent: str) -> str:
    """One line, filled; what does not fit stands under it, behind ``indent``."""
    return "\n".join(_filled(text, indent))


def said(text: str, indent: str = "  ") -> str:
    """One sentence for a terminal, filled; a command to copy out of it stands on one line, however long."""
    kept = _COMMAND.sub(lambda found: found[0].replace(" ", "\0"), text)
    return hanging(kept, indent).replace("\0", " ")


def _filled(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
