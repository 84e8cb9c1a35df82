"""``learn train`` and ``learn retrain``: the joint of data, baselines, model, figures and card.

1. datasets and configuration are checked; ``out`` must be new
2. steps and split
3. the draft ``<out>.partial``; one that an interrupted run of the same training left is gone on with
4. baselines, fitted and measured
5. the model, fitted, measured on the same questions, and compared
6. no erasure came meanwhile; record, weights, card, curves; the datasets remember the model; the draft takes its name

Invariants: nothing half-written has the model's name; the same data, configuration, seed, threads and versions give the
same weights; the record names every dataset, so that erasure reaches the model.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

from desktop_logger import __version__, disk
from desktop_logger.clock import Clock, day
from desktop_logger.dataset import actions, folder, trained
from desktop_logger.dataset.parts import unwritable
from desktop_logger.errors import IntegrityError, Refused, Unavailable

from . import curves, models
from .boosting import Boosted
from .card import card
from .config import NETWORKS, Config
from .counting import Ngram
from .measuring import Answers, Clusters, Predictor, answers, measured
from .steps import Array, Source, Split, Steps, digest, need_memory, no_memory, opened, read, split

Say = Callable[[str], None]
Step = Callable[[int, int, dict[str, float]], None]


class Trained(NamedTuple):
    """A model that was made."""

    path: str
    record: dict[str, Any]


class Ask(NamedTuple):
    """What to train, and how to tell about it."""

    paths: tuple[str, ...]
    out: str
    config: Config
    say: Say = lambda _line: None
    step: Step = lambda _done, _total, _figures: None
    replaces: tuple[str, ...] = ()


def train(ask: Ask, clock: Clock) -> Trained:
    """Train a model. See the module's text for the order, ``errors`` for what can be refused."""
    # 1. datasets, configuration
    out = disk.new_place(ask.out)
    sources = opened(ask.paths)
    for source in sources:
        trained.models(source.path)  # damaged notes are found before any work
    if ask.config.kind in NETWORKS:
        from . import fitting

        fitting.torch()  # before any work, not after it
        need_memory()
    try:
        draft, record, arrays, seen, facts = _made(ask, sources, out, clock)
    except BaseException as error:
        draft = disk.draft_of(out)
        if not os.path.exists(os.path.join(draft, "checkpoint.npz")):  # there is nothing to go on with
            shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "new thread" in str(error)):
            raise no_memory() from None
        raise
    # 6. record, card, name
    for source in sources:
        folder.check_no_erasure_waits(source.path)
        if folder.read_card(source.path).get("erasures") != source.facts.get("erasures"):
            shutil.rmtree(draft, ignore_errors=True)
            raise Refused(f"rows of {source.path} were erased during the training", "Run it again: without them.")
    weights = models.pack(arrays, seen)
    record["weights"] |= {"sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)}
    try:
        _written(os.path.join(draft, models.WEIGHTS), weights)
        _written(os.path.join(draft, models.RECORD), (json.dumps(record, indent=1) + "\n").encode())
        _written(os.path.join(draft, "README.md"), card(record, facts).encode())
        curves.png(os.path.join(draft, "curves.png"), record["curve"])
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(draft, "checkpoint.npz"))
        for source in sources:
            trained.register(source.path, record["run"], out)
        os.rename(draft, out)
        disk.sync_folder(os.path.dirname(out))
    except OSError as error:
        raise unwritable(out, error) from None
    return Trained(out, record)


def _made(
    ask: Ask, sources: list[Source], out: str, clock: Clock
) -> tuple[str, dict[str, Any], dict[str, Array], Any, list[dict[str, Any]]]:
    """Steps 2 to 5."""
    started = time.monotonic()
    config = ask.config
    # 2. steps and split
    ask.say("reading")
    digests = [digest(one) for one in sources]
    parts = split(sources, read(sources, config.view), config.split, config.least)
    # 3. the draft
    draft = disk.draft_of(out)
    stamp = hashlib.sha256(json.dumps([config.to_json(), digests, list(actions.ACTIONS)]).encode()).hexdigest()
    if os.path.islink(draft):  # as of an export: nothing goes where a link leads, and none takes the model's name
        disk.remove_all(draft)
    try:
        os.makedirs(draft, 0o700, exist_ok=True)
    except OSError as error:
        raise unwritable(draft, error) from None
    clusters = Clusters(getattr(parts.test, parts.by)[parts.test.questions], config.seed)
    # 4. baselines
    baselines, said = _baselines(config, parts, clusters, ask.say)
    # 5. the model
    ask.say(f"training {config.kind}")
    begun = time.monotonic()
    model, arrays, curve, weights = fitted(config, parts, draft, stamp, ask.step)
    took = time.monotonic() - begun
    ask.say("measuring")
    found = answers(model, parts.test)
    seen = Ngram.fitted(parts.train, 2).action
    record = {
        "v": models.VERSION, "run": uuid.uuid4().hex, "datasets": [one.identity for one in sources], "model": ".",
        "made": day(clock.now()), "made_by": f"desktop-logger {__version__}", "replaces": list(ask.replaces),
        "sources": [_source(one, number) for one, number in zip(sources, digests, strict=True)],
        "config": config.to_json(), "config_text": config.text(), "actions": list(actions.ACTIONS),
        "split": {
            "how": parts.how, "by": parts.by, "test_groups": int(np.unique(parts.test.group).size),
            "questions": {name: int(getattr(parts, name).questions.size) for name in ("train", "validation", "test")},
        },
        "metrics": {
            "model": measured(found, parts.test, clusters), "baselines": baselines,
            "against": {name: _difference(found, one, clusters) for name, one in said.items()},
        },
        "curve": curve, "weights": weights, "environment": _environment(config),
        "cost": {"seconds": round(time.monotonic() - started, 2), "training_seconds": round(took, 2), **_memory()},
    }  # fmt: skip
    return draft, record, arrays, seen, [one.facts for one in sources]


def fitted(
    config: Config, parts: Split, draft: str, stamp: str, step: Step
) -> tuple[Predictor, dict[str, Array], list[dict[str, float]], dict[str, Any]]:
    """A model of the configured kind: ready to be asked, as arrays, its curve, and what the record says of weights."""
    if config.kind in NETWORKS:
        from . import fitting

        made = fitting.fit(config, parts, draft, stamp, step)
        arrays = {f"net/{name}": values for name, values in made.weights.items()}
        net = fitting.Net(config, made.widths, made.weights)
        return net, arrays, made.curve, {"widths": made.widths, "parameters": made.parameters}
    model = Ngram.fitted(parts.train, config.order)
    arrays = model.arrays()
    return model, arrays, [], {"parameters": int(sum(values.size for values in arrays.values()))}


def _baselines(config: Config, parts: Split, clusters: Clusters, say: Say) -> tuple[dict[str, Any], dict[str, Answers]]:
    reports: dict[str, Any] = {}
    said: dict[str, Answers] = {}
    makers: dict[str, Callable[[Steps], Any]] = {
        "majority": lambda some: Ngram.fitted(some, 0),
        "Markov": lambda some: Ngram.fitted(some, 1),
        f"{config.order}-gram, back-off": lambda some: Ngram.fitted(some, config.order),
    }
    if config.boosting:
        makers["gradient boosting"] = lambda some: Boosted.fitted(some, config.seed)
    for name, make in makers.items():
        say(f"baseline: {name}")
        try:
            said[name] = answers(make(parts.train), parts.test)
        except Unavailable as error:
            say(f"left out: {error.message}")
            continue
        reports[name] = measured(said[name], parts.test, clusters)
    return reports, said


def _difference(found: Answers, baseline: Answers, clusters: Clusters) -> dict[str, Any]:
    """The model less the baseline, on the same questions, people drawn together."""
    return {
        "accuracy": clusters.mean(found.action.right.astype(float) - baseline.action.right),
        "bits": clusters.mean(found.action.bits - baseline.action.bits),
    }


def _source(source: Source, parts: str) -> dict[str, Any]:
    facts = source.facts
    return {
        "dataset": source.identity, "export": facts["export"], "path": source.path, "digest": parts,
        "profile": source.profile, "purpose": facts["purpose"], "delete_after": facts["delete_after"],
        "rows": facts["rows"], "subjects": facts["subjects"], "erasures": int(facts.get("erasures", 0)),
        "leakage": facts["leakage"],
    }  # fmt: skip


def _environment(config: Config) -> dict[str, Any]:
    """What the figures depend on, and nothing about the machine's owner."""
    packages = {}
    for name in ("numpy", "torch", "scikit-learn", "pyarrow"):
        with suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return {
        "python": platform.python_version(), "system": platform.system(), "machine": platform.machine(),
        "cpus": os.cpu_count(), "threads": config.threads, **packages,
    }  # fmt: skip


def _memory() -> dict[str, int]:
    """The most memory this process had, MB; absent where the system does not say."""
    try:
        import resource
    except ImportError:
        return {}
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_memory_mb": most // (1024 if sys.platform != "darwin" else 1 << 20)}


def _written(path: str, data: bytes) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
    with open(disk.create(path), "wb") as file:
        file.write(data)
        file.flush()
        disk.sync(file.fileno())


def retrain(path: str, clock: Clock, say: Say, step: Step) -> Trained:
    """Train a model again on what its datasets hold now, with the same configuration, in the old one's place.

    The old weights are gone afterwards. Raises ``UsageError`` where a dataset is not at its place.
    """
    record = models.read_record(path)
    from .config import parsed

    config = parsed(record["config"], os.path.join(path, models.RECORD))
    for source in record["sources"]:
        facts = folder.read_card(source["path"])
        if facts.get("dataset") != source["dataset"]:
            raise IntegrityError(
                f"{source['path']} is another dataset than the model was trained on", "Train anew: learn train."
            )
    path = os.path.abspath(path)
    fresh = path + ".again"
    paths = tuple(str(one["path"]) for one in record["sources"])
    made = train(Ask(paths, fresh, config, say, step, (*record["replaces"], record["run"])), clock)
    old = path + ".old"
    try:
        os.rename(path, old)
        os.rename(fresh, path)
        shutil.rmtree(old)
        disk.sync_folder(os.path.dirname(path))
    except OSError as error:
        raise unwritable(path, error) from None
    for name in paths:
        trained.register(name, made.record["run"], path)
    return made._replace(path=path)
