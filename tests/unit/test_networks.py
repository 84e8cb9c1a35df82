"""The networks: they learn what counting cannot, see nothing of the future, go on where they were stopped. PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="NOT TESTED: PyTorch is not installed (make learn)")

from desktop_logger.clock import Clock
from desktop_logger.dataset import actions
from desktop_logger.errors import IntegrityError
from desktop_logger.learn import config, fitting, measuring, models, steps, training
from desktop_logger.learn.counting import Ngram
from tests.crash import Crash
from tests.learning import Shelf

SMALL = config.Config(size=16, context=32, epochs=3, batch=8, boosting=False, threads=1, rate=0.01)
KINDS = ("gru", "transformer")


def told_long_ago(runs: int, seed: int) -> steps.Steps:
    """Runs of eight steps whose last is the first one again: between them chance, so that no short memory helps."""
    chance = np.random.default_rng(seed)
    first = np.array([actions.ACTIONS.index(one) for one in ("TYPE", "MOVE")], np.int16)
    noise = np.array([actions.ACTIONS.index(one) for one in ("PRESS(TAB)", "PRESS(NAV)")], np.int16)
    action = chance.choice(noise, (runs, 8))
    action[:, 0] = chance.choice(first, runs)
    action[:, -1] = action[:, 0]
    count = runs * 8
    place = np.tile(np.arange(8), runs)
    nothing = np.zeros(count, np.int16)
    return steps.Steps(
        action.reshape(-1), action.reshape(-1), np.zeros((count, 4), np.int16), nothing, place == 7, place,
        np.repeat(np.arange(runs), 8), np.repeat(np.arange(runs) % 16, 8), nothing.astype(np.int32),
    )  # fmt: skip


def split_of(train: steps.Steps, test: steps.Steps) -> steps.Split:
    return steps.Split(train, test, test, "groups", "group")


def right(predictor: Any, some: steps.Steps) -> float:
    return float(measuring.answers(predictor, some).action.right.mean())


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_remembers_what_no_ngram_can(tmp_path: Path, kind: str) -> None:
    train, test = told_long_ago(400, 1), told_long_ago(200, 2)
    asked = SMALL._replace(kind=kind, epochs=10, patience=10, dropout=0.0, size=32, context=8)
    fitted = fitting.fit(asked, split_of(train, test), str(tmp_path), "s", lambda *_: None)
    assert right(Ngram.fitted(train, 6), test) < 0.7
    assert right(fitting.Net(asked, fitted.widths, fitted.weights), test) > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_changes_nothing_before(kind: str) -> None:
    import torch

    torch.manual_seed(1)
    net = fitting.Net(SMALL._replace(kind=kind, layers=2), [len(actions.ACTIONS), 7, 9, 7, 9, 9])
    net.module.eval()
    columns = torch.randint(0, 7, (2, 32, 6))
    other = columns.clone()
    other[:, 20:] = torch.randint(0, 7, (2, 12, 6))
    with torch.no_grad():
        (one, pause), (two, other_pause) = net.forward(columns), net.forward(other)
    assert torch.allclose(one[:, :20], two[:, :20], atol=1e-5)
    assert torch.allclose(pause[:, :20], other_pause[:, :20], atol=1e-5)
    assert not torch.allclose(one[:, 20:], two[:, 20:], atol=1e-3)


def test_every_question_is_asked_once_and_never_over_a_cut() -> None:
    some = told_long_ago(5, 3)._replace(asked=np.tile(np.arange(8) > 0, 5))
    cut = fitting.windows(some, 5)
    numbers = cut.asked[cut.asked >= 0]
    assert sorted(numbers.tolist()) == list(range(some.questions.size))
    assert np.array_equal(some.action[some.questions][cut.asked[cut.action >= 0]], cut.action[cut.action >= 0])


class Stop:
    """Raises in the middle of the second epoch."""

    def __init__(self) -> None:
        self.told = 0

    def __call__(self, done: int, total: int, figures: dict[str, float]) -> None:
        if figures.get("epoch") == 1 and done < total:
            self.told += 1
            if self.told == 3:
                raise Crash


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_training_ends_with_the_weights_it_would_have_had(
    shelf: Shelf, tmp_path: Path, kind: str
) -> None:
    data = shelf.built(tmp_path)
    asked = SMALL._replace(kind=kind)
    whole = training.train(training.Ask((data,), str(tmp_path / "whole"), asked), Clock())
    with pytest.raises(Crash):
        training.train(training.Ask((data,), str(tmp_path / "cut"), asked, step=Stop()), Clock())
    assert not os.path.exists(tmp_path / "cut")
    again = training.train(training.Ask((data,), str(tmp_path / "cut"), asked), Clock())
    assert again.record["weights"] == whole.record["weights"]
    assert [one["validation"] for one in again.record["curve"]] == [one["validation"] for one in whole.record["curve"]]
    assert not os.path.exists(str(tmp_path / "cut") + ".partial")
    model = models.load(again.path)
    found = measuring.answers(model.predictor, steps.read(steps.opened([data])))
    assert found.action.right.mean() > 0.3


@pytest.mark.parametrize("harm", ["altered", "cut", "another configuration"])
def test_a_checkpoint_that_is_not_its_own_is_refused(shelf: Shelf, tmp_path: Path, harm: str) -> None:
    data = shelf.built(tmp_path)
    ask = training.Ask((data,), str(tmp_path / "model"), SMALL, step=Stop())
    with pytest.raises(Crash):
        training.train(ask, Clock())
    path = tmp_path / "model.partial" / "checkpoint.npz"
    raw = bytearray(path.read_bytes())
    if harm == "altered":
        raw[len(raw) // 2] ^= 1
    elif harm == "cut":
        del raw[len(raw) // 2 :]
    path.write_bytes(bytes(raw))
    config_ = SMALL._replace(seed=5) if harm == "another configuration" else SMALL
    with pytest.raises(IntegrityError, match="checkpoint") as refused:
        training.train(ask._replace(config=config_, step=lambda *_: None), Clock())
    assert "Remove" in (refused.value.hint or "")
    assert not os.path.exists(tmp_path / "model")


def test_it_stops_early_and_keeps_the_best(tmp_path: Path) -> None:
    # answers that are chance: whatever is learned of them is learned by heart
    train, test = (
        some._replace(action=np.roll(some.action, 8)) for some in (told_long_ago(60, 1), told_long_ago(200, 2))
    )
    fitted = fitting.fit(
        SMALL._replace(epochs=60, patience=2), split_of(train, test), str(tmp_path), "s", lambda *_: None
    )
    losses = [one["validation"] for one in fitted.curve]
    assert len(losses) < 60
    assert int(np.argmin(losses)) == len(losses) - 3
    net = fitting.Net(SMALL, fitted.widths, fitted.weights)
    found = measuring.answers(net, test)
    assert found.action.right.mean() == pytest.approx(fitted.curve[-3]["accuracy"])


_WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from desktop_logger.cli.app import run
sys.exit(run(sys.argv[1:]))
"""


def test_without_pytorch_the_remedy_is_said(shelf: Shelf, tmp_path: Path) -> None:
    data = shelf.built(tmp_path)
    words = [sys.executable, "-c", _WITHOUT, "learn", "train", data, "--out", str(tmp_path / "model")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert "desktop-logger[learn]" in done.stderr
    assert not [name for name in os.listdir(tmp_path) if name.startswith("model")]
    done = subprocess.run([*words, "--model", "ngram"], capture_output=True, text=True, check=False)
    assert done.returncode == 0


_STARVED = """
import resource, sys
from desktop_logger.clock import Clock
from desktop_logger.learn import config, fitting, training
fitting.torch()
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (200 << 20),) * 2)
large = config.Config(kind="gru", size=1024, context=512, batch=64, threads=1, boosting=False)
training.train(training.Ask((sys.argv[1],), sys.argv[2], large), Clock())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="NOT TESTED: needs /proc and RLIMIT_AS")
def test_a_training_that_runs_out_of_memory_says_so_and_leaves_no_model(shelf: Shelf, tmp_path: Path) -> None:
    data, out = shelf.built(tmp_path), tmp_path / "model"
    done = subprocess.run(
        [sys.executable, "-c", _STARVED, data, str(out)], capture_output=True, text=True, check=False, timeout=120
    )
    assert "Unavailable: not enough memory" in done.stderr, done.stderr[-2000:]
    assert not out.exists()
