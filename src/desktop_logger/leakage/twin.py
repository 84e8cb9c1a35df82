"""A vectorised twin of the product's runs and buckets for the keyboard, with its parameters open.

For benchmarks and the search for better profiles only: it makes many variants of ``bursts`` and ``coarse`` quickly.
A test holds it to the product's own records, byte for byte, at the product's parameters. Nothing is recorded with it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from desktop_logger.records.classes import KeyClass
from desktop_logger.records.layout import KEY, TYPING
from desktop_logger.records.profiles import CAPS, RUN_PAUSE_S, SHORT_RUN

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
    caps: tuple[int, int, int, int] = (CAPS["n_text"], CAPS["n_edit"], CAPS["duration"], CAPS["gap"])
    """Highest bucket of n_text, n_edit, duration and gap."""
    edits: bool = True
    """Whether corrections are counted apart from text."""
    times: bool = True
    """Whether duration and gap are recorded."""


BURSTS = Form()


def runs(records: Array, end: int, form: Form = BURSTS) -> Array:
    """Keyboard records of ``events`` (columns t in ticks, code, a) of one segment → t, kind, code, a, b, c, d.

    ``end`` is the segment's end in ticks. Rows come in the order in which runs end, as in the product.
    """
    if not len(records):
        return np.zeros((0, 7), np.int64)
    grid = 50 * form.grid_s
    second, code = records[:, 0] // 50, records[:, 1]
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
            out[rows, column] = np.minimum(buckets(out[rows, column], form.base), cap)
    if not form.times:
        out[:, 5:7] = 0
    return out


def buckets(values: Array, base: float) -> Array:
    """0 → 0, then one bucket for each power of ``base``: for 2, the bit length."""
    positive = np.maximum(values, 1).astype(float)
    steps = np.floor(np.log2(positive) / np.log2(base) + 1e-9).astype(np.int64) + 1
    return np.where(values > 0, steps, 0)
