"""What the sign's pixels say, compared with the processes that exist, over a walk of everything that can happen."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from Xlib import X
from Xlib import display as displays

from desktop_logger.daemon.indicator import LOOKS
from tests.people import Person
from tests.testbed import Server, wait_until

RECORDING = LOOKS["recording"][1]
QUIET = {LOOKS[word][1] for word in ("paused", "waiting", "resuming")}
STARTING_S = 2.0
"""A capture process is there before it captures: it starts, opens the display, reports. Seen on a busy machine."""
ENDING_S = 1.0
"""The sign may lag behind an end by this much."""


class Eyes:
    """Looks at one pixel of the screen where the sign must be, and at the processes, fifty times a second."""

    def __init__(self, display: str, home: str) -> None:
        self.display, self.home = displays.Display(display), home
        self.root = self.display.screen().root
        self.over = threading.Event()
        self.asking = threading.Lock()  # two threads that wait for answers on one connection can wait for ever
        self.unsigned = self.false = 0.0
        """Longest stretch with capture and without the sign; with the sign and without capture. Seconds."""
        self.looks = 0
        self.seen: set[str] = set()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def colour(self) -> int:
        with self.asking:
            image = self.root.get_image(1280 - 196 - 8 + 3, 8 + 3, 1, 1, X.ZPixmap, 0xFFFFFFFF)
        return int.from_bytes(image.data[:3], "little")

    def captures(self) -> bool:
        """Whether a capture process of this home exists, asked of the kernel."""
        for name in os.listdir("/proc"):
            if name.isdecimal():
                try:
                    words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
                    if b"desktop_logger.source" not in words:
                        continue
                    state = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[0]
                    there = f"DESKTOP_LOGGER_HOME={self.home}".encode() in Path(f"/proc/{name}/environ").read_bytes()
                except OSError:
                    continue
                if there and state not in "ZX":
                    return True
        return False

    def _watch(self) -> None:
        unsigned_since = false_since = None
        while not self.over.wait(0.02):
            captures, colour = self.captures(), self.colour()
            now = time.monotonic()
            self.looks += 1
            self.seen.add(f"{'capture' if captures else 'none'} {colour:06x}")
            unsigned_since = (unsigned_since or now) if captures and colour != RECORDING else None
            false_since = (false_since or now) if not captures and colour == RECORDING else None
            self.unsigned = max(self.unsigned, now - unsigned_since if unsigned_since else 0.0)
            self.false = max(self.false, now - false_since if false_since else 0.0)

    def stop(self) -> None:
        self.over.set()
        self.thread.join(60)
        self.display.close()


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    server = Server()
    someone = Person(str(tmp_path / "home"), server.display)
    someone.sign(profile="events")
    yield someone
    someone.stop()
    server.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: only root may look into these processes")
def test_the_sign_is_red_exactly_while_there_is_a_capture_process(person: Person) -> None:
    eyes = Eyes(person.env["DISPLAY"], person.home)
    chance = random.Random(11)
    try:
        assert eyes.colour() != RECORDING
        person.start()
        steps = ["pause", "pause", "short", "capture", "writer", "indicator", "stop"]
        chance.shuffle(steps)
        for step in steps:
            if step == "pause":
                person.ok("pause")
                wait_until(lambda: eyes.colour() == LOOKS["paused"][1], 3, "the colour of a pause")
                assert not eyes.captures()
                person.ok("resume")
            elif step == "short":
                person.ok("pause", "3s")
                wait_until(lambda: eyes.colour() == LOOKS["resuming"][1], 3, "the colour before the end of a pause")
                assert not eyes.captures()
            elif step == "stop":
                person.stop()
                assert eyes.colour() not in {RECORDING, *QUIET}
                assert not eyes.captures()
                person.start()
            else:
                os.kill(person.status()["pids"][step], signal.SIGKILL)
                wait_until(lambda: not eyes.captures(), 6, f"the end of capture after the {step}'s")
            wait_until(lambda: person.status()["state"] == "recording", 20, "recording again")
            wait_until(lambda: eyes.captures() and eyes.colour() == RECORDING, 3, "the colour of recording")
            time.sleep(0.3)
    finally:
        eyes.stop()
    print(f"{eyes.looks} looks; {eyes.unsigned:.2f} s unsigned, {eyes.false:.2f} s false at most; {sorted(eyes.seen)}")
    assert eyes.looks > 100
    assert eyes.unsigned < STARTING_S, eyes.seen
    assert eyes.false < ENDING_S, eyes.seen
