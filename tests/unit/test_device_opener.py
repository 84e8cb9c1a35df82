"""The device opener outside the guest: what installing writes and removing deletes, and how systemd would run it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from desktop_logger.capture import evdev, opener
from desktop_logger.daemon import device_opener
from desktop_logger.errors import Refused, Unavailable
from tests.testbed import wait_until


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root folder to install into, as an administrator."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path / "root"


def test_what_is_installed_is_what_is_shown_and_all_of_it_is_removed(root: Path) -> None:
    called: list[Sequence[str]] = []
    said = list(device_opener.install(str(root), called.append))
    shown = device_opener.files(device_opener.group_of_devices())
    there = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    assert {name: path.read_text() for name, path in there.items()} == shown
    assert {stat.S_IMODE(path.stat().st_mode) for path in there.values()} == {0o644}
    assert called == [["daemon-reload"], ["enable", "--now", "desktop-logger-opener.socket"]]
    assert len(said) == len(shown) + 1
    list(device_opener.install(str(root), called.append))  # once more is an update
    called.clear()
    assert len(list(device_opener.remove(str(root), called.append))) == len(shown) + 1
    assert called[0][:2] == ["disable", "--now"]
    assert not [path for path in root.rglob("*") if path.is_file()]
    assert not (root / device_opener.PROGRAM).parent.exists()
    assert list(device_opener.remove(str(root), called.append)) == ["nothing was installed"]


def test_only_an_administrator_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for act in (device_opener.install, device_opener.remove):
        with pytest.raises(Refused) as refused:
            next(act(str(tmp_path)))
        assert refused.value.hint is not None
        assert refused.value.hint.startswith("Run: sudo ")
    assert not list(tmp_path.iterdir())


def test_what_systemd_says_is_an_error_of_ours(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "bin" / "systemctl"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'System has not been booted with systemd' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent))
    with pytest.raises(Unavailable, match="systemctl daemon-reload: System has not been booted"):
        list(device_opener.install(str(root)))
    fake.unlink()
    with pytest.raises(Unavailable, match="no systemd"):
        list(device_opener.install(str(root)))


def test_systemd_understands_the_units(root: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here (Debian: systemd)")
    list(device_opener.install(str(root), lambda _: None))
    units = [str(root / device_opener.UNITS / f"{device_opener.UNIT}.{kind}") for kind in ("service", "socket")]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", units[0]]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-400:]  # exposure of at most 1.5 of 10


def test_it_runs_alone_on_the_systems_python() -> None:
    """No module of ours, nothing but the standard library: an administrator can read all of it."""
    code = "import sys, runpy; runpy.run_path(sys.argv[1]); print(*sys.modules)"
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    done = subprocess.run([python, "-I", "-c", code, opener.__file__], capture_output=True, text=True, check=True)
    assert "desktop_logger" not in done.stdout
    done = subprocess.run([python, "-I", opener.__file__], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.startswith("usage: ")) == (2, True)


def test_systemd_hands_it_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("systemd-socket-activate"):
        pytest.skip("no systemd-socket-activate here (Debian: systemd)")
    path = str(tmp_path / "socket")
    process = subprocess.Popen(
        ["systemd-socket-activate", "--seqpacket", "-l", path, sys.executable, "-I", opener.__file__],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: os.path.exists(path), 10, "the socket")
        monkeypatch.setattr(evdev, "SOCKET", path)
        link, answer = evdev._asked(b"probe")
        link.close()
        assert answer in (b"away", b"here", b"denied")
    finally:
        process.kill()
        process.wait(5)


def test_with_nobody_to_serve_it_ends(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        served = opener.Opener(listener, 0.0)
        thread = threading.Thread(target=served.run, daemon=True)
        start = time.monotonic()
        thread.start()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.connect(str(tmp_path / "socket"))
            asking.send(b"probe")
            assert asking.recv(64)
        thread.join(10)
        assert not thread.is_alive()
        assert time.monotonic() - start < 9
        os.close(served.changes)


def test_without_an_opener_the_remedy_is_the_whole_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evdev, "SOCKET", str(tmp_path / "none"))
    probe = evdev.Evdev().probe()
    assert not probe.viable
    assert "no device opener is installed" in probe.reason
    command = os.path.join(os.path.dirname(sys.executable), "desktop-logger")
    assert probe.remedy is not None
    assert probe.remedy.endswith(f"sudo {command} opener install")


@pytest.mark.parametrize(("answer", "reason"), [(b"busy", "another process"), (b"denied", "itself may not"), (b"", "")])
def test_every_refusal_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, reason: str
) -> None:
    path = str(tmp_path / "socket")
    monkeypatch.setattr(evdev, "SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            link, _ = listener.accept()
            with link:
                link.recv(64)
                link.send(answer) if answer else None

        threading.Thread(target=serve, daemon=True).start()
        probe = evdev.Evdev().probe()
    assert not probe.viable
    assert reason in probe.reason
    assert probe.remedy
