"""The search for better profiles: variants of ``bursts`` and ``coarse`` beside each other, as an ADR's table.

``python -m desktop_logger.leakage.frontier`` (some minutes). Variants are made with the vectorised twin, which a test
holds to the product at the product's parameters. For each: who is recognised from 500 keys, how many bits a key the
numbers of a run hold at most (plug-in entropy with Miller and Madow's correction, so against any attacker), and how
well the next action is predicted. A default moves only where a variant is clearly better, beyond its interval.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from desktop_logger.records.layout import TYPING
from desktop_logger.records.profiles import BURSTS

from . import data, identity, product, twin, utility
from .__main__ import ROOT
from .product import DURATION, GAP, KIND, A, B
from .twin import Form

Array = np.ndarray[Any, Any]
Person = tuple[Sequence[int], Sequence[str]]

VARIANTS = {
    "bursts": Form(),
    "bursts, pause 1 s": Form(pause_s=1),
    "bursts, pause 4 s": Form(pause_s=4),
    "bursts, pause 8 s": Form(pause_s=8),
    "bursts, short 1": Form(short=1),
    "bursts, short 12": Form(short=12),
    "bursts, short 20": Form(short=20),
    "bursts, short 12, pause 4 s": Form(short=12, pause_s=4),
    "bursts, grid 5 s": Form(grid_s=5),
    "bursts, one number": Form(edits=False),
    "bursts, no times": Form(times=False),
    "coarse": Form(base=2),
    "coarse, pause 4 s": Form(base=2, pause_s=4),
    "coarse, short 12": Form(base=2, short=12),
    "coarse, short 20": Form(base=2, short=20),
    "coarse, short 12, pause 4 s": Form(base=2, short=12, pause_s=4),
    "coarse, short 12, log4": Form(base=4, short=12),
    "coarse, log4": Form(base=4),
    "coarse, low caps": Form(base=2, caps=(6, 2, 4, 3)),
    "coarse, one number": Form(base=2, edits=False),
    "coarse, no times": Form(base=2, times=False),
}


def bits_a_key(people: Sequence[Person], form: Form) -> float:
    """Entropy of the joint numbers of a run, over its mean length."""
    seen: Counter[tuple[int, int, int]] = Counter()
    keys = 0
    for times, symbols in people:
        made = twin.records(times, symbols, form)
        rows = made[made[:, KIND] == TYPING]
        seen.update(zip(rows[:, A].tolist(), rows[:, B].tolist(), rows[:, DURATION].tolist(), strict=True))
        keys += len(times)
    total = sum(seen.values())
    shares = np.array(list(seen.values())) / total
    entropy = float(-(shares * np.log2(shares)).sum()) + (len(seen) - 1) / (2 * total * np.log(2))
    return float(entropy * total / keys)


def next_action(people: Sequence[Person], form: Form) -> float:
    """Accuracy of the next action from the variant's records that ended by then."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    sets = []
    plain = form._replace(base=0, edits=True, times=True, grid_s=1)
    for times, symbols in people:
        classes = [product.class_of_symbol(symbol) for symbol in symbols]
        done = twin.records(times, symbols, utility.DONE)
        known = utility.ends(twin.records(times, symbols, plain), classes)
        rows = twin.records(times, symbols, form)
        shown = utility.before(rows, known, utility.ends(done, classes)[:-1], (KIND, A, B, DURATION, GAP))
        sets.append((shown, utility.actions(done)[1:]))
    right = []
    for fold in range(3):
        kept = [one for n, one in enumerate(sets) if n % 3 != fold]
        model = HistGradientBoostingClassifier(max_iter=30, learning_rate=0.15, random_state=0)
        model.fit(np.concatenate([x for x, _ in kept]), np.concatenate([y for _, y in kept]))
        right += [float((model.predict(x) == y).mean()) for n, (x, y) in enumerate(sets) if n % 3 == fold]
    return float(np.mean(right))


def main() -> int:
    """Print the table."""
    people = [(one.times, one.symbols) for one in data.chats(os.path.join(ROOT, ".cache", "leakage"))]
    people = [one for one in people if len(one[0]) >= 2000]
    print("| variant | recognised, 500 keys | 95 % interval | numbers of a run, bits a key | next action right |")
    print("|---|---|---|---|---|")
    for name, form in VARIANTS.items():

        def make(times: Sequence[int], symbols: Sequence[str], form: Form = form) -> Array:
            return twin.records(times, symbols, form)

        found = identity.recognise(people, BURSTS, make, [500])[500]
        low, high = identity.interval(found.top1)
        bits, right = bits_a_key(people[:60], form), next_action(people[:40], form)
        print(f"| {name} | {found.top1.mean():.1%} | {low:.1%} to {high:.1%} | {bits:.3f} | {right:.1%} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
