"""What the benchmarks run and read: our program after a real ceremony, the usual script, and their cost from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable

from tests.answering import Accessible, Answering
from tests.people import Person
from tests.testbed import Server, environment, wait_until

_HERE = os.path.dirname(os.path.abspath(__file__))
USUAL, COUNTING, MCAP = (os.path.join(_HERE, f"{name}.py") for name in ("usual", "counting", "mcap_recorder"))
PEERS = os.path.join(os.path.dirname(os.path.dirname(_HERE)), ".cache", "peers", "bin", "python")
"""A Python with the packages of Open World Agents, which are too large for everybody (``setup.sh peers``)."""

# Any window of an ordinary desktop selects pointer motion, which makes the server deliver events one by one. On a
# bare server they would come in lumps of 31, which flatters whoever reads them one by one.
_WINDOW = """
import sys
from Xlib import X, display
screen = display.Display(sys.argv[1])
window = screen.screen().root.create_window(
    0, 0, 1280, 800, 0, X.CopyFromParent, event_mask=X.PointerMotionMask | X.ButtonPressMask | X.KeyPressMask
)
window.map()
screen.flush()
print("mapped", flush=True)
while True:
    screen.next_event()
"""


def cpu_s(pids: Iterable[int]) -> float:
    """CPU time of all threads of these processes, seconds, from the scheduler's own nanoseconds (proc(5))."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def pss_kib(pid: int) -> int:
    """Proportional set size in KiB: memory that is shared counts in part."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def alone_kib(pids: Iterable[int]) -> int:
    """What these processes would take together if nothing else used the same files: shared pages count once.

    Two of them that map the same part of a file are taken to use the same of its pages, as forks of one program do.
    """
    private, shared = 0, dict[str, int]()
    for pid in pids:
        part = ""
        with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as file:
            seen = dict[str, int]()
            for line in file:
                words = line.split()
                if not words[0].endswith(":"):
                    part = f"{words[2]} {words[-1]}"
                elif words[0] in {"Private_Clean:", "Private_Dirty:"}:
                    private += int(words[1])
                elif words[0] in {"Shared_Clean:", "Shared_Dirty:"}:
                    seen[part] = seen.get(part, 0) + int(words[1])
        shared |= {part: max(kib, shared.get(part, 0)) for part, kib in seen.items()}
    return private + sum(shared.values())


class Desk:
    """An X server with an ordinary window on it.

    ``answers``: an application that answers accessibility has the focus, so that everything is kept as it was signed;
    where nobody answers only the coarsest form is, in which nothing can be counted. ``bus`` is its session bus.
    """

    def __init__(self, *, answers: bool = False) -> None:
        self.server = Server()
        self._accessible = Accessible() if answers else None
        self.bus = self._accessible.address if self._accessible else None
        self.display = self.server.display
        self._window = subprocess.Popen(
            [sys.executable, "-c", _WINDOW, self.display], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._window.stdout is not None
        self._window.stdout.readline()
        self._answering = Answering(self.display, self.bus) if self.bus else None

    def close(self) -> None:
        if self._answering is not None:
            self._answering.end()
        if self._accessible is not None:
            self._accessible.stop()
        self._window.kill()
        self._window.wait()
        assert self._window.stdout is not None
        self._window.stdout.close()
        self.server.stop()


class Ours:
    """Our program, recording on this desk: a person has signed, with this profile."""

    def __init__(self, folder: str, desk: Desk, profile: str = "events") -> None:
        self.person = Person(os.path.join(folder, "home"), desk.display)
        if desk.bus is not None:
            self.person.env["DBUS_SESSION_BUS_ADDRESS"] = desk.bus
        self.person.sign(profile=profile)

    def start(self) -> None:
        self.person.start()

    def named_pids(self) -> dict[str, int]:
        """Process id by the process's name, of those that run."""
        return {name: pid for name, pid in self.person.status()["pids"].items() if pid}

    def pids(self) -> list[int]:
        return list(self.named_pids().values())

    def stop(self) -> None:
        self.person.stop()


class Script:
    """A program of others that records into one file below ``folder``, as one process."""

    def __init__(self, folder: str, display: str, program: str = USUAL, python: str = sys.executable) -> None:
        self.file = os.path.join(folder, os.path.basename(program) + ".out")
        self._words = [python, program, self.file]
        self._display = display
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._words, env=environment(self._display), cwd=os.path.dirname(self.file), stderr=subprocess.DEVNULL
        )
        wait_until(lambda: os.path.exists(self.file), 20, "the other program")
        time.sleep(1.0)  # its two listeners connect

    def pids(self) -> list[int]:
        assert self._process is not None
        return [self._process.pid]

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)  # Ctrl-C: it writes out what it still holds
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:  # it waits for a thread that waits for ever
            self._process.kill()
            self._process.wait(10)
