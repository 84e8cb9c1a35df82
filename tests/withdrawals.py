"""How long recording goes on after a withdrawal, by each route, on a real display with the real processes.

``command``: ``desktop-logger consent withdraw`` as a whole process. ``stopped``: the same while the supervisor is
stopped with SIGSTOP. ``file``: somebody creates ``consent/withdrawn``. ``sign``: *Withdraw consent* in the sign's menu.
Time runs from the act (the process's start, the file's creation, the click) until no capture process exists.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from desktop_logger import control
from desktop_logger.cli.books import StoreBooks
from desktop_logger.clock import Clock
from desktop_logger.consent.ceremony import Ceremony
from desktop_logger.daemon import starting
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


class Kept:
    """A home in which a consent was just given, put back whenever one is needed: to sign takes longer."""

    def __init__(self, person: Person, folder: str) -> None:
        sign_again(person)
        self._person, self._copy = person, folder
        shutil.copytree(person.home, folder, symlinks=True)

    def put_back(self) -> None:
        end = time.monotonic() + 10
        while os.path.exists(self._person.home):  # a process of ours that has not ended yet may still write there
            shutil.rmtree(self._person.home, ignore_errors=time.monotonic() < end)
        shutil.copytree(self._copy, self._person.home, symlinks=True)


def begin(person: Person) -> dict[str, int]:
    """Start recording, and which processes do it. Waits while root may not, because somebody else has a display.

    What ``start`` does is done in a fork of this process, which has loaded it all: it is not what is measured.
    """
    end = time.monotonic() + 600
    while True:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            _begin(person, writing)
        os.close(writing)
        with open(reading, encoding="utf-8") as file:
            said = file.read()
        os.waitpid(child, 0)
        if not said:
            return control.recorded_pids(home_of(person))
        if "somebody else has" not in said or time.monotonic() > end:
            raise AssertionError(said)
        time.sleep(1)


def _begin(person: Person, writing: int) -> NoReturn:
    """In the fork: start, and say what stood in the way."""
    said = ""
    try:
        os.environ.clear()
        os.environ.update(person.env)
        starting.start(home_of(person), Clock(), "auto", foreground=False, began=lambda _answer: None)
    except BaseException as error:  # noqa: BLE001 - the fork must never go on as the test
        said = str(error) or type(error).__name__
    finally:
        os.write(writing, said.encode())
        os._exit(0)


def end_all(pids: Iterable[int]) -> None:
    """End what is left, and return when all are gone."""
    left = [pid for pid in pids if alive(pid)]
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while any(alive(pid) for pid in left) and time.monotonic() < end:
        time.sleep(0.005)


def measure(person: Person, route: str, kept: Kept | None = None) -> float:
    """Start recording, withdraw, and return the seconds until capture was gone."""
    if kept is None:
        sign_again(person)
    else:
        kept.put_back()
    pids = begin(person)
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
        assert process.wait(60) == 0
    end = time.monotonic() + 10
    while any(alive(pid) for pid in pids.values()) and time.monotonic() < end and route != "stopped":
        time.sleep(0.02)
    end_all({*pids.values(), *control.recorded_pids(home_of(person)).values()})
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
