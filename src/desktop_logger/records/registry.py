"""The field registry: no field of a record exists without a description, a purpose and a bound.

Each entry names how many different values the field can hold under each profile; its capacity is the base-2
logarithm of that, the most that one field of one record can say about anything, against any attacker (the bound
of ``docs/explanation``; measured leakage is far lower). A profile that an entry does not name has no such field.
Tests recount the values from the enums, the caps and the layout, and fail when a kind or field has no entry.

The data page, the event schema and the consent digest are made from here. Standard library only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .profiles import COUNT_HIGH, COUNT_LOW, TASKS

REVIEWER = "maintainers"
EXPIRES = "2027-11-30"
"""After this day a test fails until somebody has looked at every entry again."""

TIME, WHAT, AMOUNT, FACT = "timing", "activity", "quantity", "operation"
"""Sensitivity: timing can recognise a person; activity says what kind of thing was done; a quantity says how much;
an operation says something about the program, not about the person's input."""


class Field(NamedTuple):
    """One field of one kind of record."""

    record: str
    name: str
    scope: str
    """The scope that must be granted, or ``any`` where each granted scope has it."""
    slot: str
    """Where it lies in the 16 bytes (``layout.RECORD``): t, code, a, b, c or d."""
    description: str
    purpose: str
    sensitivity: str
    values: dict[str, int]
    """Profile → number of different values."""
    unit: dict[str, str]
    """Profile → unit, or the closed list that the words come from."""
    reviewer: str = REVIEWER
    expires: str = EXPIRES

    def bits(self, profile: str) -> float:
        """Capacity in bits, rounded up to hundredths. ``KeyError`` when the profile has no such field."""
        return math.ceil(100 * math.log2(self.values[profile])) / 100


class Kind(NamedTuple):
    """One kind of record."""

    name: str
    scope: str
    profiles: tuple[str, ...]
    description: str


FINE, RUNS, LOG, NOISY = "events", "bursts", "coarse", "counts"

KINDS = (
    Kind("gap", "any", (FINE, RUNS, LOG, NOISY),
         "Nothing was observed for a while. It is not the same as nothing happened."),
    Kind("key", "keyboard", (FINE, RUNS, LOG), "A key was pressed, by class; from `bursts` on, only outside typing."),
    Kind("typing", "keyboard", (RUNS, LOG), "A run of text and edit keys: how many, and how long."),
    Kind("click", "pointer", (FINE, RUNS, LOG), "A pointer button was pressed; from `bursts` on, a run of presses."),
    Kind("scroll", "pointer", (FINE, RUNS, LOG), "The wheel was turned; from `bursts` on, a run of steps."),
    Kind("move", "pointer", (FINE,), "The pointer was moved by so much; never where it is."),
    Kind("stroke", "pointer", (RUNS, LOG), "One uninterrupted pointer movement: by how much, and how long."),
    Kind("presses", "keyboard", (NOISY,), "How many keys of one class in a minute, with noise; for every class."),
    Kind("actions", "pointer", (NOISY,), "How much of one pointer action in a minute, with noise; for every one."),
    Kind("focus", "context", (FINE, RUNS, LOG),
         "From here on an application of this category has the focus. Never which application, window or document."),
    Kind("switches", "context", (NOISY,),
         "How often an application of one category got the focus in a minute, with noise; for every category."),
    Kind("target", "target", (FINE, RUNS, LOG),
         "An element of a window was clicked; from `bursts` on, a run of clicks on elements of one role."),
    Kind("targets", "target", (NOISY,), "How many clicks on elements of one role in a minute, with noise; for all."),
    Kind("task", "task", (FINE, RUNS, LOG, NOISY),
         "You said that a task of the policy's list begins, or how it ended. Without noise: you said it."),
)  # fmt: skip

_U16, _U32 = 1 << 16, 1 << 32
_CELLS = (1 << 16) - 1
"""±32767 cells and 0."""

_GRID = {FINE: "20 ms", RUNS: "1 s", LOG: "minute", NOISY: "minute"}
_ORDER = "put records in order and see pauses"


def _time(record: str, scope: str, *profiles: str) -> Field:
    values = {FINE: _U32, RUNS: _U32, LOG: _U32, NOISY: _U32}
    return Field(
        record, "t", scope, "t", "Time since the start of the segment, on the profile's grid.", _ORDER, TIME,
        {name: values[name] for name in profiles}, {name: _GRID[name] for name in profiles},
    )  # fmt: skip


def _duration(record: str, scope: str, coarse: int = 7, more: str = "") -> Field:
    return Field(
        record, "duration", scope, "c", "From the first to the last input of the run." + more,
        "see how long things take",
        TIME, {RUNS: _U16, LOG: coarse}, {RUNS: "1 s", LOG: "log2 bucket of seconds"},
    )  # fmt: skip


def _gap(record: str, scope: str) -> Field:
    return Field(
        record, "gap", scope, "d", "Pause since the record before it in the same scope.", _ORDER,
        TIME, {RUNS: _U32, LOG: 6}, {RUNS: "1 s", LOG: "log2 bucket of seconds"},
    )  # fmt: skip


def _cells(record: str, name: str, slot: str, profiles: dict[str, tuple[int, str]]) -> Field:
    axis = "to the right" if name == "dx" else "down"
    return Field(
        record, name, "pointer", slot, f"Displacement {axis} (negative: the other way).",
        "see how far the pointer has to travel", AMOUNT,
        {profile: pair[0] for profile, pair in profiles.items()},
        {profile: pair[1] for profile, pair in profiles.items()},
    )  # fmt: skip


_MOVE = {FINE: (_CELLS, "4 px")}
_STROKE = {RUNS: (_CELLS, "64 px"), LOG: (11, "signed log2 bucket of 64 px cells")}
_LIST = "closed list"
_NUMBER = "number in a closed list"
_ALL = {FINE: _LIST, RUNS: _LIST, LOG: _LIST}
_EVERY = {**_ALL, NOISY: _LIST}
_WITH_NOISE = "1, with noise of ε = 0.2"
_NOISY_VALUES = COUNT_HIGH - COUNT_LOW + 1
_COUNT = {FINE: "1", RUNS: "1", LOG: "log2 bucket"}

FIELDS = (
    _time("gap", "any", FINE, RUNS, LOG, NOISY),
    Field("gap", "reason", "any", "code", "Why nothing was observed. What is released knows one reason, `unobserved`.",
          "tell a gap from rest", FACT, {FINE: 17, RUNS: 17, LOG: 17, NOISY: 17}, _EVERY),
    Field("gap", "seconds", "any", "d", "How long.", "account for the whole time", FACT,
          {FINE: _U32, RUNS: _U32, LOG: _U32, NOISY: _U32},
          {FINE: "1 s", RUNS: "1 s", LOG: "1 s; released: log2 bucket", NOISY: "1 s; released: log2 bucket"}),
    _time("key", "keyboard", FINE, RUNS, LOG),
    Field("key", "class", "keyboard", "code",
          "What the key does. All letters, digits, punctuation and space are one class, TEXT.",
          "see which kinds of keys a task needs", WHAT, {FINE: 11, RUNS: 9, LOG: 9}, _ALL),
    Field("key", "command", "keyboard", "a",
          "Name of a command such as copy or paste, from a closed list, where policy and receipt allow it.",
          "see which commands a task needs", WHAT, {FINE: 18, RUNS: 18, LOG: 18}, _ALL),
    _gap("key", "keyboard"),
    _time("typing", "keyboard", RUNS, LOG),
    Field("typing", "n_text", "keyboard", "a", "Number of text keys in the run.", "see how much typing a task needs",
          AMOUNT, {RUNS: _U16, LOG: 9}, {RUNS: "1", LOG: "log2 bucket, edit keys included"}),
    Field("typing", "n_edit", "keyboard", "b", "Number of backspace and delete keys in the run.",
          "see how much correcting a task needs", AMOUNT, {RUNS: _U16, LOG: 1}, {RUNS: "1", LOG: "always 0"}),
    _duration("typing", "keyboard", 1, " Under `coarse` always 0."),
    _gap("typing", "keyboard"),
    _time("click", "pointer", FINE, RUNS, LOG),
    Field("click", "button", "pointer", "code", "Which button.", "see which buttons a task needs", WHAT,
          {FINE: 6, RUNS: 6, LOG: 6}, _ALL),
    Field("click", "n", "pointer", "a", "Number of presses in the record.", "see how much clicking a task needs",
          AMOUNT, {FINE: _U16, RUNS: _U16, LOG: 6}, _COUNT),
    _duration("click", "pointer"),
    _gap("click", "pointer"),
    _time("scroll", "pointer", FINE, RUNS, LOG),
    Field("scroll", "direction", "pointer", "code", "Which way.", "see how a task moves through content", WHAT,
          {FINE: 4, RUNS: 4, LOG: 4}, _ALL),
    Field("scroll", "n", "pointer", "a", "Number of steps in the record.", "see how much scrolling a task needs",
          AMOUNT, {FINE: _U16, RUNS: _U16, LOG: 6}, _COUNT),
    _duration("scroll", "pointer"),
    _gap("scroll", "pointer"),
    _time("move", "pointer", FINE),
    _cells("move", "dx", "a", _MOVE),
    _cells("move", "dy", "b", _MOVE),
    _time("stroke", "pointer", RUNS, LOG),
    _cells("stroke", "dx", "a", _STROKE),
    _cells("stroke", "dy", "b", _STROKE),
    _duration("stroke", "pointer"),
    _gap("stroke", "pointer"),
    _time("presses", "keyboard", NOISY),
    Field("presses", "class", "keyboard", "code", "Which class. Each has a record, also where nothing was pressed.",
          "see which kinds of keys a task needs", WHAT, {NOISY: 11}, {NOISY: _LIST}),
    Field("presses", "n", "keyboard", "a", "Number of presses with noise drawn once; may be negative.",
          "see how much typing a task needs", AMOUNT, {NOISY: _NOISY_VALUES}, {NOISY: _WITH_NOISE}),
    _time("actions", "pointer", NOISY),
    Field("actions", "action", "pointer", "code", "Which action. Each one has a record, also where nothing was done.",
          "see how much clicking a task needs", WHAT, {NOISY: 11}, {NOISY: _LIST}),
    Field("actions", "n", "pointer", "a", "Presses, steps or seconds of motion with noise drawn once; may be negative.",
          "see how much clicking a task needs", AMOUNT, {NOISY: _NOISY_VALUES}, {NOISY: _WITH_NOISE}),
    _time("focus", "context", FINE, RUNS, LOG),
    Field("focus", "category", "context", "code", "What kind of application, by the policy's table; else `other`.",
          "see which kinds of programs a task needs", WHAT, {FINE: 16, RUNS: 16, LOG: 16}, _ALL),
    _gap("focus", "context"),
    _time("switches", "context", NOISY),
    Field("switches", "category", "context", "code",
          "Which category. Each one has a record, also where nothing changed.",
          "see which kinds of programs a task needs", WHAT, {NOISY: 16}, {NOISY: _LIST}),
    Field("switches", "n", "context", "a", "Number of times with noise drawn once; may be negative.",
          "see how often a task changes programs", AMOUNT, {NOISY: _NOISY_VALUES}, {NOISY: _WITH_NOISE}),
    _time("target", "target", FINE, RUNS, LOG),
    Field("target", "role", "target", "code",
          "What kind of element; never its name, value or place. Whatever cannot be told is `unknown`.",
          "see which kinds of elements a task needs", WHAT, {FINE: 24, RUNS: 24, LOG: 24}, _ALL),
    Field("target", "n", "target", "a", "Number of clicks in the record.", "see how much clicking a task needs",
          AMOUNT, {FINE: _U16, RUNS: _U16, LOG: 6}, _COUNT),
    Field("target", "click", "target", "b", "Whether it was a single or a double click, or the start of a drag.",
          "see how elements are used", WHAT, {FINE: 3, RUNS: 3, LOG: 3}, _ALL),
    _duration("target", "target"),
    _gap("target", "target"),
    _time("targets", "target", NOISY),
    Field("targets", "role", "target", "code", "Which role. Each one has a record, also where nothing was clicked.",
          "see which kinds of elements a task needs", WHAT, {NOISY: 24}, {NOISY: _LIST}),
    Field("targets", "n", "target", "a", "Number of clicks with noise drawn once; may be negative.",
          "see how much clicking a task needs", AMOUNT, {NOISY: _NOISY_VALUES}, {NOISY: _WITH_NOISE}),
    _time("task", "task", FINE, RUNS, LOG, NOISY),
    Field("task", "task", "task", "code", "Number of the task in the policy's list.",
          "learn what a sequence of actions was for", WHAT, {FINE: TASKS, RUNS: TASKS, LOG: TASKS, NOISY: TASKS},
          {FINE: _NUMBER, RUNS: _NUMBER, LOG: _NUMBER, NOISY: _NUMBER}),
    Field("task", "outcome", "task", "a", "That it begins, or how it ended.", "learn what a sequence of actions led to",
          WHAT, {FINE: 4, RUNS: 4, LOG: 4, NOISY: 4}, _EVERY),
)  # fmt: skip


def fields_of(record: str, profile: str) -> tuple[Field, ...]:
    """The fields that a kind of record has under a profile, in registry order."""
    return tuple(field for field in FIELDS if field.record == record and profile in field.values)


def capacity(record: str, profile: str, *, without_time: bool = False) -> float:
    """Most bits that one record of this kind can hold under the profile."""
    names = ("t", "gap", "duration") if without_time else ()
    return sum(field.bits(profile) for field in fields_of(record, profile) if field.name not in names)


def meaning() -> list[list[str | int | list[list[str | int]]]]:
    """What the registry means, without its wording: the part that a consent is about."""
    return [
        [field.record, field.name, field.scope, [[p, n, field.unit[p]] for p, n in sorted(field.values.items())]]
        for field in FIELDS
    ]
