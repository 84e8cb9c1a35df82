"""An ordinary account, and the program installed from its wheel where that account can run it.

Root bypasses permissions, so tests about them run as ``plain_user``: an account that the suite creates for the
session when it runs as root, else the account it runs as.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pexpect
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class PlainUser(NamedTuple):
    """An account without privileges."""

    name: str
    uid: int
    gid: int
    home: str
    """Its home folder, 0700, empty at first."""
    ours: bool
    """Whether it is the account that runs the tests; if so nothing is switched."""

    def environment(self, **more: str) -> dict[str, str]:
        """A small environment as after a login, with ``more`` on top."""
        return {
            "HOME": self.home,
            "USER": self.name,
            "LOGNAME": self.name,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            **more,
        }

    def become(self) -> None:
        """Turn a freshly forked process into one of this account, login uid included where there is one."""
        if self.ours:
            return
        if os.isatty(0):
            os.fchown(0, self.uid, -1)  # the pseudo-terminal is theirs to open
        try:
            with open("/proc/self/loginuid", "w", encoding="ascii") as file:
                file.write(str(self.uid))
        except OSError:
            pass  # no audit in this kernel, or no right to: then none is set
        os.setgroups([])
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
        os.umask(0o022)

    def run(
        self,
        words: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = 1200,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end as this account, without a terminal; nothing is checked."""
        return subprocess.run(
            list(words),
            env=dict(env) if env is not None else self.environment(),
            cwd=self.home,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            start_new_session=True,
            preexec_fn=self.become,
        )

    def spawn(
        self, words: Sequence[str], *, env: Mapping[str, str] | None = None, timeout: float = 120
    ) -> pexpect.spawn[str]:
        """Start as this account on a terminal of its own, 100 columns wide."""
        return pexpect.spawn(
            words[0],
            list(words[1:]),
            env=dict(env) if env is not None else self.environment(),
            cwd=self.home,
            timeout=timeout,
            encoding="utf-8",
            dimensions=(40, 100),
            preexec_fn=self.become,
        )


class Installed(NamedTuple):
    """The program, installed from its wheel into an environment of its own that everybody may read."""

    folder: str
    wheel: str
    python: str
    command: str
    """Absolute path of ``desktop-logger``."""
    logger: str
    """Absolute path of ``logger``."""


@pytest.fixture(scope="session")
def open_folder() -> Iterator[str]:
    """A folder below /tmp that every account can enter; pytest's own are closed to others."""
    folder = tempfile.mkdtemp(prefix="desktop-logger-")
    os.chmod(folder, 0o755)  # noqa: S103 - others must get in
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def plain_user(open_folder: str) -> Iterator[PlainUser]:
    """An account without privileges: made for the session by root, else ourselves in a home of the session's."""
    home = os.path.join(open_folder, "home")
    if os.getuid() != 0:
        os.mkdir(home, 0o700)
        yield PlainUser(pwd.getpwuid(os.getuid()).pw_name, os.getuid(), os.getgid(), home, ours=True)
        return
    name = f"dl-test-{os.getpid()}"
    made = subprocess.run(
        ["useradd", "--no-log-init", "--create-home", "--home-dir", home, "--shell", "/bin/sh", name],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.fail(f"cannot create an account for the permission tests: {made.stderr.strip()}")
    entry = pwd.getpwnam(name)
    os.chmod(home, 0o700)
    try:
        yield PlainUser(name, entry.pw_uid, entry.pw_gid, home, ours=False)
    finally:
        _end_processes_of(entry.pw_uid)
        subprocess.run(["userdel", name], capture_output=True, check=False)


@pytest.fixture(scope="session")
def installed(plain_user: PlainUser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Build the wheel and install it, with what it depends on, into an empty environment: once for all workers."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()}"
    workers = tmp_path_factory.getbasetemp()
    lock = (workers.parent if "PYTEST_XDIST_TESTRUNUID" in os.environ else workers) / "installed.lock"
    folder = os.path.join(tempfile.gettempdir(), f"desktop-logger-{run}")
    mine = os.path.join(folder, f"used-by-{os.getpid()}")
    with _locked(lock):
        if not os.path.exists(os.path.join(folder, "whole")):
            shutil.rmtree(folder, ignore_errors=True)
            os.mkdir(folder)
            os.chmod(folder, 0o755)  # noqa: S103 - others must get in
            _install(folder, plain_user)
            _touch(os.path.join(folder, "whole"))
        _touch(mine)
    (wheel,) = os.listdir(os.path.join(folder, "wheels"))
    scripts = os.path.join(folder, "environment", "bin")
    yield Installed(
        os.path.join(folder, "environment"),
        os.path.join(folder, "wheels", wheel),
        os.path.join(scripts, "python"),
        os.path.join(scripts, "desktop-logger"),
        os.path.join(scripts, "logger"),
    )
    with _locked(lock):
        os.unlink(mine)
        if not any(name.startswith("used-by-") for name in os.listdir(folder)):
            shutil.rmtree(folder, ignore_errors=True)


def _install(folder: str, user: PlainUser) -> None:
    wheels, environment = os.path.join(folder, "wheels"), os.path.join(folder, "environment")
    # Without isolation: the build backend is in our own environment, and building stays off the network.
    _must(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", wheels, ROOT)
    (wheel,) = os.listdir(wheels)
    _must(_interpreter(user), "-m", "venv", environment)
    _must(os.path.join(environment, "bin", "python"), "-m", "pip", "install", "-q", os.path.join(wheels, wheel))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _touch(path: str) -> None:
    with open(path, "w", encoding="ascii"):
        pass


def _interpreter(user: PlainUser) -> str:
    """A Python that the account can run: the system's, else ours."""
    test = "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))"
    for candidate in ("/usr/bin/python3", "/usr/local/bin/python3", sys.executable):
        try:
            if user.run([candidate, "-c", test]).returncode == 0:
                return candidate
        except OSError:
            continue
    pytest.fail("no Python 3.11 with ensurepip that an ordinary account can run; on Debian: python3-venv")


def _must(*words: str) -> None:
    """Run to success, showing what was said when it fails. Notes about pip's own settings are not failures."""
    run = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300, umask=0o022)
    assert run.returncode == 0, f"{' '.join(words)}\n{run.stdout}{run.stderr}"


def _end_processes_of(uid: int) -> None:
    """End what the account that we made has left running."""
    for entry in os.listdir("/proc"):
        try:
            if entry.isdecimal() and os.stat(f"/proc/{entry}").st_uid == uid:
                os.kill(int(entry), signal.SIGKILL)
        except OSError:
            continue
