"""What people give to learning and datasets by mistake, and what they see: the place, the remedy, and 80 columns."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from desktop_logger import disk
from desktop_logger.cli import app as commands
from desktop_logger.cli.narrow import WIDTH, narrow
from desktop_logger.clock import Clock
from desktop_logger.dataset import actions, folder, sequences, splitting, trained
from desktop_logger.errors import IntegrityError, Refused, UsageError
from desktop_logger.learn import config, foreseeing, models, steps, training
from desktop_logger.testing import office
from tests.learning import Shelf, change_card

NGRAM = config.Config(kind="ngram", boosting=False)


build = functools.cache(commands.build)


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(build(), list(words))
    assert done.exit_code == code, done.output
    return done.stdout


def made(shelf: Shelf, place: Path) -> str:
    """A model, and beside it the sequences it learned from."""
    return training.train(training.Ask((shelf.built(place),), str(place / "model"), NGRAM), Clock()).path


@pytest.mark.parametrize("harm", ["weights", "no weights", "record", "no figures"])
def test_a_list_of_models_names_the_damaged_ones(shelf: Shelf, tmp_path: Path, harm: str) -> None:
    model = Path(made(shelf, tmp_path))
    (whole,) = models.listed(str(tmp_path))
    assert whole.damaged is None
    if harm == "weights":
        raw = bytearray((model / models.WEIGHTS).read_bytes())
        raw[len(raw) // 2] ^= 1
        (model / models.WEIGHTS).write_bytes(bytes(raw))
    elif harm == "no weights":
        (model / models.WEIGHTS).unlink()
    elif harm == "record":
        (model / models.RECORD).write_text("{")
    else:
        record = json.loads((model / models.RECORD).read_text())
        record["metrics"]["model"] = {}
        (model / models.RECORD).write_text(json.dumps(record))
    said = run("learn", "models", str(tmp_path), code=4)
    assert "DAMAGED" in said
    assert str(model) in said
    (row,) = json.loads(run("learn", "models", str(tmp_path), "--json", code=4))
    assert row["damaged"]


def test_a_run_record_of_some_other_program_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / models.RECORD).write_text('{"run": 1}')
    assert list(models.listed(str(tmp_path))) == []
    with pytest.raises(UsageError, match="no folder"):
        list(models.listed(str(tmp_path / "none")))


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "null", '{"run": "ab"}', '{"dataset": 1, "run": 1, "path": "/x"}', "\xff", '{"run": "", "path": ""}'],
)
def test_damaged_notes_stop_a_build_and_a_training_before_any_work(shelf: Shelf, tmp_path: Path, line: str) -> None:
    data, export = shelf.built(tmp_path), str(tmp_path / "export")
    for root, name in ((export, folder.DERIVED), (data, trained.MODELS)):
        place = Path(root, name)
        place.write_bytes((place.read_bytes() if place.exists() else b"") + line.encode("latin-1") + b"\n")
    with pytest.raises(IntegrityError, match=r"derived\.jsonl is damaged in line 2") as refused:
        sequences.build(export, str(tmp_path / "again"))
    assert "Erasure follows these notes" in (refused.value.hint or "")
    with pytest.raises(IntegrityError, match=r"models\.jsonl is damaged in line 1"):
        training.train(training.Ask((data,), str(tmp_path / "model"), NGRAM), Clock())
    with pytest.raises(IntegrityError):
        folder.derived(export)  # which is where an erasure looks
    with pytest.raises(IntegrityError):
        trained.models(data)
    assert sorted(os.listdir(tmp_path)) == ["export", "sequences"]


def test_a_note_after_a_line_without_its_end_is_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / trained.MODELS).write_text(json.dumps({"run": "ab", "path": "/x"}))
    trained.register(str(tmp_path), "cd", "/y")
    assert trained.models(str(tmp_path)) == [trained.Model("ab", "/x"), trained.Model("cd", "/y")]


def test_a_place_is_looked_at_before_any_work_and_no_folder_is_made_on_the_way(shelf: Shelf, tmp_path: Path) -> None:
    """Without a model or a dataset, so what is refused is the place."""
    taken, deep = tmp_path / "taken", str(tmp_path / "no" / "such" / "place")
    taken.write_text("mine")
    export = os.path.dirname(shelf.built(tmp_path / "data")) + "/export"
    for words in (
        ["learn", "feedback", "nothing", "--out"], ["learn", "compare", "a", "b", "--plot"],
        ["learn", "train", "nothing", "--out"], ["dataset", "build", export, "--out"],
    ):  # fmt: skip
        for place, says, status in ((str(taken), "exists already", 1), (deep, "there is no folder", 2)):
            done = CliRunner().invoke(build(), [*words, place])
            assert says in str(done.exception), (words, done.exception)
            assert getattr(done.exception, "exit_status", None) == status
    with pytest.raises(UsageError, match="there is no folder"):
        office.write(deep, office.Plan(1, 1))
    assert taken.read_text() == "mine"
    assert not (tmp_path / "no").exists()


def test_everything_that_learning_says_fits_eighty_columns(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shelf.built(tmp_path, "bursts")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(NGRAM._replace(view="macro").text())
    said = [
        run("learn", "train", "sequences", "--out", "model", "--config", "c.toml"),
        run("learn", "evaluate", "model"),
        run("learn", "compare", "model", "model", "--on", "sequences"),
        run("learn", "compare", "model", "model"),
        run("learn", "feedback", "model", "--out", "draft.json"),
        run("learn", "models", "."),
        run("learn", "predict", "model", "--after", "TYPE(4-7) HOTKEY(copy)"),
        run("dataset", "card", data),
        run("dataset", "card", "export"),
        run("dataset", "split", "sequences", "--validation", "3", "--test", "5"),
    ]
    here = f"{tmp_path}{os.sep}"  # as wide as the machine's own folders are
    wide = [line for one in said for line in one.replace(here, "").splitlines() if len(line) > WIDTH]
    assert not wide
    for one in said[:2]:
        assert "application changes (" in one
        assert "by frequency" in one
    assert "best" not in said[2]  # no column for what was not asked
    assert "base-" not in said[2]
    assert "base-" in said[3]
    assert (tmp_path / "model" / "feedback.json").exists()
    for name, remedy in (("category:game", "browser"), ("kind:game", "category"), ("class:JUMP", "learn evaluate")):
        done = CliRunner().invoke(build(), ["learn", "compare", "model", "model", "--on", "sequences", "--slice", name])
        assert isinstance(done.exception, UsageError)
        assert remedy in (done.exception.hint or "")
        assert len(f"hint: {done.exception.hint}") <= WIDTH


def test_text_is_filled_anew_and_code_and_tables_stay() -> None:
    text = (
        "# A\n\n"
        + "word " * 40
        + "\nmore\n\n- "
        + "item " * 30
        + "\n- short\n\n```\n"
        + "x" * 90
        + "\n```\n| a | b |\n"
    )
    found = narrow(text).splitlines()
    assert [line for line in found if len(line) > WIDTH] == ["x" * 90]
    assert " ".join(found).split() == text.split()
    assert "| a | b |" in found
    assert "- short" in found


def test_one_person_makes_no_three_splits(shelf: Shelf, tmp_path: Path) -> None:
    data = shelf.built(tmp_path)
    before = folder.read_card(data)["split_groups"]
    change_card(data, rows_by_group=[0, 3] + [0] * 14)
    with pytest.raises(Refused, match="people are in 1 of the 16 split groups; 3 splits need 3") as refused:
        splitting.split(data, 1, 2)
    assert "--validation 0" in (refused.value.hint or "")
    assert folder.read_card(data)["split_groups"] == before
    assert splitting.split(data, 0, 0)["split_groups"]["train"] == list(range(16))
    for groups in ([1, 1], [1, 1, 1], [1] * 5):
        change_card(data, rows_by_group=groups + [0] * (16 - len(groups)))
        wanted = (1, 14) if len(groups) > 2 else (0, 15)
        counted = splitting.counts(splitting.split(data, *wanted))
        assert counted["train"] > 0
        assert counted["test"] > 0


def test_tokens_can_be_named_as_they_are_shown(shelf: Shelf, tmp_path: Path) -> None:
    for number in (
        actions.token(n, amount, time) for n in range(len(actions.ACTIONS)) for amount in (0, 3) for time in (0, 4)
    ):
        again = actions.understood(actions.spelled(number))
        assert again is not None
        assert actions.spelled(again) == actions.spelled(number)
    model = models.load(made(shelf, tmp_path))
    (row,) = foreseeing.after(model, "TYPE(4-7) EDIT(1) WAIT(8-15s) SCROLL(up, 2-3)", 3)
    assert len(row["next"]) == 3
    some = steps.of_tokens(
        [actions.understood(one) or 0 for one in ("TYPE(4-7)", "EDIT(1)", "WAIT(8-15s)", "MOVE")], "full"
    )
    assert [actions.ACTIONS[one] for one in some.action] == ["TYPE", "MOVE"]
    assert some.wait.tolist() == [0, 4]
    assert some.parts[0, 0] == 3
    assert np.array_equal(some.asked, [False, True])


@pytest.mark.parametrize(
    ("words", "says", "remedy"),
    [
        ("TYPE WAIT(2-3s)", "what comes after WAIT", "End with something"),
        ("UNOBSERVED", "what comes after UNOBSERVED", "End with something"),
        ("PAD", "'PAD' is not an action", "dataset.md"),
        ("TYPED", "'TYPED' is not an action", "Near it: TYPE"),
        ("TYPE(5-6)", "is not an action", "TYPE"),
        ("", "name one action", "HOTKEY"),
    ],
)
def test_what_cannot_be_asked_is_said_with_what_is_near(
    shelf: Shelf, tmp_path: Path, words: str, says: str, remedy: str
) -> None:
    model = models.load(made(shelf, tmp_path))
    with pytest.raises(UsageError, match=says.replace("(", r"\(")) as refused:
        list(foreseeing.after(model, words, 3))
    assert remedy in (refused.value.hint or "")
    assert len(refused.value.hint or "") < WIDTH


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: address space is limited as Linux does it")
@pytest.mark.parametrize("kib", [600_000, 1_000_000])
def test_too_little_memory_is_said_before_any_work(shelf: Shelf, tmp_path: Path, kib: int) -> None:
    data = shelf.built(tmp_path)
    command = [
        sys.executable,
        "-m",
        "desktop_logger",
        "learn",
        "train",
        data,
        "--out",
        str(tmp_path / "model"),
        "--model",
        "ngram",
    ]
    done = subprocess.run(
        ["sh", "-c", f'ulimit -v {kib}; exec "$@"', "sh", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 5, done.stderr
    assert "error: not enough memory" in done.stderr
    assert "OpenBLAS" not in done.stderr
    assert not [name for name in os.listdir(tmp_path) if name.startswith("model")]


def test_a_training_without_a_checkpoint_leaves_no_draft(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = shelf.built(tmp_path)

    def none_left(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(training, "fitted", none_left)
    with pytest.raises(Exception, match="not enough memory"):
        training.train(training.Ask((data,), str(tmp_path / "model"), NGRAM), Clock())
    assert not [name for name in os.listdir(tmp_path) if name.startswith("model")]


def test_a_link_in_the_place_of_the_draft_leads_no_weights_away(shelf: Shelf, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "model.partial").symlink_to(elsewhere)
    assert not os.path.islink(made(shelf, tmp_path))
    assert os.listdir(elsewhere) == []


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not a plain file") as refused:
        disk.read(str(tmp_path), 100)
    assert refused.value.filename == str(tmp_path)
