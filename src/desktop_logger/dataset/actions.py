"""The action view: records as the actions of computer-use models, and the tokens that sequences are made of.

Everything is integer arithmetic over whole columns. A token is one number made of five closed parts::

    action (25) x amount bucket (10) x time bucket (7) x pointer bucket (9) x category (1 = not recorded)

so that token ids are dense, known beforehand and the same in every dataset (``VOCABULARY``, docs/reference/dataset.md).
Invariants: a token says nothing that its record did not; ``WAIT`` is time in which nothing was done, ``UNOBSERVED`` is
time that nobody saw, and the two are never the same token.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from desktop_logger.inspection.rows import FIELDS
from desktop_logger.records.profiles import CAPS

Ints = npt.NDArray[Any]

_WORDS = {field.name: field.words for field in FIELDS}
KEYS = tuple(one for one in _WORDS["class"] if one not in ("TEXT", "EDIT", "COMMAND"))
COMMANDS = tuple(one for one in _WORDS["command"] if one != "none")
BUTTONS = _WORDS["button"]
DIRECTIONS = _WORDS["direction"]

ACTIONS = (
    "PAD", "START", "END", "UNOBSERVED", "WAIT", "TYPE", "EDIT", "HOTKEY",
    *(f"HOTKEY({one})" for one in COMMANDS), *(f"PRESS({one})" for one in KEYS),
    *(f"CLICK({one})" for one in BUTTONS), *(f"SCROLL({one})" for one in DIRECTIONS), "MOVE",
)  # fmt: skip
"""What can happen. ``TYPE(n)``, ``EDIT(n)`` and the rest carry their amount as a bucket beside. ``CLICK(role)`` and
``SWITCH(category)`` join when the scopes ``target`` and ``context`` are recorded; no version records them yet."""

AMOUNTS = CAPS["n_text"] + 1
TIMES = CAPS["duration"] + 1
POINTERS = 9
"""0: none; 1-8: the eighth of the circle that the displacement points to, from the right, clockwise."""
CATEGORIES = 1
"""Application categories: the scope ``context`` is not recorded, so there is one, which says so."""
TOKENS = len(ACTIONS) * AMOUNTS * TIMES * POINTERS * CATEGORIES
WAIT_FROM = 2
"""Buckets of ``gap`` from which a pause is an action of its own: 2 is two to three seconds."""

_INDEX = {name: number for number, name in enumerate(ACTIONS)}


class Columns(NamedTuple):
    """The columns that a token is made of, as numpy arrays; words as codes, absent numbers as 0."""

    record: Ints
    klass: Ints
    command: Ints
    button: Ints
    direction: Ints
    n_text: Ints
    n_edit: Ints
    n: Ints
    dx: Ints
    dy: Ints
    duration: Ints
    gap: Ints
    coarse: npt.NDArray[np.bool_]
    """Whether quantities are log2 buckets already."""


def token(action: int, amount: int = 0, time: int = 0, pointer: int = 0) -> int:
    """The id of a token from its parts."""
    return ((action * AMOUNTS + amount) * TIMES + time) * POINTERS * CATEGORIES + pointer


def parts_of(number: int) -> tuple[str, int, int, int]:
    """(action, amount bucket, time bucket, pointer bucket) of a token."""
    rest, pointer = divmod(number, POINTERS * CATEGORIES)
    rest, time = divmod(rest, TIMES)
    action, amount = divmod(rest, AMOUNTS)
    return ACTIONS[action], amount, time, pointer


def spelled(number: int) -> str:
    """A token for people: ``TYPE(4-7)``, ``HOTKEY(copy)``, ``WAIT(8-15s)``."""
    action, amount, time, _ = parts_of(number)
    if action in ("TYPE", "EDIT") or action.startswith("SCROLL"):
        name, _, inner = action.partition("(")
        inside = ", ".join(one for one in (inner.rstrip(")"), _range(amount)) if one)
        return f"{name}({inside})"
    if action in ("WAIT", "UNOBSERVED"):
        return f"{action}({_range(time)}s)"
    return action


def _range(bucket: int) -> str:
    return "0" if bucket == 0 else "1" if bucket == 1 else f"{1 << (bucket - 1)}-{(1 << bucket) - 1}"


_BUCKETS = np.array([min(value.bit_length(), 15) for value in range(1 << 12)], np.int32)


def _bucket(values: Ints, cap: int, coarse: npt.NDArray[np.bool_]) -> Ints:
    """log2 buckets, up to ``cap``; what is a bucket already stays one."""
    small = np.clip(values, 0, _BUCKETS.size - 1)
    if not coarse.all():
        small = np.where(coarse, small, _BUCKETS[small])
    found: Ints = np.minimum(small, cap)
    return found


def _table() -> npt.NDArray[np.int32]:
    """Record x class x command x button x direction → action, in one flat look-up."""
    shape = (len(_WORDS["record"]), *(len(_WORDS[name]) + 1 for name in ("class", "command", "button", "direction")))
    table = np.full(shape, _INDEX["UNOBSERVED"], np.int32)
    record = _WORDS["record"].index
    table[record("typing")] = _INDEX["TYPE"]
    for kind, column, names in (("click", 2, BUTTONS), ("scroll", 3, DIRECTIONS)):
        for code, name in enumerate(names, 1):
            place: list[Any] = [record(kind), slice(None), slice(None), slice(None), slice(None)]
            place[column + 1] = code
            table[tuple(place)] = _INDEX[f"{kind.upper()}({name})"]
    for code, name in enumerate(_WORDS["class"], 1):
        plain = {"TEXT": "TYPE", "EDIT": "EDIT", "COMMAND": "HOTKEY"}.get(name, f"PRESS({name})")
        for kind in ("key", "presses"):
            table[record(kind), code] = _INDEX[plain]
        if name == "COMMAND":
            for number, command in enumerate(_WORDS["command"], 1):
                if command != "none":
                    table[record("key"), code, number] = _INDEX[f"HOTKEY({command})"]
    table[record("move")] = table[record("stroke")] = table[record("actions")] = _INDEX["MOVE"]
    table[record("gap")] = _INDEX["UNOBSERVED"]
    return table


_ACTION = _table()


def tokens(c: Columns) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Tokens of records in order; the record that each stands for; and which of them are unobserved time.

    A pause of two seconds or more before a record becomes ``WAIT``; a typing run with edits ``TYPE`` and ``EDIT``.
    """
    _, classes, commands, buttons, directions = _ACTION.shape
    flat = (((c.record * classes + c.klass) * commands + c.command) * buttons + c.button) * directions + c.direction
    action = _ACTION.reshape(-1)[flat]
    typing = c.record == _WORDS["record"].index("typing")
    gap_row = c.record == _WORDS["record"].index("gap")
    amount = _bucket(np.where(typing, c.n_text, c.n), AMOUNTS - 1, c.coarse)
    time = _bucket(np.where(gap_row, c.gap, c.duration), TIMES - 1, c.coarse)
    pointer = np.where((c.dx == 0) & (c.dy == 0), 0, _EIGHTHS[np.sign(c.dy) + 1, np.sign(c.dx) + 1])
    main = ((action * AMOUNTS + amount) * TIMES + time) * POINTERS + pointer
    pause = _bucket(c.gap, TIMES - 1, c.coarse)
    waits = (pause >= WAIT_FROM) & ~gap_row
    edits = typing & (c.n_edit > 0)
    # each record gives one to three tokens: WAIT, itself, EDIT
    count = 1 + waits.astype(np.int64) + edits
    ends = np.cumsum(count)
    out = np.empty(int(ends[-1]) if ends.size else 0, np.int32)
    first = ends - count
    out[first[waits]] = (_INDEX["WAIT"] * AMOUNTS * TIMES + pause[waits]) * POINTERS
    out[first + waits] = main
    edited = _bucket(c.n_edit[edits], AMOUNTS - 1, c.coarse[edits])
    out[ends[edits] - 1] = (_INDEX["EDIT"] * AMOUNTS + edited) * TIMES * POINTERS
    source = np.repeat(np.arange(c.record.size), count)
    return out, source, gap_row[source]


_EIGHTHS = np.array([[6, 7, 8], [5, 0, 1], [4, 3, 2]], np.int32)
"""By sign of dy (up, none, down) and dx (left, none, right)."""


def mapping() -> list[tuple[str, str, str]]:
    """(our action, OpenCUA / AgentNet action, OWA event), for the reference page.

    OpenCUA: the reduced PyAutoGUI actions of AgentNet (xlang-ai/OpenCUA). OWA: topics of open-world-agents' MCAP files.
    What theirs say and ours cannot: characters, key names, coordinates, window titles.
    """
    return [
        (
            "TYPE(n)",
            "pyautogui.write(<n characters>), text unknown",
            "n pairs of `keyboard` press and release, vk unknown",
        ),
        ("EDIT(n)", "pyautogui.press('backspace', presses=n)", "n pairs of `keyboard` events, vk 0x08 or 0x2E"),
        ("HOTKEY(copy) …", "pyautogui.hotkey('ctrl', 'c') …", "`keyboard` chord"),
        ("HOTKEY", "pyautogui.hotkey(…), keys unknown", "`keyboard` chord, vk unknown"),
        ("PRESS(ENTER) …", "pyautogui.press('enter') …", "`keyboard` press and release"),
        ("CLICK(left)", "pyautogui.click(), x and y unknown", "`mouse` click, x and y unknown"),
        ("CLICK(right)", "pyautogui.rightClick()", "`mouse` click, button right"),
        ("SCROLL(down, n)", "pyautogui.scroll(-n)", "`mouse` scroll, dy = -n"),
        ("MOVE + pointer bucket", "pyautogui.moveRel(<direction>, <bucket>)", "`mouse/raw` displacement, summed"),
        ("WAIT(n s)", "computer.wait()", "a pause between messages"),
        ("UNOBSERVED(n s)", "(none: their recorders do not say)", "(none)"),
        ("END", "computer.terminate()", "end of the file"),
        ("SWITCH(category)", "(none)", "`window`, title unknown (scope `context`, not recorded yet)"),
        ("CLICK(role)", "pyautogui.click() on an element of that role", "(scope `target`, not recorded yet)"),
    ]
