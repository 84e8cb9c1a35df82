"""The loop from errors to a request and back: what is missing is found, asked for, and helps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from desktop_logger.cli import app as commands
from desktop_logger.clock import Clock
from desktop_logger.consent import requesting
from desktop_logger.dataset import actions, sequences, splitting
from desktop_logger.errors import Refused, UsageError
from desktop_logger.learn import comparing, config, evaluating, feedback, models, training
from desktop_logger.testing import office, rounds

NGRAM = config.Config(kind="ngram", boosting=False)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, rounds.Round]:
    """One round, made once: a model of people who write no mails, work with mails in it, and two second rounds."""
    place = tmp_path_factory.mktemp("round")
    return place, rounds.play(str(place), 1, 12, NGRAM)


def test_a_planted_weakness_is_found_and_the_request_helps(played: tuple[Path, rounds.Round]) -> None:
    _, found = played
    assert found.found == f"category: {rounds.PLANTED}"
    assert found.volunteers == 5
    assert found.asked_there["low"] > 0
    assert found.asked_there["low"] > found.others_there["high"]
    assert found.asked["value"] > found.others["value"]


def test_errors_are_sliced_by_category_class_rarity_gaps_and_size(played: tuple[Path, rounds.Round]) -> None:
    place, _ = played
    model = models.load(str(place / "model"))
    report = evaluating.evaluate(model, str(place / "work"), None)
    assert set(report["slices"]) == {"category", "class", "rare", "gaps", "group size"}
    there = report["slices"]["category"]
    assert set(there) >= {"mail", "office", "browser"}
    assert there["mail"]["accuracy"]["high"] < there["office"]["accuracy"]["low"]
    whole = evaluating.ask(model, str(place / "work"), None)
    for some in evaluating.parts(model, whole.steps).values():
        assert sum(int(rows.sum()) for rows in some.values()) <= whole.steps.questions.size


def test_the_draft_is_what_a_controller_can_sign_and_says_nothing_of_anybody(
    played: tuple[Path, rounds.Round], tmp_path: Path
) -> None:
    place, _ = played
    out = tmp_path / "draft.json"
    words = [
        "learn",
        "feedback",
        str(place / "model"),
        "--on",
        str(place / "work"),
        "--split",
        "all",
        "--out",
        str(out),
    ]
    found = CliRunner().invoke(commands.build(), words)
    assert found.exit_code == 0, found.output
    assert "category: mail" in found.output
    draft = requesting.draft(out.read_bytes(), "draft.json")
    assert (draft.category, draft.action, draft.profile, draft.volunteers) == ("mail", None, "bursts", 5)
    assert draft.scopes == ("keyboard", "pointer", "context", "target")
    assert draft.right_now < draft.right_expected <= draft.right_elsewhere
    assert (place / "model" / "feedback.json").exists()
    again = CliRunner().invoke(commands.build(), words)
    assert isinstance(again.exception, Refused)
    assert "exists already" in again.exception.message
    assert "learning from" not in again.output  # before the work, not after it


def test_every_action_can_be_asked_for() -> None:
    for name in actions.ACTIONS:
        fields = {"purpose": "p", "scopes": ["keyboard"], "profile": "coarse", "category": None, "action": name,
                  "volunteers": 5, "days": 14, "right_now": 1, "right_elsewhere": 2, "right_expected": 3}  # fmt: skip
        assert requesting.draft(json.dumps(fields).encode(), "d").action == name


def test_models_are_held_against_the_first_on_the_same_questions(played: tuple[Path, rounds.Round]) -> None:
    place, kept = played
    paths = [str(place / name) for name in ("model", "with-asked")]
    answered = [models.load(one) for one in paths]
    same, other = comparing.differences(answered, str(place / "work"), None, ("category", "mail"))
    assert (same.accuracy["value"], same.bits["value"]) == (0, 0)
    assert other.bits == kept.asked_there
    with pytest.raises(UsageError, match="there is no slice category:game"):
        comparing.differences(answered, str(place / "work"), None, ("category", "game"))
    words = ["learn", "compare", *paths, "--on", str(place / "work")]
    found = CliRunner().invoke(commands.build(), words)
    assert found.exit_code == 0, found.output
    assert f"on the same {other.questions:,} actions" not in found.output  # that many are in one slice only
    assert "against " in found.output
    refused = CliRunner().invoke(commands.build(), [*words[:4], "--slice", "category:mail"])
    assert isinstance(refused.exception, UsageError)


def test_too_few_people_for_a_curve_is_said(tmp_path: Path) -> None:
    office.write(str(tmp_path / "export"), office.Plan(4, 1), "bursts")
    sequences.build(str(tmp_path / "export"), str(tmp_path / "made"))
    splitting.split(str(tmp_path / "made"), 4, 4)
    path = training.train(
        training.Ask((str(tmp_path / "made"),), str(tmp_path / "model"), NGRAM._replace(least=50)), Clock()
    ).path
    with pytest.raises(Refused, match="too few people for a learning curve"):
        feedback.gains(models.load(path), str(tmp_path / "made"), None, lambda _: None)
