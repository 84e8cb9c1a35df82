"""Whose typing is it: how often the right writer is picked, from 100, 500 and 2,000 keys, retrained per profile.

The attacker has the first half of each writer's typing under the same profile (the strongest usual case) and gets a
piece of the second half. Features are statistics of the records; two classifiers (shrinkage LDA; extremely
randomised trees) are averaged, and the answers for a longer piece are pooled over its windows. The equal
error rate is measured on writers that the embedding was not trained on (open set). Statistical attackers: lower
bounds on what is possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from desktop_logger.records.profiles import Profile

from .traits import Array, Maker, Piece, pieces


def _scaled(train: Array, other: Array) -> tuple[Array, Array]:
    mean, spread = train.mean(0), train.std(0) + 1e-9
    return (train - mean) / spread, np.clip((other - mean) / spread, -8, 8)


def log_posterior(train: list[Piece], test: list[Piece], people: int, seed: int, *, trees: bool = True) -> Array:
    """Log P(writer | window) for each window of ``test``, by LDA and trees averaged."""
    x, z = _scaled(np.array([one.features for one in train]), np.array([one.features for one in test]))
    y = np.array([one.writer for one in train])
    total = _lda(x, y, z, people)
    if trees:
        from sklearn.ensemble import ExtraTreesClassifier

        forest = ExtraTreesClassifier(200, min_samples_leaf=2, n_jobs=1, random_state=seed).fit(x, y)
        made = np.full((len(z), people), 1e-4)
        made[:, forest.classes_] += forest.predict_proba(z)
        total = total + 2 * np.log(made)
    return total


def _within(x: Array, y: Array, people: int) -> tuple[Array, Array]:
    """Class means, and a whitening of the within-class covariance shrunk by a tenth (and at least a little)."""
    means = np.zeros((people, x.shape[1]))
    for writer in range(people):
        if (y == writer).any():
            means[writer] = x[y == writer].mean(0)
    rest = x - means[y]
    covariance = rest.T @ rest / max(len(x) - len(np.unique(y)), 1)
    shrunk = 0.8 * covariance + 0.2 * np.eye(len(covariance)) * max(np.trace(covariance) / len(covariance), 1e-3)
    values, vectors = np.linalg.eigh(shrunk)
    return means, vectors / np.sqrt(values)


def _lda(x: Array, y: Array, z: Array, people: int) -> Array:
    means, white = _within(x, y, people)
    a, b = z @ white, means @ white
    distance = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    score: Array = -0.5 * distance
    score[:, np.setdiff1d(np.arange(people), y)] = -1e9
    score -= score.max(1, keepdims=True)
    # distances are over-confident: temper them to the scale of the trees
    score /= max(float(np.median(-score.min(1))), 1e-9) / 12
    normed: Array = score - np.log(np.exp(score).sum(1, keepdims=True))
    return normed


class Recognised(NamedTuple):
    """Right first and within the first five, per writer (mean over the writer's pieces), and who was tried among."""

    top1: Array
    top5: Array
    people: int


def mean(draws: Sequence[Recognised]) -> Recognised:
    """The same people tried under several draws of noise."""
    first = draws[0]
    return Recognised(
        np.mean([one.top1 for one in draws], axis=0), np.mean([one.top5 for one in draws], axis=0), first.people
    )


def recognise(
    writers: Sequence[tuple[Sequence[int], Sequence[str]]], profile: Profile, make: Maker, volumes: Sequence[int], *,
    seed: int = 3, trees: bool = True,
) -> dict[int, Recognised]:  # fmt: skip
    """Train on first halves, try pieces of each of ``volumes`` presses of second halves (at most four a writer)."""
    first = [(times[: len(times) // 2], symbols[: len(times) // 2]) for times, symbols in writers]
    second = [(times[len(times) // 2 :], symbols[len(times) // 2 :]) for times, symbols in writers]
    found: dict[int, Recognised] = {}
    for window, step in sorted({one for volume in volumes for one in _WINDOWS[volume]}):
        train = pieces(first, make, profile.name, window, step)
        test = pieces(second, make, profile.name, window, window)
        scores = log_posterior(train, test, len(writers), seed, trees=trees)
        owner = np.array([one.writer for one in test])
        for volume in volumes:
            if (window, step) in _WINDOWS[volume]:
                tried = pooled(scores, owner, volume // window, len(writers))
                if volume not in found or tried.top1.mean() > found[volume].top1.mean():
                    found[volume] = tried
    return found


_WINDOWS = {100: ((100, 50),), 500: ((250, 60), (500, 250)), 2000: ((250, 60), (500, 250))}
"""Volume → windows and steps to try. The better one counts: chosen on the tried pieces, in the attacker's favour."""


def pooled(scores: Array, owner: Array, windows: int, people: int) -> Recognised:
    """Add up the scores of the ``windows`` of each piece, and rank; ``owner`` says whose each window is."""
    top1: list[float] = []
    top5: list[float] = []
    for writer in range(people):
        mine = scores[owner == writer]
        ranks = []
        for start in range(0, min(len(mine), 4 * windows) - windows + 1, windows):
            summed = mine[start : start + windows].sum(0)
            ranks.append(int((summed > summed[writer]).sum()))
        if ranks:
            top1.append(float(np.mean(np.array(ranks) == 0)))
            top5.append(float(np.mean(np.array(ranks) < 5)))
    return Recognised(np.array(top1), np.array(top5), people)


def equal_error(
    writers: Sequence[tuple[Sequence[int], Sequence[str]]],
    profile: Profile,
    make: Maker,
    volume: int,
    *,
    splits: int = 4,
) -> Array:
    """Equal error rate on writers unknown to the embedding, one figure a split of the writers in two."""
    window = min(volume, 500)
    first = pieces([(t[: len(t) // 2], s[: len(t) // 2]) for t, s in writers], make, profile.name, window, window)
    second = pieces([(t[len(t) // 2 :], s[len(t) // 2 :]) for t, s in writers], make, profile.name, window, window)
    rates = []
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(writers))
        known, unknown = set(order[: len(order) // 2].tolist()), order[len(order) // 2 :].tolist()
        train = [one for one in (*first, *second) if one.writer in known]
        x, y = np.array([one.features for one in train]), np.array([one.writer for one in train])
        mean, spread = x.mean(0), x.std(0) + 1e-9
        means, white = _within((x - mean) / spread, y, len(writers))
        centres = (means[sorted(known)] - means[sorted(known)].mean(0)) @ white
        directions = np.linalg.svd(centres, full_matrices=False)[2][: min(24, len(known) - 1)].T

        def embed(
            some: list[Piece], who: int, m: Array = mean, s: Array = spread, p: Array = white @ directions
        ) -> Array:
            mine = np.array([one.features for one in some if one.writer == who][: max(volume // window, 1)])
            placed: Array = (np.clip((mine - m) / s, -8, 8) @ p).mean(0)
            return placed

        enrolled = np.array([embed(first, who) for who in unknown])
        probes = np.array([embed(second, who) for who in unknown])
        distance = ((enrolled[:, None] - probes[None]) ** 2).sum(-1)
        own, foreign = np.diag(distance), distance[~np.eye(len(unknown), dtype=bool)]
        limits = np.sort(np.concatenate([own, foreign]))
        misses = np.array([(own > limit).mean() for limit in limits[:: max(len(limits) // 400, 1)]])
        accepted = np.array([(foreign <= limit).mean() for limit in limits[:: max(len(limits) // 400, 1)]])
        nearest = int(np.abs(misses - accepted).argmin())
        rates.append((misses[nearest] + accepted[nearest]) / 2)
    return np.array(rates)


def interval(per_writer: Array, seed: int = 1) -> tuple[float, float]:
    """95 % interval of a mean over writers, by drawing writers again 2,000 times."""
    chance = np.random.default_rng(seed)
    draws = per_writer[chance.integers(0, len(per_writer), (2000, len(per_writer)))].mean(1)
    return float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))
