"""A model's folder: the run record, weights, card; whether rows it was trained on are gone since.

::

    run.json       the run record (docs/reference/runs.md): datasets, configuration, environment, figures
    weights.npz    numpy arrays, read with ``allow_pickle=False``; their SHA-256 stands in the record
    README.md      the model card
    curves.png     where matplotlib is installed
    evaluations/   what ``learn evaluate`` wrote
    stale.json     while it is here, rows the model was trained on are gone: train it again (``learn retrain``)
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from desktop_logger import disk
from desktop_logger.dataset import actions, folder, trained
from desktop_logger.errors import IntegrityError, Refused, UsageError

from .config import NETWORKS, Config, parsed
from .counting import Ngram, Tables
from .measuring import Predictor
from .record import problem
from .steps import Array

WEIGHTS = "weights.npz"
RECORD = trained.RECORD
_LARGEST_RECORD = 4 << 20
_LARGEST = 4 << 30
VERSION = 1


class Model(NamedTuple):
    """A trained model, ready to foresee."""

    path: str
    record: dict[str, Any]
    config: Config
    predictor: Predictor
    seen: Tables
    """How often training saw each pair of actions: for slices by rarity."""


def read_record(path: str) -> dict[str, Any]:
    """The run record of a model's folder. Raises ``UsageError`` (none there) or ``IntegrityError``."""
    place = os.path.join(path, RECORD)
    try:
        record: dict[str, Any] = json.loads(disk.read(place, _LARGEST_RECORD))
    except OSError:
        raise UsageError(f"{path} is not a model (no {RECORD})", "Name a folder that `learn train` made.") from None
    except ValueError:
        raise IntegrityError(f"{place} is damaged", "Train the model again.") from None
    if wrong := problem(record):
        raise IntegrityError(f"{place} is not a run record of this version: {wrong}", "Train the model again.")
    return record


def staleness(path: str, record: dict[str, Any]) -> list[str]:
    """Why the model is stale, in words; empty when it is not. A dataset that is not at its place cannot be asked."""
    reasons = [f"rows of dataset {one} were erased" for one in trained.stale(path)]
    for source in record["sources"]:
        with suppress(UsageError):
            facts = folder.read_card(source["path"])
            if facts.get("dataset") != source["dataset"]:
                continue
            if int(facts.get("erasures", 0)) > int(source["erasures"]):
                reasons.append(f"rows of dataset {source['dataset']} were erased")
            if os.path.lexists(os.path.join(source["path"], folder.PENDING)):
                reasons.append(f"an erasure waits for dataset {source['dataset']}")
    return sorted(set(reasons))


def load(path: str, *, stale: str | None = None) -> Model:
    """Open a model. Raises ``Refused`` for a stale one, unless ``stale`` is the name of its run.

    Raises ``IntegrityError`` for weights that are not those of the record, ``Refused`` for another vocabulary.
    """
    record = read_record(path)
    if reasons := staleness(path, record):
        if stale is None:
            raise Refused(
                f"the model {path} is stale: {'; '.join(reasons)}",
                f"Build it again without them: desktop-logger learn retrain {path}"
                f" (or use this one all the same, by its name: --stale {record['run']})",
            )
        if stale != record["run"]:
            raise Refused(f"the stale model {path} has another name", f"Its run is {record['run']}.")
    if record["actions"] != list(actions.ACTIONS):
        raise Refused(
            f"the model {path} knows another vocabulary of actions", "Build its datasets again and train it again."
        )
    config = parsed(record["config"], os.path.join(path, RECORD))
    place, data = os.path.join(path, WEIGHTS), _weights(path, record)
    from .fitting import unpacked

    arrays = unpacked(data, place)
    try:
        seen = Tables.loaded("seen", 2, arrays)
        predictor: Predictor
        if config.kind in NETWORKS:
            from .fitting import Net

            weights = {name[4:]: values for name, values in arrays.items() if name.startswith("net/")}
            predictor = Net(config, [int(one) for one in record["weights"]["widths"]], weights)
        else:
            predictor = Ngram.loaded(config.order, arrays)
    except KeyError as error:
        raise IntegrityError(f"{place} lacks {error.args[0]}", "Train the model again.") from None
    return Model(path, record, config, predictor, seen)


def _weights(path: str, record: dict[str, Any]) -> bytes:
    """The weights file, if it is what was trained; else ``IntegrityError``."""
    place = os.path.join(path, WEIGHTS)
    try:
        data = disk.read(place, _LARGEST)
    except OSError as error:
        raise IntegrityError(f"{place} cannot be read: {error.strerror}", "Train the model again.") from None
    if hashlib.sha256(data).hexdigest() != record["weights"]["sha256"]:
        raise IntegrityError(f"{place} is not what was trained (SHA-256 differs)", "Train the model again.")
    return data


def pack(arrays: dict[str, Array], seen: Tables) -> bytes:
    """The weights file."""
    from .fitting import packed

    return packed({**arrays, **seen.arrays("seen")})


class Listed(NamedTuple):
    """A row of ``learn models``. Of a model whose record is damaged nothing is known but its place."""

    path: str
    damaged: str | None
    """What is wrong with its record or its weights; such a model is refused everywhere."""
    run: str | None = None
    kind: str | None = None
    profile: str | None = None
    purpose: str | None = None
    accuracy: float | None = None
    bits: float | None = None
    stale: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For people."""
        said = [self.path]
        if self.accuracy is not None:
            said.append(f"  {self.kind}, {self.profile}, for {self.purpose}: {100 * self.accuracy:.1f} % right, "
                        f"{self.bits:.3f} bits")  # fmt: skip
        if self.damaged:
            said.append(f"  DAMAGED: {self.damaged}")
        return [*said, *(f"  STALE: {one}" for one in self.stale)]


def listed(root: str) -> Iterator[Listed]:
    """Every model below a folder, in the order of paths, the damaged ones too. Raises ``UsageError`` without one.

    A run record of some other program is passed over: only a folder that has weights of ours beside it is a model.
    """
    if not os.path.isdir(root):
        raise UsageError(f"there is no folder {root}", "Name one that models lie in, or below.")
    for place, folders, names in os.walk(root):
        folders.sort()
        if RECORD not in names:
            continue
        try:
            record = read_record(place)
            found = record["metrics"]["model"]["action"]
            right, bits = float(found["accuracy"]["value"]), float(found["bits"]["value"])
        except (IntegrityError, KeyError, TypeError, ValueError) as error:
            if WEIGHTS in names:
                yield Listed(place, str(error) if isinstance(error, IntegrityError) else f"{place}: no figures")
            continue
        damaged = None
        try:
            _weights(place, record)
        except IntegrityError as error:
            damaged = error.message
        yield Listed(
            place, damaged, record["run"], record["config"]["model"]["kind"], record["sources"][0]["profile"],
            record["sources"][0]["purpose"], right, bits, tuple(staleness(place, record)),
        )  # fmt: skip
