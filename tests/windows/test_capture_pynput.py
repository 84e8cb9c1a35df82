"""The portable backend on Windows' own hooks, fed by a real X server through Wine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from desktop_logger.records.classes import Button, Command, Direction, KeyClass, Reason
from desktop_logger.records.layout import CLICK, GAP, KEY, MOVE, SCROLL
from desktop_logger.testing.conformance import BEHAVIOURS
from tests.windows import wine

SCRIPT = wine.path(Path(__file__).parent / "inside_pynput.py")


def test_it_counts_what_was_done_and_leaves_out_what_a_program_put_in(
    display: str, xdotool: Callable[..., str], tmp_path: Path
) -> None:
    end = tmp_path / "end"
    process = wine.begin(SCRIPT, wine.path(end), DISPLAY=display)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\r\n"
        xdotool("mousemove", 50, 50, "click", 1)
        xdotool("type", "--delay", 20, "Hello you")
        xdotool("key", "Return", "BackSpace", "Left", "F5", "Escape", "ctrl+c", "shift+Tab")
        xdotool("click", 3, "click", 4, "click", 5, "click", 5)
        for _ in range(5):
            xdotool("mousemove_relative", 10, 4)
        end.touch()
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors.decode()
    events = json.loads(out)
    assert Counter(KeyClass(e[2]).name for e in events if e[1] == KEY) == {
        "TEXT": 9, "ENTER": 1, "EDIT": 1, "NAV": 1, "FUNCTION": 1, "ESCAPE": 1, "MODIFIER": 1, "COMMAND": 1, "TAB": 1,
    }  # fmt: skip
    assert [e[3] for e in events if e[1:3] == [KEY, KeyClass.COMMAND]] == [Command.COPY]
    assert Counter(e[2] for e in events if e[1] == CLICK) == {Button.LEFT: 1, Button.RIGHT: 1}
    assert Counter(e[2] for e in events if e[1] == SCROLL) == {Direction.UP: 1, Direction.DOWN: 2}
    assert [sum(e[way] for e in events[-5:] if e[1] == MOVE) for way in (4, 5)] == [50, 20]
    assert [e[2] for e in events if e[1] == GAP] == [Reason.NOT_ALLOWED]
    assert events == sorted(events, key=lambda e: e[0])


def test_a_hook_that_is_refused_is_said_and_not_taken_for_silence() -> None:
    refused = (
        "from pynput._util import win32; win32.SystemHook._SetWindowsHookEx = lambda *_: 0\n"
        "from desktop_logger import capture; from tests.granted import grant\n"
        "capture.load('pynput').capture(grant('keyboard'))"
    )
    status, _, errors = wine.run("-c", refused)
    assert status == 1
    assert errors.endswith("Unavailable: Windows lets this program see no input\n")


def test_it_shows_the_behaviours_but_for_those_that_it_says_it_cannot(display: str) -> None:
    status, out, errors = wine.run(
        wine.path(Path(__file__).parent / "inside_conformance.py"), timeout=500, DISPLAY=display
    )
    assert status == 0, errors
    seen = json.loads(out)
    assert len(seen) == len(BEHAVIOURS)
    assert {name for name, failed in seen.items() if failed is None} == {
        str(behaviour) for behaviour in BEHAVIOURS if behaviour.needs & {"edges", "lose"}
    }
    assert {name: failed for name, failed in seen.items() if failed} == {}
