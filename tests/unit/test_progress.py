from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from desktop_logger.cli import keeping
from tests.bulk import fill
from tests.storage import Person


def test_a_large_store_shows_how_far_it_is_on_a_terminal_only(tmp_path: Path) -> None:
    person = Person(str(tmp_path / "home"))
    fill(person, keeping._LARGE)
    words = [sys.executable, "-m", "desktop_logger", "verify"]
    env = {**os.environ, "DESKTOP_LOGGER_HOME": person.home.root}
    ours, theirs = pty.openpty()
    done = subprocess.run(words, env=env, stdout=subprocess.PIPE, stderr=theirs, timeout=300, check=True, text=True)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert f"150 of {keeping._LARGE} segments" in shown
    assert shown.endswith("\r\x1b[K")
    piped = subprocess.run(words, env=env, capture_output=True, timeout=300, check=True, text=True)
    assert piped.stderr == ""
    assert piped.stdout == done.stdout
    assert piped.stdout.count("  ok\n") == keeping._LARGE
