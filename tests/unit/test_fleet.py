"""The same export on a real Ray cluster of two nodes, one of whose workers is killed at its work: the same rows.

Skipped where Ray is not installed: pip install 'desktop-logger[fleet]' (``make fleet`` does it, and more).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from desktop_logger.admin import books, engines
from desktop_logger.errors import Unavailable, UsageError
from tests.jobs import ends, fails, pid, squared
from tests.organisation import HeldClock, Organisation, Subject
from tests.outboxes import Press, frames
from tests.soak import organisation

RAY = importlib.util.find_spec("ray") is not None


@pytest.mark.fleet
@pytest.mark.skipif(not RAY, reason="NOT TESTED: Ray is not installed (pip install 'desktop-logger[fleet]')")
@pytest.mark.filterwarnings("ignore")
def test_a_lost_worker_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr(books, "BUNDLES_A_PART", 16)
    organisation.fleet(str(tmp_path), bundles=100)


def test_an_engine_that_is_not_there_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(Unavailable) as caught:
        engines.check("ray")
    assert "fleet" in str(caught.value.hint)
    with pytest.raises(UsageError, match="engine"):
        engines.check("spark")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_has_its_result_and_the_first_error_ends_the_run(workers: int) -> None:
    assert sorted(engines.run("local", squared, range(100), workers=workers)) == [n * n for n in range(100)]
    with pytest.raises(Unavailable, match="full") as caught:
        list(engines.run("local", fails, range(1000), workers=workers))
    assert caught.value.hint == "Make room."


def test_too_few_jobs_start_no_process() -> None:
    assert list(engines.run("local", lambda _: os.getpid(), range(3), workers=2, enough=4)) == [os.getpid()] * 3
    assert os.getpid() not in list(engines.run("local", pid, range(4), workers=2, enough=4))


def test_a_process_that_is_killed_ends_the_run_with_a_reason() -> None:
    with pytest.raises(Unavailable, match="was ended") as caught:
        list(engines.run("local", ends, range(1000), workers=2))
    assert "goes on" in str(caught.value.hint)


def test_no_process_outlives_the_one_that_started_it(tmp_path: Path) -> None:
    """They hold keys: whoever kills the export has killed them."""
    words = (
        "from desktop_logger.admin import engines\nfrom tests.jobs import lingers\n"
        "if __name__ == '__main__':\n"
        f"    list(engines.run('local', lingers, [{str(tmp_path)!r}] * 2, workers=2))\n"
    )
    script = tmp_path / "export.py"
    script.write_text(words)
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen([sys.executable, str(script)], env=env) as first:
        try:
            found: list[int] = []
            deadline = time.monotonic() + 60
            while len(found) < 2 and time.monotonic() < deadline:
                found = [int(one) for one in os.listdir(tmp_path) if one.isdigit()]
                time.sleep(0.05)
            assert len(found) == 2
        finally:
            first.kill()
        first.wait()
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{one}") for one in found) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [one for one in found if os.path.exists(f"/proc/{one}")]


def test_in_processes_the_same_rows_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from desktop_logger.admin import export

    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setattr(books, "BUNDLES_A_PART", 4)
    one = Organisation(str(tmp_path), HeldClock())
    for number in range(2):
        person = Subject(str(tmp_path / f"home{number}"), one)
        press, some = Press(person, str(tmp_path / "box" / str(number))), frames(person, 2, 50, seed=number)[0]
        for _ in range(8):
            press.write(some)
    bad = tmp_path / "box" / "0" / ("0" * 32 + ".bundle")
    bad.write_bytes(b"nothing")
    monkeypatch.setattr(export, "_CHUNK", 3)
    alone = one.export(str(tmp_path / "alone"), str(tmp_path / "box"), form="parquet", workers=1)
    monkeypatch.setattr(export, "_ENOUGH", 3)
    together = one.export(str(tmp_path / "together"), str(tmp_path / "box"), form="parquet", workers=2)
    assert (together.rows, together.sessions) == (alone.rows, alone.sessions) == (alone.rows, 16)
    assert [refusal.file for refusal in together.refused] == [str(bad)] == [refusal.file for refusal in alone.refused]
    assert organisation.digest_of(str(tmp_path / "alone")) == organisation.digest_of(str(tmp_path / "together"))
