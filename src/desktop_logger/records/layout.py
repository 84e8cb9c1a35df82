"""The 16-byte record: enums and bounded integers, and no field able to hold a character or a key code.

``<I t><B kind><B code><H a><H b><H c><I d>``, little-endian. What each field means for each kind and profile
is in the field registry (``registry.py``), from which the data page is generated.

On the pipe from capture to writer the top bit of ``kind`` says which stream a record belongs to (clear: own,
set: release), and two control kinds mark where a segment starts and ends. Neither is ever stored.

The next bit, ``COARSE_FORM``, marks a record of a finer profile that says no more than ``coarse`` would: its fields are
those of ``coarse``, and its time is the start of the minute, on the stream's own grid. It is stored (ADR 0023).
"""

from __future__ import annotations

import struct
from typing import NewType

from .classes import (
    Action,
    Button,
    Category,
    ClickKind,
    Command,
    Direction,
    KeyClass,
    Outcome,
    Reason,
    Role,
)
from .profiles import COARSE, Profile

RECORD = struct.Struct("<IBBHHHI")
RECORD_BYTES = RECORD.size
RECORD_FIELDS = [("t", "<u4"), ("kind", "u1"), ("code", "u1"), ("a", "<u2"), ("b", "<u2"), ("c", "<u2"), ("d", "<u4")]
"""The same, as numpy spells it."""

Redacted = NewType("Redacted", bytes)
"""Whole records that went through the redactor: the only thing the pipe and the writer accept."""

# kinds
GAP, KEY, TYPING, CLICK, SCROLL, MOVE, STROKE, PRESSES, ACTIONS = 1, 2, 3, 4, 5, 6, 7, 8, 9
FOCUS, TARGET, TASK = 10, 11, 12
VEIL = 13
"""An event and no record: see ``events``."""
SWITCHES, TARGETS = 14, 15
LET_GO = 16
"""An event and no record: a button that was pressed is let go."""
KINDS = {GAP: "gap", KEY: "key", TYPING: "typing", CLICK: "click", SCROLL: "scroll", MOVE: "move", STROKE: "stroke",
         PRESSES: "presses", ACTIONS: "actions", FOCUS: "focus", TARGET: "target", TASK: "task", SWITCHES: "switches",
         TARGETS: "targets"}  # fmt: skip
SCOPE_OF_KIND = {KEY: "keyboard", TYPING: "keyboard", CLICK: "pointer", SCROLL: "pointer", MOVE: "pointer",
                 STROKE: "pointer", PRESSES: "keyboard", ACTIONS: "pointer", FOCUS: "context", TARGET: "target",
                 TASK: "task", SWITCHES: "context", TARGETS: "target"}  # fmt: skip

COARSE_FORM = 0x40
"""Bit of a stored kind: the record has the fields of ``coarse`` within a finer stream."""
VEILED_KINDS = (KEY, TYPING, CLICK, SCROLL, STROKE, TARGET)
"""The kinds that can bear the mark."""

# control kinds, on the pipe only
START, END = 0x70, 0x71
RELEASE_STREAM = 0x80

STREAMS = ("own", "release")

MINUTE_MS = 60_000

U16 = 0xFFFF
U32 = 0xFFFFFFFF


def signed(value: int) -> int:
    """An unsigned 16-bit field read as two's complement."""
    return value - 0x10000 if value & 0x8000 else value


def unsigned(value: int) -> int:
    """A displacement in cells as the 16-bit field that stores it; clipped to ±32767."""
    return max(-0x7FFF, min(0x7FFF, value)) & U16


def control(kind: int, count: int | None = None) -> Redacted:
    """A START or END record for the pipe; END from capture says how many records it has handed out since START."""
    return Redacted(RECORD.pack(0, kind, count is not None, 0, 0, 0, (count or 0) & U32))


def gap(reason: Reason, seconds: int, t: int = 0) -> Redacted:
    """A gap of the own stream: nothing was observed for ``seconds`` (whole), and why."""
    return Redacted(RECORD.pack(t, GAP, reason, 0, 0, 0, min(max(seconds, 0), U32)))


def describe(record: tuple[int, int, int, int, int, int, int], profile: Profile) -> dict[str, int | float | str]:
    """One record as a flat mapping of closed words and numbers: the shape of every JSON line and table row.

    ``t`` is seconds from the start of the segment (``coarse``, ``counts``: the number of the minute). Under
    ``coarse`` every quantity is the number of its log2 bucket, and so it is where ``form`` says ``coarse``; under
    ``counts`` it holds noise and may be negative.
    """
    t, kind, code, a, b, c, d = record
    row: dict[str, int | float | str] = {"record": KINDS[kind & ~COARSE_FORM]}
    row["t"] = t if profile.grid_ms == MINUTE_MS else round(t * profile.grid_ms / 1000, 3)
    if kind & COARSE_FORM:
        row["form"] = "coarse"
        kind, profile = kind & ~COARSE_FORM, COARSE
    if kind == GAP:
        row["reason"] = Reason(code).name.lower()
        row["seconds"] = d
        return row
    if kind == TASK:
        row["task"], row["outcome"] = code, Outcome(a).name.lower()
        return row
    if kind in (PRESSES, ACTIONS, SWITCHES, TARGETS):
        if kind == PRESSES:
            row["class"] = KeyClass(code).name
        elif kind == ACTIONS:
            row["action"] = Action(code).name.lower()
        elif kind == SWITCHES:
            row["category"] = Category(code).name.lower()
        else:
            row["role"] = Role(code).name.lower()
        row["n"] = signed(a)
        return row
    if kind == KEY:
        row["class"] = KeyClass(code).name
        if a:
            row["command"] = Command(a).name.lower()
    elif kind == TYPING:
        row["n_text"], row["n_edit"] = a, b
    elif kind == CLICK:
        row["button"] = Button(code).name.lower()
    elif kind == SCROLL:
        row["direction"] = Direction(code).name.lower()
    elif kind == FOCUS:
        row["category"] = Category(code).name.lower()
    elif kind == TARGET:
        row["role"], row["click"] = Role(code).name.lower(), ClickKind(b).name.lower()
    else:
        row["dx"], row["dy"] = signed(a), signed(b)
    if kind in (CLICK, SCROLL, TARGET):
        row["n"] = a
    if profile.rank > 0:
        if kind not in (KEY, FOCUS):
            row["duration"] = c
        row["gap"] = d
    return row
