"""How long recording goes on after a withdrawal, by each route, on a real display with the real processes.

``command``: ``desktop-logger consent withdraw`` as a whole process. ``stopped``: the same while the supervisor is
stopped with SIGSTOP. ``file``: somebody creates ``consent/withdrawn``. ``sign``: *Withdraw consent* in the sign's menu.
Time runs from the act (the process's start, the file's creation, the click) until no capture process exists.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from desktop_logger.cli.books import StoreBooks
from desktop_logger.clock import Clock
from desktop_logger.consent.ceremony import Ceremony
from desktop_logger.daemon.indicator import HEIGHT, MENU, ROW, WIDTH
from desktop_logger.paths import Home
from tests.people import LOGGER, Person
from tests.signing import Scripted

ROUTES = ("command", "stopped", "file", "sign")


def home_of(person: Person) -> Home:
    return Home(person.home, os.path.join(person.home, "run"))


def sign_again(person: Person) -> None:
    """A fresh consent without going through a terminal: what is measured comes after it."""
    home, clock = home_of(person), Clock()
    Ceremony(home, clock, Scripted(), StoreBooks(home, clock)).hold(choose=True)


def measure(person: Person, route: str) -> float:
    """Start recording, withdraw, and return the seconds until capture was gone."""
    sign_again(person)
    person.start()
    pids = person.status()["pids"]
    if route == "stopped":
        os.kill(pids["supervisor"], signal.SIGSTOP)
    process = None
    began = time.monotonic()
    if route == "file":
        Path(home_of(person).withdrawn).touch(mode=0o600)
    elif route == "sign":
        began = click(person, "w")
    else:
        process = subprocess.Popen(
            [*LOGGER, "consent", "withdraw", "--json"], env=person.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    while alive(pids["capture"]):
        if time.monotonic() - began > 20:
            person.run("stop")
            raise AssertionError(f"capture still lives 20 s after a withdrawal by {route}")
        time.sleep(0.005)
    took = time.monotonic() - began
    if process is not None:
        process.wait(20)
    end = time.monotonic() + 10
    while any(alive(pid) for pid in pids.values()) and time.monotonic() < end:
        time.sleep(0.02)
    for pid in pids.values():
        with contextlib.suppress(ProcessLookupError):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
    return took


def click(person: Person, mark: str) -> float:
    """A click on a row of the sign's menu, which a right click on the sign opens; returns when the last one began."""
    row = [name for name, _ in MENU].index(mark)
    left = 1280 - WIDTH - 8 + 20
    below = 10 + HEIGHT + row * ROW + ROW // 2
    for words in (["mousemove", left, 8 + HEIGHT // 2, "click", 3], ["mousemove", left, below]):
        subprocess.run(["xdotool", *map(str, words)], env=person.env, check=True)
        time.sleep(0.5)  # the menu must be there before it is clicked
    began = time.monotonic()
    subprocess.run(["xdotool", "click", "1"], env=person.env, check=True)
    return began


def alive(pid: int | None) -> bool:
    """Whether a process exists and is not just a zombie."""
    if pid is None:
        return False
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rsplit(b")", 1)[1].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
