"""The doctor, with each thing that it looks at broken for real: it says which, and the remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from desktop_logger.confine import landlock
from tests.answering import Accessible
from tests.bus import Desktop
from tests.people import LOGGER, Person
from tests.testbed import Server


def findings(person: Person, status: int, **more: str) -> dict[str, dict[str, Any]]:
    """What ``doctor --json`` finds, by name. Whatever is wrong has a remedy; 5 exactly when something needed is."""
    done = subprocess.run(
        [*LOGGER, "doctor", "--json"],
        env={**person.env, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stderr == ""
    said = json.loads(done.stdout)
    found = {one["name"]: one for one in said["checks"]}
    assert len(found) == len(said["checks"])
    assert all(one["remedy"] for one in found.values() if not one["ok"]), found
    assert said["ok"] == all(one["ok"] for one in found.values())
    wrong = [name for name, one in found.items() if one["needed"] and not one["ok"]]
    assert (done.returncode, bool(wrong)) in ((0, False), (5, True)), wrong
    assert done.returncode == status, wrong
    return found


@pytest.fixture
def person(tmp_path: Path, display: str) -> Person:
    return Person(str(tmp_path / "home"), display)


def test_where_nothing_is_missing_it_says_so_and_changes_nothing(person: Person) -> None:
    found = findings(person, 0)
    assert found["recording sign"]["found"].endswith(person.env["DISPLAY"])
    assert found["input"]["found"].startswith("x11")
    assert found["confinement: landlock"]["ok"] == bool(landlock.abi())
    assert found["confinement: seccomp"]["ok"]
    assert not os.path.exists(person.home)
    for_people = person.ok("doctor")
    assert "Traceback" not in for_people
    assert [line[:4] for line in for_people.splitlines() if line[:2] != "  "] == [
        "ok  " if one["ok"] else "NO  " for one in found.values()
    ]


def test_a_display_that_is_not_there_not_set_or_died(person: Person) -> None:
    for display, words in (("", "no display"), (":4999", "nothing answers on :4999")):
        found = findings(person, 5, DISPLAY=display)
        assert found["recording sign"]["found"] == words
        assert not found["backend x11"]["ok"]
        assert not found["input"]["ok"]
    server = Server()
    server.kill()
    assert not findings(person, 5, DISPLAY=server.display)["recording sign"]["ok"]


def test_a_wayland_session(person: Person) -> None:
    found = findings(person, 5, WAYLAND_DISPLAY="wayland-0", XDG_SESSION_TYPE="wayland")
    assert not found["input"]["ok"]


def test_a_home_that_others_can_open_and_one_that_is_no_folder(person: Person, tmp_path: Path) -> None:
    Path(person.home).mkdir(mode=0o755)
    os.chmod(person.home, 0o755)  # noqa: S103 - what is wrong here
    found = findings(person, 5)
    assert found["folder"]["remedy"] == f"Run: chmod 700 '{person.home}'"
    (tmp_path / "file").write_text("")
    assert not findings(person, 5, DESKTOP_LOGGER_HOME=str(tmp_path / "file"))["folder"]["ok"]


def test_a_disk_without_room(person: Person, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: only root may mount a small disk")
    try:
        found = findings(person, 5, DESKTOP_LOGGER_HOME=str(disk / "home"))["disk"]
        assert found["found"].endswith("MiB free")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_clock_that_was_set_back_and_a_key_that_is_gone(person: Person) -> None:
    person.sign(profile="events")
    assert findings(person, 0)["store key"]["found"] == "in your file"
    Path(person.home, "consent", "last-seen").write_text(f"{int(time.time()) + 7200}\n")
    found = findings(person, 5)
    assert found["clock"]["found"].startswith("120 minutes") or found["clock"]["found"].startswith("119 minutes")
    Path(person.home, "consent", "last-seen").unlink()
    next(Path(person.home, "kek").glob("*.key")).unlink()
    assert not findings(person, 5)["store key"]["ok"]


def test_somebody_elses_hands(person: Person) -> None:
    assert not findings(person, 5, SUDO_UID="1000")["account"]["ok"]
    assert not findings(person, 5, SSH_CONNECTION="a b")["account"]["ok"]


def test_the_bus_with_and_without_a_tray(person: Person) -> None:
    del person.env["DBUS_SESSION_BUS_ADDRESS"]
    found = findings(person, 0)
    assert found["tray and notifications"]["found"] == "no session bus"
    assert found["accessibility"]["found"].startswith("no session bus: no password field is recognised")
    dead = findings(person, 0, DBUS_SESSION_BUS_ADDRESS="unix:path=/nonexistent/bus")
    assert "does not answer" in dead["tray and notifications"]["found"]
    desktop = Desktop()
    try:
        found = findings(person, 0, DBUS_SESSION_BUS_ADDRESS=desktop.address)
        assert found["tray and notifications"]["ok"]
    finally:
        desktop.stop()
    empty = subprocess.Popen(
        ["dbus-daemon", "--session", "--print-address", "--nofork", "--nopidfile"], stdout=subprocess.PIPE, text=True
    )
    assert empty.stdout
    try:
        found = findings(person, 0, DBUS_SESSION_BUS_ADDRESS=empty.stdout.readline().strip())
        assert "no tray" in found["tray and notifications"]["found"]
    finally:
        empty.kill()
        empty.wait()
        if empty.stdout:
            empty.stdout.close()


def test_whether_accessibility_is_switched_on(person: Person, accessible: str) -> None:
    found = findings(person, 0, DBUS_SESSION_BUS_ADDRESS=accessible)["accessibility"]
    assert not found["ok"]
    assert "switched off" in found["found"]
    assert "toolkit-accessibility true" in found["remedy"]
    desktop = Accessible(switched_on=True)
    try:
        assert findings(person, 0, DBUS_SESSION_BUS_ADDRESS=desktop.address)["accessibility"]["ok"]
    finally:
        desktop.stop()


def test_without_the_library_of_the_bus_it_says_what_that_costs(person: Person, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['jeepney'] = None\n")
    found = findings(person, 0, PYTHONPATH=str(tmp_path), DBUS_SESSION_BUS_ADDRESS="unix:path=/nonexistent/bus")
    for name in ("tray and notifications", "accessibility"):
        assert "no library for the session bus (jeepney)" in found[name]["found"]
        assert found[name]["remedy"] == "Run: pip install 'desktop-logger[desktop]'"
    assert "coarse form at most" in found["accessibility"]["found"]


def test_the_name_on_path(person: Person, tmp_path: Path) -> None:
    ours = os.path.dirname(sys.executable)
    assert findings(person, 0, PATH=f"{ours}:/usr/bin")["`logger`"]["ok"]
    other = tmp_path / "logger"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    found = findings(person, 0, PATH=f"{tmp_path}:{ours}")["`logger`"]
    assert (found["ok"], found["remedy"]) == (False, "Use the name desktop-logger.")


def test_a_unit_of_another_version_and_a_session_that_does_not_start_it(person: Person, tmp_path: Path) -> None:
    units = tmp_path / "config" / "systemd" / "user"
    units.joinpath("graphical-session.target.wants").mkdir(parents=True)
    unit = units / "desktop-logger.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    units.joinpath("graphical-session.target.wants", unit.name).symlink_to(unit)
    config = str(tmp_path / "config")
    assert findings(person, 0, XDG_CONFIG_HOME=config)["service"]["remedy"] == "Run: desktop-logger service install"
    unit.write_text(person.ok("service", "install", "--print", "systemd"))
    found = findings(person, 0, XDG_CONFIG_HOME=config)["service"]
    assert (found["ok"], found["found"]) == (False, "your service manager does not answer")


def test_layers_that_the_kernel_does_not_give(person: Person) -> None:
    """Under a filter that refuses Landlock's and seccomp's own calls, as old containers do."""
    code = """
import ctypes, struct, sys, os
from desktop_logger import confine
refused = [444, 445, 446, 317]
steps = [(0x20, 0, 0, 0)]
for number in refused:
    steps += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | 1)]
steps.append((0x06, 0, 0, 0x7FFF0000))
data = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
head = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(steps), ctypes.addressof(data)))
assert confine.prctl(38, 1)
assert ctypes.CDLL(None).prctl(22, 2, ctypes.byref(head), 0, 0) == 0
os.execv(sys.executable, [sys.executable, "-m", "desktop_logger", "doctor", "--json"])
"""
    if os.uname().machine != "x86_64":
        pytest.skip("NOT TESTED: the numbers of these calls are x86_64's")
    done = subprocess.run([sys.executable, "-c", code], env=person.env, capture_output=True, text=True, check=False)
    found = {one["name"]: one for one in json.loads(done.stdout)["checks"]}
    for layer in ("landlock", "seccomp"):
        one = found[f"confinement: {layer}"]
        assert (one["ok"], one["found"]) == (False, "unavailable")
        assert one["remedy"].startswith("Recording works. Use a kernel with")
    assert found["confinement: dumpable"]["ok"]
    assert done.returncode == 0
