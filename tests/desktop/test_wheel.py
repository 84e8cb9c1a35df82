"""The wheel, installed into an empty environment, does what a checkout does, for an ordinary account."""

from __future__ import annotations

import json
import os
import stat
import zipfile

from tests.ceremony import sign

from .conftest import Installed, PlainUser


def test_the_wheel_holds_the_policies_and_the_notices(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
    assert "desktop_logger/py.typed" in names
    assert "desktop_logger/shipped/config/personal.toml" in names
    notices = {name for name in names if name.startswith("desktop_logger/shipped/consent/") and name.endswith(".md")}
    for notice in ("personal", "organisation"):
        for language in ("en", "de"):
            assert any(f"/{notice}/" in name and name.endswith(f".{language}.md") for name in notices)
    assert not [name for name in names if name.startswith(("tests/", "docs/")) or "__pycache__" in name]


def test_both_names_are_the_same_program(installed: Installed, plain_user: PlainUser) -> None:
    said = {plain_user.run([name, "--help"]).stdout for name in (installed.command, installed.logger)}
    assert len({text.replace("desktop-logger", "logger") for text in said}) == 1
    assert "consent" in said.pop()


def test_the_ceremony_works_from_the_wheel(installed: Installed, plain_user: PlainUser) -> None:
    home = os.path.join(plain_user.home, "state")
    env = plain_user.environment(DESKTOP_LOGGER_HOME=home)
    child = plain_user.spawn([installed.command, "consent", "sign"], env=env)
    said = sign(child)
    assert child.exitstatus == 0, said
    status = plain_user.run([installed.command, "consent", "status", "--json"], env=env)
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["state"] == "ConsentGiven"
    for folder, _, files in os.walk(home):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
        for name in files:
            info = os.stat(os.path.join(folder, name))
            assert stat.S_IMODE(info.st_mode) == 0o600, name
            assert info.st_uid == plain_user.uid


def test_nothing_is_written_beside_the_home(installed: Installed, plain_user: PlainUser) -> None:
    fresh = os.path.join(plain_user.home, "elsewhere")
    os.mkdir(fresh, 0o700)
    os.chown(fresh, plain_user.uid, plain_user.gid)
    run = plain_user.run([installed.command, "start"], env=plain_user.environment(HOME=fresh))
    assert run.returncode == 3, run.stderr
    assert os.listdir(fresh) == []
