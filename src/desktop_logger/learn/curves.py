"""Curves of a training, in the terminal and as a PNG."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-=+*#@"


def line(values: Sequence[float], *, ascii_only: bool = False) -> str:
    """Values as one row of blocks, lowest to highest."""
    ink = _ASCII if ascii_only else _BLOCKS
    low, high = min(values), max(values)
    return "".join(ink[int((one - low) / max(high - low, 1e-12) * (len(ink) - 1))] for one in values)


def text(curve: Sequence[dict[str, float]], *, ascii_only: bool = False) -> list[str]:
    """The curve for a terminal."""
    if not curve:
        return []
    said = []
    for name, label in (("train", "training loss"), ("validation", "validation loss"), ("accuracy", "accuracy")):
        values = [one[name] for one in curve]
        said.append(f"  {label:<16}{line(values, ascii_only=ascii_only)}  {values[0]:.3f} to {values[-1]:.3f}")
    return [f"{len(curve)} epochs", *said]


def png(path: str, curve: Sequence[dict[str, float]]) -> bool:
    """Draw it; False where matplotlib is not installed."""
    if not curve:
        return False
    try:
        import matplotlib as mpl
    except ImportError:
        return False
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    epochs = [one["epoch"] for one in curve]
    left.plot(epochs, [one["train"] for one in curve], "o-", label="training", color="#2166ac")
    left.plot(epochs, [one["validation"] for one in curve], "o-", label="validation", color="#b2182b")
    left.set(xlabel="epoch", ylabel="loss (nats, action and pause)")
    left.legend(frameon=False)
    right.plot(epochs, [100 * one["accuracy"] for one in curve], "o-", color="#b2182b")
    right.set(xlabel="epoch", ylabel="next action right, validation (%)")
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
    with suppress(FileNotFoundError):
        os.unlink(path)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
    return True
