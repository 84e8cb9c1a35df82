"""Recording by an ordinary account, and what that very account may not do to the processes. Root would bypass it."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from desktop_logger.confine import landlock
from tests import inside
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


NOBODYS = 0x6E6F6E65
"""A key under which nobody has shared memory or a queue: whoever may look is told that there is none."""
REFUSED = {"EPERM", "EACCES", "EAFNOSUPPORT"}


def forbidden(pid: int, folder: str, home: str, others: dict[str, int], program: bytes) -> dict[str, str]:
    """Each act, tried by the process itself: act → what the kernel answered."""
    found = {}
    with inside.Inside(pid) as process:
        for name, family, kind in (
            ("TCP", 2, 1), ("UDP", 2, 2), ("TCP over IPv6", 10, 1), ("UDP over IPv6", 10, 2), ("netlink", 16, 3),
            ("a Unix socket", 1, 1),
        ):  # fmt: skip
            found[name] = process.call("socket", family, kind, 0)
        here, new = -100, os.O_WRONLY | os.O_CREAT
        found["a file in the account's home"] = process.call("openat", here, f"{folder}/x".encode(), new, 0o600)
        found["a file in /dev/shm"] = process.call("openat", here, f"/dev/shm/x-{pid}".encode(), new, 0o600)
        found["a folder in the account's home"] = process.call("mkdir", f"{folder}/y".encode(), 0o700)
        found["what is there, for writing"] = process.call("openat", here, f"{folder}/there".encode(), os.O_RDWR, 0)
        there = f"{folder}/there".encode()
        found["the mode of a file of the account's"] = process.call("chmod", there, 0o640)
        found["the time of a file of the account's"] = process.call("utimensat", here, there, 0, 0)
        found["an attribute of a file of the account's"] = process.call("setxattr", there, b"user.x", b"y", 1, 0)
        found["shared memory"] = process.call("shmget", NOBODYS, 0, 0)
        found["a message queue"] = process.call("msgget", NOBODYS, 0)
        found["a queue by name"] = process.call("mq_open", b"desktop-logger-none", os.O_RDWR, 0, 0)
        found["a key in the kernel"] = process.call("add_key", b"user", b"desktop-logger-test", b"x", 1, -1)
        found["a file among its own"] = process.call("openat", here, f"{home}/x".encode(), new, 0o600)
        found["reading a file of the account's"] = process.call("openat", here, f"{folder}/there".encode(), 0, 0)
        for name, other in others.items():
            found[f"memory of {name}"] = process.call("openat", here, f"/proc/{other}/mem".encode(), 0, 0)
            found[f"tracing {name}"] = process.call("ptrace", 0x4206, other, 0, 0)
        remote = struct.pack("<QQ", 0x400000, 8)
        found["reading across"] = process.call("process_vm_readv", others["another program"], remote, 1, remote, 1, 0)
        found["a program"] = process.call("execve", program, 0, 0)
    for path in (f"{folder}/x", f"/dev/shm/x-{pid}", f"{home}/x"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(f"{folder}/y")
    return found


@pytest.mark.skipif(not inside.possible(), reason="NOT TESTED: only root on x86_64 can act in a process's place")
@pytest.mark.skipif(landlock.abi() < 1, reason="NOT TESTED: this kernel has no Landlock")
def test_each_forbidden_act_fails_in_each_of_the_live_processes(account: Account) -> None:
    """Calls put into the running processes. In an ordinary program of the same account, the control, each works."""
    started = account.run("start")
    assert started.returncode == 0, started.stderr
    pids = {role: pid for role, pid in account.status()["pids"].items() if pid}
    there = os.path.join(account.user.home, "there")
    with open(there, "w", encoding="ascii"):
        os.chown(there, account.user.uid, account.user.gid)
    plain = [
        subprocess.Popen(["sleep", "60"], cwd=account.user.home, preexec_fn=account.user.become)  # noqa: PLW1509
        for _ in range(2)
    ]
    try:
        others = {"another program": plain[0].pid}
        control = forbidden(plain[1].pid, account.user.home, account.home, others, b"/bin/true")
        assert control.pop("reading across") == "EFAULT"  # it was let in, and found nothing at that place
        asked = {act: control.pop(act) for act in ("shared memory", "a message queue", "a queue by name")}
        elsewhere = {act for act, answer in asked.items() if answer != "ENOENT"}  # a container may refuse these to all
        elsewhere |= {"a key in the kernel"} if control.pop("a key in the kernel") != "done" else set()
        assert set(control.values()) == {"done"}
        for role, pid in pids.items():
            ours = {name: other for name, other in pids.items() if name != role}
            is_first = role == "supervisor"  # it starts the others: a program that is not there must do
            program = b"/bin/nothing" if is_first else b"/bin/true"
            found = forbidden(pid, account.user.home, account.home, others | ours, program)
            refused = {act for act, answer in found.items() if answer in REFUSED}
            allowed = {act: answer for act, answer in found.items() if act not in refused}
            if is_first:
                assert refused - elsewhere == {
                    "TCP", "UDP", "TCP over IPv6", "UDP over IPv6", "netlink", "reading across",
                    *(f"tracing {name}" for name in others | ours), *(f"memory of {name}" for name in ours),
                }  # fmt: skip
                assert set(allowed.values()) <= {"done", "ENOENT", "ENOSYS"}
            else:
                assert allowed == ({"a file among its own": "done"} if role == "writer" else {}), role
        assert account.status()["state"] == "recording"
        assert {role: pid for role, pid in account.status()["pids"].items() if pid} == pids
    finally:
        for one in plain:
            one.kill()
            one.wait()


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
