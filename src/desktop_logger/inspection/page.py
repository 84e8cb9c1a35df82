"""A summary as one self-contained HTML page: no script, no network, light and dark, readable without seeing it.

Every chart has its numbers in a table beside it; every text that comes from outside the program is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from desktop_logger.clock import in_words

from .drawing import Axis, axis_of, clock, plural
from .summary import Summary


class Facts(NamedTuple):
    """What the page says beside the figures."""

    readers: Sequence[tuple[str, str, str]]
    """Who, fingerprint, and what they can open."""
    stored: Sequence[tuple[str, str]]
    """What, and how it is kept."""


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --dim: #59636e; --paper: #ffffff; --line: #d5dae0;
  --keyboard: #1f6feb; --pointer: #1a7f5a; --gap: #b35900; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --dim: #9aa4af; --paper: #14181c; --line: #343b43;
  --keyboard: #6cb0ff; --pointer: #4fd0a0; --gap: #f0a050; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 52rem; padding: 1.5rem 1rem 3rem; font: 1rem/1.55 system-ui, sans-serif;
  color: var(--ink); background: var(--paper) }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
p { margin: .4rem 0 } .dim, caption, th { color: var(--dim) }
svg { display: block; width: 100%; margin: .2rem 0 }
.strip { margin: .8rem 0 0 } .strip .dim, .axis { font-size: .85rem }
.axis { display: flex; justify-content: space-between; color: var(--dim); margin: 0 }
.keyboard { fill: var(--keyboard) } .pointer { fill: var(--pointer) } .gap { fill: var(--gap) }
.line { fill: var(--line) }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
caption { text-align: left; padding-bottom: .2rem }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
th { font-weight: 600 } td { overflow-wrap: break-word }
@media (min-width: 40rem) { td:first-child { min-width: 7.5rem } }
.number { text-align: right; font-variant-numeric: tabular-nums }
code { font: .85rem ui-monospace, monospace; overflow-wrap: anywhere }
dl.totals { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; margin: 1rem 0 } dl.totals div { min-width: 6rem }
dl.totals dt { color: var(--dim) } dl.totals dd { margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums }
""".strip()


def page(summary: Summary, facts: Facts, *, title: str = "What is recorded on this machine") -> str:
    """The page as text. ``summary`` may be empty."""
    parts = [f"<h1>{escape(title)}</h1>", *_totals(summary)]
    if summary.spans:
        parts += ["<h2>When</h2>", *_timeline(summary), "<h2>Keys pressed, by kind</h2>"]
        parts.append('<p class="dim">Which key it was is not stored; letters, digits, punctuation and the space '
                     "bar are one kind.</p>")  # fmt: skip
        parts += _counts("Kind of key", {name: n for name, n in summary.keys.most_common() if n > 0}, "keyboard")
        if summary.commands:
            parts += ["<h2>Commands</h2>", *_counts("Command", dict(summary.commands.most_common()), "keyboard")]
        parts += [
            "<h2>Pointer</h2>",
            *_counts("Action", {name: max(n, 0) for name, n in summary.pointer.items()}, "pointer"),
        ]
        parts += _around(summary)
        parts += ["<h2>Not observed</h2>", *_gaps(summary)]
    parts += ["<h2>What is stored</h2>", *_rows(("What", "How it is kept"), facts.stored)]
    parts += ["<h2>Who can read it</h2>", *_rows(("Who", "Key fingerprint", "What they can open"), facts.readers)]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _totals(summary: Summary) -> list[str]:
    if not summary.spans:
        return ["<p>Nothing is recorded in this time.</p>"]
    start, end = min(span.start for span in summary.spans), max(span.end for span in summary.spans)
    note = ""
    if summary.at_least:
        note = " Counts are the least that each step of the scale can mean; in coarse, TEXT includes EDIT."
    if summary.with_noise:
        note += " Counts are blurred by chance, as chosen."
    totals = (
        ("Key presses", sum(n for n in summary.keys.values() if n > 0)), ("Clicks", max(summary.pointer["clicks"], 0)),
        ("Records", summary.records), ("Segments", len(summary.spans)),
    )  # fmt: skip
    kept = escape(", ".join(sorted(summary.profiles)))
    return [
        f'<p class="dim">{clock(start)} to {clock(end)}, local time. Kept as {kept}.{note}</p>',
        '<dl class="totals">' + "".join(f"<div><dt>{n}</dt><dd>{v:,}</dd></div>" for n, v in totals) + "</dl>",
    ]


def _timeline(summary: Summary) -> list[str]:
    """One strip a scope and one for presence. Words stand outside the drawings, so that they keep their size."""
    axis = axis_of(summary, 160)
    parts = []
    for scope, minutes in summary.minutes.items():
        cells = axis.cells(minutes)
        most = max(cells) or 1
        peak = f"at most {plural(max(cells), 'action')} in {plural(axis.per, 'minute')}"
        bars = "".join(
            f'<rect class="{scope}" x="{column}" y="{60 - height:.1f}" width=".85" height="{height:.1f}"/>'
            for column, height in ((column, max(2.0, times * 60 / most)) for column, times in enumerate(cells) if times)
        )
        bars += f'<rect class="line" y="60" width="{axis.columns}" height="1"/>'
        parts.append(f'<p class="strip">{scope} <span class="dim">{peak}</span></p>')
        parts.append(_strip(f"{scope} over time, {peak}", axis.columns, 61, bars))
    # the two differ in height, not only in colour
    bars = "".join(_bar("line", axis, span.start, span.end, 6) for span in summary.spans)
    bars += "".join(_bar("gap", axis, one.start, one.start + one.seconds, 16) for one in summary.lapses)
    parts.append('<p class="strip">recorded <span class="dim">low grey: recorded; high orange: not observed</span></p>')
    parts.append(_strip("when there was recording, and when not", axis.columns, 16, bars))
    parts.append(f'<p class="axis"><span>{clock(axis.start)}</span><span>{clock(axis.end)}</span></p>')
    return parts


def _strip(label: str, width: int, height: int, shapes: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" style="height:{height}px" role="img" '
        f'aria-label="{escape(label)}">{shapes}</svg>'
    )


def _bar(kind: str, axis: Axis, start: float, end: float, height: int) -> str:
    low, high = axis.place(start), axis.place(end)
    return (
        f'<rect class="{kind}" x="{low:.2f}" y="{8 - height / 2:g}" width="{max(high - low, 0.2):.2f}" '
        f'height="{height}"/>'
    )


def _counts(what: str, counts: dict[str, int], kind: str) -> list[str]:
    """A table whose last column is the bar, so that figures and chart are one thing."""
    if not any(counts.values()):
        return ["<p>None.</p>"]
    most = max(counts.values())
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="number">{times:,}</td><td style="width:60%">'
        f'<svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" style="height:.8rem">'
        f'<rect class="{kind}" width="{times * 100 / most:.1f}" height="4"/></svg></td></tr>'
        for name, times in counts.items()
    )
    head = f'<th scope="col">{what}</th><th scope="col" class="number">Number</th><td></td>'
    return [f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"]


def _around(summary: Summary) -> list[str]:
    """What only some scopes hold: categories in front, changes between them, roles clicked, tasks."""
    about = "at least " if summary.at_least else ""
    parts = []
    if summary.context:
        stays = sorted(summary.context.items(), key=lambda one: -one[1])
        rows = [(name, about + in_words(round(seconds))) for name, seconds in stays]
        parts += ["<h2>In front</h2>", '<p class="dim">Which application it was is not stored.</p>']
        parts += _rows(("Category", "How long"), rows)
    if summary.switches:
        parts += ["<h2>Changes to an application</h2>", *_counts("Category", _positive(summary.switches), "keyboard")]
    if summary.targets:
        parts += ["<h2>Clicked</h2>", '<p class="dim">Which element it was is not stored.</p>']
        parts += _counts("Role", _positive(summary.targets), "pointer")
    if summary.tasks:
        parts += ["<h2>Tasks</h2>", '<p class="dim">By their number in the policy, and what you said of them.</p>']
        parts += _rows(("Task", "Said"), list(summary.said_of_tasks().items()))
    return parts


def _positive(counts: Counter[str]) -> dict[str, int]:
    return {name.replace("_", " "): times for name, times in counts.most_common() if times > 0}


def _gaps(summary: Summary) -> list[str]:
    if not summary.lapses:
        return ["<p>Nothing while recording was on.</p>"]
    about = "at least " if summary.at_least else ""
    rows = [(reason.replace("_", " "), about + in_words(seconds)) for reason, seconds in summary.gaps().items()]
    return _rows(("Why", "How long"), rows)


def _rows(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return [f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"]


def _cell(text: str) -> str:
    """Fingerprints in their own face, everything else as it is."""
    is_code = text.count("-") == 7 and text.replace("-", "").isalnum()
    return f"<code>{escape(text)}</code>" if is_code else escape(text)
