"""The trials of the store in their short form; ``make soak`` runs the long one (``tests.soak.storage``)."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.trials import faults, fuzzing, power, shredding, stopped, tampering


@pytest.fixture
def quick() -> Iterator[str]:
    """A folder in memory where there is one: these trials simulate the medium and sync thousands of times."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield folder


def test_after_a_loss_of_power_nothing_acknowledged_is_missing(quick: str) -> None:
    figures = power.run(quick, 600, seed=random.randrange(2**32))
    assert figures["states"] == 600
    assert figures["frames"] > 200


def test_any_call_of_the_system_may_fail(quick: str) -> None:
    """Every eleventh call, beginning at another one each time."""
    figures = faults.run(quick, every=11, offset=random.randrange(11))
    assert min(figures[name] for name in faults.WORK) > 20


def test_nothing_tampered_with_is_taken_for_good(tmp_path: Path) -> None:
    figures = tampering.run(str(tmp_path), values=2)
    assert figures["accepted"] == 0
    assert figures["bytes"] > 10_000
    assert figures["truncations"] > 5000
    assert figures["rearranged"] > 250


def _mistyped(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Copies in which one member, at any depth, is a value of another type."""
    for key, value in document.items():
        others: tuple[Any, ...] = ([], {}, [value], None, True, -1, 2**70, "", "\x00")
        for other in others:
            yield {**document, key: other}
        if isinstance(value, dict):
            yield from ({**document, key: inner} for inner in _mistyped(value))


@pytest.mark.parametrize("name", fuzzing.PARSERS)
def test_every_member_of_every_document_may_have_any_type(name: str) -> None:
    for seed in fuzzing.seeds(name):
        for line in seed.splitlines():
            try:
                document = json.loads(line)
            except ValueError:
                continue
            for made in _mistyped(document) if isinstance(document, dict) else ():
                fuzzing.one(name, json.dumps(made, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode())


@pytest.mark.parametrize("name", fuzzing.PARSERS)
def test_every_parser_refuses_in_words(name: str) -> None:
    chance = random.Random(name)  # the same each time; `make soak` draws anew
    known = fuzzing.seeds(name)
    for data in (b"", b"\0", b"[" * 100_000, b"9" * 5000, chance.randbytes(4096), *known):
        fuzzing.one(name, data)
    for _ in range(2000):
        fuzzing.one(name, fuzzing.mutated(chance.choice(known), chance.choice(known), chance))


def test_a_copy_from_before_a_purge_opens_nothing_that_was_purged(quick: str) -> None:
    figures = shredding.run(quick, 100)
    assert (figures["purged"], figures["open after"]) == (50, 0)


def test_a_stopped_process_delays_nobody(quick: str) -> None:
    assert stopped.run(quick, 15)["runs"] == 15
