"""What there is to count in one segment: one reader for every profile, which knows what each can tell.

``events`` is first made ``bursts`` by the product's own steps, so that a habit is counted by the same rule whichever
profile it was recorded in. A number of ``coarse`` is a log2 bucket; taken is the least that it can stand for. Every
limit used here is the edge of such a bucket, so that the answer is the same for both: it is known, not guessed.

Where records say only their minute (``coarse``, and what was veiled), one belongs to a category of application only if
that category had the focus for the whole minute; else to ``mixed``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from desktop_logger.inspection.columns import Records
from desktop_logger.records.classes import Action, Button, Category, Command, KeyClass, Role
from desktop_logger.records.layout import (
    ACTIONS,
    CLICK,
    COARSE_FORM,
    FOCUS,
    GAP,
    KEY,
    PRESSES,
    SCROLL,
    STROKE,
    SWITCHES,
    TARGET,
    TARGETS,
    TYPING,
    Redacted,
)
from desktop_logger.records.profiles import BURSTS, COARSE, COUNTS, EVENTS, Profile
from desktop_logger.redaction import coarsen

RAPID = 4
"""So many clicks and more in one run (no pause of 2 s between them) are repeated ones: a double click is none."""
HESITATED_S = (4, 16)
"""A pause of this many seconds before a command, the second not included: longer is another matter."""
BACK_S = 8
"""Going to another kind of application and back within this many seconds is back and forth."""
ERASED = 8
"""So many correcting keys in one run of typing."""

Counts = Counter[str]
"""Name → how often: the words of ``KEYS`` and ``command:…``, ``role:…``, ``pair:…+…``."""

MIXED = "mixed"


def count(parts: Mapping[str, list[Records]], profile: Profile) -> dict[str, Counts]:
    """Category → counts, of one segment's own stream. ``parts``: decoded parts of each scope, in file order."""
    if profile == COUNTS:
        return {MIXED: _noisy(parts)}
    scopes = {scope: _as_bursts(np.concatenate(some), profile) for scope, some in parts.items() if some}
    coarse = profile == COARSE
    found: dict[str, Counts] = {}
    focus = _Focus(scopes.get("context"), coarse=coarse)
    _focus(focus, found)
    _keyboard(scopes.get("keyboard"), scopes.get("pointer"), focus, found, coarse=coarse)
    _pointer(scopes.get("pointer"), focus, found, coarse=coarse)
    _targets(scopes.get("target"), focus, found, coarse=coarse)
    return found


def _as_bursts(records: Records, profile: Profile) -> Records:
    if profile != EVENTS:
        return records
    made: Records = np.frombuffer(coarsen(Redacted(records.tobytes()), EVENTS, BURSTS), records.dtype)
    return made


def _least(value: int, *, coarse: bool) -> int:
    """The number, or the least one of a log2 bucket."""
    if not coarse:
        return value
    return 1 << (value - 1) if value else 0


class _Focus:
    """Which category had the focus when."""

    def __init__(self, records: Records | None, *, coarse: bool) -> None:
        self.known = records is not None
        self.coarse = coarse
        self.rows: list[tuple[int, int, int]] = []
        """(time in seconds, category or 0 for a gap, pause since the record before)."""
        if records is not None:
            scale = 60 if coarse else 1
            chosen = records[(records["kind"] == FOCUS) | (records["kind"] == GAP)]
            self.rows = [
                (t * scale, code if kind == FOCUS else 0, _least(d, coarse=coarse) if kind == FOCUS else 0)
                for t, kind, code, _, _, _, d in chosen.tolist()
            ]
        self._times = np.array([t for t, _, _ in self.rows], np.int64)

    def at(self, second: int, *, minute: bool) -> str:
        """The category at a second, or over the minute that begins with it."""
        if not self.rows:
            return MIXED
        last = int(np.searchsorted(self._times, second + (60 if minute else 1), "left")) - 1
        if last < 0:
            return MIXED
        first = max(int(np.searchsorted(self._times, second, "left")) - 1, 0) if minute else last
        codes = {code for _, code, _ in self.rows[first : last + 1]} - {0}
        return Category(codes.pop()).name.lower() if len(codes) == 1 else MIXED


def _add(found: dict[str, Counts], category: str, name: str, times: int = 1) -> None:
    if times:
        found.setdefault(category, Counter())[name] += times


def _focus(focus: _Focus, found: dict[str, Counts]) -> None:
    """Changes of the kind of application, and going back and forth."""
    before = between = 0
    for _, code, pause in focus.rows:
        if not code:
            before = between = 0  # over a gap nobody knows
            continue
        if between and code != between:
            name = Category(code).name.lower()
            _add(found, name, "switches")
            if code == before and pause < BACK_S:
                _add(found, name, "back_and_forth")
                pair = "+".join(sorted((name, Category(between).name.lower())))
                _add(found, name, f"pair:{pair}")
        if code != between:
            before, between = between, code


def _keyboard(
    keys: Records | None, pointer: Records | None, focus: _Focus, found: dict[str, Counts], *, coarse: bool
) -> None:
    if keys is None:
        return
    hands = (
        np.array([]) if pointer is None else np.sort(pointer["t"][np.isin(pointer["kind"], (CLICK, SCROLL, STROKE))])
    )
    held = 0
    for t, kind, code, a, b, _, d in keys.tolist():
        formed = bool(kind & COARSE_FORM)
        log2 = coarse or formed
        what = kind & ~COARSE_FORM
        here = focus.at(t * 60 if coarse else t, minute=log2)
        if what == TYPING:
            text, edit = _least(a, coarse=log2), _least(b, coarse=log2)
            _add(found, here, "text", text)
            _add(found, here, "edit", edit)
            _add(found, here, "runs")
            if edit >= ERASED:  # never under coarse, which counts corrections as text
                _add(found, here, "erased_runs")
                _add(found, here, "erased_keys", edit)
            held = 0
            continue
        if what != KEY:
            held = 0
            continue
        pause = _least(d, coarse=log2)
        if code == KeyClass.MODIFIER:
            held = max(held, pause)  # Ctrl comes before the letter: the pause that counts lies before it
            continue
        if code == KeyClass.COMMAND:
            pause = max(held, pause)
            _add(found, here, "commands")
            _add(found, here, f"command:{Command(a).name.lower()}", int(a > 0))
            busy = not log2 and np.searchsorted(hands, t - pause, "right") < np.searchsorted(hands, t, "left")
            if HESITATED_S[0] <= pause < HESITATED_S[1] and not busy:
                _add(found, here, "hesitated")
        _add(found, here, "tab_keys", int(code == KeyClass.TAB))
        held = 0


def _pointer(records: Records | None, focus: _Focus, found: dict[str, Counts], *, coarse: bool) -> None:
    if records is None:
        return
    for t, kind, code, a, _, _, _ in records[np.isin(records["kind"] & ~np.uint8(COARSE_FORM), (CLICK,))].tolist():
        log2 = coarse or bool(kind & COARSE_FORM)
        here, times = focus.at(t * 60 if coarse else t, minute=log2), _least(a, coarse=log2)
        _add(found, here, "clicks", times)
        if code == Button.LEFT and times >= RAPID:
            _add(found, here, "repeated_clicks")


def _targets(records: Records | None, focus: _Focus, found: dict[str, Counts], *, coarse: bool) -> None:
    if records is None:
        return
    for t, kind, code, a, _, _, _ in records[records["kind"] & ~np.uint8(COARSE_FORM) == TARGET].tolist():
        log2 = coarse or bool(kind & COARSE_FORM)
        here, times = focus.at(t * 60 if coarse else t, minute=log2), _least(a, coarse=log2)
        _add(found, here, f"role:{Role(code).name.lower()}", times)
        if times >= RAPID:
            _add(found, here, f"repeated:{Role(code).name.lower()}")


_CLICKS = range(Action.CLICK_LEFT, Action.CLICK_OTHER + 1)


def _noisy(parts: Mapping[str, list[Records]]) -> Counts:
    """``counts``: sums of numbers with noise, which have no order and no category."""
    found: Counts = Counter()
    for some in parts.values():
        for _, kind, code, a, *_ in (np.concatenate(some) if some else np.array([])).tolist():
            n = a - 0x10000 if a & 0x8000 else a
            name = None
            if kind == PRESSES:
                name = {KeyClass.TEXT: "text", KeyClass.EDIT: "edit", KeyClass.COMMAND: "commands",
                        KeyClass.TAB: "tab_keys"}.get(KeyClass(code))  # fmt: skip
            elif kind == ACTIONS and code in _CLICKS:
                name = "clicks"
            elif kind == SWITCHES:
                name = "switches"
            elif kind == TARGETS:
                name = f"role:{Role(code).name.lower()}"
            if name:
                found[name] += n
    return found


def known(profiles: set[str], scopes: set[str]) -> dict[str, Any]:
    """What these records can tell, and in words what they cannot."""
    cannot = []
    if "keyboard" not in scopes:
        cannot.append("keyboard is not granted: no corrections, no commands, no hesitation")
    if "pointer" not in scopes:
        cannot.append("pointer is not granted: no repeated clicks")
    if "target" not in scopes:
        cannot.append("target is not granted: what was clicked is not known, so menus cannot be told from links")
    if "context" not in scopes:
        cannot.append("context is not granted: nothing can be told by kind of application, nor who goes back and forth")
    if "counts" in profiles:
        cannot.append("counts keeps sums with noise: no names of commands, no order, no pauses, no kind of application")
    if "coarse" in profiles:
        cannot.append(
            "coarse (also where nobody could tell whether a field is secret) keeps powers of two: numbers are at least "
            "what is shown, text keys include corrections, which are not told apart, and a pause "
            "may have been spent with the mouse"
        )
    cannot.append("which command a menu item, button or tab stands for is never recorded; nor is any name or place")
    return {"profiles": sorted(profiles), "scopes": sorted(scopes), "cannot_tell": cannot}
