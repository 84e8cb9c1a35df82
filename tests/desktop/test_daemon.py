"""The daemon on a real X server: what it records, how it stops, and what its crashes leave."""

from __future__ import annotations

import os
import random
import signal
import string
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from desktop_logger.control import recorded_pids
from desktop_logger.daemon.supervisor import INDICATOR_S
from desktop_logger.paths import Home
from tests.answering import Answering
from tests.people import LOGGER, PASSPHRASE, TRIES, Person, as_typed, everything_under
from tests.testbed import Server, wait_until


@pytest.fixture
def person(tmp_path: Path, display: str) -> Iterator[Person]:
    """Somebody who has signed for keyboard and pointer, in the finest profile."""
    someone = Person(str(tmp_path / "home"), display)
    someone.sign(profile="events")
    yield someone
    someone.stop()


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_what_is_typed_is_counted_by_class_exactly(
    person: Person, answering: Answering, xdotool: Callable[..., str]
) -> None:
    person.start()
    xdotool("windowfocus", "--sync", answering.window)
    xdotool("type", "--delay", "8", "Hello, World 42")
    xdotool("key", "BackSpace", "BackSpace", "Return", "Tab", "Left", "F5", "Escape", "ctrl+c", "ctrl+shift+z")
    xdotool("click", "1", "click", "1", "click", "3", "click", "4", "click", "5")
    person.settle()
    person.stop()
    found = person.inspect()
    assert found["keys"] == {
        "TEXT": 15, "EDIT": 2, "ENTER": 1, "TAB": 1, "NAV": 1, "FUNCTION": 1, "ESCAPE": 1, "MODIFIER": 2, "COMMAND": 2,
    }  # fmt: skip
    assert found["commands"] == {"copy": 1, "redo": 1}
    assert found["pointer"]["clicks"] == 3
    assert found["pointer"]["scrolls"] == 2


@pytest.mark.parametrize("profile", ["events", "bursts", "coarse"])
def test_no_canary_is_found_in_any_byte(
    profile: str, tmp_path: Path, display: str, answering: Answering, xdotool: Callable[..., str]
) -> None:
    someone = Person(str(tmp_path / "home"), display)
    someone.sign(profile=profile)
    draw = random.Random(profile)
    canaries = ["".join(draw.choices(string.ascii_letters + string.digits, k=12)) for _ in range(200)]
    typed = " ".join(canaries)
    for _ in range(TRIES):
        someone.start()
        pids = [pid for pid in someone.status()["pids"].values() if pid]
        try:
            xdotool("windowfocus", "--sync", answering.window)
            xdotool("type", "--delay", "0", "--clearmodifiers", typed)
            someone.settle()
            public = b"".join(
                Path(f"/proc/{pid}/{name}").read_bytes() for pid in pids for name in ("cmdline", "environ", "comm")
            )
        finally:
            someone.stop()
        stored = everything_under(str(tmp_path))
        shown = someone.ok("inspect", "--events", "--json", passphrase=PASSPHRASE).encode()
        for canary in canaries:
            for haystack in (stored, public, shown):
                assert canary.encode() not in haystack
        found = someone.inspect()
        if found["keys"].get("TEXT", 0) >= 128 if profile == "coarse" else as_typed(found, len(typed)):
            return
        someone.ok("purge", "--all")
    raise AssertionError(f"in {TRIES} tries not all that was typed was recorded")


def test_a_pause_ends_the_capture_process_and_records_nothing(
    person: Person, answering: Answering, xdotool: Callable[..., str]
) -> None:
    person.start()
    capture = person.status()["pids"]["capture"]
    assert capture is not None
    assert b"desktop_logger.source" in Path(f"/proc/{capture}/cmdline").read_bytes()
    began = time.monotonic()
    person.ok("pause")
    assert time.monotonic() - began < 10  # a second at most: measured in tests.soak.consent
    assert not alive(capture)
    status = person.status()
    assert status["state"] == "paused"
    assert status["pids"]["capture"] is None
    xdotool("windowfocus", "--sync", answering.window)
    xdotool("type", "not for you")
    time.sleep(1.2)
    person.ok("resume")
    assert person.status()["state"] == "recording"
    xdotool("type", "abc")
    person.settle()
    person.stop()
    found = person.inspect()
    assert found["keys"] == {"TEXT": 3}
    assert [gap["reason"] for gap in found["gaps"]] == ["paused"]
    assert found["gaps"][0]["seconds"] >= 1


def test_a_timed_pause_ends_by_itself(person: Person) -> None:
    person.start()
    assert "5 s" in person.ok("pause", "5s")
    assert person.status()["resumes_in"] in range(1, 6)
    wait_until(lambda: person.status()["state"] == "recording", 10, "the end of the pause")


@pytest.mark.parametrize("role", ["capture", "indicator"])
def test_a_killed_process_leaves_a_gap_and_comes_back(
    role: str, person: Person, answering: Answering, xdotool: Callable[..., str]
) -> None:
    for _ in range(TRIES):
        person.start()
        xdotool("windowfocus", "--sync", answering.window)
        xdotool("type", "one")
        person.settle(3.2)
        before = person.status()["pids"]
        os.kill(before[role], signal.SIGKILL)
        wait_until(lambda: person.status()["pids"]["capture"] != before["capture"], 5, "the end of capture")  # noqa: B023
        wait_until(lambda: person.status()["state"] == "recording", 15, "recording again")
        xdotool("type", "two")
        person.settle()
        person.stop()
        found = person.inspect()
        assert {"capture": "crashed", "indicator": "indicator"}[role] in {gap["reason"] for gap in found["gaps"]}
        assert person.run("verify").returncode == 0
        if as_typed(found, 6):
            return
        person.ok("purge", "--all")
    raise AssertionError(f"in {TRIES} tries not all that was typed was recorded")


@pytest.mark.parametrize("role", ["writer", "supervisor"])
def test_no_capture_outlives_the_writer_or_the_supervisor(role: str, person: Person) -> None:
    person.start()
    before = person.status()["pids"]
    os.kill(before[role], signal.SIGKILL)
    wait_until(lambda: not alive(before["capture"]), 1.0, f"the end of capture after the {role}'s")
    if role == "supervisor":
        wait_until(lambda: not any(alive(pid) for pid in before.values()), 5, "the end of every process")
        person.start()
    else:
        wait_until(lambda: person.status()["state"] == "recording", 15, "recording again")
    person.stop()
    report = person.json("verify")
    assert report["ok"], report


def test_without_an_indicator_nothing_is_recorded(person: Person) -> None:
    """A sign that is slow to come is waited for; one that hangs is no sign: capture ends within its three seconds."""
    started = subprocess.Popen([*LOGGER, "start"], env=person.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_until(lambda: recorded_pids(Home(person.home)).get("indicator"), 20, "the indicator")
    indicator = recorded_pids(Home(person.home))["indicator"]
    os.kill(indicator, signal.SIGSTOP)
    time.sleep(INDICATOR_S + 0.5)
    assert started.poll() is None, started.communicate()
    assert alive(indicator)
    assert "capture" not in recorded_pids(Home(person.home))
    os.kill(indicator, signal.SIGCONT)
    assert started.wait(60) == 0, started.communicate()
    assert started.stderr
    started.stderr.close()
    pids = person.status()["pids"]
    assert pids["indicator"] == indicator
    os.kill(pids["indicator"], signal.SIGSTOP)
    wait_until(lambda: not alive(pids["capture"]), 5.0, "the end of capture")
    wait_until(lambda: not alive(pids["indicator"]), 5.0, "the end of the hung indicator")


def test_the_display_goes_away(tmp_path: Path) -> None:
    server = Server()
    someone = Person(str(tmp_path / "home"), server.display)
    someone.sign(profile="events")
    someone.start()
    subprocess.run(["xdotool", "click", "1"], env=someone.env, check=True)
    someone.settle()
    server.kill()
    # Whoever comes back under the same name may be somebody else: a lost display ends the run.
    wait_until(lambda: someone.status()["state"] == "stopped", 10, "the end of the run")
    assert not any(someone.status()["pids"].values())
    found = someone.inspect()
    assert found["pointer"]["clicks"] == 1
    assert "display_lost" in {gap["reason"] for gap in found["gaps"]}
    assert someone.run("verify").returncode == 0


def test_a_hung_supervisor_does_not_keep_recording_alive(person: Person) -> None:
    person.start()
    pids = person.status()["pids"]
    os.kill(pids["supervisor"], signal.SIGSTOP)
    began = time.monotonic()
    done = person.run("stop")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 15
    assert not alive(pids["capture"])
    wait_until(lambda: not any(alive(pid) for pid in pids.values()), 3, "the end of every process")
    assert person.status()["state"] == "stopped"
    person.start()
    assert person.status()["state"] == "recording"


def test_a_second_start_says_that_it_runs(person: Person) -> None:
    person.start()
    done = person.run("start")
    assert done.returncode == 1
    assert "already runs" in done.stderr


def test_a_stale_socket_and_lock_are_recovered(person: Person) -> None:
    person.start()
    for pid in person.status()["pids"].values():
        os.kill(pid, signal.SIGKILL)
    assert Path(person.home, "run", "control.sock").exists()
    wait_until(lambda: person.status()["state"] == "stopped", 5, "the end")
    person.start()
    assert person.status()["state"] == "recording"


@pytest.mark.parametrize("route", ["command", "file"])
def test_withdrawal_ends_capture_within_a_second(route: str, person: Person) -> None:
    person.start()
    capture = person.status()["pids"]["capture"]
    began = time.monotonic()
    if route == "command":
        child = person.terminal("consent", "withdraw")
        wait_until(lambda: not alive(capture), 3.0, "the end of capture")
        assert time.monotonic() - began < 20  # how long exactly: tests.soak.consent
        child.expect(r"\[Y/n\]")
        child.sendline("n")
        child.expect("$")
        child.close()
    else:
        Path(person.home, "consent", "withdrawn").touch()
        wait_until(lambda: not alive(capture), 5.0, "the end of capture")
    wait_until(lambda: person.status()["state"] == "no-consent", 5, "no consent")
    done = person.run("start")
    assert done.returncode == 3, done.stderr


def test_a_clock_that_was_set_back_closes_the_gate(person: Person) -> None:
    """The last time seen lies in the future: the same as a clock that was set back by a day."""
    person.start()
    capture = person.status()["pids"]["capture"]
    seen = Path(person.home, "consent", "last-seen")
    seen.write_text(f"{int(time.time()) + 86400}\n")
    wait_until(lambda: not alive(capture), 6, "the end of capture")
    assert person.status()["reason"] == "clock"
    seen.write_text(f"{int(time.time())}\n")
    wait_until(lambda: person.status()["state"] == "recording", 10, "recording again")
    person.stop()
    assert "clock" in {gap["reason"] for gap in person.inspect()["gaps"]}


def test_an_altered_receipt_closes_the_gate(person: Person) -> None:
    person.start()
    capture = person.status()["pids"]["capture"]
    receipt = Path(person.home, "consent", "receipt.json")
    receipt.write_bytes(receipt.read_bytes().replace(b'"keyboard"', b'"keyboarb"'))
    wait_until(lambda: not alive(capture), 6, "the end of capture")
    assert person.run("start").returncode in (1, 3)
    person.stop()
    assert person.run("start").returncode == 3


def test_start_without_consent_creates_nothing(tmp_path: Path, display: str) -> None:
    someone = Person(str(tmp_path / "home"), display)
    done = someone.run("start")
    assert done.returncode == 3
    assert "consent sign" in done.stderr
    assert not (tmp_path / "home").exists()


def test_no_sign_no_recording(person: Person) -> None:
    del person.env["DISPLAY"]
    played = Path(person.home).parent / "played.jsonl"
    played.write_text('{"t": 0, "key": "a", "down": true}\n')
    done = person.run("start", "--backend", f"replay:{played}")
    assert done.returncode == 5
    assert "nothing can show" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: only root may look into these processes")
def test_the_light_processes_hold_what_they_may(person: Person) -> None:
    """Descriptors of the live processes: no file and no socket where the design forbids one."""
    person.start()
    person.settle()
    held: dict[str, set[str]] = {}
    for role, pid in person.status()["pids"].items():
        links: Any = (os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd"))
        held[role] = {link.split(":")[0] for link in links}
    assert held["capture"] <= {"/dev/null", "pipe", "socket"}
    assert held["indicator"] <= {"/dev/null", "pipe", "socket", "anon_inode"}  # D-Bus waits with an epoll
    assert "socket" not in held["writer"]
    assert not [link for link in held["supervisor"] if "segments" in link or "keystore" in link or "kek" in link]
