"""Fixtures that every test may use: a real X server, its environment, real typing and a real window."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests import people
from tests.answering import Accessible, Answering
from tests.testbed import REMOTE, Server, environment, wait_until

# A suite that runs in the background is started with SIGINT ignored, and so would everything be that it starts: then
# nobody could press Ctrl-C at a prompt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where bytecode is not kept, each of the thousand processes that the suite starts compiles this program again: a third
# of what a command costs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


LONG = ("guest", "daemon", "ceremony", "live", "service", "organisation", "consent_live", "trials", "doctor", "readme",
        "memory", "demo", "focus", "accounting", "machine", "control_under_fire", "capture_x11")  # fmt: skip
"""The files that take longest begin first, so that no worker is left alone with one of them at the end."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the order by chance, but for the files in ``LONG``."""
    places = {f"test_{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


@pytest.fixture(autouse=True)
def at_the_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody signs or starts over a remote shell; the suite itself may well run in one."""
    for name in REMOTE:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def quick_passphrases() -> Iterator[None]:
    """Argon2id with little work in the whole of a test that holds many ceremonies."""
    with people.quick_passphrases():
        yield


@pytest.fixture(scope="session")
def xvfb() -> Iterator[str]:
    """The name (``:N``) of an Xvfb that lives as long as the test session."""
    server = Server()
    yield server.display
    server.stop()


@pytest.fixture(scope="session")
def accessible() -> Iterator[str]:
    """The address of a session bus with accessibility, which lives as long as the test session."""
    bus = Accessible()
    yield bus.address
    bus.stop()


@pytest.fixture
def display(xvfb: str, accessible: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """``xvfb`` with DISPLAY set for this test (no Wayland), US layout, NumLock off; layout put back afterwards.

    The session bus is one of the suite's own, with accessibility.
    """
    monkeypatch.setenv("DISPLAY", xvfb)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", accessible)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    subprocess.run(["setxkbmap", "-layout", "us", "-option", ""], check=True, env=environment(xvfb))
    yield xvfb
    subprocess.run(["setxkbmap", "-layout", "us", "-option", ""], check=True, env=environment(xvfb))


@pytest.fixture
def xdotool(display: str) -> Callable[..., str]:
    """``xdotool("type", "hello")`` on this test's display; returns what it printed."""

    def run(*args: str | int) -> str:
        done = subprocess.run(
            ["xdotool", *map(str, args)], check=True, env=environment(display), capture_output=True, text=True
        )
        return done.stdout.strip()

    return run


@pytest.fixture
def setxkbmap(display: str) -> Callable[..., None]:
    """``setxkbmap("us,ru")`` on this test's display."""

    def run(layout: str, *args: str) -> None:
        subprocess.run(["setxkbmap", "-layout", layout, *args], check=True, env=environment(display))

    return run


@pytest.fixture
def xterm(display: str, xdotool: Callable[..., str]) -> Iterator[str]:
    """The id of a real terminal window under the pointer, in which what is typed goes into ``cat``."""
    process = subprocess.Popen(
        ["xterm", "-geometry", "80x24+0+0", "-title", "testbed", "-e", "cat"],
        env=environment(display),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    found: list[str] = []

    def mapped() -> bool:
        done = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--pid", str(process.pid)],
            env=environment(display),
            capture_output=True,
            text=True,
            check=False,
        )
        found[:] = done.stdout.split()
        return bool(found)

    try:
        wait_until(mapped, 20, "the xterm window")
        xdotool("mousemove", 100, 100)
        yield found[0]
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def answering(display: str, accessible: str, xdotool: Callable[..., str]) -> Iterator[Answering]:
    """A window that has the focus and the pointer, whose application answers accessibility: its field is no secret."""
    application = Answering(display, accessible)
    xdotool("mousemove", 400, 200)
    yield application
    application.end()
