"""The golden store of version 1 must always read, by the program and by the independent reader."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from desktop_logger import store
from desktop_logger.ledger import short_code
from desktop_logger.paths import Home
from desktop_logger.sealing import ReaderKey
from tests.storage import HeldClock, Person
from tests.vectors import golden, verify_store


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """Whoever recorded it, with a copy of the store."""
    root = str(tmp_path / "home")
    shutil.copytree(golden.FOLDER, root)
    for where, _, files in os.walk(root):
        os.chmod(where, 0o700)
        for name in files:
            os.chmod(os.path.join(where, name), 0o600)
    person = Person.__new__(Person)
    person.home, person.clock = Home(root, os.path.join(root, "run")), HeldClock()
    with open(os.path.join(root, "expected.json"), encoding="ascii") as file:
        person.reader = ReaderKey.from_seed(bytes.fromhex(json.load(file)["reader_seed"]))
    return person


def expected() -> dict[str, object]:
    with open(os.path.join(golden.FOLDER, "expected.json"), encoding="ascii") as file:
        found: dict[str, object] = json.load(file)
    del found["reader_seed"]
    return found


def test_the_golden_store_reads_as_it_was_written(person: Person) -> None:
    assert golden.facts(person) == expected()
    assert store.verify(person.home, short_code(str(expected()["head"]))).ok


def test_the_independent_reader_agrees(person: Person) -> None:
    done = subprocess.run(
        [sys.executable, "-I", verify_store.__file__, person.home.root, "--anchor", str(expected()["head"])],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    segments = expected()["segments"]
    assert isinstance(segments, dict)
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found.pop("head") == expected()["head"]
    assert found == {"ledger": "ok", **{name: one["verdict"] for name, one in segments.items()}}
    assert set(found.values()) == {"ok", "recovered"} | ({"erased"} if "erased" in found.values() else set())


def test_it_is_never_made_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert golden.main() == 1
    assert "stays" in capsys.readouterr().err
