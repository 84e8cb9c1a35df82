"""Counting what was recorded: presses by class, commands, pointer actions, gaps, and their course in time.

Counts come from whole arrays, never record by record. Under ``coarse`` every quantity is a log2 bucket; what is
counted then is the least number in the bucket, and ``at_least`` says so. Under ``counts`` each number holds noise:
the sums are shown, a sum below nothing as nothing, and ``with_noise`` says so. A gap stands in the part of each
granted scope and is counted once; its seconds are a bucket in a released stream only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.errors import IntegrityError
from desktop_logger.records.classes import Action, Category, Command, KeyClass, Outcome, Reason, Role
from desktop_logger.records.layout import (
    ACTIONS,
    CLICK,
    COARSE_FORM,
    FOCUS,
    GAP,
    KEY,
    KINDS,
    MOVE,
    PRESSES,
    SCROLL,
    STROKE,
    SWITCHES,
    TARGET,
    TARGETS,
    TASK,
    TYPING,
)
from desktop_logger.records.profiles import CAPS, COARSE, Profile

Records = np.ndarray[Any, Any]

_POINTER = {"click": "clicks", "scroll": "scrolls", "moving": "moves"}
"""What an action of ``counts`` counts as; of motion it is the seconds."""


_OUTCOMES = [one.name.lower() for one in Outcome]


class Span(NamedTuple):
    """One segment's stay on the time axis, Unix seconds."""

    segment: str
    start: float
    end: float


class Lapse(NamedTuple):
    """One gap on the time axis: Unix seconds, reason, length in seconds."""

    start: float
    reason: str
    seconds: int


class Summary:
    """Totals of any number of segments, and the minutes in which they fell."""

    def __init__(self) -> None:
        self.records = 0
        self.keys: Counter[str] = Counter()
        self.commands: Counter[str] = Counter()
        self.pointer = Counter({"clicks": 0, "scrolls": 0, "moves": 0})
        self.context: defaultdict[str, float] = defaultdict(float)
        """Category → seconds in which it had the focus; under ``counts`` nobody knows how long."""
        self.switches: Counter[str] = Counter()
        """``counts``: category → how often it got the focus."""
        self.targets: Counter[str] = Counter()
        """Role → clicks."""
        self.tasks: Counter[tuple[int, str]] = Counter()
        """(number of the task, outcome) → how often it was said."""
        self.spans: list[Span] = []
        self.lapses: list[Lapse] = []
        self.profiles: set[str] = set()
        self.minutes: dict[str, Counter[int]] = {"keyboard": Counter(), "pointer": Counter()}
        """Scope → minute since 1970 → presses or pointer actions."""

    @property
    def at_least(self) -> bool:
        """Whether some count is only a lower bound."""
        return "coarse" in self.profiles

    def add(self, span: Span, profile: Profile, parts: Mapping[str, list[Records]], *, released: bool = False) -> None:
        """Count one segment's stream. ``parts`` as for ``rows.segment_rows``; ``released``: from the release stream."""
        self.spans.append(span)
        self.profiles.add(profile.name)
        gaps: Counter[tuple[int, int, int]] = Counter()
        for scope, some in parts.items():
            if not some:
                continue
            records = np.concatenate(some)
            is_gap = records["kind"] == GAP
            here = Counter((int(t), int(code), int(d)) for t, code, d in records[is_gap][["t", "code", "d"]].tolist())
            gaps |= here  # the same gap in two scopes is one gap
            self._count(scope, records[~is_gap], profile, span.start)
            if scope == "context":
                self._stay(records, profile, span)
        self.records += gaps.total()
        for (t, code, d), times in sorted(gaps.items()):
            length = _least_one(d, profile) if released else d
            lapse = Lapse(span.start + _seconds(t, profile), _name(Reason, code), length)
            self.lapses += [lapse] * times

    def _stay(self, records: Records, profile: Profile, span: Span) -> None:
        """Add up how long each category had the focus: until the next record of focus, a gap, or the end."""
        here, since = 0, 0.0
        for t, kind, code, _, _, _, d in records[(records["kind"] == FOCUS) | (records["kind"] == GAP)].tolist():
            now = _seconds(t, profile)
            if here:
                stayed = now - since
                if profile == COARSE and kind == FOCUS and d < CAPS["gap"]:
                    stayed = _least_one(d, profile)
                self.context[_name(Category, here)] += max(stayed, 0.0)
            here, since = (code if kind == FOCUS else 0), now
        if here:
            self.context[_name(Category, here)] += max(span.end - span.start - since, 0.0)

    def _count(self, scope: str, records: Records, profile: Profile, start: float) -> None:
        kind = records["kind"]
        formed = kind >= COARSE_FORM
        kind = kind & ~np.uint8(COARSE_FORM)
        if not set(np.unique(kind).tolist()) <= set(KINDS):
            raise IntegrityError("a record is outside the vocabulary of this version")
        self.records += int(records.size)
        weight = np.ones(records.size, np.int64)
        a, b = _least(records["a"], profile), _least(records["b"], profile)
        if formed.any():
            self.profiles.add(COARSE.name)
            a, b = (np.where(formed, _least(records[one], COARSE), plain) for one, plain in (("a", a), ("b", b)))

        keys = records[kind == KEY]
        for code, times in zip(*np.unique(keys["code"], return_counts=True), strict=True):
            self.keys[_name(KeyClass, int(code), lower=False)] += int(times)
        named = keys["a"][keys["a"] > 0]
        for code, times in zip(*np.unique(named, return_counts=True), strict=True):
            self.commands[_name(Command, int(code))] += int(times)

        typing = kind == TYPING
        self.keys["TEXT"] += int(a[typing].sum())
        self.keys["EDIT"] += int(b[typing].sum())
        weight[typing] = a[typing] + b[typing]
        for name, which in (("clicks", kind == CLICK), ("scrolls", kind == SCROLL)):
            weight[which] = np.maximum(a[which], 1)
            self.pointer[name] += int(weight[which].sum())
        self.pointer["moves"] += int(((kind == MOVE) | (kind == STROKE)).sum())
        for code in np.unique(records["code"][kind == TARGET]):
            self.targets[_name(Role, int(code))] += int(a[(kind == TARGET) & (records["code"] == code)].sum())
        for code, outcome in records[kind == TASK][["code", "a"]].tolist():
            self.tasks[int(code), _name(Outcome, int(outcome))] += 1

        noisy = records["a"].astype(np.uint16).view(np.int16).astype(np.int64)
        for which, words in ((kind == PRESSES, KeyClass), (kind == ACTIONS, Action), (kind == SWITCHES, Category),
                             (kind == TARGETS, Role)):  # fmt: skip
            weight[which] = np.maximum(noisy[which], 0)
            for code in np.unique(records["code"][which]):
                times = int(noisy[which & (records["code"] == code)].sum())
                if words is KeyClass:
                    self.keys[_name(KeyClass, int(code), lower=False)] += times
                elif words is Category:
                    self.switches[_name(Category, int(code))] += times
                elif words is Role:
                    self.targets[_name(Role, int(code))] += times
                else:
                    self.pointer[_POINTER[_name(Action, int(code)).partition("_")[0]]] += times

        seconds = start + records["t"].astype(np.float64) * (profile.grid_ms / 1000)
        minutes, where = np.unique((seconds // 60).astype(np.int64), return_inverse=True)
        if scope not in self.minutes:
            return
        for minute, total in zip(minutes, np.bincount(where, weights=weight), strict=True):
            self.minutes[scope][int(minute)] += int(total)

    @property
    def with_noise(self) -> bool:
        """Whether some count holds noise."""
        return "counts" in self.profiles

    def gaps(self) -> dict[str, int]:
        """Reason → seconds that were not observed."""
        total: Counter[str] = Counter()
        for lapse in self.lapses:
            total[lapse.reason] += lapse.seconds
        return dict(sorted(total.items()))

    def said_of_tasks(self) -> dict[str, str]:
        """Task by its number in the policy's list → what was said of it, in words."""
        said: dict[str, list[str]] = {}
        for (task, outcome), times in sorted(
            self.tasks.items(), key=lambda one: (one[0][0], _OUTCOMES.index(one[0][1]))
        ):
            said.setdefault(f"task {task}", []).append(f"{outcome.replace('_', ' ')} {times:,}")
        return {task: ", ".join(words) for task, words in said.items()}

    def to_json(self) -> dict[str, Any]:
        """The shape of ``inspect --json``: tested, and stable for scripts."""
        return {
            "records": self.records,
            "keys": {name: times for name, times in sorted(self.keys.items()) if times > 0},
            "commands": dict(sorted(self.commands.items())),
            "pointer": {name: max(int(times), 0) for name, times in self.pointer.items()},
            "context": {name: round(self.context[name]) for name in sorted(self.context)},
            "gaps": [{"reason": reason, "seconds": seconds} for reason, seconds in self.gaps().items()],
            "segments": len(self.spans),
            "at_least": self.at_least,
            **({"with_noise": True} if self.with_noise else {}),
            **({"switches": {name: max(n, 0) for name, n in sorted(self.switches.items())}} if self.switches else {}),
            **({"targets": {name: max(n, 0) for name, n in sorted(self.targets.items())}} if self.targets else {}),
            **({"tasks": [{"task": task, "outcome": outcome, "times": times}
                          for (task, outcome), times in sorted(self.tasks.items())]} if self.tasks else {}),
        }  # fmt: skip


def _seconds(t: int, profile: Profile) -> float:
    return t * profile.grid_ms / 1000


def _least(values: Records, profile: Profile) -> Records:
    """Counts, or the least number in each log2 bucket: 0 → 0, n → 2^(n-1)."""
    wide = values.astype(np.int64)
    if profile.name != "coarse":
        return wide
    return np.where(wide > 0, np.left_shift(1, np.clip(wide - 1, 0, 40)), 0)


def _least_one(value: int, profile: Profile) -> int:
    if profile.name != "coarse":
        return value
    return 1 << min(value - 1, 40) if value else 0


def _name(words: Any, code: int, *, lower: bool = True) -> str:
    try:
        name = str(words(code).name)
    except ValueError:
        raise IntegrityError("a record is outside the vocabulary of this version") from None
    return name.lower() if lower else name
