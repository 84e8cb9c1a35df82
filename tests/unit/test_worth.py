"""What profiles are worth: the same question under each, and made-up writers whose pace says what comes next."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="NOT TESTED: PyTorch is not installed (make learn)")
pytest.importorskip("sklearn", reason="NOT TESTED: scikit-learn is not installed (make learn)")

import numpy as np

from desktop_logger.leakage import synthetic, worth
from tests.unit.test_policy import ROOT


def test_every_input_is_asked_the_same_and_counts_know_no_present_answer() -> None:
    (one,) = synthetic.writers(1, 400)
    made = worth.writer(one.times, one.symbols)
    assert set(made.seen) == set(worth.INPUTS)
    assert {len(rows) for rows in (*made.seen.values(), *made.truth.values())} == {len(made.segment)}
    some = worth.steps([made], "coarse", worth.cuts([made], "coarse"))
    assert not some.shown.any()
    for question in worth.QUESTIONS:
        some = worth.steps([made], "coarse", worth.cuts([made], "coarse"), question)
        assert np.array_equal(some.action, np.array(worth._STANDS_FOR)[made.truth[question]])
    assert made.truth[worth.PAUSE].max() == len(worth.PAUSES)


def test_it_measures_every_model_on_every_input_and_goes_on_where_it_was(tmp_path: Path) -> None:
    people, small = synthetic.writers(9, 400, person_ms=200), worth.CONFIG._replace(epochs=1, size=8)
    figures, sizes, costs = worth.measure(people, small, lambda _: None, folds=3, keep=str(tmp_path))
    assert (sizes["test"], sizes["train"]) == (9, 3)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    next(iter(kept)).unlink()
    assert worth.measure(people, small, lambda _: None, folds=3, keep=str(tmp_path))[0] == figures
    again = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npz")}
    assert sum(again[path] != kept[path] for path in kept) == 1
    for question in worth.QUESTIONS:
        its = [one for one in figures if one.question == question]
        assert [one.seen for one in its if one.model == "GRU"] == list(worth.INPUTS)
        assert len(its) == 3 + 2 * len(worth.INPUTS)
    assert all(0 <= one.accuracy["low"] <= one.accuracy["value"] <= one.accuracy["high"] <= 1 for one in figures)
    assert len(costs) == 3 * len(worth.INPUTS)
    told = {"recognised, 500 keys": {"bursts": ("17.5 %", "")}, "keys, bits each": {"bursts": ("0.388", "")}}
    lines = worth.table(figures, told)
    assert len({line.count("|") for line in lines}) == 1
    assert [line for line in lines if line.startswith("| bursts") and "17.5 %" in line]


def test_the_page_shows_the_figures_that_were_kept(tmp_path: Path) -> None:
    pages = Path(ROOT, "docs", "explanation")
    shutil.copytree(pages, tmp_path / "docs" / "explanation")
    shutil.copytree(Path(ROOT, "docs", "reference"), tmp_path / "docs" / "reference")
    kept, shown = json.loads((pages / "worth.json").read_text()), (pages / "worth.md").read_text()
    figures = [worth.Figure(**one) for one in kept["figures"]]
    for line in (*worth.table(figures, worth.leaks(ROOT)), *worth.pauses(figures)):
        assert line in shown, "run: python -m desktop_logger.leakage.worth --table"
    worth.lay_out(str(tmp_path))
    assert (tmp_path / "docs" / "explanation" / "worth.png").stat().st_size > 5000
    assert (tmp_path / "docs" / "explanation" / "worth.md").read_text().count("| raw |") == 4
