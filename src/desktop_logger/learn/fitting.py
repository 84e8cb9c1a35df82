"""Training a network: windows, epochs, early stopping, checkpoints. Numbers in, weights out; needs PyTorch.

1. cut runs of steps into windows of ``context`` steps, each of which begins where the one before it ended
2. an epoch: windows in a new order (from seed and epoch), cross-entropy of the next action and of the pause before it
3. validation loss; the best weights so far are kept; checkpoint, as a whole, with its SHA-256
4. stop when it has not fallen for ``patience`` epochs

Invariants: everything random comes from seed and number of the epoch, so that a training that was interrupted and goes
on gives the same weights as one that was not (same machine, threads and versions); weights and checkpoints are numpy
arrays, read with ``allow_pickle=False``.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from desktop_logger import disk
from desktop_logger.dataset import actions
from desktop_logger.dataset.parts import unwritable
from desktop_logger.errors import IntegrityError, Unavailable

from .config import Config
from .steps import WAITS, Array, Split, Steps, no_memory, possible

_CHECKPOINT = "checkpoint.npz"
_LARGEST = 4 << 30

Say = Callable[[int, int, dict[str, float]], None]
"""Told after each part of an epoch: (windows done, windows in all, latest figures)."""


def torch() -> Any:
    """The library, or ``Unavailable`` with the remedy."""
    try:
        import torch as library
    except ImportError:
        raise Unavailable(
            "the networks need PyTorch, which is not installed",
            "Run: pip install 'desktop-logger[learn]' (the CPU build is enough), or train the kind ngram.",
        ) from None
    return library


class Windows(NamedTuple):
    """Runs cut into rows of equal length."""

    columns: Array
    """(windows, context, columns): what is seen; 0 after a run's end."""
    action: Array
    """(windows, context): the action that comes next, -1 where it may not be asked for."""
    wait: Array
    """(windows, context): the pause before it."""
    asked: Array
    """(windows, context): number of the question, -1 for none."""


def windows(steps: Steps, context: int) -> Windows:
    """Step t of a window sees steps up to t and is asked for step t + 1; no window lies over a cut."""
    count = steps.size
    columns = np.concatenate([steps.shown[:, None], steps.wait[:, None], steps.parts], 1)
    follows = np.flatnonzero(steps.place[1:] > 0)  # steps with a next one in their run
    row_starts = steps.place[follows] % context == 0
    row = np.cumsum(row_starts) - 1
    column = steps.place[follows] % context
    rows = int(row[-1]) + 1 if follows.size else 0
    question = np.full(count, -1, np.int64)
    question[steps.questions] = np.arange(steps.questions.size)
    seen = np.zeros((rows, context, columns.shape[1]), np.int16)
    action, wait = np.full((rows, context), -1, np.int64), np.full((rows, context), -1, np.int64)
    asked = np.full((rows, context), -1, np.int64)
    seen[row, column] = columns[follows]
    asked[row, column] = question[follows + 1]
    good = steps.asked[follows + 1]
    action[row[good], column[good]] = steps.action[follows[good] + 1]
    wait[row[good], column[good]] = steps.wait[follows[good] + 1]
    return Windows(seen, action, wait, asked)


class Fitted(NamedTuple):
    """A trained network."""

    weights: dict[str, Array]
    widths: list[int]
    curve: list[dict[str, float]]
    """A row an epoch: ``epoch``, ``train`` and ``validation`` (nats), ``accuracy``, ``seconds``,
    ``steps_per_second``."""
    parameters: int


class Net:
    """A network that foresees: the same interface as the predictors that count."""

    def __init__(self, config: Config, widths: list[int], weights: dict[str, Array] | None = None) -> None:
        library = torch()
        from .networks import Network

        self.config, self.widths, self._library = config, widths, library
        self.module = Network(config, widths, len(actions.ACTIONS), WAITS)
        self._impossible = library.from_numpy(~possible())
        if weights is not None:
            try:
                state = {name: library.from_numpy(np.array(values)) for name, values in weights.items()}
                self.module.load_state_dict(state)
            except (RuntimeError, TypeError) as error:
                raise IntegrityError(
                    f"the weights do not fit the model: {str(error).splitlines()[0][:120]}", "Train it again."
                ) from None

    def forward(self, columns: Any) -> tuple[Any, Any]:
        """Logits, with what cannot be an action ruled out; values that training did not know count as 0."""
        limits = self._library.tensor(self.widths)
        columns = self._library.where(columns < limits, columns, 0)
        action, wait = self.module(columns)
        return action.masked_fill(self._impossible, -1e9), wait

    def predict(self, steps: Steps) -> Iterator[tuple[Array, Array]]:
        """Probabilities for each question, in order."""
        library = self._library
        cut = windows(steps, self.config.context)
        self.module.eval()
        with library.no_grad():
            for start in range(0, len(cut.columns), 64):
                some = slice(start, start + 64)
                action, wait = self.forward(library.from_numpy(cut.columns[some].astype(np.int64)))
                asked = library.from_numpy(cut.asked[some]) >= 0
                yield (
                    library.softmax(action[asked], -1).double().numpy(),
                    library.softmax(wait[asked], -1).double().numpy(),
                )

    def weights(self) -> dict[str, Array]:
        """As arrays."""
        return {name: values.detach().numpy().copy() for name, values in self.module.state_dict().items()}


def fit(config: Config, parts: Split, draft: str, stamp: str, say: Say) -> Fitted:
    """Train. ``draft`` holds the checkpoint; ``stamp`` says what a checkpoint must belong to, or it is not used."""
    library = torch()
    library.set_num_threads(config.threads)
    library.use_deterministic_algorithms(True)
    try:
        return _fit(config, parts, draft, stamp, say)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error) and "allocate" not in str(error):
            raise
        raise no_memory() from None


def _fit(config: Config, parts: Split, draft: str, stamp: str, say: Say) -> Fitted:
    library = torch()
    train = parts.train
    # 1. windows
    cut, held = windows(train, config.context), windows(parts.validation, config.context)
    widths = [len(actions.ACTIONS), WAITS, *(int(one) + 1 for one in train.parts.max(0))]
    library.manual_seed(config.seed)
    net = Net(config, widths)
    optimizer = library.optim.AdamW(net.module.parameters(), config.rate, weight_decay=0.01)
    curve: list[dict[str, float]] = []
    best: dict[str, Array] = net.weights()
    found = _restore(os.path.join(draft, _CHECKPOINT), stamp)
    if found is not None:
        curve, best = _resume(library, net, optimizer, found)
    total = len(cut.columns)
    while len(curve) < config.epochs and not _over(curve, config.patience):
        # 2. an epoch
        epoch = len(curve)
        started = time.monotonic()
        library.manual_seed(config.seed * 100_003 + epoch + 1)
        order = np.random.default_rng((config.seed, epoch)).permutation(total)
        net.module.train()
        lost = asked = 0.0
        for start in range(0, total, config.batch):
            some = np.sort(order[start : start + config.batch])
            loss, number = _loss(library, net, cut, some)
            if not number:
                continue
            optimizer.zero_grad()
            loss.backward()
            library.nn.utils.clip_grad_norm_(net.module.parameters(), 1.0)
            optimizer.step()
            lost, asked = lost + float(loss.detach()) * number, asked + number
            say(epoch * total + min(start + config.batch, total), config.epochs * total, curve[-1] if curve else {})
        trained = time.monotonic() - started
        # 3. validation
        net.module.eval()
        with library.no_grad():
            sums, hits, questions = 0.0, 0.0, 0
            for start in range(0, len(held.columns), 64):
                rows = np.arange(start, min(start + 64, len(held.columns)))
                loss, number = _loss(library, net, held, rows)
                logits, _ = net.forward(library.from_numpy(held.columns[rows].astype(np.int64)))
                hits += float((logits.argmax(-1) == library.from_numpy(held.action[rows])).sum())
                sums, questions = sums + float(loss) * number if number else sums, questions + number
        curve.append(
            {
                "epoch": epoch + 1, "train": lost / max(asked, 1), "validation": sums / max(questions, 1),
                "accuracy": hits / max(questions, 1), "seconds": round(trained, 3),
                "steps_per_second": round(train.size / max(trained, 1e-9)),
            }
        )  # fmt: skip
        if curve[-1]["validation"] <= min(one["validation"] for one in curve):
            best = net.weights()
        _keep(draft, stamp, net, optimizer, curve, best)
        say((epoch + 1) * total, config.epochs * total, curve[-1])
    # 4. stopped
    return Fitted(best, widths, curve, sum(one.numel() for one in net.module.parameters()))


def _loss(library: Any, net: Net, cut: Windows, rows: Array) -> tuple[Any, int]:
    truth = library.from_numpy(cut.action[rows])
    action, wait = net.forward(library.from_numpy(cut.columns[rows].astype(np.int64)))
    good = truth >= 0
    number = int(good.sum())
    if not number:
        return 0.0, 0
    entropy = library.nn.functional.cross_entropy
    return entropy(action[good], truth[good]) + entropy(wait[good], library.from_numpy(cut.wait[rows])[good]), number


def _over(curve: list[dict[str, float]], patience: int) -> bool:
    losses = [one["validation"] for one in curve]
    return bool(losses) and len(losses) - 1 - int(np.argmin(losses)) >= patience


def packed(arrays: dict[str, Array]) -> bytes:
    """Arrays as one ``.npz``."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def unpacked(data: bytes, name: str) -> dict[str, Array]:
    """What ``packed`` made. Raises ``IntegrityError``; nothing is ever unpickled."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            return {key: found[key] for key in found.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise IntegrityError(f"{name} is damaged: {str(error).splitlines()[0][:120]}", "Train it again.") from None


def _keep(  # noqa: PLR0917 - everything that a checkpoint holds
    draft: str, stamp: str, net: Net, optimizer: Any, curve: list[dict[str, float]], best: dict[str, Array]
) -> None:
    arrays: dict[str, Array] = {f"now/{name}": values for name, values in net.weights().items()}
    arrays |= {f"best/{name}": values for name, values in best.items()}
    for place, state in optimizer.state_dict()["state"].items():
        arrays |= {f"optimizer/{place}/{name}": np.asarray(value) for name, value in state.items()}
    facts = json.dumps({"stamp": stamp, "curve": curve}).encode()
    arrays["facts"] = np.frombuffer(facts, np.uint8)
    data = packed(arrays)
    path = os.path.join(draft, _CHECKPOINT)
    try:
        with open(path + ".tmp", "wb") as file:
            file.write(hashlib.sha256(data).digest() + data)
            file.flush()
            disk.sync(file.fileno())
        os.replace(path + ".tmp", path)
    except OSError as error:
        raise unwritable(path, error) from None


def _restore(path: str, stamp: str) -> dict[str, Array] | None:
    """The checkpoint, or ``None`` where there is none. Raises ``IntegrityError`` when it is damaged or another's."""
    if not os.path.lexists(path):
        return None
    again = f"Remove {os.path.dirname(path)} and train from the beginning."
    data = disk.read(path, _LARGEST)
    if hashlib.sha256(data[32:]).digest() != data[:32]:
        raise IntegrityError(f"the checkpoint {path} is damaged", again)
    arrays = unpacked(data[32:], path)
    facts = json.loads(arrays["facts"].tobytes())
    if facts["stamp"] != stamp:
        raise IntegrityError(f"the checkpoint {path} is of other data or another configuration", again)
    return arrays


def _resume(
    library: Any, net: Net, optimizer: Any, arrays: dict[str, Array]
) -> tuple[list[dict[str, float]], dict[str, Array]]:
    def under(prefix: str) -> dict[str, Array]:
        return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}

    net.module.load_state_dict({name: library.from_numpy(np.array(values)) for name, values in under("now/").items()})
    state: dict[int, dict[str, Any]] = {}
    for name, values in under("optimizer/").items():
        place, _, key = name.partition("/")
        state.setdefault(int(place), {})[key] = library.from_numpy(np.array(values))
    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)
    curve: list[dict[str, float]] = json.loads(arrays["facts"].tobytes())["curve"]
    return curve, under("best/")
