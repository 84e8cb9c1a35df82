"""A summary as plain text: 80 columns, no colour, and plain ASCII where the terminal knows nothing else.

Times are shown in local time. The text speaks to the person whose data it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from desktop_logger.clock import in_words

if TYPE_CHECKING:
    from .summary import Summary  # at run time numpy comes with it, which commands that only count do not need

WIDTH = 78
_LABEL = 10
_BLOCKS = " ▁▂▃▄▅▆▇█"
_ASCII = " .:-=+*#@"
_ACTIONS = (("click", "click"), ("scroll", "scroll step"), ("move", "movement"))


def text(summary: Summary, *, ascii_only: bool = False, title: str = "Recorded on this machine") -> list[str]:
    """The whole summary as lines."""
    if not summary.spans:
        return ["Nothing is recorded in this time."]
    about = "at least " if summary.at_least else "about " if summary.with_noise else ""
    lines = [f"{title}: {plural(len(summary.spans), 'segment')}, {plural(summary.records, 'record')}"]
    lines += ["", "Keys pressed, by kind (which key it was is not stored)"]
    lines += bars(
        {name: times for name, times in summary.keys.most_common() if times > 0}, about, ascii_only=ascii_only
    )
    if summary.at_least:
        lines.append("  In coarse, TEXT includes EDIT.")
    if summary.commands:
        lines += ["", "Commands"]
        lines += bars(dict(summary.commands.most_common()), about, ascii_only=ascii_only)
    done = ", ".join(plural(max(summary.pointer[name + "s"], 0), noun) for name, noun in _ACTIONS)
    lines += ["", f"Pointer   {about}{done}"]
    if summary.context:
        lines += ["", "In front, by category (which application it was is not stored)"]
        stays = sorted(summary.context.items(), key=lambda one: -one[1])
        lines += [f"  {name:<14}{about}{in_words(round(seconds))}" for name, seconds in stays]
    for title_of, counted in (
        ("Changes to an application, by its category", summary.switches),
        ("Clicked, by role (which element it was is not stored)", summary.targets),
    ):
        if counted:
            some = {name.replace("_", " "): times for name, times in counted.most_common() if times > 0}
            lines += ["", title_of, *bars(some, about, ascii_only=ascii_only)]
    if summary.tasks:
        lines += ["", "Tasks, by their number in the policy (what you said of them)"]
        lines += [f"  {task:<14}{said}" for task, said in summary.said_of_tasks().items()]
    lines += ["", *timeline(summary, ascii_only=ascii_only), "", *gaps(summary)]
    return lines


def plural(number: int, noun: str) -> str:
    """``1 click``, ``1,204 clicks``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def bars(counts: dict[str, int], about: str = "", *, ascii_only: bool = False) -> list[str]:
    """One labelled bar a count."""
    if not counts:
        return ["  none"]
    most = max(counts.values())
    room = WIDTH - 30 - len(about)
    ink = "#" if ascii_only else "█"
    return [f"  {name:<14}{about}{times:>9,}  {ink * max(1, times * room // most)}" for name, times in counts.items()]


def timeline(summary: Summary, *, ascii_only: bool = False) -> list[str]:
    """Activity over time, one row a scope, and one that says when there was recording and when a gap."""
    axis = axis_of(summary, WIDTH - _LABEL)
    shades = _ASCII if ascii_only else _BLOCKS
    left, right = clock(axis.start), clock(axis.end)
    if left[:10] == right[:10]:
        right = right[11:]
    lines = [f"{'Timeline':<{_LABEL}}{left}{right:>{max(axis.columns - len(left), len(right) + 1)}}"]
    for scope, minutes in summary.minutes.items():
        cells = axis.cells(minutes)
        most = max(cells) or 1
        row = "".join(shades[0 if not times else max(1, times * (len(shades) - 1) // most)] for times in cells)
        lines.append(f"{scope:<{_LABEL}}{row}".rstrip())
    lines.append(f"{'recorded':<{_LABEL}}{_presence(summary, axis, ascii_only=ascii_only)}".rstrip())
    return [*lines, f"{'':<{_LABEL}}one column is {plural(axis.per, 'minute')}; x marks time that was not observed"]


def _presence(summary: Summary, axis: Axis, *, ascii_only: bool) -> str:
    cells = [" "] * axis.columns
    for start, end, ink in (
        *((span.start, span.end, "-" if ascii_only else "─") for span in summary.spans),
        *((lapse.start, lapse.start + lapse.seconds, "x") for lapse in summary.lapses),
    ):
        low, high = (int(axis.place(moment)) for moment in (start, max(start, end - 0.001)))
        for column in range(low, min(high, axis.columns - 1) + 1):
            cells[column] = ink
    return "".join(cells)


class Axis(NamedTuple):
    """The time axis of a chart: its first minute since 1970, its columns, and minutes a column."""

    first: int
    columns: int
    per: int

    @property
    def start(self) -> float:
        """Unix seconds at the left edge."""
        return self.first * 60

    @property
    def end(self) -> float:
        """Unix seconds at the right edge."""
        return (self.first + self.columns * self.per) * 60

    def place(self, moment: float) -> float:
        """Where Unix seconds lie, in columns, kept within the axis."""
        return min(max((moment / 60 - self.first) / self.per, 0), self.columns)

    def cells(self, minutes: Mapping[int, int]) -> list[int]:
        """Counts a minute as counts a column."""
        cells = [0] * self.columns
        for minute, times in minutes.items():
            cells[min(max((minute - self.first) // self.per, 0), self.columns - 1)] += times
        return cells


def axis_of(summary: Summary, most: int) -> Axis:
    """The axis that shows all of ``summary`` in at most ``most`` columns of whole minutes."""
    first = int(min(span.start for span in summary.spans) // 60)
    total = int(max(span.end for span in summary.spans) // 60) - first + 1
    per = -(-total // most)
    return Axis(first, -(-total // per), per)


def gaps(summary: Summary) -> list[str]:
    """What was not observed, and why."""
    if not summary.lapses:
        return ["Not observed: nothing while recording was on."]
    about = "at least " if summary.at_least else ""
    return [
        "Not observed (nothing is stored for this time)",
        *(f"  {reason.replace('_', ' '):<14}{about}{in_words(seconds)}" for reason, seconds in summary.gaps().items()),
    ]


def clock(moment: float) -> str:
    """Local date and time to the minute."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M")
