"""A vectorised twin of the product's runs and buckets, for benchmarks and the search for better profiles only.

``runs`` makes many variants of ``bursts`` and ``coarse`` of the keyboard, with their parameters open. ``bursts`` and
``coarse`` make whole segments of every scope, veiled records and gaps included, at the product's parameters. Tests
hold both to the product's own records, byte for byte. Nothing is recorded with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.records import profiles
from desktop_logger.records.classes import KeyClass
from desktop_logger.records.layout import (
    CLICK,
    COARSE_FORM,
    FOCUS,
    GAP,
    KEY,
    MOVE,
    RECORD_FIELDS,
    SCROLL,
    STROKE,
    TARGET,
    TASK,
    TYPING,
    U16,
)
from desktop_logger.records.profiles import CAPS, COARSE, EVENTS, RUN_PAUSE_S, SHORT_RUN

from . import product

Array = np.ndarray[Any, Any]


class Form(NamedTuple):
    """One point of the search; the defaults are the product's ``bursts``."""

    grid_s: int = 1
    """Grid of start, duration and gap, whole seconds."""
    pause_s: int = RUN_PAUSE_S
    """A run ends at a pause of this length."""
    short: int = SHORT_RUN
    """A run of fewer keys joins the next one."""
    base: float = 0
    """0: numbers as they are; 2: log2 buckets, 4: log4 buckets."""
    time_base: float = 0
    """The same for duration and gap, where theirs are wider; 0: as the others."""
    caps: tuple[int, int, int, int] = (CAPS["n_text"], 3, CAPS["duration"], CAPS["gap"])
    """Highest bucket of n_text, n_edit, duration and gap."""
    edits: bool = True
    """Whether corrections are counted apart from text."""
    times: bool = True
    """Whether duration and gap are recorded."""
    lasting: bool = True
    """Whether the duration is (the gap may be without it)."""
    enter: bool = True
    """Whether Enter is a record of its own; else it counts as text."""


BURSTS = Form()


def runs(records: Array, end: int, form: Form = BURSTS) -> Array:
    """Keyboard records of ``events`` (columns t in ticks, code, a) of one segment → t, kind, code, a, b, c, d.

    ``end`` is the segment's end in ticks. Rows come in the order in which runs end, as in the product.
    """
    if not len(records):
        return np.zeros((0, 7), np.int64)
    grid = 50 * form.grid_s
    second, code = records[:, 0] // 50, records[:, 1]
    if not form.enter:
        code = np.where(code == KeyClass.ENTER, KeyClass.TEXT, code)
    typing = code <= KeyClass.EDIT
    new = np.ones(len(records), bool)
    new[1:] = ~typing[1:] | ~typing[:-1] | (np.diff(second) >= form.pause_s)
    start = np.flatnonzero(new)
    stop = np.concatenate([start[1:], [len(records)]]) - 1
    texts = np.add.reduceat((code == KeyClass.TEXT).astype(np.int64), start)
    edits = np.add.reduceat((code == KeyClass.EDIT).astype(np.int64), start)
    made: list[tuple[int, ...]] = []
    held_text = held_edit = last = 0
    for run in range(len(start)):
        here, there = int(records[start[run], 0]) // grid, int(records[stop[run], 0]) // grid
        if not typing[start[run]]:
            made.append((here, KEY, int(code[start[run]]), int(records[start[run], 2]), 0, 0, here - last))
            last = here
            continue
        text, edit = int(texts[run]) + held_text, int(edits[run]) + held_edit
        held_text = held_edit = 0
        if text + edit < form.short:
            held_text, held_edit = text, edit
            continue
        made.append((here, TYPING, 0, text, edit, there - here, here - last))
        last = there
    if held_text or held_edit:
        over = max(end, int(records[-1, 0])) // grid
        made.append((over, TYPING, 0, held_text, held_edit, 0, over - last))
    return shaped(np.array(made, np.int64).reshape(-1, 7), form)


def records(times: Sequence[int], symbols: Sequence[str], form: Form) -> Array:
    """Records of a variant, with the columns of ``product.records``."""
    fine = product.records(times, symbols, EVENTS)
    parts = []
    for segment in np.unique(fine[:, product.SEGMENT]):
        rows = fine[fine[:, product.SEGMENT] == segment][:, [product.T, product.CODE, product.A]]
        last = segment == fine[-1, product.SEGMENT]
        made = runs(rows, int(rows[-1, 0]) if last else 30_000, form)
        parts.append(np.concatenate([np.full((len(made), 1), segment), made], 1))
    return np.concatenate(parts)


def shaped(made: Array, form: Form) -> Array:
    """Buckets, and fields left out, as the form says."""
    out = made.copy()
    typing = out[:, 1] == TYPING
    if not form.edits:
        out[typing, 3] += out[typing, 4]
        out[typing, 4] = 0
    if form.base:
        for column, cap in zip((3, 4, 5, 6), form.caps, strict=True):
            rows = np.ones(len(out), bool) if column == 6 else typing
            base = form.time_base or form.base if column > 4 else form.base
            out[rows, column] = np.minimum(buckets(out[rows, column], base), cap)
    if not (form.times and form.lasting):
        out[:, 5] = 0
    if not form.times:
        out[:, 6] = 0
    return out


def buckets(values: Array, base: float) -> Array:
    """0 → 0, then one bucket for each power of ``base``: for 2, the bit length."""
    positive = np.maximum(values, 1).astype(float)
    steps = np.floor(np.log2(positive) / np.log2(base) + 1e-9).astype(np.int64) + 1
    return np.where(values > 0, steps, 0)


# --- every scope, at the product's parameters -----------------------------------------------------------------------

_TICKS = profiles.BURSTS.grid_ms // EVENTS.grid_ms
_CELL = profiles.STROKE_CELL_PX // profiles.MOVE_CELL_PX


def bursts(records: bytes, end: int) -> bytes:
    """Records of ``events`` of one segment that ends at tick ``end`` → those of ``bursts``. No sum may pass 65,535."""
    rows = np.frombuffer(records, RECORD_FIELDS)
    kind, second = rows["kind"].astype(np.int64), rows["t"].astype(np.int64) // _TICKS
    free = kind < COARSE_FORM
    out = [_plain(rows, second)]
    text, edit = (free & (kind == KEY) & (rows["code"] == one) for one in (KeyClass.TEXT, KeyClass.EDIT))
    keyboard, typing = free & (kind == KEY), text | edit
    latest = max(int(second[free].max(initial=0)), end // _TICKS)
    made = _runs(rows, second, keyboard, np.where(typing, 0, 1 + np.arange(len(rows))))
    out.append(_typed(made, rows, (text, edit), latest))
    out.append(_pointed(_runs(rows, second, np.isin(kind, (MOVE, CLICK, SCROLL)), kind << 8 | rows["code"]), rows))
    target = _runs(rows, second, kind == TARGET, rows["code"].astype(np.int64) << 8 | rows["b"])
    first = rows[target.first]
    clicked = np.where(kind == TARGET, rows["a"], 0).astype(np.int64)
    n = np.add.reduceat(clicked, target.first) if len(first) else clicked[:0]
    out.append(_table(target, 2, (TARGET, first["code"], n, first["b"])))
    table = np.concatenate(out)
    order = np.lexsort((table[:, 3], table[:, 2], table[:, 1], table[:, 0]))
    found = np.zeros(len(table), RECORD_FIELDS)
    for column, (name, _) in enumerate(RECORD_FIELDS):
        found[name] = table[order, 4 + column]
    return found.tobytes()


class _Made(NamedTuple):
    """Runs of one scope: first row, seconds of start and end, where each comes out, and the row it is closed by."""

    first: Array
    start: Array
    end: Array
    place: Array
    phase: Array


def _runs(rows: Array, second: Array, mine: Array, what: Array) -> _Made:
    """Neighbouring rows of a scope that say the same, with less than a pause and nothing that breaks between them.

    A run comes out when a pause has ended it (phase 0, before anything else at that row), or when a row of its scope
    or a gap or a veiled record ends it (phase 1, before that row's own record, which is phase 2).
    """
    count = len(rows)
    free = rows["kind"] < COARSE_FORM
    breaks = ~free | (rows["kind"] == GAP)
    at = np.flatnonzero(mine)
    broken, says, when = np.cumsum(breaks)[at], what[at], second[at]
    new = np.ones(len(at), bool)
    new[1:] = (np.diff(broken) > 0) | (np.diff(says) != 0) | (np.diff(when) >= RUN_PAUSE_S)
    first = np.flatnonzero(new)
    last = np.concatenate([first[1:], [len(at)]]).astype(np.int64)[: len(first)] - 1
    end = when[last] if len(first) else when[:0]
    frees, stops = np.flatnonzero(free), np.flatnonzero(breaks)
    paused = np.append(frees, count)[np.searchsorted(second[frees], end + RUN_PAUSE_S)]
    stopped = np.append(stops, count)[np.searchsorted(stops, at[last] if len(first) else [])]
    after = np.append(at, count)[last + 1] if len(first) else at[:0]
    place = np.minimum(np.minimum(paused, stopped), after)
    return _Made(at[first], when[first], end, place, np.where((paused == place) & (place < count), 0, 1))


def _table(made: _Made, scope: int, fields: tuple[int | Array, Array, Array, Array]) -> Array:
    """Rows to sort (place, phase, end, scope) and the seven fields of a record; given are kind, code, a and b."""
    since = made.start - np.concatenate([[0], made.end[:-1]]) if len(made.start) else made.start
    found = np.zeros((len(made.start), 11), np.int64)
    columns = (made.place, made.phase, made.end, scope, made.start, *fields, made.end - made.start, since)
    for column, values in enumerate(columns):
        found[:, column] = values
    return found


def _plain(rows: Array, second: Array) -> Array:
    """What makes its own record: focus, tasks, gaps, and what is veiled (keys come with the keyboard)."""
    kind = rows["kind"]
    at = np.flatnonzero((kind >= COARSE_FORM) | np.isin(kind, (GAP, FOCUS, TASK)))
    found = np.zeros((len(at), 11), np.int64)
    found[:, 0], found[:, 1], found[:, 4] = at, 2, second[at]
    for column, name in enumerate(("kind", "code", "a", "b", "c", "d"), 5):
        found[:, column] = rows[name][at]
    focus = found[:, 5] == FOCUS
    found[focus, 10] = np.diff(found[focus, 4], prepend=0)
    return found


def _typed(made: _Made, rows: Array, counted: tuple[Array, Array], latest: int) -> Array:
    """Runs of typing, short ones joined to the next, and every other key."""
    if not len(made.first):
        return np.zeros((0, 11), np.int64)
    texts, edits = (np.add.reduceat(one.astype(np.int64), made.first).tolist() for one in counted)
    first = rows[made.first]
    found = []
    held_text = held_edit = last = 0
    each = zip(*(one.tolist() for one in (*made, first["code"], first["a"])), texts, edits, strict=True)
    for row, start, end, place, phase, code, named, text, edit in each:
        if code > KeyClass.EDIT:
            found.append((row, 2, 0, 0, start, KEY, code, named, 0, 0, start - last))
            last = start
            continue
        held_text, held_edit = held_text + text, held_edit + edit
        if held_text + held_edit < SHORT_RUN:
            continue
        found.append((place, phase, end, 0, start, TYPING, 0, held_text, held_edit, end - start, start - last))
        held_text, held_edit, last = 0, 0, end
    if held_text or held_edit:
        found.append((len(rows) + 1, 0, 0, 0, latest, TYPING, 0, held_text, held_edit, 0, latest - last))
    return np.array(found, np.int64).reshape(-1, 11)


def _pointed(made: _Made, rows: Array) -> Array:
    """Strokes, what fills no cell carried to the next, and runs of clicks and of scrolling."""
    if not len(made.first):
        return np.zeros((0, 11), np.int64)
    kind = rows["kind"].astype(np.int64)
    first = rows[made.first]
    signed = {name: np.where(rows[name] & 0x8000, rows[name].astype(np.int64) - 0x10000, rows[name]) for name in "ab"}
    moved = [np.add.reduceat(np.where(kind == MOVE, signed[name], 0), made.first) for name in "ab"]
    n = np.add.reduceat(np.where((kind == CLICK) | (kind == SCROLL), rows["a"], 0).astype(np.int64), made.first)
    stroke = first["kind"] == MOVE
    fields = []
    for some in moved:
        value, rest = np.zeros(len(some), np.int64), 0
        cells = []
        for far in some[stroke].tolist():
            total = far + rest
            cells.append(max(-0x7FFF, min(0x7FFF, int(total / _CELL))))
            rest = total - cells[-1] * _CELL
        value[stroke] = cells
        fields.append(value & U16)
    kinds = np.where(stroke, STROKE, first["kind"])
    return _table(made, 1, (kinds, first["code"], np.where(stroke, fields[0], n), fields[1]))


def coarse(records: bytes) -> bytes:
    """Records of ``bursts`` → those of ``coarse``, one for one."""
    rows = np.frombuffer(records, RECORD_FIELDS).copy()
    caps = profiles.CAPS
    kind = rows["kind"].astype(np.int64)
    plain = (kind < COARSE_FORM) & (kind != GAP) & (kind != TASK)

    def log(name: str, which: Array, cap: str) -> None:
        rows[name][which] = np.minimum(buckets(rows[name][which].astype(np.int64), 2), caps[cap])

    def log_keys(typing: Array) -> None:
        keys = rows["a"][typing].astype(np.int64) + rows["b"][typing]
        rows["a"][typing] = np.minimum(buckets(keys, 2), caps["n_text"])

    typing, veiled = kind == TYPING, kind == TYPING | COARSE_FORM
    log("d", plain, "gap")
    log("c", plain, "duration")
    log_keys(typing)
    rows["a"][veiled] = np.maximum(rows["a"][veiled], rows["b"][veiled])
    for name in "bc":
        rows[name][typing | veiled] = 0
    log("a", np.isin(kind, (CLICK, SCROLL, TARGET)), "n")
    for name in "ab":
        cells = rows[name][kind == STROKE].astype(np.int64)
        cells = np.where(cells & 0x8000, cells - 0x10000, cells)
        rows[name][kind == STROKE] = (np.sign(cells) * np.minimum(buckets(np.abs(cells), 2), caps["cells"])) & U16
    rows["t"] //= COARSE.grid_ms // profiles.BURSTS.grid_ms
    rows["kind"] &= ~COARSE_FORM & 0xFF
    return rows.tobytes()
