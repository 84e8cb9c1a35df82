"""``python -m pytest tests/soak/conformance.py``: the behaviours of ``desktop_logger.testing``, shown by pynput.

About a minute, so not among the tests that run every time. It has no ``edges``: movement that the edge of the screen
stops is not seen.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from desktop_logger.testing.conformance import BEHAVIOURS, Behaviour
from tests.benchmarks.processes import Desk
from tests.rigs import X11Rig


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


# Listeners of pynput that lose their display leave their sockets to the garbage.
@pytest.mark.filterwarnings("ignore:.*X11-unix:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=str)
def test_pynput_shows(behaviour: Behaviour, request: pytest.FixtureRequest) -> None:
    own = Desk() if "lose" in behaviour.needs else None
    rig = X11Rig("pynput", own or request.getfixturevalue("desk"))
    try:
        if not behaviour.applies(rig):
            pytest.skip("it says that it cannot: " + ", ".join(behaviour.needs - rig.can))
        behaviour.check(rig)
    finally:
        rig.close()
        if own is not None:
            own.close()
            gc.collect()
