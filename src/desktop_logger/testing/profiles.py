"""The same models on each profile of the same made-up office work: next action, time to it, change of application.

``python -m desktop_logger.testing.profiles [--write] [--table] [--people 32] [--sessions 2] [--keep DIR]``

Public data has neither pointer nor applications, so these questions can be put to the simulator only: it is evidence of
what the profiles keep of the order that was put in, and of nothing else. Every profile is asked its own test people's
actions in the view ``macro``, which makes equal actions one and drops amounts. ``counts`` holds no order to learn.
Models are trained by ``learn train``; what lies below ``--keep`` already is not made again, so that an interrupted run
goes on. ``--write`` puts the table into ``docs/explanation/worth.md``; the figures are kept beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from desktop_logger.clock import Clock
from desktop_logger.dataset import sequences, splitting
from desktop_logger.errors import DesktopLoggerError
from desktop_logger.learn import models, training
from desktop_logger.learn.config import Config
from desktop_logger.paths import rewrite

from . import office

ORDERED = ("events", "bursts", "coarse")
KINDS = ("gru", "transformer")
CONFIG = Config(view="macro", threads=1)
NAMES = {"gru": "GRU", "transformer": "transformer, two layers"}
PAGE, KEPT = ("docs", "explanation", "worth.md"), ("docs", "explanation", "worth-office.json")
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
_SHOWN = ("action", "action_without_moves", "wait", "switch")
_MARKS = r"(<!-- figures: desktop_logger.testing.profiles -->\n).*?(\n<!-- end of these figures -->)"


def measure(place: str, plan: office.Plan, config: Config, say: Callable[[str], None]) -> dict[str, Any]:
    """Figures by profile and predictor, baselines first, and how many questions there were."""
    figures: dict[str, Any] = {}
    for profile in ORDERED:
        export, built = (os.path.join(place, f"{profile}-{what}") for what in ("export", "sequences"))
        if not os.path.exists(built):
            say(f"{profile}: making the data")
            if not os.path.exists(export):
                office.write(export, plan, profile)
            sequences.build(export, built)
            splitting.split(built, 2, 5)
        found: dict[str, Any] = {}
        for kind in KINDS:
            out = os.path.join(place, f"{profile}-{kind}")
            if not os.path.exists(out):
                say(f"{profile}: training {NAMES[kind]}")
                its = config._replace(
                    kind=kind, layers=2 if kind == "transformer" else 1, boosting=config.boosting and kind == KINDS[0]
                )
                training.train(training.Ask((built,), out, its), Clock())
            record = models.read_record(out)
            metrics = record["metrics"]
            found = {**metrics["baselines"], **found, NAMES[kind]: metrics["model"]}
        found = {name: {key: one.get(key) for key in _SHOWN} for name, one in found.items()}
        figures[profile] = {"questions": record["split"]["questions"], "groups": record["split"]["test_groups"],
                            "predictors": found}  # fmt: skip
    return {"people": plan.people, "sessions": plan.sessions, "seed": plan.seed, "profiles": figures}


def table(figures: dict[str, Any]) -> list[str]:
    """Markdown: what each predictor foresees under each profile."""
    names = ("profile", "predictor", "next action right", "bits", "no movement: right", "pause right", "bits",
             "application changes: bits", "average precision", "where to: right")  # fmt: skip
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for profile, found in figures["profiles"].items():
        for name, one in found["predictors"].items():
            still, wait, switch = one["action_without_moves"], one["wait"], one["switch"]
            lines.append(
                f"| {profile} | {name} | {_right(one['action'])} | {one['action']['bits']['value']:.3f}"
                f" | {100 * still['accuracy']['value']:.1f} %"
                + (f" | {_right(wait)} | {wait['bits']['value']:.3f}" if wait else " | - | -")
                + f" | {switch['bits']['value']:.3f} of {switch['bits_by_frequency']:.3f}"
                f" | {switch['average_precision']:.2f} | {100 * switch['where_to']['value']:.1f} % |"
            )
    return lines


def _right(found: dict[str, Any]) -> str:
    one = {name: 100 * value for name, value in found["accuracy"].items()}
    return f"{one['value']:.1f} % ({one['low']:.1f} to {one['high']:.1f})"


def lay_out(page: str, figures: dict[str, Any]) -> str:
    """The page with these figures in their place."""
    asked = ", ".join(
        f"{profile} {one['questions']['train']:,} and {one['questions']['test']:,}"
        for profile, one in figures["profiles"].items()
    )
    (groups,) = {one["groups"] for one in figures["profiles"].values()}
    head = (
        f"{figures['people']} people, {figures['sessions']} sessions each, tested on {groups} of sixteen groups."
        f" Actions to learn from, and asked about: {asked}."
    )
    body = "\n".join([head, "", *table(figures)])
    return re.sub(_MARKS, lambda found: found[1] + body + found[2], page, flags=re.DOTALL)


def write(figures: dict[str, Any]) -> None:
    """Keep the figures, and lay them out in the page."""
    rewrite(json.dumps(figures, indent=1) + "\n", *KEPT)
    with open(os.path.join(ROOT, *PAGE), encoding="utf-8") as file:
        page = file.read()
    rewrite(lay_out(page, figures), *PAGE)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(prog="desktop_logger.testing.profiles", description="What profiles keep of order.")
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--sessions", type=int, default=2)
    parser.add_argument("--seed", type=int, default=office.Plan().seed)
    parser.add_argument("--epochs", type=int, default=CONFIG.epochs)
    parser.add_argument("--keep", help="a folder for data and models; none: a temporary one")
    parser.add_argument("--write", action="store_true", help="write the table into docs/explanation/worth.md")
    parser.add_argument("--table", action="store_true", help="measure nothing; lay out what was kept anew")
    given = parser.parse_args(argv)
    if given.table:
        with open(os.path.join(ROOT, *KEPT), encoding="utf-8") as file:
            write(json.load(file))
        return 0
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {line}", file=sys.stderr, flush=True)

    try:
        with ExitStack() as held:
            place = given.keep or held.enter_context(tempfile.TemporaryDirectory(prefix="desktop-logger-profiles-"))
            plan = office.Plan(given.people, given.sessions, given.seed)
            figures = measure(place, plan, CONFIG._replace(epochs=given.epochs), say)
    except DesktopLoggerError as error:
        print(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return error.exit_status
    print("\n".join(table(figures)))
    if given.write:
        write(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
