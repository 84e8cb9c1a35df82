"""What profiles are worth: the same question under each, and made-up writers whose pace says what comes next."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="NOT TESTED: PyTorch is not installed (make learn)")
pytest.importorskip("sklearn", reason="NOT TESTED: scikit-learn is not installed (make learn)")

import numpy as np

from desktop_logger.leakage import synthetic, worth


def test_every_input_is_asked_the_same_and_counts_know_no_present_answer() -> None:
    (one,) = synthetic.writers(1, 400)
    made = worth.writer(one.times, one.symbols)
    assert set(made.seen) == set(worth.INPUTS)
    assert {len(numbers) for numbers in made.seen.values()} == {len(made.truth)}
    some = worth.steps([made], "coarse", worth.cuts([made], "coarse"))
    assert not some.shown.any()
    assert np.array_equal(np.unique(some.action), np.array(sorted(worth._STANDS_FOR))[np.unique(made.truth)])


def test_it_measures_every_model_on_every_input() -> None:
    people = synthetic.writers(9, 300, person_ms=200)
    figures, sizes, costs = worth.measure(people, worth.CONFIG._replace(epochs=1, size=8), lambda _: None)
    assert sizes["test"] == 3
    assert [one.seen for one in figures if one.model == "GRU"] == list(worth.INPUTS)
    assert len(figures) == 3 + 2 * len(worth.INPUTS)
    assert all(0 <= one.accuracy["low"] <= one.accuracy["value"] <= one.accuracy["high"] <= 1 for one in figures)
    assert len(costs) == len(worth.INPUTS)
    told = {"recognised, 500 keys": {"bursts": ("17.5 %", "")}, "keys, bits each": {"bursts": ("0.388", "")}}
    lines = worth.table(figures, told)
    assert len({line.count("|") for line in lines}) == 1
    assert [line for line in lines if line.startswith("| bursts") and "17.5 %" in line]
