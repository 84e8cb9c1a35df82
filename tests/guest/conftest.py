"""Fixtures inside the guest: devices that go when a test ends, a seat with sessions, the opener, a capture."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from desktop_logger.capture import evdev
from desktop_logger.capture.evdev import Evdev, EvdevCapture
from desktop_logger.records.classes import KeyClass
from desktop_logger.records.events import Event
from desktop_logger.records.layout import KEY
from tests.granted import grant
from tests.testbed import wait_until

from . import uinput
from .booting import ROOT

OPENER = os.path.join(ROOT, "src", "desktop_logger", "capture", "opener.py")


class Seat:
    """What a session manager and udev would write below /run, renamed into place as they do it."""

    def session(self, uid: int, *, seat: str = "seat0", name: str = "1", state: str = "active") -> None:
        """The session of this account is the active one at this seat."""
        self._write(
            "systemd/sessions", name, f"UID={uid}\nACTIVE=1\nSTATE={state}\nREMOTE=0\nCLASS=user\nSEAT={seat}\n"
        )
        self._write("systemd/seats", seat, f"IS_SEAT0=1\nACTIVE={name}\nACTIVE_UID={uid}\n")

    def device(self, path: str, **facts: str) -> None:
        """udev has looked at this device."""
        number = os.stat(path).st_rdev
        text = "".join(f"E:{key}={value}\n" for key, value in facts.items())
        self._write("udev/data", f"c{os.major(number)}:{os.minor(number)}", text)

    def udev(self) -> None:
        """From now on udev runs."""
        self._write("udev", "control", "")

    def clear(self) -> None:
        for name in ("systemd", "udev"):
            shutil.rmtree(f"/run/{name}", ignore_errors=True)

    def _write(self, folder: str, name: str, text: str) -> None:
        os.makedirs(f"/run/{folder}", exist_ok=True)
        with open(f"/run/{folder}/.{name}", "w", encoding="ascii") as file:
            file.write(text)
        os.rename(f"/run/{folder}/.{name}", f"/run/{folder}/{name}")


@pytest.fixture
def seat() -> Iterator[Seat]:
    """A seat at which root's session is active."""
    made = Seat()
    made.clear()
    made.session(0)
    yield made
    made.clear()


@pytest.fixture
def plug() -> Iterator[Callable[[Callable[[], uinput.Made]], uinput.Made]]:
    """``plug(uinput.mouse)``: a device that is unplugged when the test ends."""
    made: list[uinput.Made] = []

    def one(kind: Callable[[], uinput.Made]) -> uinput.Made:
        made.append(kind())
        return made[-1]

    yield one
    for device in made:
        device.close()


class Service:
    """The opener as a process of its own, with the machine's Python, and what it said."""

    def __init__(self, **how: object) -> None:
        os.makedirs(os.path.dirname(evdev.SOCKET), exist_ok=True)
        os.chmod(os.path.dirname(evdev.SOCKET), 0o777)  # noqa: S103  the opener may run as anybody here
        with contextlib.suppress(FileNotFoundError):
            os.unlink(evdev.SOCKET)
        python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
        self.process = subprocess.Popen(
            [python, "-I", OPENER, evdev.SOCKET], stderr=subprocess.PIPE, text=True, **how  # type: ignore[call-overload]
        )  # fmt: skip
        wait_until(lambda: os.path.exists(evdev.SOCKET) or self.process.poll() is not None, 20, "the opener's socket")
        time.sleep(0.05)

    def stop(self) -> str:
        """End it; returns what it wrote."""
        self.process.kill()
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        self.process.wait(5)
        self.process.stderr.close()
        return str(said)


@pytest.fixture
def opener(seat: Seat) -> Iterator[Service]:  # noqa: ARG001  it must be there first
    """The opener, serving root's session."""
    service = Service()
    yield service
    if service.process.poll() is None:
        service.stop()


class Watching:
    """A capture in this process, and everything that it has seen."""

    def __init__(self, *scopes: str, **policy: Any) -> None:
        self.capture = Evdev().capture(grant(*scopes, **policy))
        assert isinstance(self.capture, EvdevCapture)
        self.events: list[Event] = []

    def look(self) -> list[Event]:
        """Read what has arrived; returns all that was ever seen."""
        self.events += self.capture.read().events
        return self.events

    def until(self, condition: Callable[[], object], what: str = "the event") -> None:
        """Read until something holds."""

        def looked() -> object:
            self.look()
            return condition()

        wait_until(looked, 10, what)

    def devices(self, number: int) -> Watching:
        """Wait until so many devices are here."""
        self.until(lambda: len(self.capture._devices) == number, f"{number} devices")
        return self

    def keys(self) -> list[KeyClass]:
        return [KeyClass(event[2]) for event in self.look() if event[1] == KEY]

    def seen(self, kind: int) -> list[Event]:
        return [event for event in self.look() if event[1] == kind]


@pytest.fixture
def watch(opener: Service) -> Iterator[Callable[..., Watching]]:  # noqa: ARG001  it must be there first
    """``watch("pointer")``: a capture of these scopes (default: both), closed when the test ends."""
    made: list[Watching] = []

    def one(*scopes: str, **policy: Any) -> Watching:
        made.append(Watching(*scopes, **policy))
        return made[-1]

    yield one
    for watching in made:
        watching.capture.close()
