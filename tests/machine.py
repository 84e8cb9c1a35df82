"""A state machine over start, pause, resume, crash, purge, withdraw and sign, on real processes and a real display.

The model knows what must be true: whether there is a capture process, what the status says, which clicks the person
must still find and which must be gone. ``python -m tests.machine EXAMPLES STEPS`` walks for as long as it is told; the
default tests walk a little.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar, Concatenate, ParamSpec

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.inject import Injector
from tests.people import Person
from tests.testbed import Server, wait_until

ROLES = ("capture", "writer", "indicator", "supervisor")
LASTS = 4
"""A recording goes on for so many steps before it may be ended: a walk that only begins and ends meets little."""
CAUTIOUS = 5.5
"""Seconds after which what was clicked is on the disk, whoever dies."""


class PartedError(BaseException):
    """The model and the processes have parted. No ``Exception``, so that what real processes did is not tried again."""


P = ParamSpec("P")


def step(do: Callable[Concatenate[Recording, P], None]) -> Callable[Concatenate[Recording, P], None]:
    """A step of a walk: where it fails, all steps that led there are said."""

    @functools.wraps(do)
    def done(self: Recording, /, *args: P.args, **drawn: P.kwargs) -> None:
        self.steps.append(" ".join((do.__name__, *map(str, drawn.values()))))
        try:
            do(self, *args, **drawn)
        except Exception as error:
            raise PartedError(f"{error}, after: {', '.join(self.steps)}") from error

    return done


class Recording(RuleBasedStateMachine):
    """One person and one display, from nothing signed to whatever happens."""

    display: ClassVar[str]
    done: ClassVar[Counter[str]]
    """How often each thing was done."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="desktop-logger-")
        self.person = Person(os.path.join(self.folder, "home"), self.display)
        self.signed = self.withdrawn = self.runs = self.paused = False
        self.kept = self.lasted = 0
        """Clicks that must be found; and how many steps the recording has gone on for."""
        self.steps: list[str] = []

    def teardown(self) -> None:
        self.person.stop()
        shutil.rmtree(self.folder)

    # --- what may happen --------------------------------------------------------------------------------------

    @initialize(begun=st.sampled_from((True, True, True, False)))
    @step
    def begin(self, begun: bool) -> None:
        if begun:
            self._sign()
            self._start()

    @precondition(lambda self: not self.signed)
    @rule()
    @step
    def sign(self) -> None:
        self._sign()

    def _sign(self) -> None:
        self.done["sign"] += 1
        self.person.sign(profile="events")
        self.signed = True

    @precondition(lambda self: self.signed and not self.runs)
    @rule()
    @step
    def start(self) -> None:
        self._start()

    def _start(self) -> None:
        self.done["start"] += 1
        done = self.person.run("start")
        assert done.returncode == 0, done
        self.runs, self.paused, self.lasted = True, False, 0

    @precondition(lambda self: not self.runs)
    @rule()
    @step
    def ask_in_vain(self) -> None:
        self.done["ask in vain"] += 1
        if not self.signed:
            assert self.person.run("start").returncode == 3
        assert self.person.run("pause").returncode == 1
        assert self.person.run("stop").returncode == 0

    @precondition(lambda self: self.runs and self.lasted >= LASTS)
    @rule()
    @step
    def stop(self) -> None:
        self.done["stop"] += 1
        assert self.person.run("stop").returncode == 0
        self.runs = self.paused = False

    @precondition(lambda self: self.runs)
    @rule()
    @step
    def pause(self) -> None:
        self.done["pause"] += 1
        assert self.person.run("pause").returncode == 0
        self.paused = True

    @precondition(lambda self: self.runs)
    @rule()
    @step
    def resume(self) -> None:
        self.done["resume"] += 1
        assert self.person.run("resume").returncode == 0
        self.paused = False

    @precondition(lambda self: self.runs)
    @rule(count=st.sampled_from((1, 2, 4)))
    @step
    def click(self, count: int) -> None:
        """Nobody says here what has the focus, so that clicks are kept in powers of two, a run of them at a time."""
        self.done["click"] += 1
        with Injector(self.display) as injector:
            for _ in range(count):
                injector.send(injector.button(2))
            injector.sync()
        time.sleep(2.2)  # the run is over, and what was clicked is known not to be secret
        self.kept += 0 if self.paused else count

    @precondition(lambda self: self.runs)
    @rule(role=st.sampled_from(ROLES))
    @step
    def crash(self, role: str) -> None:
        self.done[f"crash of {role}"] += 1
        time.sleep(CAUTIOUS)
        before = self.person.status()["pids"]
        pid = before[role]
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        if role == "supervisor":
            wait_until(lambda: not any(self.person.status()["pids"].values()), 10, "the end of everything")
            self.runs = self.paused = False
        elif not self.paused:
            wait_until(lambda: self.person.status()["pids"]["capture"] != before["capture"], 8, "the end of capture")
            self.person.run("resume")  # somebody asks for it, so that no back-off is waited for
            wait_until(lambda: self.person.status()["state"] == "recording", 40, "recording again")

    @precondition(lambda self: self.signed)
    @rule()
    @step
    def purge(self) -> None:
        self.done["purge"] += 1
        assert self.person.run("purge", "--all").returncode == 0
        self.kept = 0
        if self.runs and not self.paused:
            wait_until(lambda: self.person.status()["state"] == "recording", 20, "recording again")

    @precondition(lambda self: not self.runs or self.lasted >= LASTS)
    @rule()
    @step
    def withdraw(self) -> None:
        self.done["withdraw"] += 1
        done = self.person.run("consent", "withdraw")
        assert done.returncode == (0 if self.signed or self.withdrawn else 3), done  # whoever withdraws twice is right
        wait_until(lambda: not any(self.person.status()["pids"].values()), 10, "the end of everything")
        self.withdrawn = self.signed or self.withdrawn
        self.signed = self.runs = self.paused = False

    # --- what must be true ------------------------------------------------------------------------------------

    @invariant()
    @step
    def the_status_is_the_model(self) -> None:
        wanted = "recording" if self.runs and not self.paused else "paused" if self.runs else (
            "stopped" if self.signed else "no-consent")  # fmt: skip
        self.lasted += 1
        said: dict[str, Any] = {}

        def agrees() -> bool:
            said.update(self.person.status())
            return bool(said["state"] == wanted)

        wait_until(agrees, 10, f"{wanted} instead of {said.get('state')}")
        assert (said["pids"]["capture"] is not None) == (wanted == "recording"), said
        assert any(said["pids"].values()) == self.runs, said

    @invariant()
    @step
    def what_is_stored_is_whole_and_what_must_be_there(self) -> None:
        if not os.path.isdir(os.path.join(self.person.home, "ledger")):
            return
        verified = self.person.run("verify", "--json")
        assert verified.returncode == 0, verified
        if not self.runs:
            found = self.person.inspect()["pointer"]["clicks"] if self.kept or self.signed else 0
            assert found == self.kept, (found, self.kept)


def walk(display: str, examples: int, steps: int) -> Counter[str]:
    """Run the machine; what was done, or an error where the model and the processes part."""
    Recording.display, Recording.done = display, Counter()
    try:
        run_state_machine_as_test(
            Recording,
            settings=settings(
                max_examples=examples, stateful_step_count=steps, deadline=None, phases=(Phase.generate,),
                database=None, suppress_health_check=list(HealthCheck), derandomize=examples < 5,
            ),
        )  # fmt: skip
    except PartedError as parted:
        raise AssertionError(str(parted)) from parted.__cause__
    return Recording.done


if __name__ == "__main__":
    counts = [int(word) for word in sys.argv[1:]] or [8, 25]
    server = Server()
    try:
        walk(server.display, *counts)
        print(f"{counts[0]} walks of at most {counts[1]} steps: the model and the processes agree")
        print(dict(Recording.done))
    finally:
        server.stop()
