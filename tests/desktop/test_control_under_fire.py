"""The control socket under floods, garbage, half-open and slow clients: recording goes on, commands are answered."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop_logger import control
from desktop_logger.errors import Unavailable
from desktop_logger.paths import Home
from tests.inject import Injector
from tests.people import Person
from tests.testbed import wait_until

from .conftest import PlainUser

CONNECTIONS = 10_000
CLICKS = 200


@pytest.fixture
def person(tmp_path: Path, display: str) -> Iterator[Person]:
    someone = Person(str(tmp_path / "home"), display)
    someone.sign(profile="events")
    yield someone
    someone.stop()


class Fire:
    """Clients that mean no good, in a thread of their own, until there were so many or it is over."""

    def __init__(self, path: str) -> None:
        folder = os.open(os.path.dirname(path), os.O_PATH)
        self.path = f"/proc/self/fd/{folder}/{os.path.basename(path)}"
        self.made = 0
        self.over = threading.Event()
        chance = random.Random(3)
        acts: tuple[Callable[[socket.socket], object], ...] = (
            lambda _: None,  # comes and goes
            lambda client: client.send(chance.randbytes(chance.randrange(1, 4096))),
            lambda client: client.send(b"{" * 65536),
            lambda client: client.send(b'{"verb":"exec"}\n'),
            lambda client: client.send(b'{"verb":"pause","seconds":true}\n'),
            lambda client: client.send(b'{"verb":'),  # and no more
        )
        self.acts = [acts[chance.randrange(len(acts))] for _ in range(997)]
        self.held: list[socket.socket] = []
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while self.made < CONNECTIONS and not self.over.is_set():
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(5)
            try:
                client.connect(self.path)
                self.acts[self.made % len(self.acts)](client)
            except OSError:
                pass
            self.made += 1
            if self.made % 5:
                client.close()
            else:
                self.held.append(client)  # half-open: says nothing more and does not go
            while len(self.held) > 200:
                self.held.pop(0).close()

    def stop(self) -> None:
        self.over.set()
        self.thread.join(60)
        for client in self.held:
            client.close()


@pytest.mark.usefixtures("answering")  # in a window whose safety is known, each click is kept as one
def test_ten_thousand_bad_clients_neither_stop_recording_nor_lose_an_event(person: Person, display: str) -> None:
    person.start()
    before = person.status()["pids"]
    home = Home(person.home)
    waits: list[float] = []
    missed = 0
    fire = Fire(home.socket)
    try:
        with Injector(display) as injector:
            sent = 0
            while fire.thread.is_alive() or sent < CLICKS:
                if sent < CLICKS:
                    injector.send(injector.button(2))
                    injector.sync()
                    sent += 1
                began = time.monotonic()
                try:
                    assert control.ask(home, {"verb": "status"})["state"] == "recording"
                except Unavailable:
                    missed += 1
                waits.append(time.monotonic() - began)
                time.sleep(0.01)
    finally:
        fire.stop()
    assert fire.made == CONNECTIONS
    status = person.status()
    assert status["state"] == "recording"
    assert {role: status["pids"][role] for role in before} == before  # nobody had to be started again
    assert status["warnings"] == [] or all("logger" in warning for warning in status["warnings"])
    person.settle()
    person.stop()
    found = person.inspect()
    kept, unvouched = found["pointer"]["clicks"], [gap for gap in found["gaps"] if gap["reason"] == "unknown"]
    # On a busy machine the window may answer late whether it is safe: that time is a gap, and said to be one.
    assert kept == CLICKS or (kept < CLICKS and unvouched), (kept, found["gaps"])
    assert person.inspect()["gaps"] == []
    waits.sort()
    assert missed <= len(waits) // 20, (missed, len(waits))  # each of them said so within its time, none waits on
    assert waits[len(waits) * 99 // 100] < 10 * control.ANSWER_S, waits[-20:]
    print(f"status under fire: {len(waits)} asked, {missed} unanswered, p99 {waits[len(waits) * 99 // 100]:.3f} s")


def test_a_flood_does_not_keep_a_stop_from_working(person: Person) -> None:
    person.start()
    pids = [pid for pid in person.status()["pids"].values() if pid]
    fire = Fire(Home(person.home).socket)
    try:
        began = time.monotonic()
        done = person.run("stop")
        assert done.returncode == 0
        assert time.monotonic() - began < 5.0
        wait_until(lambda: not any(control.start_time(pid) for pid in pids), 3, "the end of all processes")
    finally:
        fire.stop()


ASK = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.settimeout(3)
try:
    client.connect(sys.argv[1])
    client.sendall(b'{"verb":"stop"}\\n')
    print(client.recv(4096))
except OSError as error:
    print(type(error).__name__)
"""


def test_another_account_is_refused_twice(person: Person, plain_user: PlainUser) -> None:
    """By the folder's mode; and, where somebody has opened that, by who the peer is."""
    if plain_user.ours:
        pytest.skip("NOT TESTED: only root can act as another account here")
    person.start()
    asking = ["/usr/bin/python3", "-c", ASK, Home(person.home).socket]
    assert plain_user.run(asking).stdout.strip() in ("PermissionError", "FileNotFoundError")
    opened = []
    path = Path(Home(person.home).socket)
    for folder in [path, *path.parents][:-1]:
        opened.append((folder, folder.stat().st_mode & 0o7777))
        folder.chmod(0o777 if folder == path else opened[-1][1] | 0o055)
    try:
        assert plain_user.run(asking).stdout.strip() in ("b''", "ConnectionResetError")
    finally:
        for folder, mode in opened:
            folder.chmod(mode)
    assert person.status()["state"] == "recording"
    own = subprocess.run(asking, capture_output=True, text=True, check=True)
    assert '"state": "' in own.stdout or "wait" in own.stdout  # the control: the same words from the right account
