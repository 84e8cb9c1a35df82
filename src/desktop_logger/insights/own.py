"""Insights for oneself: one's own counts by week and by kind of application, and what the coach makes of them.

Nothing is written and nothing leaves. There is no total, no grade and nobody to be compared with: the only thing beside
a week is one's own week before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from desktop_logger.inspection.columns import Records
from desktop_logger.records.layout import COARSE_FORM, GAP
from desktop_logger.records.profiles import Profile

from . import coach
from .moments import Counts, count, known

MEASURES = {
    "text": "keys of text",
    "edit": "correcting keys",
    "runs": "runs of typing",
    "commands": "commands by keys",
    "hesitated": "pauses of 4 to 15 s before one",
    "clicks": "clicks",
    "menu_items": "of them on menu items",
    "repeated_clicks": "runs of 4 clicks or more",
    "switches": "other kind of application",
    "back_and_forth": "and back within 8 s",
}
"""Name in JSON → in words. A measure that cannot be known is absent, not 0."""
_NEEDS = {"text": "keyboard", "edit": "keyboard", "runs": "keyboard", "commands": "keyboard", "hesitated": "keyboard",
          "clicks": "pointer", "repeated_clicks": "pointer", "menu_items": "target", "switches": "context",
          "back_and_forth": "context"}  # fmt: skip
_HIDDEN = {"counts": ("runs", "hesitated", "repeated_clicks", "back_and_forth"), "coarse": ("edit",)}
"""Profile → what records of it alone cannot tell: sums know no order, and all keys of a run are one number."""


class Own:
    """Any number of one's own segments."""

    def __init__(self) -> None:
        self.weeks: dict[str, Counts] = {}
        self.categories: dict[str, Counts] = {}
        self.recorded_s: Counter[str] = Counter()
        self.profiles: set[str] = set()
        self.scopes: set[str] = set()

    def add(self, start: float, end: float, profile: Profile, parts: Mapping[str, list[Records]]) -> None:
        """Count one segment of the own stream, opened at ``start`` (Unix seconds)."""
        year, number, _ = datetime.fromtimestamp(start).astimezone().isocalendar()
        week = f"{year}-W{number:02d}"
        self.profiles.add(profile.name)
        self.scopes |= set(parts)
        gaps = 0
        for some in parts.values():
            here = 0
            for records in some:
                here += int(records["d"][records["kind"] == GAP].sum())
                if bool((records["kind"] & COARSE_FORM).any()):
                    self.profiles.add("coarse")
            gaps = max(gaps, here)
        self.recorded_s[week] += round(max(end - start - gaps, 0.0))
        for category, counts in count(parts, profile).items():
            self.weeks.setdefault(week, Counter()).update(counts)
            self.categories.setdefault(category, Counter()).update(counts)

    @property
    def total(self) -> Counts:
        """All that was counted."""
        return sum((counts for counts in self.categories.values()), Counter())

    @property
    def at_least(self) -> bool:
        """Whether numbers are lower bounds."""
        return "coarse" in self.profiles

    def measures(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The measures that can be known, by name. Sums with noise may be negative; they are shown from 0 on."""
        told = {**counts, "menu_items": counts.get("role:menu_item", 0)}
        return {
            name: max(told.get(name, 0), 0)
            for name in MEASURES
            if _NEEDS[name] in self.scopes and not all(name in _HIDDEN.get(one, ()) for one in self.profiles)
        }  # fmt: skip

    def habits(self) -> list[coach.Habit]:
        """At most three suggestions."""
        return coach.habits(self.total, at_least=self.at_least)

    def to_json(self) -> dict[str, Any]:
        """The shape of ``insights --json``."""
        weeks = sorted(self.recorded_s)
        return {
            "weeks": [
                {"week": week, "recorded_seconds": self.recorded_s[week], **self.measures(self.weeks.get(week, {}))}
                for week in weeks
            ],
            "categories": {
                name: self.measures(counts) | {"commands_by_name": _named(counts, "command:"),
                                               "clicks_by_role": _named(counts, "role:")}
                for name, counts in sorted(self.categories.items())
            },
            "habits": [habit._asdict() for habit in self.habits()],
            "at_least": self.at_least,
            "with_noise": "counts" in self.profiles,
            **known(self.profiles, self.scopes),
        }  # fmt: skip


def _named(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in sorted(counts.items()) if name.startswith(prefix) and n > 0}
