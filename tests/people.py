"""People at a terminal, for tests: the command line as a whole process, and the ceremony through a real pty."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import Any
from unittest import mock

import pexpect

from desktop_logger import sealing
from desktop_logger.consent import identity
from desktop_logger.paths import Home
from desktop_logger.records import attention
from tests import warm as warming
from tests.answering import OURS
from tests.testbed import REMOTE, environment, wait_until

PASSPHRASE = "correct horse battery staple"  # noqa: S105  nothing real is behind it
LOGGER = [sys.executable, "-m", "desktop_logger"]


_SIGNED: dict[tuple[object, ...], tuple[str, str]] = {}
"""Terms → a home in which they were signed, and what the terminal showed then."""


@functools.cache
def _kept() -> str:
    folder = tempfile.mkdtemp(prefix="desktop-logger-signed-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def quick_passphrases() -> Any:
    """Argon2id with little work, for keys that live as long as a test; what is locked carries the parameters."""
    return mock.patch.dict(sealing.ARGON2ID, t=1, m_kib=64)


def keep(home: str, kept: str, passphrase: str) -> None:
    """Copy a home in which somebody signed; in the copy the same keys are opened with little work."""
    shutil.copytree(home, kept)
    with quick_passphrases():
        identity.save(Home(kept), identity.unlock(Home(kept), passphrase), passphrase)


class Person:
    """One account's worth of state in a home of its own, on one display (or none)."""

    warm = False
    """Whether all its commands are forks of a process that has loaded the program (``tests.warm``)."""

    def __init__(self, home: str, display: str | None = None) -> None:
        self.home = home
        self.env = environment(display) if display else {k: v for k, v in os.environ.items() if k != "DISPLAY"}
        self.env.update(DESKTOP_LOGGER_HOME=home, LANG="C.UTF-8", LC_ALL="C.UTF-8", TERM="xterm", COLUMNS="80")
        for name in ("XDG_RUNTIME_DIR", "LANGUAGE", "SUDO_UID", "SUDO_USER", *REMOTE):
            self.env.pop(name, None)
        if self.env.get("DBUS_SESSION_BUS_ADDRESS") not in OURS:
            self.env.pop("DBUS_SESSION_BUS_ADDRESS", None)
        warming.begin()

    def run(
        self, *words: str, passphrase: str | None = None, stdin: str = "", warm: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """One command as a whole process, or a ``warm`` one; its passphrase, where given, through a descriptor."""
        if passphrase is None:
            return self._command([*words], stdin, warm=warm)
        reading, writing = os.pipe()
        os.write(writing, passphrase.encode() + b"\n")
        os.close(writing)
        try:
            return self._command([*words, "--passphrase-fd", str(reading)], stdin, reading, warm=warm)
        finally:
            os.close(reading)

    def _command(self, words: list[str], stdin: str, *given: int, warm: bool) -> subprocess.CompletedProcess[str]:
        if warm or self.warm:
            return warming.run(words, self.env, stdin, *given)
        return subprocess.run(
            [*LOGGER, *words], env=self.env, capture_output=True, text=True, input=stdin, check=False, pass_fds=given,
            timeout=180,
        )  # fmt: skip

    def ok(self, *words: str, passphrase: str | None = None, warm: bool = False) -> str:
        """One command that must succeed; returns what it printed."""
        done = self.run(*words, passphrase=passphrase, warm=warm)
        assert done.returncode == 0, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        assert "Traceback" not in done.stderr
        return done.stdout

    def json(self, *words: str, passphrase: str | None = None) -> Any:
        """One reporting command, as its JSON object; asked so often that it is ``warm``."""
        return json.loads(self.ok(*words, "--json", passphrase=passphrase, warm=True))

    def terminal(self, *words: str, rows: int = 40, columns: int = 100) -> pexpect.spawn:
        """One command on a pseudo-terminal."""
        return pexpect.spawn(
            LOGGER[0], [*LOGGER[1:], *words], env=self.env, encoding="utf-8", timeout=180, dimensions=(rows, columns)
        )

    def sign(
        self, scopes: Iterable[str] = ("keyboard", "pointer"), profile: str = "", purposes: bool = True, *words: str
    ) -> str:
        """Go through the ceremony and sign; returns everything that the terminal showed.

        What signing leaves in an empty home is kept for whoever signs for the same in an empty home later.
        """
        terms = (*sorted(scopes), profile, purposes, *words, self.env["LANG"])
        if os.path.exists(self.home) or self.env.get("DBUS_SESSION_BUS_ADDRESS", "") not in {"", *OURS}:
            return self._sign(set(scopes), profile, purposes, words)
        if terms not in _SIGNED:
            shown = self._sign(set(scopes), profile, purposes, words)
            kept = os.path.join(_kept(), str(len(_SIGNED)))
            keep(self.home, kept, PASSPHRASE)
            _SIGNED[terms] = kept, shown
            return shown
        kept, shown = _SIGNED[terms]
        shutil.copytree(kept, self.home)
        return shown

    def _sign(self, wanted: set[str], profile: str, purposes: bool, words: tuple[str, ...]) -> str:
        child = self.terminal("consent", "sign", *words)
        shown = ""
        prompts = [
            r"Enter to go on, m for the whole notice:", r"Record (\w+)\? \[y/N\]", r"Profile \[\w+\]:",
            r"Let .* use it to .*\? \[y/N\]", r"New passphrase:", r"Repeat passphrase:", r"Type (\S+) to sign",
            r"\nPassphrase:", pexpect.EOF,
        ]  # fmt: skip
        while True:
            number = child.expect(prompts)
            shown += child.before + (child.after if isinstance(child.after, str) else "")
            if number == 0:
                child.sendline("")
            elif number == 1:
                child.sendline("y" if child.match.group(1) in wanted else "n")
            elif number == 2:
                child.sendline(profile)
            elif number == 3:
                child.sendline("y" if purposes else "n")
            elif number in (4, 5, 7):
                wait_until(lambda: not child.getecho(), 5, "echo off")
                child.sendline(PASSPHRASE)
            elif number == 6:
                child.sendline(child.match.group(1))
            else:
                child.close()
                assert child.exitstatus == 0, shown
                return str(shown)

    def start(self, *words: str) -> str:
        """Start recording; it must run when this returns."""
        return self.ok("start", *words)

    def status(self) -> dict[str, Any]:
        report = self.json("status")
        assert isinstance(report, dict)
        return report

    def stop(self) -> None:
        self.run("stop")
        wait_until(lambda: not any(self.status()["pids"].values()), 10, "the end of all processes")

    def inspect(self, *words: str) -> Any:
        return self.json("inspect", *words, passphrase=PASSPHRASE)

    def settle(self, seconds: float = 1.2) -> None:
        """Let it become known that what was typed was not secret: half a second later the indicator must have spoken.

        Only in three seconds it has surely crossed the pipe to the writer.
        """
        end = time.monotonic() + seconds
        time.sleep(0.6)
        status = self.status()
        indicator = status["pids"]["indicator"] if status["state"] == "recording" else None
        if indicator is None or str(status["backend"]).startswith("replay") or (wrote := _written(indicator)) is None:
            time.sleep(1.0)
        else:
            enough = wrote + 2 * attention.BYTES + 8  # the second record from now, and not only signs of life
            patience = time.monotonic() + 10
            while (_written(indicator) or enough) < enough and time.monotonic() < patience:
                time.sleep(0.02)
        time.sleep(max(0.0, end - time.monotonic()))


def _written(pid: int) -> int | None:
    """How many bytes a process has written; ``None`` where we may not know."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("wchar:"))
    except (OSError, StopIteration):
        return None


TRIES = 6
"""How often a test types again until a busy machine leaves it a moment in which everything is vouched for in time."""


def as_typed(found: Any, keys: int) -> bool:
    """Whether all keys of text are recorded one by one. Where some are not, the report says that it could not tell.

    An application that answers too late whether the field is a password's leaves a gap; one that does not answer, the
    coarser form.
    """
    kept = found["keys"].get("TEXT", 0)
    if kept == keys and not found["at_least"]:
        return True
    said = found["at_least"] or "unknown" in {gap["reason"] for gap in found["gaps"]}
    assert kept <= keys, found
    assert said, found
    return False


def everything_under(folder: str) -> bytes:
    """All bytes of all files under ``folder``, and their names."""
    found = b""
    for root, folders, files in os.walk(folder):
        found += "\n".join([root, *folders, *files]).encode() + b"\n"
        for name in files:
            path = os.path.join(root, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    found += file.read()
    return found
