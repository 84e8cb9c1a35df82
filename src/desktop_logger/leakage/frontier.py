"""The search for better profiles: variants of ``bursts`` and ``coarse`` beside each other, as an ADR's table.

``python -m desktop_logger.leakage.frontier [--quick] [NAME…]`` (``--quick``: linear attackers only, which recognise a
little less; without it some minutes a variant). Variants are made with the vectorised twin, which a test holds to the
product at the product's parameters. For each: who is recognised from 500 keys, how many bits a key the numbers of a
run hold at most (plug-in entropy with Miller and Madow's correction, so against any attacker), and how well the next
action is predicted. A default moves only where a variant is clearly better, beyond its interval.

Some variants change finished records instead of making others: their order, their clock, or made-up ones among them.
Those are tried in the defender's favour: chaff is drawn from other people's real records and fits no clock.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.records.layout import TYPING
from desktop_logger.records.profiles import BURSTS

from . import data, identity, product, twin, utility
from .__main__ import ROOT
from .product import DURATION, GAP, KIND, SEGMENT, A, B, T
from .twin import Form

Array = np.ndarray[Any, Any]
Person = tuple[Sequence[int], Sequence[str]]
Change = Callable[[Array, np.random.Generator], tuple[Array, Array]]
"""Records → other records, and for each the place of the record by which it is known."""


class Variant(NamedTuple):
    """Records of a form, perhaps changed before they are put into buckets."""

    form: Form = Form()
    change: Change | None = None
    keys: int | None = None
    """How many keys a pseudonym covers at most; the attacker has one such piece of everybody."""


def unordered(rows: Array, _: np.random.Generator) -> tuple[Array, Array]:
    """The records of a minute sorted by what they hold, so that their order says nothing; known when it is over."""
    minute = rows[:, SEGMENT] * 1000 + rows[:, T] // 60
    order = np.lexsort((*(rows[:, column] for column in (GAP, DURATION, B, A, KIND)), minute))
    return rows[order], np.searchsorted(minute, minute[order], "right") - 1


def scaled(rows: Array, chance: np.random.Generator) -> tuple[Array, Array]:
    """A clock of its own for each bundle: half as fast to twice as fast."""
    made = rows.copy()
    made[:, [DURATION, GAP]] = np.round(made[:, [DURATION, GAP]] * 2 ** chance.uniform(-1, 1))
    return made, np.arange(len(rows))


class Chaff:
    """Made-up runs among the real ones, ``share`` of them for each: other people's, wherever they fall."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.others = np.zeros((0, 8), np.int64)

    def __call__(self, rows: Array, chance: np.random.Generator) -> tuple[Array, Array]:
        """With made-up runs in."""
        number = chance.binomial(len(rows), self.share) if self.share < 1 else int(len(rows) * self.share)
        if not (number and len(self.others)):
            return rows, np.arange(len(rows))
        place = np.sort(chance.integers(0, len(rows), number))
        false = self.others[chance.integers(0, len(self.others), number)].copy()
        false[:, [SEGMENT, T]] = rows[place][:, [SEGMENT, T]]
        order = np.argsort(np.concatenate([np.arange(len(rows)) * 2, place * 2 + 1]), kind="stable")
        return np.concatenate([rows, false])[order], np.concatenate([np.arange(len(rows)), place])[order]


COARSE = Form(base=2)
VARIANTS = {
    "bursts": Variant(),
    "bursts, pause 1 s": Variant(Form(pause_s=1)),
    "bursts, pause 4 s": Variant(Form(pause_s=4)),
    "bursts, pause 8 s": Variant(Form(pause_s=8)),
    "bursts, short 1": Variant(Form(short=1)),
    "bursts, short 4": Variant(Form(short=4)),
    "bursts, short 20": Variant(Form(short=20)),
    "bursts, grid 5 s": Variant(Form(grid_s=5)),
    "bursts, one number": Variant(Form(edits=False)),
    "bursts, no duration": Variant(Form(lasting=False)),
    "bursts, no times": Variant(Form(times=False)),
    "bursts, no order in a minute": Variant(change=unordered),
    "bursts, clock of a bundle": Variant(change=scaled),
    "bursts, a quarter chaff": Variant(change=Chaff(0.25)),
    "bursts, as much chaff": Variant(change=Chaff(1)),
    "bursts, 2,000 keys a pseudonym": Variant(keys=2000),
    "bursts, 500 keys a pseudonym": Variant(keys=500),
    "coarse": Variant(COARSE),
    "coarse, short 4": Variant(Form(base=2, short=4)),
    "coarse, short 20": Variant(Form(base=2, short=20)),
    "coarse, short 40": Variant(Form(base=2, short=40)),
    "coarse, pause 4 s": Variant(Form(base=2, pause_s=4)),
    "coarse, log4": Variant(Form(base=4)),
    "coarse, low caps": Variant(Form(base=2, caps=(6, 2, 4, 3))),
    "coarse, one number": Variant(Form(base=2, edits=False)),
    "coarse, Enter in runs": Variant(Form(base=2, enter=False)),
    "coarse, no duration": Variant(Form(base=2, lasting=False)),
    "coarse, no duration, one number": Variant(Form(base=2, lasting=False, edits=False)),
    "coarse, no duration, one number, log4": Variant(Form(base=4, lasting=False, edits=False)),
    "coarse, no duration, one number, log4, short 20": Variant(Form(base=4, lasting=False, edits=False, short=20)),
    "coarse, no times": Variant(Form(base=2, times=False)),
    "coarse, no times, one number": Variant(Form(base=2, times=False, edits=False)),
    "coarse, no order in a minute": Variant(COARSE, unordered),
    "coarse, clock of a bundle": Variant(COARSE, scaled),
    "coarse, a quarter chaff": Variant(COARSE, Chaff(0.25)),
    "coarse, as much chaff": Variant(COARSE, Chaff(1)),
    "coarse, 2,000 keys a pseudonym": Variant(COARSE, keys=2000),
    "coarse, 500 keys a pseudonym": Variant(COARSE, keys=500),
}


def made(times: Sequence[int], symbols: Sequence[str], variant: Variant, chance: np.random.Generator) -> Array:
    """The records of a variant, with the columns of ``product.records``."""
    return _made(times, symbols, variant, chance)[0]


def _made(
    times: Sequence[int], symbols: Sequence[str], variant: Variant, chance: np.random.Generator
) -> tuple[Array, Array]:
    rows = _plain(times, symbols, variant.form)
    rows, known_by = variant.change(rows, chance) if variant.change else (rows, np.arange(len(rows)))
    return np.concatenate([rows[:, :1], twin.shaped(rows[:, 1:], variant.form)], 1), known_by


_ONCE: dict[tuple[int, int, int, Form], Array] = {}


def _plain(times: Sequence[int], symbols: Sequence[str], form: Form) -> Array:
    """The numbers of a variant before buckets; worked out once for all that differ in buckets only."""
    plain = form._replace(base=0, edits=True, times=True, lasting=True, caps=twin.BURSTS.caps)
    key = (times[0], times[-1], len(times), plain)  # no two pieces of typing begin and end in the same milliseconds
    if key not in _ONCE:
        _ONCE[key] = twin.records(times, symbols, plain)
    return _ONCE[key]


def bits_a_key(people: Sequence[Person], variant: Variant) -> float:
    """Entropy of the joint numbers of a run, over its mean length."""
    chance = np.random.default_rng(1)
    seen: Counter[tuple[int, int, int]] = Counter()
    keys = 0
    for times, symbols in people:
        rows = made(times, symbols, variant, chance)
        rows = rows[rows[:, KIND] == TYPING]
        seen.update(zip(rows[:, A].tolist(), rows[:, B].tolist(), rows[:, DURATION].tolist(), strict=True))
        keys += len(times)
    total = sum(seen.values())
    shares = np.array(list(seen.values())) / total
    entropy = float(-(shares * np.log2(shares)).sum()) + (len(seen) - 1) / (2 * total * np.log(2))
    return float(entropy * total / keys)


def next_action(people: Sequence[Person], variant: Variant) -> float:
    """Accuracy of the next action from the variant's records that ended by then."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    sets = []
    chance = np.random.default_rng(1)
    for times, symbols in people:
        classes = [product.class_of_symbol(symbol) for symbol in symbols]
        done = twin.records(times, symbols, utility.DONE)
        mine = classes if variant.form.enter else [1 if kind == 3 else kind for kind in classes]
        known = utility.ends(_plain(times, symbols, variant.form), mine)
        rows, known_by = _made(times, symbols, variant, chance)
        shown = utility.before(rows, known[known_by], utility.ends(done, classes)[:-1], (KIND, A, B, DURATION, GAP))
        sets.append((shown, utility.actions(done)[1:]))
    right = []
    for fold in range(3):
        kept = [one for n, one in enumerate(sets) if n % 3 != fold]
        model = HistGradientBoostingClassifier(max_iter=30, learning_rate=0.15, random_state=0)
        model.fit(np.concatenate([x for x, _ in kept]), np.concatenate([y for _, y in kept]))
        right += [float((model.predict(x) == y).mean()) for n, (x, y) in enumerate(sets) if n % 3 == fold]
    return float(np.mean(right))


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="frontier", description="Variants of the profiles, beside each other.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="variants to try (all of them)")
    parser.add_argument("--quick", action="store_true", help="linear attackers only")
    given = parser.parse_args(argv)
    everybody = [(one.times, one.symbols) for one in data.chats(os.path.join(ROOT, ".cache", "leakage"))]
    people = [one for one in everybody if len(one[0]) >= 2000]
    others = np.concatenate([twin.records(*one, Form()) for one in everybody if len(one[0]) < 2000])
    print("| variant | recognised, 500 keys | 95 % interval | numbers of a run, bits a key | next action right |")
    print("|---|---|---|---|---|")
    for name in given.names or VARIANTS:
        variant = VARIANTS[name]
        if isinstance(variant.change, Chaff):
            variant.change.others = others[others[:, KIND] == TYPING]
        chance = np.random.default_rng(1)

        def make(
            times: Sequence[int],
            symbols: Sequence[str],
            variant: Variant = variant,
            chance: np.random.Generator = chance,
        ) -> Array:
            return made(times, symbols, variant, chance)

        known = [_middle(one, variant.keys) for one in people] if variant.keys else people
        found = identity.recognise(known, BURSTS, make, [500], trees=not given.quick)[500]
        low, high = identity.interval(found.top1)
        bits, right = bits_a_key(people[:60], variant), next_action(people[:40], variant)
        print(f"| {name} | {found.top1.mean():.1%} | {low:.1%} to {high:.1%} | {bits:.3f} | {right:.1%} |", flush=True)
    return 0


def _middle(one: Person, keys: int) -> Person:
    """So many keys on either side of the middle, where the attack parts what is known from what is tried."""
    times, symbols = one
    half = len(times) // 2
    return times[max(half - keys, 0) : half + keys], symbols[max(half - keys, 0) : half + keys]


if __name__ == "__main__":
    sys.exit(main())
