"""Made-up office work goes the way of real input, and says that it is made up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset
import pytest

from desktop_logger.capture.replay import Reader
from desktop_logger.dataset import folder
from desktop_logger.errors import Refused, UsageError
from desktop_logger.records.profiles import CAPS, COARSE, PROFILES, SCOPES
from desktop_logger.testing import office


def test_what_somebody_does_is_a_replay_file(tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in office.session(office.Plan(), 3, 0)))
    reader = Reader(str(path))
    events = [event for _, made in reader.lines() for event in made]
    assert len(events) > 300
    assert reader.last < 600_000


@pytest.mark.parametrize("profile", ["events", "bursts", "coarse", "counts"])
def test_it_is_written_as_an_export_under_every_profile(tmp_path: Path, profile: str) -> None:
    out = str(tmp_path / "out")
    export = office.write(out, office.Plan(people=3, sessions=1), profile)
    card = folder.read_card(out)
    assert (card["export"], card["subjects"], card["sessions_by_profile"]) == (export, 3, {profile: 3})
    rows = pyarrow.dataset.dataset(os.path.join(out, "data"), format="parquet").to_table()
    assert rows.num_rows == card["rows"] > 100
    assert set(rows["scope"].unique().to_pylist()) == set(SCOPES)
    gaps = [row for row in rows.select(["reason", "seconds"]).to_pylist() if row["reason"] is not None]
    assert {row["reason"] for row in gaps} == {"unobserved"}  # as what leaves a machine
    assert max(row["seconds"] for row in gaps) <= (CAPS["seconds"] if PROFILES[profile].rank >= COARSE.rank else 600)


def test_it_says_that_it_is_made_up(tmp_path: Path) -> None:
    out = tmp_path / "out"
    office.write(str(out), office.Plan(people=2, sessions=1))
    readme = (out / "README.md").read_text()
    assert "**Simulated: no row comes from a person.**" in readme
    assert "a person who signed" not in readme
    with pytest.raises(Refused, match="exists"):
        office.write(str(out), office.Plan(people=2, sessions=1))
    with pytest.raises(UsageError, match="not a profile"):
        office.write(str(tmp_path / "other"), office.Plan(people=2, sessions=1), "fine")


def test_the_same_plan_makes_the_same_input_and_another_seed_another() -> None:
    assert office.session(office.Plan(), 1, 1) == office.session(office.Plan(), 1, 1)
    assert office.session(office.Plan(), 1, 1) != office.session(office.Plan(seed=2), 1, 1)
    assert office.session(office.Plan(), 1, 1) != office.session(office.Plan(), 2, 1)


def test_a_task_that_nobody_does_is_not_done() -> None:
    plan = office.Plan(jobs={"letter": 0, "gather": 0, "mail": 0, "table": 0})
    assert {line["focus"] for line in office.session(plan, 1, 0) if "focus" in line} <= {
        "org.mozilla.firefox",
        "org.keepassxc.KeePassXC",
    }


def test_the_command_writes_one(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "desktop_logger.testing.office", "--people", "2", "--sessions", "1", "--out"]
    done = subprocess.run([*words, str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    again = subprocess.run([*words, str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert again.stderr.startswith("error: ")
