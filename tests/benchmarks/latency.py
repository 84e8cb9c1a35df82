"""How long an application waits for its input, with a recording running and without one, in turns.

A program puts in a key, or a movement, and reads until its own window is told of it: injection, server, delivery. Half
of the blocks run while our program records, half while it is paused (no capture process exists), in pairs whose order
changes. What is compared is the median of each block; the interval comes from drawing the pairs again.
"""

from __future__ import annotations

import random
import select
import tempfile
import time
from statistics import median

from tests.inject import Injector
from tests.testbed import wait_until

from .processes import Desk, Ours
from .tables import table

PAIRS, SAMPLES = 24, 400
SPACING_S = 0.002
DRAWS = 5000
KEY = 38


class Application:
    """A window that has the focus, and hands that put something in and wait for it to come out there."""

    def __init__(self, display: str) -> None:
        from Xlib import X
        from Xlib import display as displays

        self._connection = displays.Display(display)
        screen = self._connection.screen()
        window = screen.root.create_window(
            0, 0, 600, 400, 0, X.CopyFromParent,
            event_mask=X.KeyPressMask | X.KeyReleaseMask | X.PointerMotionMask | X.StructureNotifyMask,
            override_redirect=1,
        )  # fmt: skip
        window.map()
        window.configure(stack_mode=X.Above)
        self._connection.sync()
        wait_until(lambda: window.get_attributes().map_state == X.IsViewable, 10, "the window")
        window.set_input_focus(X.RevertToParent, X.CurrentTime)
        self._connection.sync()
        self._hand = Injector(display)
        self._hand.send(self._hand.move_to(300, 200))
        self._hand.sync()
        self._drain(0.3)
        self._ways = {
            "key": (self._hand.press(KEY), self._hand.release(KEY), X.KeyPress, X.KeyRelease),
            "movement": (self._hand.move(3, 0), self._hand.move(-3, 0), X.MotionNotify, X.MotionNotify),
        }

    def _drain(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while self._connection.pending_events():
                self._connection.next_event()
            time.sleep(0.01)

    def block(self, what: str) -> float:
        """The median of one block, µs."""
        there, back, first, second = self._ways[what]
        times = []
        for at in range(SAMPLES):
            request, kind = (there, first) if at % 2 == 0 else (back, second)
            time.sleep(SPACING_S)
            start = time.perf_counter_ns()
            self._hand.send(request)
            while True:
                if not self._connection.pending_events():
                    ready, _, _ = select.select([self._connection], [], [], 5)
                    if not ready:
                        raise RuntimeError("the window was not told of its input: has it lost the focus?")
                    continue
                if self._connection.next_event().type == kind:
                    break
            times.append((time.perf_counter_ns() - start) / 1000)
        return median(times)

    def close(self) -> None:
        self._hand.__exit__()
        self._connection.close()


def interval(differences: list[float], chance: random.Random) -> tuple[float, float]:
    """95 % of the medians of pairs drawn again."""
    found = sorted(median(chance.choices(differences, k=len(differences))) for _ in range(DRAWS))
    return found[DRAWS // 40], found[-DRAWS // 40]


def run() -> None:
    """One table."""
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as folder:
        desk = Desk()
        try:
            _run(folder, desk)
        finally:
            desk.close()


def _run(folder: str, desk: Desk) -> None:
    ours = Ours(folder, desk)
    ours.start()
    application = Application(desk.display)
    medians: dict[str, dict[bool, list[float]]] = {what: {True: [], False: []} for what in ("key", "movement")}
    try:
        for pair in range(PAIRS):
            for records in (True, False) if pair % 2 else (False, True):
                ours.person.ok("resume" if records else "pause")
                wait_until(lambda: bool(ours.person.status()["pids"]["capture"]) == records, 20, "the change")  # noqa: B023
                time.sleep(0.5)
                for what, found in medians.items():
                    found[records].append(application.block(what))
    finally:
        application.close()
        ours.stop()
    rows = []
    for what, found in medians.items():
        differences = [on - off for on, off in zip(found[True], found[False], strict=True)]
        low, high = interval(differences, random.Random(1))
        rows.append(
            [
                what, f"{median(found[False]):.0f}", f"{median(found[True]):.0f}",
                f"{median(differences):+.1f} ({low:+.1f} to {high:+.1f})",
            ]
        )  # fmt: skip
    table(
        f"How long an application waits for its input, µs, medians of {SAMPLES} each in {PAIRS} pairs of blocks",
        ["", "paused", "recording", "difference (95 %)"],
        rows,
        "From the program that puts it in through the server to the application's window.",
    )
