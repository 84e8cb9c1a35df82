"""Stronger attackers than n-grams and statistics: small recurrent networks, for text and for identity (PyTorch, CPU).

Text: a language model that is also given the records, against the same model without them. Their difference on
writers that neither has seen estimates the information that the records give about the keys,

    I = H(keys) - H(keys | records),

the same quantity that ``text`` computes by an exact hidden Markov model, here without its independence
assumptions. Identity: windows of records become vectors; the cosine to each person's direction decides.

Learning is seeded and uses one thread, so a figure is repeatable on one machine, not to the last digit between
machines. Every figure is a lower bound: larger networks on more typing get more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from desktop_logger.records.classes import KeyClass
from desktop_logger.records.layout import GAP, KEY, PRESSES, TYPING
from desktop_logger.records.profiles import BURSTS, COARSE, COUNTS, EVENTS, Profile

from . import product
from .identity import Recognised, pooled
from .language import SIZE, folded
from .text import BINS, pause_bins
from .traits import Maker

Array = np.ndarray[Any, Any]
Person = tuple[Sequence[int], Sequence[str]]

LENGTH = 120
"""Presses in one piece of a text, and records of one window at most times four."""
NOTHING = "nothing"
"""The language model that is given no record."""


class Sizes(Protocol):
    """How large the networks are and how long they learn (``measuring.Networks``)."""

    @property
    def hidden(self) -> int:
        """Width."""

    @property
    def rounds(self) -> int:
        """Rounds of the text network."""

    @property
    def batch(self) -> int:
        """Pieces or windows a step."""

    @property
    def windows(self) -> int:
        """Rounds of the identity network."""


@contextmanager
def memory_told() -> Iterator[None]:
    """Too little memory as Python says it: PyTorch has no class of its own for that on a CPU, only words."""
    try:
        yield
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        raise MemoryError from None


def _prepare(seed: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(seed)


# --- text -----------------------------------------------------------------------------------------------------


def observations(times: Sequence[int], symbols: Sequence[str], what: str) -> Array:
    """What the attacker sees at each press, one row a press, under a profile or ``nothing``.

    A name with ``told `` before it adds the class of each press, so that only what is said about letters differs.
    In the attacker's favour: which presses a run covers, and the place of each press in it.
    """
    _, told, name = what.rpartition("told ")
    classes = [product.class_of_symbol(one) for one in symbols]
    parts = []
    if told or name == EVENTS.name:
        parts.append(np.eye(4)[np.minimum(classes, 4) - 1])
    if name == EVENTS.name:
        fine = product.records(times, symbols, EVENTS)
        ticks = fine[:, product.T] + fine[:, product.SEGMENT] * 10_000_000
        parts.append(np.eye(BINS)[pause_bins(np.diff(ticks, prepend=ticks[0]))])
    elif name in (BURSTS.name, COARSE.name):
        parts.append(_of_runs(times, symbols, classes, name))
    elif name == COUNTS.name:
        parts.append(_of_minutes(times, symbols))
    made: Array = np.concatenate(parts, 1) if parts else np.zeros((len(symbols), 1))
    return made.astype(np.float32)


def _of_runs(times: Sequence[int], symbols: Sequence[str], classes: list[int], name: str) -> Array:
    runs = product.records(times, symbols, BURSTS)
    shown = runs if name == BURSTS.name else product.with_clock(product.records(times, symbols, COARSE))
    seen = np.zeros((len(symbols), 9))
    for row, places in product.groups(runs, classes):
        record = shown[row]
        numbers = np.array([record[product.A], record[product.B], record[product.DURATION], record[product.GAP]], float)
        scaled = np.log2(numbers + 1) / 4 if name == BURSTS.name else numbers / 4
        count = len(places)
        for at, place in enumerate(places):
            seen[place, :4] = scaled
            seen[place, 4] = record[product.KIND] == KEY
            seen[place, 5:] = (at == 0, at == count - 1, math.log2(at + 1) / 4, math.log2(count - at) / 4)
    return seen


def _of_minutes(times: Sequence[int], symbols: Sequence[str]) -> Array:
    rows = product.records(times, symbols, COUNTS)
    rows = rows[rows[:, product.KIND] == PRESSES]
    noisy = np.where(rows[:, product.A] > 0x7FFF, rows[:, product.A] - 0x10000, rows[:, product.A])
    table = noisy.reshape(-1, len(KeyClass))[:, :3] / 60
    segment = rows[:: len(KeyClass), product.SEGMENT]
    minute = rows[:: len(KeyClass), product.T]
    fine = product.records(times, symbols, EVENTS)
    places = np.searchsorted(segment * 100 + minute, fine[:, product.SEGMENT] * 100 + fine[:, product.T] // 3000)
    seen: Array = table[np.minimum(places, len(table) - 1)]
    return seen


class Decoder(nn.Module):
    """P(key | keys before, all records): records read both ways, keys read forward."""

    def __init__(self, seen: int, hidden: int) -> None:
        super().__init__()
        self.key = nn.Embedding(SIZE, 32)
        self.records = nn.GRU(seen, hidden // 2, batch_first=True, bidirectional=True)
        self.language = nn.GRU(32 + hidden, hidden, batch_first=True)
        self.out = nn.Linear(2 * hidden, SIZE)

    def forward(self, keys: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Logits for each key but the first; ``keys`` (batch, n), ``seen`` (batch, n, columns)."""
        records = self.records(seen)[0][:, 1:]
        before = self.key(keys[:, :-1])
        language = self.language(torch.cat([before, records], 2))[0]
        logits: torch.Tensor = self.out(torch.cat([language, records], 2))
        return logits


def _cut(people: Sequence[Person], what: str) -> tuple[torch.Tensor, torch.Tensor, Array]:
    """Pieces of ``LENGTH`` presses: keys, observations, and whose each is."""
    keys, seen, owner = [], [], []
    for number, (times, symbols) in enumerate(people):
        places, rows = folded(symbols), observations(times, symbols, what)
        for start in range(0, len(places) - LENGTH + 1, LENGTH):
            keys.append(places[start : start + LENGTH])
            seen.append(rows[start : start + LENGTH])
            owner.append(number)
    return torch.from_numpy(np.array(keys)), torch.from_numpy(np.array(seen, np.float32)), np.array(owner)


@memory_told()
def bits_left(train: Sequence[Person], test: Sequence[Person], what: str, sizes: Sizes, seed: int = 1) -> Array:
    """Bits a key that the attacker still lacks about each writer of ``test`` who has at least one piece."""
    _prepare(seed)
    keys, seen, _ = _cut(train, what)
    model = Decoder(seen.shape[2], sizes.hidden)
    learner = torch.optim.Adam(model.parameters(), 3e-3)
    steps = sizes.rounds * math.ceil(len(keys) / sizes.batch)
    slower = torch.optim.lr_scheduler.OneCycleLR(learner, 6e-3, total_steps=steps)
    for _ in range(sizes.rounds):
        order = torch.randperm(len(keys))
        for start in range(0, len(order), sizes.batch):
            some = order[start : start + sizes.batch]
            logits = model(keys[some], seen[some])
            loss = nn.functional.cross_entropy(logits.reshape(-1, SIZE), keys[some][:, 1:].reshape(-1))
            learner.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            learner.step()
            slower.step()
    keys, seen, owner = _cut(test, what)
    with torch.no_grad():
        logits = torch.cat([model(keys[n : n + 256], seen[n : n + 256]) for n in range(0, len(keys), 256)])
        lost = nn.functional.cross_entropy(logits.transpose(1, 2), keys[:, 1:], reduction="none").mean(1).numpy()
    bits: Array = np.array([lost[owner == who].mean() for who in np.unique(owner)]) / math.log(2)
    return bits


# --- identity -------------------------------------------------------------------------------------------------


class Embedding(nn.Module):
    """A window of records → a direction; one direction a person."""

    def __init__(self, columns: int, people: int, hidden: int) -> None:
        super().__init__()
        self.records = nn.GRU(columns, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Sequential(nn.Dropout(0.3), nn.Linear(4 * hidden, 64))
        self.people = nn.Parameter(torch.randn(people, 64) * 0.1)

    def forward(self, rows: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Cosines to each person; ``rows`` (batch, n, columns), padded, ``lengths`` (batch,)."""
        read = self.records(rows)[0]
        there = (torch.arange(rows.shape[1])[None] < lengths[:, None])[..., None]
        mean = (read * there).sum(1) / lengths[:, None]
        most = read.masked_fill(~there, -2.0).amax(1)
        made = nn.functional.normalize(self.out(torch.cat([mean, most], 1)), dim=1)
        cosines: torch.Tensor = made @ nn.functional.normalize(self.people, dim=1).T
        return cosines


def _rows(made: Array, profile: str) -> Array:
    """Records of one window as numbers that a network can read."""
    rows = made[made[:, product.KIND] != GAP]
    if profile == COUNTS.name:
        rows = rows[rows[:, product.KIND] == PRESSES]
        noisy = np.where(rows[:, product.A] > 0x7FFF, rows[:, product.A] - 0x10000, rows[:, product.A])
        counts: Array = noisy.reshape(-1, len(KeyClass))[:, :3] / 60
        return counts
    if profile == COARSE.name:
        rows = product.with_clock(rows)
    codes = np.eye(4)[np.minimum(np.maximum(rows[:, product.CODE], 1), 4) - 1]
    if profile == EVENTS.name:
        ticks = rows[:, product.T] + rows[:, product.SEGMENT] * 30_000
        pauses = np.log2(np.diff(ticks, prepend=ticks[:1]) + 1)[:, None]
        return np.concatenate([codes, pauses / 4, pauses > 6], 1)
    numbers = rows[:, [product.A, product.B, product.DURATION, product.GAP]].astype(float)
    if profile == BURSTS.name:
        numbers = np.log2(numbers + 1)
    typing = (rows[:, product.KIND] == TYPING)[:, None]
    return np.concatenate([codes * ~typing, typing, numbers / 4], 1)


def _windows(people: Sequence[Person], make: Maker, profile: str, keys: int, step: int) -> tuple[list[Array], Array]:
    made, owner = [], []
    for number, (times, symbols) in enumerate(people):
        for start in range(0, len(times) - keys + 1, step):
            rows = _rows(make(times[start : start + keys], symbols[start : start + keys]), profile)
            if len(rows):
                made.append(rows.astype(np.float32)[: 4 * LENGTH])
                owner.append(number)
    return made, np.array(owner)


def _padded(windows: list[Array]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(one) for one in windows])
    return nn.utils.rnn.pad_sequence([torch.from_numpy(one) for one in windows], batch_first=True), lengths


@memory_told()
def recognise(
    writers: Sequence[Person], profile: Profile, make: Maker, volume: int, sizes: Sizes, *, seed: int = 3
) -> Recognised:
    """As ``identity.recognise``: learn on first halves, try pieces of ``volume`` presses of second halves."""
    _prepare(seed)
    window = min(volume, 250)
    first = [(times[: len(times) // 2], symbols[: len(times) // 2]) for times, symbols in writers]
    second = [(times[len(times) // 2 :], symbols[len(times) // 2 :]) for times, symbols in writers]
    train, owner = _windows(first, make, profile.name, window, window // 5)
    model = Embedding(train[0].shape[1], len(writers), sizes.hidden // 2)
    learner = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.01)
    steps = sizes.windows * math.ceil(len(train) / sizes.batch)
    slower = torch.optim.lr_scheduler.OneCycleLR(learner, 6e-3, total_steps=steps)
    chance = np.random.default_rng(seed)
    target = torch.from_numpy(owner)
    for _ in range(sizes.windows):
        order = chance.permutation(len(train))
        for start in range(0, len(order), sizes.batch):
            some = order[start : start + sizes.batch]
            cosines = model(*_padded([train[n] for n in some.tolist()]))
            loss = nn.functional.cross_entropy(12 * cosines, target[some])
            learner.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            learner.step()
            slower.step()
    model.eval()
    tried, whose = _windows(second, make, profile.name, window, window)
    with torch.no_grad():
        scores = torch.cat(
            [torch.log_softmax(12 * model(*_padded(tried[n : n + 256])), 1) for n in range(0, len(tried), 256)]
        ).numpy()
    return pooled(scores, whose, volume // window, len(writers))
