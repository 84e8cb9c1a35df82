"""On Windows nothing is recorded, and everything else works: reading, deleting, and the organisation's side."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from desktop_logger import store
from desktop_logger.paths import Home
from tests.windows import wine

INSIDE = Path(__file__).parent


def inside(script: str, *words: str) -> Any:
    """What a script of this folder prints inside Windows."""
    status, out, errors = wine.run(wine.path(INSIDE / script), *words)
    assert status == 0, errors
    return json.loads(out)


def test_every_command_answers_and_what_leads_to_recording_is_refused_with_the_reason(tmp_path: Path) -> None:
    answers = inside("inside_commands.py", wine.path(tmp_path / "home"))
    assert len(answers) > 50
    assert not {words: said for words, (_, said) in answers.items() if "unforeseen" in said or "Traceback" in said}
    refused = {words for words, (status, said) in answers.items() if status == 5 and "on Linux only" in said}
    assert refused == {
        "start", "demo", "consent sign", "service install", "admin rehearse", "opener show", "opener install",
        "opener remove", "doctor",
    }  # fmt: skip
    assert answers["stop"] == [0, "nothing was running\n"]
    assert answers["status"][1].startswith("No consent. Nothing is recorded.")
    assert "ok   sealing: X-Wing, AES-256-GCM, Ed25519 work" in answers["doctor"][1]


def test_the_whole_chain_works_and_what_it_leaves_is_read_on_linux(tmp_path: Path) -> None:
    seen = inside("inside_chain.py", wine.path(tmp_path))
    assert seen["shown"] == seen["exported"] > 0
    assert seen["refused"] == 0
    assert seen["lock"] == [True, False]
    assert seen["whole"] is seen["still_whole"] is True
    assert seen["left"] == seen["segments"][1:]
    assert seen["requests"] == len(seen["erased"]) == 1
    (part,) = (tmp_path / "export" / "data").iterdir()
    rows = part.read_bytes()
    assert rows.count(b"\n") == seen["exported"] - seen["erased"][0] > 0
    assert b"\r" not in rows
    for folder, _, _ in os.walk(tmp_path):
        Path(folder).chmod(0o700)
    home = Home(str(tmp_path / "person"))
    assert [one.id for one in store.segments(home)] == seen["left"]
    assert store.verify(home).ok


def test_a_lock_goes_with_its_process(tmp_path: Path) -> None:
    hold = (
        "import sys, time; from desktop_logger import disk\n"
        "with disk.locked(sys.argv[1]): print('held', flush=True); time.sleep(60)"
    )
    ask = (
        "import os, sys; from desktop_logger import disk; print(disk.is_locked(disk.reopen(sys.argv[1], os.O_RDONLY)))"
    )
    path = wine.path(tmp_path / "lock")
    holder = wine.begin("-c", hold, path)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\r\n"
        waits = f"from desktop_logger import disk\nwith disk.locked({path!r}, 0.1): pass"
        _, _, errors = wine.run("-c", waits)
        assert "is held by process" in errors
        assert wine.run("-c", ask, path)[1] == "True\n"
    finally:
        holder.kill()
        holder.communicate()
    assert wine.run("-c", ask, path)[1] == "False\n"
