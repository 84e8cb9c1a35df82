"""Insights as text for a terminal of 80 columns: plain lines, no colour, nothing that needs a wide screen."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from .own import MEASURES, Own
from .team import CHANCE, EPSILON, POINTS, STATES, Answer

WIDTH = 78
_WEEKS = 5
_COLUMNS = {"text": "text", "edit": "correct", "commands": "command", "hesitated": "hesit.", "menu_items": "menu",
            "repeated_clicks": "4+click", "back_and_forth": "back"}  # fmt: skip


def own(found: Own) -> list[str]:
    """One's own insights: what might help first, then weeks, kinds of application, and what cannot be told."""
    facts = found.to_json()
    if not facts["weeks"]:
        return ["Nothing is recorded in that time, so there is nothing to tell."]
    lines = ["What might help" + (" (numbers hold noise)" if facts["with_noise"] else "")]
    for number, habit in enumerate(found.habits(), 1):
        lines += _hanging(f"{number}. ", f"{_upper(habit.seen)}.")
        lines += _hanging("   ", f"Try: {habit.try_this}.")
        lines += _hanging("   ", f"Saves at most {_time(habit.saves_at_most_s)}, if {habit.assuming}.")
    if not found.habits():
        lines.append("   Nothing stood out.")
    else:
        lines += _hanging("   ", f"Seconds: {found.habits()[0].source}.")
    weeks = facts["weeks"][-_WEEKS:]
    lines += ["", f"{'Week by week':<34}" + "".join(f"{week['week'][5:]:>8}" for week in weeks)]
    lines.append(f"  {'recorded':<32}" + "".join(f"{_time(week['recorded_seconds']):>8}" for week in weeks))
    for name, words in MEASURES.items():
        if name in weeks[-1]:
            lines.append(f"  {words:<32}" + "".join(f"{week[name]:>8,}" for week in weeks))
    if "context" in found.scopes and "counts" not in found.profiles:
        shown = [name for name in _COLUMNS if name in weeks[-1]]
        lines += ["", f"{'By kind of application':<24}" + "".join(f"{_COLUMNS[name]:>8}" for name in shown)]
        for category, counts in facts["categories"].items():
            lines.append(f"  {category:<22}" + "".join(f"{counts[name]:>8,}" for name in shown))
    if facts["at_least"]:
        lines += ["", "Every number is the least that it can be."]
    lines += ["", "What this cannot tell"]
    for line in facts["cannot_tell"]:
        lines += _hanging("  - ", line)
    return [*lines, "", "From your own records on this machine. Nothing was written, and nothing leaves."]


_TITLES = {
    "friction_by_category": "Friction, by what and in which kind of application",
    "repeated_clicks_by_role": "4 clicks and more in a row, by kind of element",
    "clicks_by_role": "For comparison: all clicks, by kind of element",
    "use_by_category": "For comparison: all use, by kind of application",
}
_FRICTION = {"erased_runs": "much erasing in", "hesitated": "hesitating before commands in",
             "repeated_clicks": "repeated clicks in", "back_and_forth": "back and forth with"}  # fmt: skip


def team(found: Answer) -> list[str]:
    """Insights for a team: what is shown, and what bounds it."""
    lines = [f"{found.people:,} people, each of whom counts the same; shares are ± {found.error:.1%} (one deviation)"]
    for name, title in _TITLES.items():
        lines += ["", title]
        shown = sorted(found.tables[name].items(), key=lambda one: -one[1])
        for cell, share in shown:
            kind, _, category = cell.rpartition(":")
            lines.append(f"  {_FRICTION.get(kind, '') + ' ' + category if kind else cell:<48}{share:>7.1%}")
        if not shown:
            lines.append("  nothing that enough people stand behind")
    lines += ["", *_hanging("", (
        f"Noise hides any one person: ε = {float(EPSILON):g} for this whole answer. Each person counts for {POINTS} "
        f"points a table, however much was done. Shown is what fewer than {found.minimum_group} people could not have "
        f"made: shares of {found.smallest:.1%} and more; noise alone gets there once in {round(1 / CHANCE)} answers. "
        f"Asking again gives the same numbers, also of the same data exported again. This data can be part of "
        f"{found.states_left} more answers with other numbers, so that all together stay within "
        f"ε = {float(EPSILON * STATES):g}."
    ))]  # fmt: skip
    return lines


def _hanging(first: str, text: str) -> Sequence[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
