"""The capture process as a process, fed by replay files: pipes, signals, stopping, and what it never says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop_logger.records.classes import Direction, KeyClass, Reason
from desktop_logger.records.layout import CLICK, END, GAP, KEY, MOVE, SCROLL, START
from tests.capturing import CaptureProcess
from tests.granted import grant
from tests.testbed import wait_until

Start = Callable[..., CaptureProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[CaptureProcess] = []

    def begin(*lines: dict[str, object], scopes: tuple[str, ...] = (), **facts: object) -> CaptureProcess:
        path = tmp_path / f"input{len(running)}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        process = CaptureProcess(f"replay:{path}", grant(*scopes, **facts), {})  # type: ignore[arg-type]
        running.append(process)
        return process

    yield begin
    for process in running:
        process.close()


def typed(text: str, start: float = 0.1) -> list[dict[str, object]]:
    return [
        {"t": round(start + n * 0.03 + up * 0.01, 3), "key": char, "down": not up}
        for n, char in enumerate(text)
        for up in (False, True)
    ]


def finished(process: CaptureProcess) -> None:
    wait_until(lambda: any(line["state"] == "finished" for line in process.said()), 15, "the end of the file")


def test_a_file_is_played_in_real_time_and_then_waits(start: Start) -> None:
    process = start(
        {"t": 0.1, "key": "a", "down": True}, {"t": 0.2, "move": [80, -40]}, {"t": 0.3, "button": 1, "down": True},
        {"t": 0.4, "scroll": [0, -3]}, {"t": 1.2, "key": "Return", "down": True},
    )  # fmt: skip
    process.wait_running()
    began = time.monotonic()
    finished(process)
    assert 0.8 < time.monotonic() - began < 30
    assert process.process.poll() is None
    assert process.stop(0) == 0
    records = process.stream()
    first = records[0][0]
    assert [(r[0] - first, *r[1:4]) for r in records] == [
        (0, KEY, KeyClass.TEXT, 0), (5, MOVE, 0, 20), (10, CLICK, 1, 1), (15, SCROLL, Direction.DOWN, 3),
        (55, KEY, KeyClass.ENTER, 0),
    ]  # fmt: skip
    assert process.marks() == [START, END]
    assert process.output() == b""
    assert [line["state"] for line in process.said()] == ["running", "finished"]
    assert process.said()[0]["backend"] == "replay"


def test_two_texts_of_one_length_give_the_same_bytes(start: Start) -> None:
    one = start(*typed("correct horse battery"), own="events", release="coarse")
    other = start(*typed("N0b0dy Kn0ws, Th1s!!!"), own="events", release="coarse")
    for process in (one, other):
        finished(process)
        process.stop(0)
    # Both began at a moment of their own: times are compared from the first record.
    shifted = [[(r[0] - p.stream()[0][0], *r[1:]) for r in p.stream()] for p in (one, other)]
    assert shifted[0] == shifted[1]
    assert len(shifted[0]) == 21
    assert one.stream("release") == other.stream("release")


def test_what_had_something_secure_in_focus_is_a_gap(start: Start) -> None:
    process = start(
        *typed("abcd"), {"t": 0.5, "focus": "org.keepassxc.KeePassXC", "secure": True}, *typed("secret", 0.6),
        {"t": 2.4, "focus": "org.gnome.Terminal", "secure": False}, *typed("efgh", 2.5), release="coarse",
    )  # fmt: skip
    finished(process)
    process.stop(0)
    assert [r[1] for r in process.stream()] == [KEY] * 4 + [GAP] + [KEY] * 4
    assert process.stream()[4][2] == Reason.SECURE
    assert process.stream()[4][6] == 2
    assert [(r[2], r[6]) for r in process.stream("release") if r[1] == GAP] == [(Reason.UNOBSERVED, 2)]


def test_scopes_that_are_not_granted_stay_out(start: Start) -> None:
    process = start(*typed("abc"), {"t": 0.3, "button": 1, "down": True}, scopes=("pointer",))
    finished(process)
    process.stop(0)
    assert [r[1] for r in process.stream()] == [CLICK]


def test_a_bad_line_is_reported_and_nothing_is_recorded(start: Start) -> None:
    process = start(*typed("abc"), {"t": 5, "key": "no such key", "down": True})
    assert process.wait() == 2
    (said,) = process.said()
    assert said["state"] == "failed"
    assert "line 7" in said["error"]
    assert said["status"] == 2
    assert not process.data
    assert process.output() == b""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, None), (signal.SIGKILL, -9)])
def test_signals(start: Start, number: int, status: int | None) -> None:
    process = start(*typed("abcdef"))
    finished(process)
    process.process.send_signal(number)
    if status is None:
        time.sleep(0.6)
        assert process.process.poll() is None  # the parent decides
        process.tell("q")
        status = 0
    assert process.wait(60) == status
    assert len(process.stream()) in ((6,) if status == 0 else (0, 6))
    assert process.output() == b""


def test_a_writer_that_is_gone_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in typed("abc" * 400)))
    pipes = {name: os.pipe() for name in ("grant", "records", "heartbeat", "attention", "report")}
    os.write(pipes["grant"][1], grant().to_wire())
    os.write(pipes["heartbeat"][1], b".")
    given = {name: pipes[name][name in ("records", "report")] for name in pipes}
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", "desktop_logger.source", "--backend", f"replay:{path}", *map(str, given.values())],
        pass_fds=tuple(given.values()), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    for descriptor in given.values():
        os.close(descriptor)
    os.close(pipes["grant"][1])
    assert os.read(pipes["report"][0], 4096)
    os.close(pipes["records"][0])
    assert process.wait(60) == 1
    assert b"the writer is gone" in os.read(pipes["report"][0], 4096)
    assert process.communicate()[0] == b""
    os.close(pipes["report"][0])
    os.close(pipes["heartbeat"][1])
    os.close(pipes["attention"][1])


def test_wrong_arguments_and_a_grant_that_is_not_whole(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-I", "-m", "desktop_logger.source", *words]
        return subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)

    for words in ((), ("--backend", "x11"), ("--backend", "x11", "--quiet", "1", "0", "1", "2", "3", "4")):
        done = run(*words)
        assert done.returncode == 2
        assert done.stderr == b""
    done = run(
        "--backend", "x11", "--grant", "0", "--records", "0", "--heartbeat", "0", "--attention", "0", "--report", "1"
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["state"] == "failed"
    assert done.stderr == b""
    assert tmp_path


def test_it_loads_nothing_that_seals_stores_or_talks() -> None:
    code = (
        "import desktop_logger.source.__main__, desktop_logger.capture.x11, desktop_logger.capture.replay, sys;"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert not loaded & {
        "cryptography", "numpy", "pydantic", "asyncio", "logging", "subprocess", "dataclasses", "inspect", "pathlib",
        "Xlib", "pynput", "desktop_logger.sealing", "desktop_logger.store", "desktop_logger.segments",
    }  # fmt: skip
