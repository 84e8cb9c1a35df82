"""The demo as a stranger runs it: one command, every step real, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_demo_tells_the_whole_story_and_leaves_nothing(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "DESKTOP_LOGGER_HOME")}
    env["TMPDIR"] = str(tmp_path)
    env["COLUMNS"] = "100"
    before = processes()
    done = subprocess.run(
        [sys.executable, "-m", "desktop_logger", "demo"],
        env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert done.stderr == ""
    for told in (
        "there is no signed consent", "Type ", "recording through x11", "no such process", "found nowhere",
        "COMMAND       at least         1",
        "cannot tell a password", "deleted 1 segment", "erased", "wrote", "split_group", "nothing is left running",
    ):  # fmt: skip
        assert told in done.stdout, told
    assert os.listdir(tmp_path) == []
    assert processes() <= before


def processes() -> set[str]:
    """Command lines of this program's and of X servers' processes that are ours to have started."""
    found = set()
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
        except OSError:
            continue
        if b"desktop_logger" in line and b"-I" in line and b"desktop-logger-demo" in environment(pid):
            found.add(f"{pid} {line!r}")
    return found


def environment(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""
