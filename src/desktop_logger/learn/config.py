"""The configuration of a training: a small TOML file, every value with a default, nothing unknown in it.

::

    [model]
    kind = "gru"          # ngram, gru or transformer
    order = 4             # ngram: actions looked back
    size = 96             # gru, transformer: width
    layers = 1            # gru: 1; transformer: 2 is usual
    context = 128         # gru, transformer: steps seen at most
    dropout = 0.1
    [data]
    view = "full"         # full, or macro: equal actions that follow each other are one
    split = "groups"      # groups (by person), or last-round: the last dataset named is the test
    least = 200           # actions that each part of the split must have
    [training]
    seed = 0
    epochs = 20           # at most; it stops when the validation loss has not fallen for `patience` of them
    patience = 3
    batch = 16
    rate = 0.002
    threads = 2
    [baselines]
    boosting = true       # gradient boosting, for comparison (scikit-learn)
"""

from __future__ import annotations

import json
import tomllib
from typing import Any, NamedTuple

from desktop_logger.errors import UsageError

from .steps import VIEWS

KINDS = ("ngram", "gru", "transformer")
NETWORKS = ("gru", "transformer")


class Config(NamedTuple):
    """See the module's text."""

    kind: str = "gru"
    order: int = 4
    size: int = 96
    layers: int = 1
    context: int = 128
    dropout: float = 0.1
    view: str = "full"
    split: str = "groups"
    least: int = 200
    seed: int = 0
    epochs: int = 20
    patience: int = 3
    batch: int = 16
    rate: float = 0.002
    threads: int = 2
    boosting: bool = True

    def to_json(self) -> dict[str, dict[str, Any]]:
        """By section, as in the file."""
        return {section: {name: getattr(self, name) for name in names} for section, names in _SECTIONS.items()}

    def text(self) -> str:
        """The file that says the same."""
        lines = []
        for section, values in self.to_json().items():
            lines += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items()), ""]
        return "\n".join(lines)


_SECTIONS = {
    "model": ("kind", "order", "size", "layers", "context", "dropout"),
    "data": ("view", "split", "least"),
    "training": ("seed", "epochs", "patience", "batch", "rate", "threads"),
    "baselines": ("boosting",),
}
_EXAMPLE = "docs/reference/learning.md, Configuration"
_WORDS = {"kind": KINDS, "view": VIEWS, "split": ("groups", "last-round")}
_RANGES: dict[str, tuple[float, float]] = {
    "order": (1, 6), "size": (8, 1024), "layers": (1, 12), "context": (8, 4096), "dropout": (0, 0.9),
    "least": (1, 1 << 40), "seed": (0, 1 << 31), "epochs": (1, 10_000), "patience": (1, 10_000), "batch": (1, 4096),
    "rate": (1e-6, 1), "threads": (1, 256),
}  # fmt: skip


def load(path: str | None) -> Config:
    """Read a file; the defaults without one. Raises ``UsageError`` naming the line's section and key."""
    if path is None:
        return Config()
    try:
        with open(path, "rb") as file:
            raw = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "Name a TOML file, or leave --config out.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", f"An example: {_EXAMPLE}.") from None
    return parsed(raw, path)


def parsed(raw: dict[str, Any], where: str) -> Config:
    """A configuration from sections."""
    found: dict[str, Any] = {}
    for section, values in raw.items():
        if section not in _SECTIONS or not isinstance(values, dict):
            raise UsageError(f"{where}: unknown section [{section[:30]}]", f"Sections: {', '.join(_SECTIONS)}.")
        for name, value in values.items():
            if name not in _SECTIONS[section]:
                raise UsageError(
                    f"{where}: [{section}]: unknown key {name[:30]}", f"Keys: {', '.join(_SECTIONS[section])}."
                )
            found[name] = _checked(where, section, name, value)
    return Config(**found)


def _checked(where: str, section: str, name: str, value: object) -> object:
    default = Config._field_defaults[name]
    right = isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value, right = float(value), True
    if not right:
        raise UsageError(
            f"{where}: [{section}] {name}: needs {_kind(default)}", f"As in: {name} = {json.dumps(default)}"
        )
    if name in _WORDS and value not in _WORDS[name]:
        raise UsageError(
            f"{where}: [{section}] {name}: there is no '{str(value)[:20]}'", f"There are: {', '.join(_WORDS[name])}."
        )
    if name in _RANGES and isinstance(value, int | float):
        low, high = _RANGES[name]
        if not low <= value <= high:
            raise UsageError(
                f"{where}: [{section}] {name}: needs to lie between {low:g} and {high:g}",
                f"{default} is usual.",
            )
    return value


def _kind(default: object) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}[type(default)]
