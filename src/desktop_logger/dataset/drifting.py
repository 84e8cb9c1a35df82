"""How far one export round lies from another.

Drift is the population stability index over actions, ``sum((p - q) * ln(p / q))``: under 0.1 is usually called none,
over 0.25 another population (Siddiqi, *Credit Risk Scorecards*, 2006). Rounds of few people differ by chance, so the
index is set beside the one that rounds drawn from both, whole split groups at a time, reach in 95 of 100 draws.
Exports carry no dates: rounds are told apart by which was made later, and nothing finer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from desktop_logger.errors import Refused, UsageError

from . import folder, sequences
from .actions import ACTIONS, TOKENS, by_action
from .thinness import NO_ACTIONS

DRAWS = 500
_LEAST_SHARE = 1e-4


class Drift(NamedTuple):
    """How far a later round lies from an earlier one."""

    psi: float
    """The population stability index."""
    by_chance: float
    """What 95 of 100 draws of rounds from both stay under."""
    moved: list[tuple[str, float, float]]
    """The actions that make most of it: name, share before, share now."""

    @property
    def verdict(self) -> str:
        """In words."""
        if self.psi <= self.by_chance:
            return "no more than rounds of the same people would differ"
        if self.psi < 0.1:
            return "little"
        return "some" if self.psi < 0.25 else "much: another population, or other work"

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"drift {self.psi:.3f} (by chance up to {self.by_chance:.3f}): {self.verdict}",
            *(f"  {name:<24} {100 * before:5.1f} % -> {100 * now:5.1f} %" for name, before, now in self.moved),
        ]


def drift(now: str, before: str) -> Drift:
    """Between two built datasets of one profile and vocabulary. Raises ``UsageError`` or ``Refused`` for others."""
    cards = [folder.read_card(one) for one in (before, now)]
    for path, facts in zip((before, now), cards, strict=True):
        if facts["kind"] != "sequences":
            raise UsageError(f"{path} is an export, not sequences", "Build them with: desktop-logger dataset build")
        if facts["vocabulary"] != TOKENS:
            raise Refused(f"{path} was built with another vocabulary of actions", "Build it again with this version.")
    if cards[0]["sessions_by_profile"].keys() != cards[1]["sessions_by_profile"].keys():
        raise Refused(
            "the rounds have different profiles: their numbers have different units", "Compare like with like."
        )
    counts = [_counted(path) for path in (before, now)]
    if any(not one.sum() for one in counts):
        raise Refused("a round holds no actions", "Look at it with: desktop-logger dataset card")
    old, new = (one.sum(0) for one in counts)
    index, parts = _index(old, new)
    together, size = np.concatenate(counts), len(counts[0])
    chance = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        order = chance.permutation(len(together))
        drawn.append(_index(together[order[:size]].sum(0), together[order[size:]].sum(0))[0])
    shares = old / old.sum(), new / new.sum()
    most = [n for n in np.argsort(-parts)[:5] if parts[n] > 0.001]
    return Drift(
        index, float(np.quantile(drawn, 0.95)), [(ACTIONS[n], float(shares[0][n]), float(shares[1][n])) for n in most]
    )


def _counted(root: str) -> npt.NDArray[np.int64]:
    """(groups with people, actions): how often each action occurs."""
    found = np.zeros((16, len(ACTIONS)), np.int64)
    for batch in sequences.stream(root):
        tokens, lengths = batch.column("tokens"), batch.column("tokens").value_lengths().to_numpy()
        owner = np.repeat(batch.column("split_group").to_numpy(), lengths)
        flat = tokens.flatten().to_numpy()
        for group in np.unique(owner):
            found[group] += by_action(flat[owner == group])
    found[:, [ACTIONS.index(name) for name in NO_ACTIONS]] = 0
    kept: npt.NDArray[np.int64] = found[found.sum(1) > 0]
    return kept


def _index(old: npt.NDArray[np.int64], new: npt.NDArray[np.int64]) -> tuple[float, npt.NDArray[np.float64]]:
    """The population stability index, and each action's part in it. A share of nothing counts as 0.01 %."""
    p, q = (np.maximum(one / max(one.sum(), 1), _LEAST_SHARE) for one in (old, new))
    parts = (p - q) * np.log(p / q)
    return float(parts.sum()), parts
