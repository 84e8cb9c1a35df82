"""Learning what comes next: the steps it sees, counting predictors, figures, and what is refused. No PyTorch needed."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner

from desktop_logger.clock import Clock
from desktop_logger.dataset import actions, folder, trained
from desktop_logger.errors import DesktopLoggerError, IntegrityError, Refused, Unavailable, UsageError
from desktop_logger.learn import comparing, config, evaluating, foreseeing, measuring, models, steps, training
from desktop_logger.learn import record as record_form
from desktop_logger.learn.boosting import Boosted
from desktop_logger.learn.counting import Ngram, Tables
from desktop_logger.learn.measuring import Clusters, answers, judged, measured
from tests.learning import Shelf, change_card

NGRAM = config.Config(kind="ngram", boosting=False)
SKLEARN = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="NOT TESTED: scikit-learn is not installed (make learn)"
)


def token(name: str, amount: int = 0, time: int = 0) -> int:
    return actions.token(actions.ACTIONS.index(name), amount, time)


def of(*pieces: tuple[int, int, list[int]]) -> steps.Steps:
    """Steps of (session, sequence, tokens)."""
    session, sequence, tokens = zip(*pieces, strict=True)
    return steps._steps(
        np.array(session), np.array(session, np.int16), np.array(sequence), np.array([len(one) for one in tokens]),
        np.array([one for some in tokens for one in some], np.int32),
    )  # fmt: skip


def names(some: steps.Steps) -> list[str]:
    return [actions.ACTIONS[one] for one in some.action]


def test_pauses_and_corrections_belong_to_their_step() -> None:
    some = of((1, 0, [token("START"), token("TYPE", 4), token("EDIT", 2), token("WAIT", 0, 3), token("CLICK(left)", 1),
                      token("END")]))  # fmt: skip
    assert names(some) == ["TYPE", "CLICK(left)"]
    assert some.wait.tolist() == [0, 3]
    assert some.parts[:, -1].tolist() == [2, 0]
    assert some.asked.tolist() == [False, True]


def test_nobody_is_asked_for_what_was_not_seen_nor_for_what_follows_it() -> None:
    some = of((1, 0, [token("START"), token("TYPE", 1), token("UNOBSERVED", 0, 4), token("MOVE"), token("MOVE")]))
    assert names(some) == ["TYPE", "UNOBSERVED", "MOVE", "MOVE"]
    assert some.asked.tolist() == [False, False, False, True]
    assert some.unobserved.tolist() == [1, 1, 1, 1]


def test_a_session_that_was_cut_goes_on_and_one_that_lacks_a_piece_does_not() -> None:
    whole = of((1, 0, [token("START"), token("TYPE", 1)]), (1, 1, [token("MOVE"), token("END")]))
    assert whole.asked.tolist() == [False, True]
    torn = of((1, 0, [token("START"), token("TYPE", 1)]), (1, 2, [token("MOVE"), token("END")]))
    assert torn.asked.tolist() == [False, False]
    other = of((1, 0, [token("TYPE", 1)]), (2, 0, [token("MOVE")]))
    assert other.asked.tolist() == [False, False]
    assert steps.history(other, 2).tolist() == [[len(actions.ACTIONS)] * 2] * 2


def test_the_macro_view_asks_the_same_of_every_profile() -> None:
    fine = of((1, 0, [token("START"), *[token("TYPE", 1)] * 5, token("EDIT", 1), token("TYPE", 1), token("MOVE", 0, 1),
                      token("MOVE", 0, 2), token("WAIT", 0, 2), token("MOVE", 0, 1), token("END")]))  # fmt: skip
    runs = of((1, 0, [token("START"), token("TYPE", 3), token("EDIT", 1), token("MOVE", 0, 2), token("WAIT", 0, 2),
                      token("MOVE", 0, 1), token("END")]))  # fmt: skip
    for some in (fine, runs):
        found = steps.macro(some)
        assert names(found) == ["TYPE", "MOVE", "MOVE"]
        assert found.wait.tolist() == [0, 0, 2]
        assert found.asked.tolist() == [False, True, True]
        assert not found.parts.any()


def test_probabilities_are_those_that_counting_by_hand_gives() -> None:
    before = np.array([[1], [1], [1], [2]], np.int16)
    outcome = np.array([3, 3, 4, 3])
    table = Tables.counted(1, before, outcome, np.array([True] * 6))
    start = np.array([0.5, 0.5, 0.5, 3.5, 1.5, 0.5]) / 7
    found = table.probabilities(np.array([[1], [2], [5]], np.int16))
    assert np.allclose(found[0], (np.array([0, 0, 0, 2, 1, 0]) + 2 * start) / 5)
    assert np.allclose(found[1], (np.array([0, 0, 0, 1, 0, 0]) + start) / 2)
    assert np.allclose(found[2], start)
    assert np.allclose(found.sum(1), 1)


def test_what_was_saved_foresees_the_same(shelf: Shelf, tmp_path: Path) -> None:
    source = steps.opened([shelf.built(tmp_path)])
    some = steps.read(source)
    model = Ngram.fitted(some, 3)
    again = Ngram.loaded(3, {name: values.copy() for name, values in model.arrays().items()})
    for (one, pause), (two, other) in zip(model.predict(some), again.predict(some), strict=True):
        assert np.array_equal(one, two)
        assert np.array_equal(pause, other)
        assert np.allclose(one.sum(1), 1)


def test_figures_are_what_they_say() -> None:
    found = np.array([[0.5, 0.3, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25]])
    one = judged(found, np.array([0, 0, 3]))
    assert one.right.tolist() == [True, False, False]
    assert one.top3.tolist() == [True, False, True]
    assert np.allclose(one.bits, [1, -math.log2(0.1), 2])
    sure = judged(np.array([[0.8, 0.2]] * 10), np.array([0] * 6 + [1] * 4))
    assert measuring.calibration(sure) == pytest.approx(0.2)


def test_intervals_are_over_people_and_not_over_rows() -> None:
    right = np.array([1.0] * 500 + [0.0] * 500)
    two = Clusters(np.array([1] * 500 + [2] * 500)).mean(right)
    assert (two["value"], two["low"], two["high"]) == (0.5, 0.0, 1.0)
    rows = Clusters(np.arange(1000)).mean(right)
    assert 0.46 < rows["low"] < 0.5 < rows["high"] < 0.54


def mixed_up(some: steps.Steps, chance: np.random.Generator) -> steps.Steps:
    action = chance.permutation(some.action)
    return some._replace(action=action, shown=action)


def test_order_in_the_data_is_found_and_its_absence_too(shelf: Shelf, tmp_path: Path) -> None:
    source = steps.opened([shelf.built(tmp_path)])
    parts = steps.split(source, steps.read(source), "groups", 100)
    clusters = Clusters(parts.test.group[parts.test.questions])

    def figure(train: steps.Steps, test: steps.Steps, order: int, name: str = "accuracy") -> float:
        report = measured(answers(Ngram.fitted(train, order), test), test, clusters)
        return float(report["action"][name]["value"])

    plain = [figure(parts.train, parts.test, order) for order in (0, 1, 4)]
    assert plain[0] < plain[1] - 0.2 < plain[2] - 0.2
    chance = np.random.default_rng(1)
    shuffled = [mixed_up(some, chance) for some in (parts.train, parts.test)]
    mixed = [figure(shuffled[0], shuffled[1], order, "bits") for order in (0, 4)]
    assert mixed[1] > mixed[0] - 0.02


def test_nobody_is_in_two_parts_of_a_split(shelf: Shelf, tmp_path: Path) -> None:
    source = steps.opened([shelf.built(tmp_path)])
    parts = steps.split(source, steps.read(source), "groups", 100)
    groups = [set(part.group.tolist()) for part in parts[:3]]
    assert not groups[0] & groups[1] | groups[1] & groups[2] | groups[0] & groups[2]
    assert parts.by == "group"


def test_a_split_by_round_tests_on_the_last_one(shelf: Shelf, tmp_path: Path) -> None:
    rounds = [shelf.built(tmp_path / "one"), shelf.built(tmp_path / "two", people=16, first=20)]
    source = steps.opened(rounds)
    some = steps.read(source)
    parts = steps.split(source, some, "last-round", 100)
    assert set((parts.test.group // 16).tolist()) == {1}
    assert set((parts.train.group // 16).tolist()) == {0}
    assert sum(part.size for part in parts[:3]) == some.size
    with pytest.raises(UsageError, match="two datasets"):
        steps.split(source[:1], steps.read(source[:1]), "last-round", 100)


@SKLEARN
def test_boosting_foresees_too(shelf: Shelf, tmp_path: Path) -> None:
    source = steps.opened([shelf.built(tmp_path)])
    parts = steps.split(source, steps.read(source), "groups", 100)
    clusters = Clusters(parts.test.group[parts.test.questions])
    figures = [
        measured(answers(model, parts.test), parts.test, clusters)["action"]["accuracy"]["value"]
        for model in (Ngram.fitted(parts.train, 1), Boosted.fitted(parts.train, 0))
    ]
    assert figures[1] > figures[0] - 0.03


def test_a_model_comes_with_record_card_and_figures(shelf: Shelf, tmp_path: Path) -> None:
    data = shelf.built(tmp_path)
    made = training.train(training.Ask((data,), str(tmp_path / "model"), NGRAM), Clock())
    record = models.read_record(made.path)
    assert record["datasets"] == [folder.read_card(data)["dataset"]]
    assert record["sources"][0]["digest"] == steps.digest(steps.opened([data])[0])
    assert set(record["metrics"]["baselines"]) == {"majority", "Markov", "4-gram, back-off"}
    card = (tmp_path / "model" / "README.md").read_text()
    for said in (record["run"], record["datasets"][0], "simulation", "evidence of anything", "operate a computer",
                 "| recognised, 500 keys | ", " % | at most 0.", record["sources"][0]["digest"]):  # fmt: skip
        assert said in card, said
    assert trained.models(data) == [trained.Model(record["run"], made.path)]
    text = Path(record_form.__file__).parents[3].joinpath("docs/reference/run.schema.json").read_text()
    assert text == record_form.schema(), "run: python -m desktop_logger.learn.record"
    jsonschema.Draft202012Validator(json.loads(text)).validate(record)
    assert {oct(os.stat(os.path.join(made.path, name)).st_mode & 0o777) for name in os.listdir(made.path)} == {"0o600"}


@pytest.mark.parametrize(
    ("harm", "where"),
    [
        ({"v": 2}, "v: "), ({"note": "mine"}, "note: "), ({"run": "../elsewhere"}, "run: "),
        ({"sources": []}, "sources: "), ({"weights": {"sha256": "ab"}}, "weights.sha256: "),
        ({"metrics": {}}, "metrics.model: "),
    ],
)  # fmt: skip
def test_a_record_of_another_form_is_refused_with_the_place(
    shelf: Shelf, tmp_path: Path, harm: dict[str, Any], where: str
) -> None:
    made = training.train(training.Ask((shelf.built(tmp_path),), str(tmp_path / "model"), NGRAM), Clock())
    changed = {**made.record, **harm}
    Path(made.path, models.RECORD).write_text(json.dumps(changed))
    with pytest.raises(IntegrityError, match=re.escape(where)):
        models.read_record(made.path)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json.loads(record_form.schema())).validate(changed)


def test_the_same_training_gives_the_same_weights(shelf: Shelf, tmp_path: Path) -> None:
    data = shelf.built(tmp_path)
    sums = [
        training.train(training.Ask((data,), str(tmp_path / name), NGRAM), Clock()).record["weights"]["sha256"]
        for name in ("one", "two")
    ]
    assert sums[0] == sums[1]


def test_a_model_says_what_comes_next(shelf: Shelf, tmp_path: Path) -> None:
    data = shelf.built(tmp_path)
    made = training.train(training.Ask((data,), str(tmp_path / "model"), NGRAM), Clock())
    model = models.load(made.path)
    (row,) = foreseeing.after(model, "HOTKEY(copy) PRESS(MODIFIER) HOTKEY(switch_window)", 3)
    assert len(row["next"]) == 3
    assert row["next"][0]["probability"] >= row["next"][1]["probability"]
    rows = list(foreseeing.sessions(model, data, 2))
    assert (
        len(rows)
        == len({one["session"] for one in rows})
        == len(set(steps.read(steps.opened([data])).session.tolist()))
    )
    with pytest.raises(UsageError, match="not an action"):
        list(foreseeing.after(model, "HOTKEY(hello)", 3))


def test_errors_are_sliced_and_written_beside_the_model(shelf: Shelf, tmp_path: Path) -> None:
    data = shelf.built(tmp_path)
    made = training.train(training.Ask((data,), str(tmp_path / "model"), NGRAM), Clock())
    model = models.load(made.path)
    report = evaluating.evaluate(model, data)
    assert set(report["slices"]) >= {"class", "rare", "gaps", "group size"}
    for kind in ("rare", "gaps", "group size"):
        assert sum(one["share"] for one in report["slices"][kind].values()) > 0.9
        assert all(one["questions"] >= evaluating.LEAST for one in report["slices"][kind].values())
    assert report["metrics"]["action"] == made.record["metrics"]["model"]["action"]
    path = evaluating.keep(model, report)
    assert json.loads(Path(path).read_text())["run"] == made.record["run"]
    worst = evaluating.worst(report)
    assert worst[0][2]["excess"] >= worst[1][2]["excess"]


def test_models_of_two_profiles_are_asked_the_same(shelf: Shelf, tmp_path: Path) -> None:
    macro = NGRAM._replace(view="macro")
    places = []
    for profile in ("bursts", "coarse"):
        data = shelf.built(tmp_path / profile, profile)
        places.append(training.train(training.Ask((data,), str(tmp_path / f"m-{profile}"), macro), Clock()).path)
    rows = comparing.compare(places, str(tmp_path / "bursts" / "sequences"))
    assert [one.profile for one in rows] == ["bursts", "coarse"]
    assert len({(one.asked_on, one.questions) for one in rows}) == 1
    assert rows[0].leaks["recognised, 500 keys"] > rows[1].leaks["recognised, 500 keys"]
    own = comparing.compare(places, None)
    assert "each was asked about its own data" in comparing.table(own)[-1]


def spoil(place: Path, how: str, data: str) -> tuple[str, ...]:
    """Make data that must be refused; the paths to train on."""
    if how == "export":
        return (str(place / "export"),)
    if how == "nothing there":
        return (str(place / "elsewhere"),)
    if how == "twice":
        return (data, data)
    if how == "vocabulary":
        change_card(data, vocabulary=7)
    elif how == "version":
        change_card(data, v=2)
    elif how == "counts":
        change_card(data, sessions_by_profile={"counts": 3})
    elif how == "mixed":
        change_card(data, sessions_by_profile={"coarse": 3, "bursts": 2})
    elif how == "erased to nothing":
        change_card(data, rows=0, erasures=1)
    elif how == "erasure waits":
        folder.mark_pending(data, ["ab" * 16])
    elif how == "damaged":
        name = os.path.join(data, folder.part_files(data)[0])
        Path(name).write_bytes(b"PAR1" + b"\0" * 40)
    elif how == "purposes":
        other = str(place / "other")
        shutil.copytree(data, other)
        change_card(other, purpose="something-else", dataset="ab" * 16)
        return (data, other)
    return (data,)


@pytest.mark.parametrize(
    ("how", "kind", "says", "remedy"),
    [
        ("export", UsageError, "is an export", "dataset build"),
        ("nothing there", UsageError, "not a dataset", "folder"),
        ("twice", UsageError, "named twice", "once"),
        ("vocabulary", Refused, "another vocabulary", "Build it again"),
        ("version", UsageError, "not a dataset of this program", "folder"),
        ("counts", Refused, "counts a minute", "bursts"),
        ("mixed", Refused, "mixed profiles: bursts, coarse", "one profile"),
        ("purposes", Refused, "mixed purposes", "one purpose"),
        ("erased to nothing", Refused, "after an erasure", "more people"),
        ("erasure waits", Refused, "an erasure waits", "admin erase"),
        ("damaged", IntegrityError, "cannot be read", "Build the dataset again"),
    ],
)
def test_bad_data_is_refused_with_the_remedy(  # noqa: PLR0917
    shelf: Shelf, tmp_path: Path, how: str, kind: type[DesktopLoggerError], says: str, remedy: str
) -> None:
    paths = spoil(tmp_path, how, shelf.built(tmp_path))
    with pytest.raises(kind, match=says) as refused:
        training.train(training.Ask(paths, str(tmp_path / "model"), NGRAM), Clock())
    assert remedy in (refused.value.hint or "")
    assert not [name for name in os.listdir(tmp_path) if name.startswith("model")]


def test_too_little_and_one_kind_only_are_refused(shelf: Shelf, tmp_path: Path) -> None:
    data = shelf.built(tmp_path)
    ask = training.Ask((data,), str(tmp_path / "model"), NGRAM._replace(least=1_000_000))
    with pytest.raises(Refused, match="too little to learn from") as refused:
        training.train(ask, Clock())
    assert "Export more people" in (refused.value.hint or "")
    source = steps.opened([data])
    some = steps.read(source)
    one = np.full_like(some.action, actions.ACTIONS.index("TYPE"))
    same = some._replace(action=one, shown=one)
    with pytest.raises(Refused, match="one kind of action only"):
        steps.split(source, same, "groups", 10)
    assert not [name for name in os.listdir(tmp_path) if name.startswith("model")]


def test_too_little_memory_is_said(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = shelf.built(tmp_path)

    def none_left(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(training, "split", none_left)
    with pytest.raises(Unavailable, match="not enough memory"):
        training.train(training.Ask((data,), str(tmp_path / "model"), NGRAM), Clock())
    assert not os.path.exists(tmp_path / "model")


def test_a_place_that_is_taken_is_left_alone(shelf: Shelf, tmp_path: Path) -> None:
    data = shelf.built(tmp_path)
    (tmp_path / "model").mkdir()
    with pytest.raises(Refused, match="exists already"):
        training.train(training.Ask((data,), str(tmp_path / "model"), NGRAM), Clock())
    assert os.listdir(tmp_path / "model") == []


@pytest.mark.parametrize("harm", ["weights", "no weights", "record", "vocabulary"])
def test_a_model_that_is_not_what_was_trained_is_not_used(shelf: Shelf, tmp_path: Path, harm: str) -> None:
    data = shelf.built(tmp_path)
    made = training.train(training.Ask((data,), str(tmp_path / "model"), NGRAM), Clock())
    weights, record = Path(made.path, models.WEIGHTS), Path(made.path, models.RECORD)
    if harm == "weights":
        raw = bytearray(weights.read_bytes())
        raw[len(raw) // 2] ^= 1
        weights.write_bytes(bytes(raw))
    elif harm == "no weights":
        weights.unlink()
    elif harm == "record":
        record.write_text(record.read_text()[:-40])
    else:
        record.write_text(record.read_text().replace("HOTKEY(copy)", "HOTKEY(clone)"))
    with pytest.raises((IntegrityError, Refused)) as refused:
        models.load(made.path)
    assert "rain" in (refused.value.hint or "")


def test_a_stale_model_is_used_only_by_its_name(shelf: Shelf, tmp_path: Path) -> None:
    data = shelf.built(tmp_path)
    made = training.train(training.Ask((data,), str(tmp_path / "model"), NGRAM), Clock())
    change_card(data, erasures=1)
    (row,) = models.listed(str(tmp_path))
    assert row.stale
    with pytest.raises(Refused, match="stale") as refused:
        models.load(made.path)
    assert made.record["run"] in (refused.value.hint or "")
    with pytest.raises(Refused, match="another name"):
        models.load(made.path, stale="ab" * 16)
    assert models.load(made.path, stale=made.record["run"]).record["run"] == made.record["run"]
    again = training.retrain(made.path, Clock(), lambda _: None, lambda *_: None)
    assert again.record["replaces"] == [made.record["run"]]
    assert models.load(made.path).record["run"] == again.record["run"]
    assert os.listdir(tmp_path).count("model") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[model]\nkind = 'rnn'\n", "there is no 'rnn'"),
        ("[model]\ndepth = 3\n", "unknown key depth"),
        ("[modell]\n", "unknown section"),
        ("[training]\nepochs = 0\n", "between 1 and"),
        ("[training]\nepochs = 1.5\n", "a whole number"),
        ("[training]\nseed = true\n", "a whole number"),
        ("[baselines]\nboosting = 1\n", "true or false"),
        ("[model\n", "config.toml"),
    ],
)
def test_a_bad_configuration_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        config.load(str(path))


def test_a_configuration_says_itself(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(NGRAM._replace(rate=0.01, order=2).text())
    assert config.load(str(path)) == NGRAM._replace(rate=0.01, order=2)
    with pytest.raises(UsageError, match="cannot read"):
        config.load(str(tmp_path / "none.toml"))


def test_the_commands_do_it(shelf: Shelf, tmp_path: Path) -> None:
    from desktop_logger.cli.app import build

    data, model = shelf.built(tmp_path), str(tmp_path / "model")
    (tmp_path / "c.toml").write_text(NGRAM.text())

    def run(*words: str) -> Any:
        done = CliRunner().invoke(build(), ["learn", *words], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    assert "next action" in run("train", data, "--out", model, "--config", str(tmp_path / "c.toml"))
    assert json.loads(run("evaluate", model, "--json"))["questions"] > 100
    assert "where it costs most" in run("evaluate", model, "--split", "all")
    assert "%" in run("predict", model, "--after", "TYPE")
    assert json.loads(run("models", str(tmp_path), "--json"))[0]["kind"] == "ngram"
    assert "next action" in run("retrain", model)
    assert "leaks" in run("compare", model, model)
