"""Starting at login under a real service manager of an ordinary account; and taking everything away again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from desktop_logger.consent.person import other_displays
from desktop_logger.daemon import service
from desktop_logger.paths import Home
from tests.ceremony import sign
from tests.manager import Manager, why_not
from tests.people import Person
from tests.testbed import Server, own_network, wait_until

from .conftest import Installed, PlainUser

SESSION = "[Unit]\nDescription=as a desktop does\nBindsTo=graphical-session.target\nBefore=graphical-session.target\n"


class Login:
    """An account that has signed, its service manager, and a desktop session that it can enter."""

    def __init__(self, user: PlainUser, program: Installed, display: str, *, beside: int | None = None) -> None:
        self.user, self.program = user, program
        self.home = os.path.join(user.home, f"serving {time.monotonic_ns()}%x$HOME")  # what a unit file could misread
        self.manager = Manager(user, display, beside=beside)
        self.units = Path(user.home, ".config", "systemd", "user")
        self.env = {**self.manager.env, "DESKTOP_LOGGER_HOME": self.home}
        child = user.spawn([program.command, "consent", "sign"], env={**user.environment(), "DISPLAY": display,
                           "DESKTOP_LOGGER_HOME": self.home})  # fmt: skip
        said = sign(child)
        assert child.exitstatus == 0, said

    def ours(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return self.manager.run(self.program.command, *words, stdin=stdin, DESKTOP_LOGGER_HOME=self.home)

    def status(self) -> dict[str, Any]:
        found = json.loads(self.ours("status", "--json").stdout)
        assert isinstance(found, dict)
        return found

    def enter(self) -> None:
        """As a desktop does when somebody logs in."""
        self.units.joinpath("session-for-test.target").write_text(SESSION)
        self.manager.run("systemctl", "--user", "daemon-reload")
        done = self.manager.run("systemctl", "--user", "start", "session-for-test.target")
        assert done.returncode == 0, done.stderr

    def leave(self) -> None:
        self.manager.run("systemctl", "--user", "stop", "session-for-test.target")

    def shown(self, *facts: str) -> list[str]:
        return self.manager.show(service.NAME, *facts)

    def close(self) -> None:
        self.ours("stop")
        self.ours("service", "remove")
        self.manager.close()
        self.units.joinpath("session-for-test.target").unlink(missing_ok=True)


@pytest.fixture
def login(plain_user: PlainUser, installed: Installed, display: str) -> Iterator[Login]:
    if reason := why_not():
        pytest.skip(f"NOT TESTED: {reason}")
    someone = Login(plain_user, installed, display)
    yield someone
    someone.close()


def test_recording_starts_at_login_and_a_stop_stays_a_stop(login: Login) -> None:
    done = login.ours("service", "install")
    assert done.returncode == 0, done.stderr
    unit = login.units / service.NAME
    checked = login.manager.run("systemd-analyze", "verify", "--user", str(unit))
    assert (checked.returncode, checked.stderr.strip()) == (0, "")
    assert login.manager.run("systemctl", "--user", "is-enabled", service.NAME).stdout.strip() == "enabled"
    assert login.status()["state"] == "stopped"  # installing starts nothing
    login.enter()
    wait_until(lambda: login.status()["state"] == "recording", 20, "recording after the login")
    layers = login.status()["sandbox"]
    for role in ("capture", "writer", "indicator"):
        assert set(layers[role].values()) == {"on"}, (role, layers)
    assert login.ours("stop").stdout == "stopped\n"
    wait_until(lambda: login.shown("ActiveState") == ["inactive"], 10, "the end of the unit")
    time.sleep(6)  # RestartSec and one more
    assert login.shown("ActiveState", "SubState", "NRestarts", "Result") == ["inactive", "dead", "0", "success"]
    login.leave()


def test_a_crash_is_started_again_and_the_end_of_the_session_is_a_stop(login: Login) -> None:
    login.ours("service", "install")
    login.enter()
    wait_until(lambda: login.status()["state"] == "recording", 20, "recording after the login")
    os.kill(login.status()["pids"]["supervisor"], signal.SIGKILL)
    wait_until(lambda: login.shown("NRestarts") == ["1"], 20, "another start")
    wait_until(lambda: login.status()["state"] == "recording", 20, "recording again")
    pids = [pid for pid in login.status()["pids"].values() if pid]
    login.leave()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), 15, "the end of all processes")
    wait_until(lambda: login.shown("ActiveState", "Result") == ["inactive", "success"], 15, "the end of the unit")
    assert login.ours("verify").returncode == 0


def test_nothing_starts_without_a_valid_consent(login: Login) -> None:
    """Altered: refused by the start, once. Withdrawn: not even tried. And then it cannot be installed either."""
    login.ours("service", "install")
    receipt = Path(login.home, "consent", "receipt.json")
    whole = receipt.read_bytes()
    receipt.write_bytes(whole.replace(b'"keyboard"', b'"keyboarb"'))
    login.enter()
    wait_until(lambda: login.shown("ActiveState") == ["failed"], 20, "the refusal")
    assert login.shown("ExecMainStatus", "NRestarts") == ["3", "0"]
    assert login.ours("service", "install").returncode == 3
    login.leave()
    receipt.write_bytes(whole)
    assert login.ours("consent", "withdraw").returncode == 0
    login.enter()
    assert login.shown("ConditionResult", "ActiveState") == ["no", "failed"]
    assert not any(login.status()["pids"].values())


def test_removing_ends_it_and_leaves_no_file(login: Login) -> None:
    login.ours("service", "install")
    login.enter()
    wait_until(lambda: login.status()["state"] == "recording", 20, "recording after the login")
    assert login.ours("service", "remove").stdout == "Nothing starts at login any more.\n"
    assert login.status()["state"] == "stopped"
    assert [path.name for path in login.units.rglob("*")] == ["session-for-test.target"]
    assert login.ours("service", "remove").stdout == "Nothing was set to start at login.\n"


def _server_of(user: PlainUser) -> Server:
    """A display that the account owns, where tests beside this one do not see it.

    There the server does not see which numbers are taken: it is given one far from those that other servers find.
    """
    with own_network():
        server = Server("1280x800x24", f":{10_000 + os.getpid() % 50_000}", become=user.become)
    assert user.uid not in other_displays()
    return server


def test_namespaces_are_used_only_where_the_doctor_passes_inside(
    plain_user: PlainUser, installed: Installed, display: str
) -> None:
    """Inside a user namespace the other accounts have no names: a display of root's is then nobody's, and refused."""
    if reason := why_not():
        pytest.skip(f"NOT TESTED: {reason}")
    someone = Login(plain_user, installed, display)
    try:
        done = someone.ours("service", "install")
        assert "Without the file system closed" in done.stdout, done.stderr
        assert not list(someone.units.rglob("namespaces.conf"))
    finally:
        someone.close()
    server = _server_of(plain_user)
    try:
        someone = Login(plain_user, installed, server.display, beside=server.pid)
        try:
            done = someone.ours("service", "install")
            if "gives no namespaces" in done.stdout:
                pytest.skip("NOT TESTED: this system gives no namespaces to ordinary accounts")
            assert "The file system is closed" in done.stdout, done.stdout
            someone.enter()
            wait_until(lambda: someone.status()["state"] == "recording", 20, "recording after the login")
            assert someone.user.uid not in other_displays(), "tests beside this one would be refused"
            writer = someone.status()["pids"]["writer"]
            mounts = [line.split() for line in Path(f"/proc/{writer}/mountinfo").read_text().splitlines()]
            assert next(words[5] for words in mounts if words[4] == "/").startswith("ro")
            assert any(words[4].startswith(someone.user.home) and words[5].startswith("rw") for words in mounts)
        finally:
            someone.close()
    finally:
        server.stop()


def test_the_unit_reads_back_whatever_the_path_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = tmp_path / 'a "b" 50% \\ $HOME'
    monkeypatch.setenv("DESKTOP_LOGGER_HOME", str(strange))
    monkeypatch.setattr(sys, "executable", "/opt/my python/bin/python3")
    text = service.unit(Home(str(strange)))
    assert 'ExecStart="/opt/my python/bin/python3" "-I"' in text
    assert '50%% \\\\ $HOME"' in text


def test_uninstalling_asks_and_then_leaves_nothing(tmp_path: Path, display: str) -> None:
    person = Person(str(tmp_path / "home"), display)
    person.env.update(XDG_CONFIG_HOME=str(tmp_path / "config"))
    person.sign(profile="events")
    person.start()
    person.settle(0.5)
    refused = person.run("uninstall", stdin="n\n")
    assert (refused.returncode, person.status()["state"]) == (1, "recording")
    unanswered = person.run("uninstall")
    assert unanswered.returncode == 1
    assert "Traceback" not in unanswered.stderr
    theirs = Path(person.home, "a letter of mine")
    theirs.write_text("x")
    done = person.run("uninstall", stdin="y\n")
    assert done.returncode == 0, done.stderr
    assert "a letter of mine" in done.stdout
    assert [path.name for path in Path(person.home).iterdir()] == [theirs.name]
    theirs.unlink()
    assert person.run("uninstall", stdin="y\n").returncode == 0
    assert not any(tmp_path.iterdir())
