"""One round of feedback on made-up office work with a planted weakness: whether it is found, and the request helped.

``python -m desktop_logger.testing.rounds [--seeds 5] [--people 32] [--model ngram]``

In the first round hardly anybody writes mails (``PLANTED``); in the work that the model is asked about everybody does.
`learn feedback` is to find that. The second round is trained twice, with as many new people each time: volunteers who
do what was asked for, and people like those of the first round, since more data helps by itself. Both are asked the
same questions as the first. It is a test of the loop, and no evidence about people: the simulator is ours.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from typing import Any, NamedTuple

from desktop_logger.clock import Clock
from desktop_logger.dataset import sequences, splitting
from desktop_logger.errors import DesktopLoggerError
from desktop_logger.learn import comparing, feedback, models, training
from desktop_logger.learn.config import KINDS, Config

from . import office

PLANTED = "mail"
SCARCE = 0.02
"""Weight of the task in the first round; 1 is usual."""
MANY = 4.0
"""Its weight among volunteers who do it."""
MOST = 48
"""Volunteers who come at most, whatever is asked for."""


class Round(NamedTuple):
    """What came of one round. Differences are against the first model, on the same questions."""

    seed: int
    found: str
    """What feedback named first, as ``kind: name``."""
    volunteers: int
    expected: float
    """Bits fewer in that slice, as feedback estimated."""
    asked_there: dict[str, float]
    """Bits fewer in the planted category with those who were asked."""
    asked: dict[str, float]
    """Bits fewer over all questions with those who were asked."""
    others_there: dict[str, float]
    """The same with as many people like those of the first round."""
    others: dict[str, float]


def play(place: str, seed: int, people: int, config: Config) -> Round:
    """Everything below the folder ``place``."""
    first_round = {PLANTED: SCARCE}
    first = _built(place, "first", office.Plan(people, 1, seed, first_round))
    work = _built(place, "work", office.Plan(people, 1, seed, {}, 10_000))
    clock = Clock()

    def trained(name: str, *data: str) -> str:
        return training.train(training.Ask(data, os.path.join(place, name), config), clock).path

    model = models.load(trained("model", first))
    found = feedback.gains(model, work, None, lambda _line: None)
    if not found:
        raise SystemExit(f"seed {seed}: nothing was found to help")
    best = found[0]
    come = min(best.volunteers, MOST)
    asked = _built(place, "asked", office.Plan(come, 1, seed, {PLANTED: MANY}, 20_000))
    others = _built(place, "others", office.Plan(come, 1, seed, first_round, 30_000))
    with_asked, with_others = trained("with-asked", first, asked), trained("with-others", first, others)
    answered = [models.load(one) for one in (model.path, with_asked, with_others)]
    there = comparing.differences(answered, work, None, ("category", PLANTED))
    whole = comparing.differences(answered, work, None)
    return Round(
        seed, f"{best.kind}: {best.name}", come, best.saved["value"], there[1].bits, whole[1].bits, there[2].bits,
        whole[2].bits,
    )  # fmt: skip


def _built(place: str, name: str, plan: office.Plan) -> str:
    export, made = os.path.join(place, name + "-export"), os.path.join(place, name)
    office.write(export, plan, "bursts")
    sequences.build(export, made)
    splitting.split(made, 2, 2)
    return made


def main(argv: list[str] | None = None) -> int:
    """Play some rounds; a line each, and how often the weakness was found and the request helped."""
    parser = argparse.ArgumentParser(
        prog="desktop_logger.testing.rounds", description="Feedback on a planted weakness."
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--model", choices=KINDS, default="ngram")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    config = Config(kind=given.model, boosting=False, size=48, epochs=6, batch=8, rate=0.005, threads=1)
    rounds = []
    try:
        for seed in range(1, given.seeds + 1):
            with tempfile.TemporaryDirectory(prefix="desktop-logger-rounds-") as place:
                rounds.append(play(place, seed, given.people, config))
            one = rounds[-1]
            print(
                json.dumps(one._asdict())
                if given.json
                else f"seed {seed}: found {one.found}, {one.volunteers} volunteers; bits fewer there: expected"
                f" {one.expected:.3f}, with those asked {_interval(one.asked_there)}, with others"
                f" {_interval(one.others_there)}; in all {_interval(one.asked)} and {_interval(one.others)}",
                flush=True,
            )
    except DesktopLoggerError as error:
        print(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return error.exit_status
    hits = sum(one.found == f"category: {PLANTED}" for one in rounds)
    helped = sum(one.asked_there["low"] > 0 for one in rounds)
    print(f"found {hits} of {len(rounds)}; the request helped there in {helped} of {len(rounds)}", file=sys.stderr)
    return 0


def _interval(found: dict[str, Any]) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


if __name__ == "__main__":
    sys.exit(main())
