"""The live processes asked of the kernel, and the sign as somebody clicks it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import stat
import string
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop_logger.confine import landlock
from desktop_logger.daemon.children import ENVIRONMENT
from desktop_logger.daemon.indicator import MENU
from tests.capturing import CaptureProcess
from tests.granted import grant
from tests.people import LOGGER, PASSPHRASE, Person
from tests.testbed import environment, wait_until


@pytest.fixture
def person(tmp_path: Path, display: str) -> Iterator[Person]:
    someone = Person(str(tmp_path / "home"), display)
    someone.sign(profile="events")
    yield someone
    someone.stop()


def pids(person: Person) -> dict[str, int]:
    return {role: pid for role, pid in person.status()["pids"].items() if pid}


@pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: only root may look into these processes")
def test_only_the_named_variables_reach_a_process(person: Person) -> None:
    person.env.update(SECRET_TOKEN="canary", PYTHONPATH="/nowhere", LD_BIND_NOW="1", PYTHONINSPECT="")  # noqa: S106
    person.start()
    for role, pid in pids(person).items():
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        names = {entry.split(b"=")[0].decode() for entry in entries if entry}
        assert names <= set(ENVIRONMENT), role


def test_the_kernel_says_what_status_says(person: Person) -> None:
    person.start()
    wait_until(lambda: len(person.status()["sandbox"]) == 4, 10, "a word from every process")
    said = person.status()["sandbox"]
    for role, pid in pids(person).items():
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        facts = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert (facts["Seccomp"], facts["NoNewPrivs"]) == ("2", "1"), role
        assert said[role]["seccomp"] == said[role]["dumpable"] == said[role]["no_core"] == "on", role
        limits = Path(f"/proc/{pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"], role
        if role != "supervisor" and landlock.abi():
            assert said[role]["landlock"] == "on", role


def test_nothing_is_inherited_by_chance(person: Person, tmp_path: Path) -> None:
    """A descriptor that the caller left open ends with the command, not with the recording."""
    chance = tmp_path / "chance"
    with chance.open("w") as file:
        subprocess.run([*LOGGER, "start"], env=person.env, pass_fds=(file.fileno(),), check=True, capture_output=True)
    for role, pid in pids(person).items():
        try:
            links = {os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}
        except PermissionError:
            pytest.skip("NOT TESTED: only root may look into these processes")
        assert str(chance) not in links, role


def test_a_start_that_is_interrupted_does_not_record(person: Person) -> None:
    started = subprocess.Popen([*LOGGER, "start"], env=person.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: Path(person.home, "run", "pids.json").exists(), 10, "the first process")
    started.send_signal(signal.SIGINT)
    _, complaint = started.communicate(timeout=180)
    if started.returncode == 0:
        pytest.skip("recording had begun before the interrupt came")
    assert b"Traceback" not in complaint
    wait_until(lambda: person.status()["state"] == "stopped", 10, "the end of what had begun")
    assert not pids(person)


def sign(xdotool: Callable[..., str]) -> Callable[..., None]:
    """Clicks at a place of the sign: 1184,21 is its middle, the menu's rows begin below it."""

    def click(x: int, y: int, button: int) -> None:
        xdotool("mousemove", x, y, "click", button)
        time.sleep(0.3)

    return click


def row(mark: str) -> int:
    """How far down the middle of a row of the menu lies."""
    return 36 + [one for one, _ in MENU].index(mark) * 22 + 11


def test_the_sign_pauses_resumes_and_stops(person: Person, xdotool: Callable[..., str]) -> None:
    click = sign(xdotool)
    person.start()
    click(1184, 21, 1)
    wait_until(lambda: person.status()["state"] == "paused", 5, "the pause")
    click(1184, 21, 1)
    wait_until(lambda: person.status()["state"] == "recording", 10, "recording again")
    click(1184, 21, 3)
    click(1184, row("s"), 1)
    wait_until(lambda: person.status()["state"] == "stopped", 10, "the stop")


def test_the_sign_deletes_only_when_it_is_clicked(person: Person, xdotool: Callable[..., str]) -> None:
    """A wheel notch over the menu is no click."""
    click = sign(xdotool)
    person.start()
    wait_until(lambda: person.status()["store"]["segments"] == 1, 10, "something to delete")
    click(1184, 21, 3)
    for button in (4, 5, 2, 3):
        click(1184, row("d"), button)
    time.sleep(1)
    assert "erased" not in person.ok("verify")
    click(1184, row("d"), 1)
    wait_until(lambda: "erased" in person.run("verify").stdout, 10, "the deletion")
    wait_until(lambda: person.status()["state"] == "recording", 10, "recording again")


def test_the_sign_comes_back_where_it_can_be_seen(person: Person, xdotool: Callable[..., str]) -> None:
    person.start()
    window = xdotool("search", "--name", "^desktop-logger$").split()[0]
    xdotool("windowmove", window, 5000, 5000)
    xdotool("windowsize", window, 1, 1)

    def seen() -> bool:
        place = xdotool("getwindowgeometry", window)
        return "Position: 1076,8" in place and "Geometry: 196x26" in place

    wait_until(seen, 5, "the sign in its corner")


def test_a_made_up_click_does_nothing(person: Person, xdotool: Callable[..., str]) -> None:
    """XSendEvent marks its events, so that at least this kind is told apart."""
    person.start()
    window = xdotool("search", "--name", "^desktop-logger$").split()[0]
    xdotool("click", "--window", window, 1)
    time.sleep(1)
    assert person.status()["state"] == "recording"


def test_garbage_on_the_control_socket_hurts_nobody(person: Person) -> None:
    import socket

    person.start()
    path = str(Path(person.home, "run", "control.sock"))
    unknown = (b'{"verb":"exec"}\n', b'{"verb":"stop","x":1}\n')
    for garbage in (b"[" * 4000 + b"\n", b"{" * 10 + b"\n", b"\xff\xfe\n", *unknown):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path) if len(path) < 100 else client.connect(_short(path))
            client.sendall(garbage)
            client.settimeout(3)
            answer = client.recv(4096)
            assert b"error" in answer or answer == b""
    assert person.status()["state"] == "recording"


def _short(path: str) -> str:
    folder = os.open(os.path.dirname(path), os.O_PATH)
    return f"/proc/self/fd/{folder}/{os.path.basename(path)}"


def test_no_canary_crosses_a_pipe_or_is_left_in_memory_files(
    display: str, xterm: str, xdotool: Callable[..., str], person: Person
) -> None:
    """What capture hands on, what it reports, and every file that appears in the places for temporary files."""
    began = time.time() - 1
    draw = random.Random(7)
    canaries = ["".join(draw.choices(string.ascii_letters + string.digits, k=12)) for _ in range(50)]
    capture = CaptureProcess("x11", grant(own="events", release="coarse"), environment(display))
    try:
        capture.wait_running()
        person.start()
        xdotool("windowfocus", "--sync", xterm)
        xdotool("type", "--delay", "0", "--clearmodifiers", " ".join(canaries))
        time.sleep(2.5)
    finally:
        capture.stop()
        capture.close()
    assert len(capture.data) > 16 * 500
    left = b""
    for folder in ("/dev/shm", tempfile.gettempdir(), "/var/tmp", "/run"):
        for root, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if "pytest-of-" not in name]
            for path in (os.path.join(root, name) for name in names):
                try:
                    info = os.lstat(path)
                    if stat.S_ISREG(info.st_mode) and info.st_mtime >= began and info.st_size < 10_000_000:
                        left += Path(path).read_bytes()
                except OSError:
                    continue
    for canary in canaries:
        assert canary.encode() not in capture.data
        assert canary.encode() not in capture.reported
        assert canary.encode() not in left


def test_a_full_disk_stops_recording_and_says_so(tmp_path: Path, display: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1200k,mode=0700", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("NOT TESTED: only root may mount a small disk")
    someone = Person(str(disk / "home"), display)
    try:
        someone.sign(profile="events")
        someone.start()
        wait_until(lambda: someone.status()["store"]["segments"] == 1, 10, "something to delete")
        filler = disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        wait_until(lambda: someone.status()["state"] != "recording", 20, "the end of recording")
        said = someone.status()
        assert said["reason"] == "permission"
        assert any("space" in warning or "full" in warning for warning in said["warnings"]), said["warnings"]
        assert someone.run("inspect", passphrase=PASSPHRASE).returncode in (0, 1)
        assert "deleted" in someone.ok("purge", "--all")  # what a full disk must never prevent
        filler.unlink()
        someone.ok("resume")
        assert someone.status()["state"] == "recording"
        assert not any("written" in warning for warning in someone.status()["warnings"])
        someone.stop()
        assert someone.json("verify")["ok"]
    finally:
        someone.stop()
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_terminal_can_be_the_sign(tmp_path: Path) -> None:
    """No display: a replay in the foreground, with the sign as a line in the terminal; Ctrl-C stops."""
    someone = Person(str(tmp_path / "home"))
    someone.sign(profile="events")
    played = tmp_path / "played.jsonl"
    lines = ({"t": n / 10, "key": "a", "down": n % 2 == 0} for n in range(600))
    played.write_text("".join(json.dumps(line) + "\n" for line in lines))
    child = someone.terminal("start", "--foreground", "--backend", f"replay:{played}")
    child.expect(r"\*  recording")
    assert someone.status()["indicator"] == "terminal"
    time.sleep(1.5)
    child.sendintr()
    child.expect("stopped")
    child.close()
    wait_until(lambda: someone.status()["state"] == "stopped", 10, "the end")
    assert someone.inspect()["keys"]["TEXT"] > 2
