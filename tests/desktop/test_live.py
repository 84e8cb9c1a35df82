"""The live processes asked of the kernel, and the sign as somebody clicks it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop_logger.confine import landlock
from desktop_logger.daemon.children import ENVIRONMENT
from tests.people import LOGGER, Person
from tests.testbed import wait_until


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
    _, complaint = started.communicate(timeout=20)
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


def test_the_sign_pauses_resumes_and_stops(person: Person, xdotool: Callable[..., str]) -> None:
    click = sign(xdotool)
    person.start()
    click(1184, 21, 1)
    wait_until(lambda: person.status()["state"] == "paused", 5, "the pause")
    click(1184, 21, 1)
    wait_until(lambda: person.status()["state"] == "recording", 10, "recording again")
    click(1184, 21, 3)
    click(1184, 36 + 2 * 22 + 11, 1)
    wait_until(lambda: person.status()["state"] == "stopped", 10, "the stop")


def test_the_sign_deletes_only_when_it_is_clicked(person: Person, xdotool: Callable[..., str]) -> None:
    """A wheel notch over the menu is no click."""
    click = sign(xdotool)
    person.start()
    before = person.status()["store"]["segments"]
    assert before == 1
    click(1184, 21, 3)
    for button in (4, 5, 2, 3):
        click(1184, 36 + 22 + 11, button)
    time.sleep(1)
    assert "erased" not in person.ok("verify")
    click(1184, 36 + 22 + 11, 1)
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
