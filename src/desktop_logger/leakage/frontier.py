"""The search for better profiles: variants of ``bursts`` and ``coarse`` beside each other, as an ADR's table.

``python -m desktop_logger.leakage.frontier [--quick] [--write] [NAME…]`` (``--quick``: linear attackers only, which
recognise a little less; ``--write``: into ``docs/reference/frontier.md``, in place of the same lines there). Variants
are made with the vectorised twin, which a test holds to the product at the product's parameters. For each: who is
recognised from 500 keys, and how many points less than under the profile itself, the same people paired; how many bits
a key and a minute the numbers hold at most (plug-in entropy with Miller and Madow's correction, so against any
attacker); and what is lost: how well the next action is foreseen, and how far off a count of pauses is. A default moves
only where a variant is clearly better, beyond its interval.

Some variants change finished records instead of making others: their order, their clock, or made-up ones among them.
Those are tried in the defender's favour: chaff is drawn from other people's real records and fits no clock.
"""

from __future__ import annotations

import argparse
import difflib
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.errors import DesktopLoggerError, Unavailable, UsageError
from desktop_logger.paths import rewrite
from desktop_logger.records.layout import TYPING
from desktop_logger.records.profiles import BURSTS, EVENTS

from . import data, identity, product, twin, utility
from .__main__ import ROOT
from .product import CODE, DURATION, GAP, KIND, SEGMENT, A, B, T
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


COARSE = Form(base=2, edits=False, lasting=False)
"""The product's ``coarse`` (ADR 0042)."""
VARIANTS = {
    "bursts": Variant(),
    "bursts, pause 1 s": Variant(Form(pause_s=1)),
    "bursts, pause 4 s": Variant(Form(pause_s=4)),
    "bursts, pause 8 s": Variant(Form(pause_s=8)),
    "bursts, pause 16 s": Variant(Form(pause_s=16)),
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
    "coarse, duration told": Variant(COARSE._replace(lasting=True)),
    "coarse, corrections told": Variant(COARSE._replace(edits=True)),
    "coarse, duration and corrections told": Variant(COARSE._replace(lasting=True, edits=True)),
    "coarse, short 4": Variant(COARSE._replace(short=4)),
    "coarse, short 20": Variant(COARSE._replace(short=20)),
    "coarse, short 40": Variant(COARSE._replace(short=40)),
    "coarse, short 100": Variant(COARSE._replace(short=100)),
    "coarse, pause 4 s": Variant(COARSE._replace(pause_s=4)),
    "coarse, pause 8 s": Variant(COARSE._replace(pause_s=8)),
    "coarse, pause 16 s": Variant(COARSE._replace(pause_s=16)),
    "coarse, log4": Variant(COARSE._replace(base=4)),
    "coarse, log4, short 20": Variant(COARSE._replace(base=4, short=20)),
    "coarse, pause 16 s, log4": Variant(COARSE._replace(base=4, pause_s=16)),
    "coarse, low caps": Variant(COARSE._replace(caps=(6, 0, 0, 3))),
    "coarse, gap to 4 s": Variant(COARSE._replace(caps=(8, 0, 0, 3))),
    "coarse, gap log4": Variant(COARSE._replace(time_base=4)),
    "coarse, gap log16": Variant(COARSE._replace(time_base=16)),
    "coarse, no gap": Variant(COARSE._replace(times=False)),
    "coarse, Enter in runs": Variant(COARSE._replace(enter=False)),
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


def bits(people: Sequence[Person], variant: Variant) -> tuple[float, float]:
    """Entropy of the joint numbers of a run, a key; and of whole records, a minute in which something was typed."""
    chance = np.random.default_rng(1)
    runs: Counter[tuple[int, ...]] = Counter()
    whole: Counter[tuple[int, ...]] = Counter()
    keys = minutes = 0
    for times, symbols in people:
        rows = made(times, symbols, variant, chance)
        typing = rows[rows[:, KIND] == TYPING]
        runs.update(map(tuple, typing[:, [A, B, DURATION]].tolist()))
        whole.update(map(tuple, rows[:, [KIND, CODE, A, B, DURATION, GAP]].tolist()))
        keys += len(times)
        minutes += len({t // 60_000 for t in times})
    return entropy(runs) / keys, entropy(whole) / minutes


def entropy(seen: Counter[tuple[int, ...]]) -> float:
    """Bits of all that was seen together, each by itself."""
    total = seen.total()
    shares = np.array(list(seen.values())) / total
    return float(-(shares * np.log2(shares)).sum() + (len(seen) - 1) / (2 * total * np.log(2))) * total


def pauses_off(people: Sequence[Person], variant: Variant, least_s: int) -> float:
    """As ``utility.pause_error``: the middle person's error in the number of pauses; ``nan`` where none are told."""
    form = variant.form
    if not form.times:
        return math.nan
    limit = max(least_s // form.grid_s, 1)
    if form.base:
        limit = int(twin.buckets(np.array([limit]), form.time_base or form.base)[0])
    chance = np.random.default_rng(1)
    errors = []
    for times, symbols in people:
        rows = made(times, symbols, variant, chance)
        inside = np.diff(rows[:, SEGMENT], prepend=-1) == 0
        true = _pauses(times, symbols)[least_s]
        errors.append(abs(int((rows[inside, GAP] >= limit).sum()) - true) / max(true, 1))
    return float(np.median(errors))


PAUSES_S = (2, 16)
_TRUE: dict[tuple[int, int, int], dict[int, int]] = {}


def _pauses(times: Sequence[int], symbols: Sequence[str]) -> dict[int, int]:
    """How many pauses of each length there really were within segments."""
    key = (times[0], times[-1], len(times))
    if key not in _TRUE:
        fine = product.records(times, symbols, EVENTS)
        within = np.diff(fine[:, SEGMENT]) == 0
        _TRUE[key] = {least: int((np.diff(fine[:, T])[within] >= least * 50).sum()) for least in PAUSES_S}
    return _TRUE[key]


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


HEAD = (
    "variant", "recognised, 500 keys", "95 % interval", "points less than the profile (95 %)", "a run, bits a key",
    "all, bits a minute", "next action right", *(f"pauses of {least} s, error" for least in PAUSES_S),
)  # fmt: skip


def tried(people: Sequence[Person], name: str, same: identity.Recognised | None, *, trees: bool) -> tuple[Any, ...]:
    """One line of the table, and who was recognised; ``same``: the people under the profile itself."""
    variant = VARIANTS[name]
    chance = np.random.default_rng(1)

    def make(times: Sequence[int], symbols: Sequence[str]) -> Array:
        return made(times, symbols, variant, chance)

    known = [_middle(one, variant.keys) for one in people] if variant.keys else people
    found = identity.recognise(known, BURSTS, make, [500], trees=trees)[500]
    low, high = identity.interval(found.top1)
    less = "-"
    if same is not None:
        gained = same.top1 - found.top1
        less_low, less_high = identity.interval(gained)
        less = f"{100 * gained.mean():.1f} ({100 * less_low:.1f} to {100 * less_high:.1f})"
    off = [pauses_off(people[:40], variant, least) for least in PAUSES_S]
    key, minute = bits(people[:60], variant)
    cells = (
        name, f"{found.top1.mean():.1%}", f"{low:.1%} to {high:.1%}", less, f"{key:.3f}", f"{minute:.0f}",
        f"{next_action(people[:40], variant):.1%}", *("none told" if one != one else f"{one:.0%}" for one in off),  # noqa: PLR0124
    )  # fmt: skip
    return cells, found


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="frontier", description="Variants of the profiles, beside each other.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="variants to try (all of them)")
    parser.add_argument("--quick", action="store_true", help="linear attackers only")
    parser.add_argument("--write", action="store_true", help="put the lines into docs/reference/frontier.md")
    given = parser.parse_args(argv)
    try:
        for name in given.names:
            _known(name)
        if given.write and not given.quick:
            raise UsageError("the page holds what linear attackers reach", "With --write also say: --quick")
        lines = table(_with_profiles(given.names or list(VARIANTS)), trees=not given.quick)
    except DesktopLoggerError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_status
    if given.write:
        with open(os.path.join(ROOT, *_PAGE_AT), encoding="utf-8") as file:
            rewrite(page(lines, file.read()), *_PAGE_AT)
    return 0


def _with_profiles(names: Sequence[str]) -> list[str]:
    """The variants with the profiles that they are compared with before them."""
    return list(dict.fromkeys(one for name in names for one in (name.partition(",")[0], name)))


def _known(name: str) -> None:
    if name not in VARIANTS:
        near = difflib.get_close_matches(name, VARIANTS, 3, 0.3) or list(VARIANTS)
        raise UsageError(f"no variant is called {name!r}", f"Such as: {'; '.join(near)}")


def table(names: Sequence[str], *, trees: bool) -> list[str]:
    """The table of these variants, printed as it comes. Raises ``Unavailable`` or ``IntegrityError``."""
    everybody = [(one.times, one.symbols) for one in data.chats(os.path.join(ROOT, ".cache", "leakage"))]
    people = [one for one in everybody if len(one[0]) >= 2000]
    others = np.concatenate([twin.records(*one, Form()) for one in everybody if len(one[0]) < 2000])
    lines: list[str] = []

    def row(cells: Sequence[str]) -> None:
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)

    row(HEAD)
    row(["---"] * len(HEAD))
    plain: dict[str, identity.Recognised] = {}
    for name in names:
        change = VARIANTS[name].change
        if isinstance(change, Chaff):
            change.others = others[others[:, KIND] == TYPING]
        try:
            cells, found = tried(people, name, plain.get(name.partition(",")[0]), trees=trees)
        except ModuleNotFoundError as error:
            hint = "Run: pip install 'desktop-logger[leakage]'"
            raise Unavailable(f"the package {error.name} is not installed", hint) from None
        if name in ("bursts", "coarse"):
            plain[name] = found
        row(cells)
    return lines


def page(lines: Sequence[str], before: str) -> str:
    """The page with these lines of the table in it; ``before``: the page that has the others."""
    known = {_name(line): line for line in (*before.splitlines(), *lines)}
    rows = [known[name] for name in VARIANTS if name in known]
    return "\n".join([_PAGE.format(count=len(rows)), *lines[:2], *rows, ""])


def _name(line: str) -> str:
    return line.removeprefix("| ").partition(" |")[0]


_PAGE_AT = ("docs", "reference", "frontier.md")
_PAGE = """# Variants of the profiles, beside each other

<!-- Made by `python -m desktop_logger.leakage.frontier --quick --write`; do not edit. -->

What was tried to find a better point than `bursts` and `coarse`: {count} variants, 129 people of the set that
[leakage.md](leakage.md) rests on, linear attackers only, which recognise a little less than those there. What was made
of it: ADR 0041 and ADR 0042. These attackers look at no clock.

* *points less*: how many of 100 fewer are picked than under the profile itself, the same people paired; where the
  interval reaches below 0, nothing is shown to be gained.
* *a run, bits a key*; *all, bits a minute*: the most that the numbers hold, whoever looks (entropy of what was seen; of
  chaff too, which tells nothing). A minute is one in which something was typed.
* *pauses*: how far off a count of them is for the middle person, as in [leakage.md](leakage.md).
* *short n*: a run of fewer keys joins the next (12). *pause n s*: a run ends at such a pause (2). *one number*:
  corrections count as text. *log4*, *log16*: wider buckets than log2. *low caps*: fewer buckets. *n keys a pseudonym*:
  nobody holds more of one person together, the attacker included.
"""


def _middle(one: Person, keys: int) -> Person:
    """So many keys on either side of the middle, where the attack parts what is known from what is tried."""
    times, symbols = one
    half = len(times) // 2
    return times[max(half - keys, 0) : half + keys], symbols[max(half - keys, 0) : half + keys]


if __name__ == "__main__":
    sys.exit(main())
