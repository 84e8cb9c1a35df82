"""What each profile is worth beside what it tells: the same models on public typing, and ``docs/explanation/worth.md``.

``python -m desktop_logger.leakage.worth [--write] [--quick]`` (``make worth``). After each record of ``bursts``: is the
next one a short (under 16 keys), middle (under 32) or long run, or another key, and after what pause does it come? The
questions and their answers are the same under every profile; what differs is what the predictor saw up to then. *raw*
sees more than any recorder of ours: every character and milliseconds, as an upper bound. Three folds over writers: each
is tested once, by models that saw neither them nor the writers whom training was stopped by.

Nothing of a text is printed or written, only figures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.dataset import actions as vocabulary
from desktop_logger.errors import DesktopLoggerError
from desktop_logger.learn import fitting, measuring
from desktop_logger.learn.boosting import Boosted
from desktop_logger.learn.config import Config
from desktop_logger.learn.counting import Ngram
from desktop_logger.learn.measuring import Clusters
from desktop_logger.learn.steps import Split, Steps
from desktop_logger.records.layout import PRESSES, TYPING
from desktop_logger.records.profiles import BURSTS, COARSE, COUNTS, EVENTS, NOISE_PER_KEY

from . import data, product
from .__main__ import ROOT
from .product import CODE, DURATION, GAP, KIND, SEGMENT, A, B, T

Array = np.ndarray[Any, Any]
INPUTS = ("raw", EVENTS.name, BURSTS.name, COARSE.name, COUNTS.name)
LEAST = 2000
"""Presses a writer must have."""
MOST = 60
"""Writers, those with most presses: the same as in docs/reference/leakage.md."""
BINS = 24
"""Each number that is seen is cut into so many bins of equal content, made from the writers learned from."""
CONFIG = Config(kind="gru", size=48, context=128, epochs=8, patience=2, batch=16, rate=0.004, threads=1)
FOLDS = 3
EDGES = (16, 32)
"""Runs are short, middle or long: under 16 keys, under 32, or more. Edges of the buckets of ``coarse`` too."""
ACTION, PAUSE = QUESTIONS = ("action", "pause")
MODELS = ("gradient boosting", "GRU")
"""Who is asked, beside those that count."""
PAUSES = (2, 4, 8, 16)
"""Edges of the pause before the next record, in seconds."""
_STANDS_FOR = [vocabulary.ACTIONS.index(name) for name in ("TYPE", "EDIT", "HOTKEY", "PRESS(ENTER)", "MOVE")]
"""Places in the vocabulary that stand for the answers, so that the same networks serve."""


class Writer(NamedTuple):
    """One person's records: the answers, where segments begin, and what is seen under each input."""

    truth: dict[str, Array]
    """By question."""
    segment: Array
    seen: dict[str, Array]


def writer(times: Sequence[int], symbols: Sequence[str], seed: int = 0) -> Writer:
    """Everything about one writer, from presses; ``seed`` draws the noise of ``counts``, the same every time."""
    runs = product.records(times, symbols, BURSTS)
    columns = (KIND, A, B, DURATION, GAP)
    plain = runs[:, columns].astype(float)
    classes = [product.class_of_symbol(symbol) for symbol in symbols]
    ticks = np.array(product.records(times, symbols, EVENTS)[:, T], float)
    stamps = np.array(times, float)
    fine, exact = np.zeros((len(runs), 6)), np.zeros((len(runs), 14))
    for row, places in product.groups(runs, classes):
        edits = [n for n, place in enumerate(places) if classes[place] == 2]
        after = len(places) - edits[-1] if edits else -1
        fine[row] = (*_pauses(ticks[places]), len(places), after)
        exact[row] = (*_pauses(stamps[places]), len(places), after, *_letters([symbols[place] for place in places]))
    coarse = product.records(times, symbols, COARSE)[:, columns].astype(float)
    seen = {
        "raw": np.concatenate([plain, exact], 1), EVENTS.name: np.concatenate([plain, fine], 1), BURSTS.name: plain,
        COARSE.name: coarse, COUNTS.name: _minutes(times, symbols, runs, seed),
    }  # fmt: skip
    length = np.digitize(runs[:, A] + runs[:, B], EDGES)
    truth = {ACTION: np.where(runs[:, KIND] == TYPING, length, 3), PAUSE: np.digitize(runs[:, GAP], PAUSES)}
    return Writer(truth, runs[:, SEGMENT], seen)


def _pauses(stamps: Array) -> tuple[float, ...]:
    between = np.diff(stamps) if len(stamps) > 1 else np.zeros(1)
    return float(np.median(between)), float(between.max()), float(between[-1]), float(between.std())


def _letters(typed: list[str]) -> tuple[float, ...]:
    """What the characters of a run say of what comes next; they leave this function as counts only."""
    text = "".join(one for one in typed if one not in "\b\n")
    last = text.rstrip()[-1:] or " "
    return (
        float(ord(text[-1]) if text else 0), float(ord(text[-2]) if len(text) > 1 else 0), float(ord(last)),
        float(sum(one in ".?!" for one in text)), float(text.count(" ")), float(text.count(",")),
        float(len(text.rsplit(" ", 1)[-1])), float(text[:1].isupper()),
    )  # fmt: skip


def _minutes(times: Sequence[int], symbols: Sequence[str], runs: Array, seed: int) -> Array:
    """The noisy counts of the last two minutes that were over by then; -1 where there were none in the segment."""
    chance, keeps = np.random.default_rng(seed), 1 - math.exp(-NOISE_PER_KEY[0] / NOISE_PER_KEY[1])
    # the product's noise, but drawn from a seed: the difference of two geometric numbers is discrete Laplace
    counts = product.records(times, symbols, COUNTS, lambda: int(np.subtract(*chance.geometric(keeps, 2))))
    counts = counts[counts[:, KIND] == PRESSES]
    kinds = len(np.unique(counts[:, CODE]))
    noisy = np.where(counts[:, A] > 0x7FFF, counts[:, A] - 0x10000, counts[:, A]).reshape(-1, kinds)[:, :3]
    where = {(int(row[SEGMENT]), int(row[T])): n for n, row in enumerate(counts[::kinds])}
    out = np.full((len(runs), 6), -1.0)
    for row, (segment, second) in enumerate(runs[:, [SEGMENT, T]].tolist()):
        for back in (1, 2):
            place = where.get((segment, min(second // 60, 11) - back))
            if place is not None:
                out[row, 3 * back - 3 : 3 * back] = noisy[place]
    return out


def cuts(known: Sequence[Writer], name: str) -> list[Array]:
    """Edges of the bins of each number."""
    whole = np.concatenate([one.seen[name] for one in known])
    return [np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1])) for column in whole.T]


def steps(writers: Sequence[Writer], name: str, edges: Sequence[Array], question: str = ACTION) -> Steps:
    """Records as steps whose parts are the bins of what is seen; the present answer itself is not shown."""
    truth = np.concatenate([one.truth[question] for one in writers])
    places, sessions = [], []
    for one in writers:
        starts = np.flatnonzero(np.append(True, np.diff(one.segment) > 0))
        places.append(np.arange(len(one.segment)) - np.repeat(starts, np.diff(np.append(starts, len(one.segment)))))
        sessions.append(one.segment)
    numbers = np.concatenate([one.seen[name] for one in writers])
    parts = np.stack([np.searchsorted(edge, column, "right") for edge, column in zip(edges, numbers.T, strict=True)], 1)
    place = np.concatenate(places)
    group = np.repeat(np.arange(len(writers)), [len(one.segment) for one in writers])
    action = np.array(_STANDS_FOR, np.int16)[truth]
    nothing = np.zeros(len(truth), np.int16)
    return Steps(
        action, nothing, parts.astype(np.int16), nothing, place > 0, place, group * 10_000 + np.concatenate(sessions),
        group.astype(np.int16), nothing.astype(np.int32),
    )  # fmt: skip


class Figure(NamedTuple):
    """One model on one input: right and log-loss, with intervals over writers."""

    model: str
    seen: str
    accuracy: dict[str, float]
    bits: dict[str, float]
    against_raw: dict[str, float] | None = None
    """Accuracy less that of the same model on raw input, on the same questions, writers drawn together."""
    question: str = ACTION


class Cost(NamedTuple):
    """What a GRU cost to train."""

    steps_per_second: float
    seconds: float
    parameters: int


class Fold(NamedTuple):
    """Answers about the writers of one fold, by (question, model, input); what the networks cost."""

    group: Array
    right: dict[tuple[str, str, str], Array]
    bits: dict[tuple[str, str, str], Array]
    costs: list[Cost]


def measure(
    people: Sequence[data.Typing], config: Config, say: Callable[[str], None], *, folds: int = FOLDS, keep: str
) -> tuple[list[Figure], dict[str, int], list[Cost]]:
    """All figures; how many writers and questions; what training cost.

    Every writer is tested once, by models that saw neither them nor those whom the training was stopped by. Answers
    are kept below the folder ``keep`` as they come; what lies there for the same data and configuration is not made
    again, so that an interrupted run goes on.
    """
    say(f"reading {len(people)} writers")
    writers = [writer(one.times, one.symbols, number) for number, one in enumerate(people)]
    digest = hashlib.sha256(json.dumps([config.to_json(), folds, list(INPUTS)]).encode())
    for one in writers:
        for values in (*one.truth.values(), one.segment, *(one.seen[name] for name in INPUTS)):
            digest.update(np.ascontiguousarray(values).tobytes())
    place = os.path.join(keep, digest.hexdigest()[:16])
    os.makedirs(place, exist_ok=True)
    order = np.random.default_rng(3).permutation(len(writers))
    parts = [order[number::folds] for number in range(folds)]
    done = [
        _fold(writers, parts[number], parts[(number + 1) % folds], config, os.path.join(place, str(number)), say)
        for number in range(folds)
    ]
    clusters = Clusters(np.concatenate([one.group for one in done]))
    sizes = {"test": len(writers), "folds": folds, "train": len(writers) - len(parts[0]) - len(parts[1]),
             "questions": sum(one.group.size for one in done)}  # fmt: skip
    figures = []
    for question, model, seen in done[0].right:
        right = np.concatenate([one.right[question, model, seen] for one in done]).astype(float)
        raw = (question, model, "raw")
        lost = seen != "raw" and raw in done[0].right
        bits = np.concatenate([one.bits[question, model, seen] for one in done])
        against = clusters.mean(right - np.concatenate([one.right[raw] for one in done])) if lost else None
        figures.append(Figure(model, seen, clusters.mean(right), clusters.mean(bits), against, question))
    return figures, sizes, [cost for one in done for cost in one.costs]


def _fold(  # noqa: PLR0917 - a fold is all of this
    writers: Sequence[Writer], test: Array, stop: Array, config: Config, place: str, say: Callable[[str], None]
) -> Fold:
    """Train every model on every input on the writers outside ``test`` and ``stop``, and ask about ``test``."""
    train = [one for number, one in enumerate(writers) if number not in test and number not in stop]
    fold = Fold(np.zeros(0), {}, {}, [])
    for question in QUESTIONS:
        for name in INPUTS:
            edges = cuts(train, name)
            known, held, asked = (
                steps(some, name, edges, question)
                for some in (train, [writers[n] for n in stop], [writers[n] for n in test])
            )
            parts = Split(known, held, asked, "groups", "group")
            if name == INPUTS[0]:
                fold = fold._replace(group=test[parts.test.group[parts.test.questions]])
                shown, asked = known._replace(shown=known.action), asked._replace(shown=asked.action)
                for label, back in (("majority", 0), ("Markov", 1), ("4-gram, back-off", 4)):
                    found = measuring.answers(Ngram.fitted(shown, back), asked).action
                    key = (question, label, f"{question}s only")
                    fold.right[key], fold.bits[key] = found.right, found.bits
            for label in MODELS:
                path = f"{place}-{question}-{name}-{label.split()[-1].lower()}.npz"
                if not os.path.exists(path):
                    _answers(label, config, parts, path)
                with np.load(path, allow_pickle=False) as kept:
                    fold.right[question, label, name], fold.bits[question, label, name] = kept["right"], kept["bits"]
                    if label == "GRU" and question == ACTION:
                        rate, seconds, parameters = kept["cost"].tolist()
                        fold.costs.append(Cost(rate, seconds, int(parameters)))
                say(f"{os.path.basename(path)}: {100 * fold.right[question, label, name].mean():.1f} %")
    return fold


def _answers(label: str, config: Config, parts: Split, path: str) -> None:
    """Train one model, ask it, and keep the answers and what they cost (steps a second, seconds, parameters)."""
    model: Any = None
    cost: tuple[float, float, int] = (0.0, 0.0, 0)
    if label == "GRU":
        with tempfile.TemporaryDirectory(prefix="desktop-logger-worth-") as draft:
            fitted = fitting.fit(config, parts, draft, label, lambda *_: None)
        model = fitting.Net(config, fitted.widths, fitted.weights)
        rates = [one["steps_per_second"] for one in fitted.curve]
        cost = (float(np.median(rates)), sum(one["seconds"] for one in fitted.curve), fitted.parameters)
    else:
        model = Boosted.fitted(parts.train, 0)
    found = measuring.answers(model, parts.test).action
    with open(path + ".tmp", "wb") as file:
        np.savez(file, right=found.right, bits=found.bits, cost=np.array(cost))
    os.replace(path + ".tmp", path)


def leaks(root: str) -> dict[str, dict[str, tuple[str, str]]]:
    """Metric → profile → (value, interval), from the table of ``docs/reference/leakage.md``."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    with open(os.path.join(root, "docs", "reference", "leakage.md"), encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if len(cells) == 6:
                found.setdefault(cells[0], {})[cells[1]] = (cells[2], cells[3])
    return found


def pauses(figures: Sequence[Figure]) -> list[str]:
    """The time to the next action, Markdown."""
    names = ("what is seen", "model", "right", "95 % interval", "less than raw (points)", "log-loss, bits")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    return lines + [f"{_cells(one)} |" for one in figures if one.question == PAUSE]


def _cells(one: Figure) -> str:
    lost = one.against_raw
    return (
        f"| {one.seen} | {one.model} | {_percent(one.accuracy['value'])} | {_percent(one.accuracy['low'])} to "
        f"{_percent(one.accuracy['high'])} | "
        + (f"{-100 * lost['value']:+.1f} ({-100 * lost['high']:+.1f} to {-100 * lost['low']:+.1f})" if lost else "-")
        + f" | {one.bits['value']:.3f}"
    )


def table(figures: Sequence[Figure], told: dict[str, dict[str, tuple[str, str]]]) -> list[str]:
    """Use beside leakage, Markdown: the next action."""
    names = ("what is seen", "model", "right", "95 % interval", "less than raw (points)", "log-loss, bits",
             "recognised, 500 keys", "keys, bits each")  # fmt: skip
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for one in (one for one in figures if one.question == ACTION):
        shown = [told.get(name, {}).get(one.seen, ("-", ""))[0] for name in ("recognised, 500 keys", "keys, bits each")]
        lines.append(f"{_cells(one)} | {shown[0]} | {shown[1]} |")
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def write(root: str, figures: Sequence[Figure], sizes: dict[str, int], costs: Sequence[Cost]) -> None:
    """Keep the figures in ``docs/explanation/worth.json``, and make table and drawing of them."""
    kept = {
        "figures": [one._asdict() for one in figures], "sizes": sizes, "costs": [one._asdict() for one in costs],
    }  # fmt: skip
    with open(os.path.join(root, "docs", "explanation", "worth.json"), "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1)
        file.write("\n")
    lay_out(root)


def lay_out(root: str) -> None:
    """Table and drawing, from the figures that were kept and what ``docs/reference/leakage.md`` says by now."""
    with open(os.path.join(root, "docs", "explanation", "worth.json"), encoding="utf-8") as file:
        kept = json.load(file)
    figures, sizes = [Figure(**one) for one in kept["figures"]], kept["sizes"]
    costs = [Cost(**one) for one in kept["costs"]]
    path = os.path.join(root, "docs", "explanation", "worth.md")
    told = leaks(root)
    with open(path, encoding="utf-8") as file:
        page = file.read()
    rate = float(np.median([one.steps_per_second for one in costs]))
    numbers = [one.parameters for one in costs]
    counted = (
        f"{sizes['test']} writers, {sizes['questions']:,} actions, in {sizes['folds']} folds: each writer is tested"
        f" once, by models that learned from {sizes['train']} others. The GRU has {min(numbers):,} to {max(numbers):,}"
        f" parameters and trained at {rate:,.0f} records a second (median), on a share of two busy cores."
    )
    body = [counted, "", *table(figures, told), "", "![next action right against who is recognised](worth.png)", "",
            "The pause before it (under 2 s, 2-3, 4-7, 8-15 s, or longer), of the same writers in the same folds:", "",
            *pauses(figures)]  # fmt: skip
    made = re.sub(
        r"(<!-- figures: make worth -->\n).*?(\n<!-- end of figures -->)",
        lambda found: found[1] + "\n".join(body) + found[2],
        page,
        flags=re.DOTALL,
    )
    with open(path, "w", encoding="utf-8") as file:
        file.write(made)
    plot(os.path.join(root, "docs", "explanation", "worth.png"), figures, told)


def plot(path: str, figures: Sequence[Figure], told: dict[str, dict[str, tuple[str, str]]]) -> None:
    """Next action right against who is recognised; raw input as a line; the area is what is read of the keys."""
    figures = [one for one in figures if one.question == ACTION]
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panel = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for label, colour, marker in (("gradient boosting", "#2166ac", "s"), ("GRU", "#b2182b", "o")):
        for one in (found for found in figures if found.model == label):
            value, low, high = (100 * one.accuracy[name] for name in ("value", "low", "high"))
            if one.seen == "raw":
                panel.axhline(value, color=colour, linestyle=":", linewidth=1, label=f"{label}, raw input")
                continue
            x = float(told["recognised, 500 keys"][one.seen][0].split()[0])
            bits = float(told["keys, bits each"][one.seen][0])
            panel.errorbar(x, value, [[value - low], [high - value]], color=colour, capsize=2, linewidth=0.8)
            panel.scatter(x, value, s=30 + 300 * bits, color=colour, marker=marker, alpha=0.7,
                          label=label if one.seen == BURSTS.name else None)  # fmt: skip
            if label == "GRU":
                panel.annotate(one.seen, (x, low), xytext=(0, -16), textcoords="offset points", ha="center", fontsize=9)
    alone = next(one for one in figures if one.model == "majority")
    panel.axhline(100 * alone.accuracy["value"], color="black", linewidth=0.8, linestyle="--", label="majority")
    panel.set(xlabel="right one of 129 people picked, 500 keys (%)", ylabel="next action right (%)")
    panel.margins(x=0.12, y=0.2)
    panel.legend(frameon=False, fontsize=8, loc="center right")
    panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(prog="make worth", description="What each profile is worth, beside what it tells.")
    parser.add_argument("--cache", default=os.path.join(ROOT, ".cache", "leakage"), help="where the data set lies")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/explanation/worth.md")
    parser.add_argument("--table", action="store_true", help="measure nothing; lay out what was kept anew")
    parser.add_argument("--quick", action="store_true", help="few people and epochs; to see that it works")
    given = parser.parse_args(argv)
    if given.table:
        lay_out(ROOT)
        return 0
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {line}", file=sys.stderr, flush=True)

    try:
        people = [one for one in data.chats(given.cache) if len(one.times) >= LEAST][:MOST]
        config = CONFIG
        if given.quick:
            people, config = people[:12], CONFIG._replace(epochs=2, size=16)
        figures, sizes, costs = measure(people, config, say, keep=os.path.join(os.path.dirname(given.cache), "worth"))
        print("\n".join([*table(figures, leaks(ROOT)), "", *pauses(figures)]))
        if given.write and not given.quick:
            write(ROOT, figures, sizes, costs)
    except DesktopLoggerError as error:
        print(f"error: {error.message}", *([f"hint: {error.hint}"] if error.hint else []), sep="\n", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
