"""Boot the guest for one command. Its root is this machine's own, so it has the same Python and the same checkout."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KERNEL = "/usr/bin/linux.uml"
VERSIONS = "/usr/lib/uml/modules"


class Ended(NamedTuple):
    """How the command ended (99: the guest did not get that far) and what it and the guest said."""

    status: int
    output: str


def modules() -> str | None:
    """The folder with the two modules for the kernel that is installed; ``None`` where there are none."""
    versions = os.listdir(VERSIONS) if os.path.isdir(VERSIONS) else []
    for version in versions:
        folder = os.path.join(ROOT, ".cache", f"uml-{version}")
        if os.path.exists(os.path.join(folder, "uinput.ko")) and os.access(KERNEL, os.X_OK):
            return folder
    return None


def run(words: Sequence[str], *, seconds: float = 180, memory: str = "768M") -> Ended:
    """Run one command as root in a guest of its own."""
    found = modules()
    assert found is not None
    with tempfile.TemporaryDirectory(prefix="desktop-logger-guest-") as job:
        environment = {
            "PATH": os.environ["PATH"], "HOME": "/run/tmp", "TMPDIR": "/run/tmp", "LANG": "C.UTF-8", "TERM": "xterm",
            "PYTHONDONTWRITEBYTECODE": "1", "USER": "root", "LOGNAME": "root", "DESKTOP_LOGGER_GUEST": "1",
        }  # fmt: skip
        if "PYTEST_XDIST_WORKER" in os.environ:
            environment["SHARED_MACHINE"] = "1"
        todo = {"words": list(words), "folder": ROOT, "environment": environment, "seconds": seconds}
        with open(os.path.join(job, "words"), "w", encoding="utf-8") as file:
            json.dump(todo, file)
        first = os.path.join(job, "init")
        program = [sys.executable, "-I", os.path.join(ROOT, "tests", "guest", "init.py"), found, job]
        with open(first, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nexec {shlex.join(program)}\n")
        os.chmod(first, 0o700)
        kernel = [
            KERNEL, f"mem={memory}", "rootfstype=hostfs", "rootflags=/", "rw", f"init={first}", "con=null",
            "con0=null,fd:1", "quiet", "loglevel=1",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                kernel, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                timeout=seconds + 60, start_new_session=True,
            )  # fmt: skip
            said = done.stdout.decode(errors="replace")
        except subprocess.TimeoutExpired:
            said = "the guest did not power off"
        parts = {name: _content(os.path.join(job, name)) for name in ("status", "output", "failed")}
        return Ended(
            int(parts["status"] or 99), parts["output"] + (parts["failed"] or ("" if parts["status"] else said))
        )


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
