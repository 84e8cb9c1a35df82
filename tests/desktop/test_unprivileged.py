"""Recording by an ordinary account, and what that very account may not do to the processes. Root would bypass it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ceremony import sign
from tests.testbed import wait_until

from .conftest import Installed, PlainUser

INTRUDE = """
import ctypes, json, os, sys
found = {}
libc = ctypes.CDLL(None, use_errno=True)
for pid in sys.argv[1:]:
    for name in ("mem", "environ", "maps", "fd"):
        try:
            path = f"/proc/{pid}/{name}"
            os.listdir(path) if name == "fd" else open(path, "rb").read(1)
            found[f"{pid} {name}"] = "open"
        except OSError as error:
            found[f"{pid} {name}"] = type(error).__name__
    seized = libc.ptrace(0x4206, int(pid), 0, 0)  # PTRACE_SEIZE, which does not stop whom it seizes
    found[f"{pid} ptrace"] = "open" if seized == 0 else "PermissionError"
print(json.dumps(found))
"""


class Account:
    """The plain user's recording, in the environment that the suite installed for it."""

    def __init__(self, user: PlainUser, program: Installed, display: str) -> None:
        self.user, self.program = user, program
        self.home = os.path.join(user.home, f"recording-{time.monotonic_ns()}")
        self.env = user.environment(DESKTOP_LOGGER_HOME=self.home, DISPLAY=display)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.user.run([self.program.command, *words], env=self.env)

    def status(self) -> dict[str, Any]:
        found = json.loads(self.run("status", "--json").stdout)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def account(plain_user: PlainUser, installed: Installed, display: str) -> Iterator[Account]:
    someone = Account(plain_user, installed, display)
    child = plain_user.spawn([installed.command, "consent", "sign"], env=someone.env)
    said = sign(child)
    assert child.exitstatus == 0, said
    yield someone
    someone.run("stop")
    wait_until(lambda: not any(someone.status()["pids"].values()), 10, "the end of all processes")


def test_the_same_account_may_not_look_into_the_processes(account: Account) -> None:
    started = account.run("start")
    assert started.returncode == 0, started.stderr
    pids = {role: pid for role, pid in account.status()["pids"].items() if pid}
    assert set(pids) == {"supervisor", "capture", "writer", "indicator"}
    done = account.user.run([account.program.python, "-c", INTRUDE, *map(str, pids.values())], env=account.env)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 20
    assert set(found.values()) == {"PermissionError"}, found


def test_the_control_that_the_same_acts_work_on_a_process_that_is_not_ours(
    plain_user: PlainUser, installed: Installed
) -> None:
    """The control: else the test above could pass because nobody may do such things here at all."""
    other = subprocess.Popen(["sleep", "60"], preexec_fn=plain_user.become)  # noqa: PLW1509  no threads here
    try:
        done = plain_user.run([installed.python, "-c", INTRUDE, str(other.pid)])
        found = json.loads(done.stdout)
        assert found[f"{other.pid} environ"] == found[f"{other.pid} fd"] == "open"
    finally:
        other.kill()
        other.wait()


def test_a_read_only_home_is_said(account: Account) -> None:
    for folder, _, _ in os.walk(account.home):
        os.chmod(folder, 0o500)
    try:
        started = account.run("start")
        assert started.returncode in (1, 3, 5), started.stdout
        assert started.stderr.startswith("error: ")
        assert "hint: " in started.stderr
        assert "Traceback" not in started.stderr
        assert account.status()["pids"] == dict.fromkeys(("supervisor", "capture", "writer", "indicator"))
    finally:
        for folder, _, _ in os.walk(account.home):
            os.chmod(folder, 0o700)
