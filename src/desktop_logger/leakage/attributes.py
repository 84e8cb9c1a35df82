"""What else about somebody or their work the records tell: an attribute with a label, guessed for people never seen.

The attacker learns from labelled records of other people and guesses the label of each session. The figure is
balanced accuracy (each label counts the same). Where its 95 % interval over people reaches down to what guessing
gives, the answer is *inconclusive*: neither that the attribute shows nor that it does not.

In the public data the one label is the scenario that a session was about (its writers' age, sex or health are not
in it, and nothing is said about these). Volunteers' folders may hold a ``labels.csv`` with the columns ``person``,
``attribute`` and ``value``.
"""

from __future__ import annotations

import csv
import functools
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.errors import Unavailable, UsageError
from desktop_logger.records.profiles import Profile

from . import product
from .identity import interval
from .traits import features

Array = np.ndarray[Any, Any]
LEAST_PEOPLE, LEAST_KEYS, MOST_KEYS = 12, 120, 500
"""Fewest people a label must have; fewest presses of a session, and how many of them are looked at."""


class Labelled(NamedTuple):
    """One session: who, its presses, and what it was."""

    writer: str
    times: Sequence[int]
    symbols: Sequence[str]
    label: str


class Inferred(NamedTuple):
    """Balanced share right, per person, over guessing; and the labels that were told apart."""

    right: Array
    guessing: float
    labels: int
    cases: int

    @property
    def verdict(self) -> str:
        """``yes`` where guessing lies below the whole interval, else ``inconclusive``. Never ``no``."""
        return "yes" if interval(self.right)[0] > self.guessing else "inconclusive"


def usable(sessions: Sequence[Labelled]) -> list[Labelled]:
    """Sessions long enough, of labels that enough people have. Raises ``Unavailable`` when fewer than two are left."""
    long = [one for one in sessions if len(one.times) >= LEAST_KEYS]
    people = Counter(label for label, _ in {(one.label, one.writer) for one in long})
    kept = {label for label, count in people.items() if count >= LEAST_PEOPLE}
    if len(kept) < 2:
        raise Unavailable(f"fewer than two labels with {LEAST_PEOPLE} people of {LEAST_KEYS} key presses each")
    return [one for one in long if one.label in kept]


def infer(sessions: Sequence[Labelled], profile: Profile, *, folds: int = 5, seed: int = 1) -> Inferred:
    """Guess the label of each session of people who were held out, under a profile."""
    from sklearn.ensemble import ExtraTreesClassifier

    some = usable(sessions)
    make = functools.partial(product.records, profile=profile)
    x = np.array([features(make(one.times[:MOST_KEYS], one.symbols[:MOST_KEYS]), profile.name) for one in some])
    labels = sorted({one.label for one in some})
    y = np.array([labels.index(one.label) for one in some])
    writers = sorted({one.writer for one in some})
    np.random.default_rng(seed).shuffle(writers)
    fold_of = {writer: number % folds for number, writer in enumerate(writers)}
    fold = np.array([fold_of[one.writer] for one in some])
    right = np.zeros(len(some))
    for held in range(folds):
        model = ExtraTreesClassifier(300, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=1)
        model.fit(x[fold != held], y[fold != held])
        right[fold == held] = model.predict(x[fold == held]) == y[fold == held]
    # Each label weighs the same, then each person once: what a person's sessions got right, in those weights.
    weight = 1 / np.bincount(y, minlength=len(labels))[y]
    mine = np.array([one.writer for one in some])
    scaled = right * weight * len(writers) / len(labels)
    return Inferred(np.array([scaled[mine == who].sum() for who in writers]), 1 / len(labels), len(labels), len(some))


def labels(folder: str) -> dict[str, dict[str, str]]:
    """Attribute → person → value, from ``labels.csv``; empty where there is none. Raises ``UsageError``."""
    path = os.path.join(folder, "labels.csv")
    columns = "Three columns, parted by commas, the first line naming them: person,attribute,value"
    found: dict[str, dict[str, str]] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            for row in rows:
                cells = [row.get(name) for name in ("person", "attribute", "value")]
                if not all(cells):
                    raise UsageError(
                        f"{path}, line {rows.line_num}: a person, an attribute or a value is absent", columns
                    )
                person, attribute, value = (str(cell) for cell in cells)
                found.setdefault(attribute, {})[person] = value
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", columns) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", "Save it as CSV in UTF-8.") from None
    except csv.Error:
        raise UsageError(f"{path}, line {rows.line_num + 1}: not a line of a table", columns) from None
    return found
