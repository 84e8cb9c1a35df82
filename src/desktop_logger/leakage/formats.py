"""Typing from the public research sets that somebody may have; none of them may be passed on, so none is fetched.

- *Villani* free text as published with ``pohmm-keystroke`` (``free_text.csv``): user, session, keyname, timepress,
  timerelease, in ms.
- *Aalto* 136M keystrokes (``<participant>_keystrokes.txt``, tab-separated): PRESS_TIME in ms and LETTER.
- *CMU* passwords (``DSL-StrongPasswordData.csv``): ``DD.a.b`` columns, seconds between the presses of ``.tie5Roanl``.

Key names become symbols as ``data.Typing`` has them; presses only, since releases are not recorded by this program.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Callable

from desktop_logger.errors import UsageError

from .data import Typing

_NAMES = {
    "space": " ", "SPACE": " ", "backspace": "\b", "back_space": "\b", "BKSP": "\b", "delete": "\b", "enter": "\n",
    "return": "\n", "ENTER": "\n", "comma": ",", "period": ".", "semicolon": ";", "quote": "'", "slash": "/",
    "minus": "-", "equals": "=",
}  # fmt: skip
_BETWEEN_MS = 700_000
"""Sessions are put this far apart, so that each begins a segment of its own."""


def _symbol(name: str) -> str:
    return _NAMES.get(name, _NAMES.get(name.lower(), name))


def _silent(name: str) -> bool:
    return name.lower() in ("", "shift", "caps_lock", "capslock", "alt", "ctrl", "control", "l_shift", "r_shift")


def _joined(people: dict[str, dict[str, list[tuple[int, str]]]]) -> list[Typing]:
    found = []
    for number, (_, sessions) in enumerate(sorted(people.items()), 1):
        times: list[int] = []
        symbols: list[str] = []
        for _, presses in sorted(sessions.items()):
            start = (times[-1] + _BETWEEN_MS if times else 0) - min(press for press, _ in presses)
            for press, name in sorted(presses, key=lambda one: one[0]):
                if not _silent(name):
                    times.append(start + press)
                    symbols.append(_symbol(name))
        found.append(Typing(f"writer {number}", times, symbols))
    return found


def villani(path: str) -> list[Typing]:
    """One ``Typing`` a user, from one CSV file."""
    people: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            people[row["user"]][row["session"]].append((round(float(row["timepress"])), row["keyname"]))
    return _joined(people)


def aalto(path: str) -> list[Typing]:
    """The participants of one tab-separated file (usually one)."""
    people: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            press = (round(float(row["PRESS_TIME"])), row["LETTER"])
            people[row["PARTICIPANT_ID"]][row["TEST_SECTION_ID"]].append(press)
    return _joined(people)


def cmu(path: str) -> list[Typing]:
    """One ``Typing`` a subject: the same password again and again, Enter after each."""
    people: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    with open(path, encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            now = 0.0
            presses = [(0, "period")]
            for column, value in row.items():
                if column.startswith("DD."):
                    now += float(value)
                    name = column.rpartition(".")[2]
                    presses.append((round(now * 1000), {"five": "5", "Shift": "R"}.get(name, name)))
            people[row["subject"]][f"{number:08}"] = presses
    return _joined(people)


def reader_of(name: str) -> Callable[[str], list[Typing]] | None:
    """Which of these reads a file of that name, if any."""
    if name.endswith("_keystrokes.txt"):
        return aalto
    return {"free_text.csv": villani, "DSL-StrongPasswordData.csv": cmu}.get(name)


def read(path: str) -> list[Typing]:
    """Typing of one file. Raises ``UsageError`` when it is not what its name says."""
    reader = reader_of(os.path.basename(path))
    if reader is None:
        raise UsageError(f"{os.path.basename(path)} is in no format that is known here")
    try:
        return reader(path)
    except (KeyError, ValueError, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{os.path.basename(path)} cannot be read: {type(error).__name__}") from None
