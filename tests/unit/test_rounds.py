"""What a card says is too thin, and drift between export rounds: found where it was planted, and not where not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from desktop_logger.cli import app as commands
from desktop_logger.dataset import drifting, folder, sequences, splitting, thinness
from desktop_logger.errors import Refused, UsageError
from desktop_logger.testing import office
from tests.learning import change_card

ROUNDS = {
    "first": office.Plan(10, 1), "second": office.Plan(10, 1, first=1000),
    "moved": office.Plan(10, 1, first=2000, jobs={"table": 9.0, "mail": 0.05, "letter": 0.05, "search": 0.05}),
}  # fmt: skip


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    place = tmp_path_factory.mktemp("rounds")
    for name, plan in ROUNDS.items():
        office.write(str(place / f"{name}-export"), plan, "bursts")
        sequences.build(str(place / f"{name}-export"), str(place / name))
    return {name: str(place / name) for name in ROUNDS} | {"export": str(place / "first-export")}


def test_drift_is_found_where_work_changed_and_is_chance_where_only_people_did(rounds: dict[str, str]) -> None:
    same, other = (drifting.drift(rounds[name], rounds["first"]) for name in ("second", "moved"))
    assert same.psi <= same.by_chance
    assert same.verdict.startswith("no more than")
    assert other.psi > max(other.by_chance, 0.25)
    assert other.verdict.startswith("much")
    (tab,) = (one for one in other.moved if one[0] == "PRESS(TAB)")
    assert tab[2] > tab[1]


def test_the_index_is_what_its_formula_says() -> None:
    index, parts = drifting._index(np.array([50, 50]), np.array([80, 20]))
    by_hand = [(0.5 - 0.8) * np.log(0.5 / 0.8), (0.5 - 0.2) * np.log(0.5 / 0.2)]
    assert np.allclose(parts, by_hand)
    assert np.isclose(index, sum(by_hand))
    assert drifting._index(np.array([3, 7]), np.array([30, 70]))[0] == 0


def test_rounds_that_cannot_be_compared_are_refused(rounds: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not sequences"):
        drifting.drift(rounds["first"], rounds["export"])
    office.write(str(tmp_path / "export"), office.Plan(2, 1), "coarse")
    sequences.build(str(tmp_path / "export"), str(tmp_path / "made"))
    with pytest.raises(Refused, match="different profiles"):
        drifting.drift(str(tmp_path / "made"), rounds["first"])
    change_card(str(tmp_path / "made"), vocabulary=3)
    with pytest.raises(Refused, match="another vocabulary"):
        drifting.drift(str(tmp_path / "made"), rounds["first"])
    facts = folder.read_card(str(tmp_path / "made"))
    assert [one for one in thinness.thin(facts) if one.startswith("people: 2,")]


def test_a_card_says_what_is_too_thin(rounds: dict[str, str]) -> None:
    splitting.split(rounds["second"], 0, 3)
    facts = folder.read_card(rounds["second"])
    said = thinness.thin(facts)
    assert "the split validation has nobody in it" in said
    assert "2 split groups to test on: intervals over people need 5" in said
    (rare,) = (one for one in said if one.startswith("fewer than 100 tokens each"))
    named = set(rare.partition(": ")[2].split(", "))
    assert named == {
        name for name, number in facts["tokens_by_action"].items() if number < 100 and name not in thinness.NO_ACTIONS
    }
    full = {**facts, "tokens_by_action": {"TYPE": 100}, "tokens": 100, "tokens_unobserved": 26}
    assert [one for one in thinness.thin(full) if one.startswith("26 %")]
    fine = {**full, "tokens_unobserved": 25, "split_groups": {"train": range(5), "test": range(5, 10)}}
    assert thinness.thin(fine) == []
    for path in (rounds["second"], rounds["export"]):
        page = Path(path, "README.md").read_text()
        assert "Too thin to learn from" in page
        for one in thinness.thin(folder.read_card(path)):
            assert one in page


def test_the_command_says_both(rounds: dict[str, str]) -> None:
    found = CliRunner().invoke(commands.build(), ["dataset", "card", rounds["moved"], "--against", rounds["first"]])
    assert found.exit_code == 0, found.output
    assert "drift " in found.output
    found = CliRunner().invoke(
        commands.build(), ["dataset", "card", rounds["moved"], "--against", rounds["first"], "--json"]
    )
    report = json.loads(found.output)
    assert report["drift"]["psi"] > report["drift"]["by_chance"]
    assert isinstance(report["too_thin"], list)
    assert os.path.exists(rounds["moved"])
