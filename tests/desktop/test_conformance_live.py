"""Every behaviour of ``desktop_logger.testing``, on real X servers; and somebody else's backend, confined."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_logger.records.classes import KeyClass
from desktop_logger.records.layout import CLICK, KEY
from desktop_logger.testing.conformance import BEHAVIOURS, Behaviour
from tests.benchmarks.processes import Desk
from tests.capturing import CaptureProcess
from tests.granted import grant
from tests.rigs import X11Rig
from tests.unit.test_foreign import PEDAL

ABILITIES = {"x11": ("edges",)}


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


@pytest.mark.parametrize("name", ABILITIES)
@pytest.mark.parametrize("behaviour", [one for one in BEHAVIOURS if "lose" not in one.needs], ids=str)
def test_it_shows(behaviour: Behaviour, name: str, desk: Desk) -> None:
    rig = X11Rig(name, desk, *ABILITIES[name])
    try:
        assert behaviour.applies(rig)
        behaviour.check(rig)
    finally:
        rig.close()


@pytest.mark.parametrize("name", ABILITIES)
@pytest.mark.parametrize("behaviour", [one for one in BEHAVIOURS if "lose" in one.needs], ids=str)
def test_it_shows_on_a_display_of_its_own(behaviour: Behaviour, name: str) -> None:
    own = Desk()
    rig = X11Rig(name, own)
    try:
        behaviour.check(rig)
    finally:
        rig.close()
        own.close()


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "another hash"])
def test_a_backend_of_somebody_else_runs_in_the_confined_process(signed: bool, tmp_path: Path) -> None:
    fifo = tmp_path / "pedal"
    os.mkfifo(fifo)
    with open(PEDAL, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    env = {**os.environ, "FOOT_PEDAL": str(fifo)}
    process = CaptureProcess(f"file:{PEDAL}", grant(backends=[["pedal", digest if signed else "0" * 64]]), env)
    try:
        if not signed:
            assert process.wait() == 4
            assert "not the file that the policy names" in process.said()[0]["error"]
            assert not process.data
            return
        process.wait_running()
        with open(fifo, "w", encoding="ascii") as pedal:
            pedal.write("TtSTtsDdCcrrruuuv")
            pedal.flush()
            assert process.stop() == 0
        running = next(line for line in process.said() if line["state"] == "running")
        assert running["backend"] == "pedal"
        assert running["sandbox"]["seccomp"] == "on"
        found = process.stream()
        assert Counter(KeyClass(r[2]).name for r in found if r[1] == KEY) == {"TEXT": 2, "EDIT": 1}
        assert sum(r[3] for r in found if r[1] == CLICK) == 1
        assert process.output() == b""
    finally:
        process.close()
