"""The same models on each profile of made-up office work, and that the page shows what was kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="NOT TESTED: PyTorch is not installed (make learn)")

from desktop_logger.testing import office, profiles
from tests.unit.test_policy import ROOT


def test_every_ordered_profile_is_asked_about_actions_pauses_and_applications(tmp_path: Path) -> None:
    small = profiles.CONFIG._replace(epochs=1, size=8, least=50, boosting=False)
    said: list[str] = []
    figures = profiles.measure(str(tmp_path), office.Plan(16, 1), small, said.append)
    assert list(figures["profiles"]) == list(profiles.ORDERED)
    for one in figures["profiles"].values():
        names = list(one["predictors"])
        assert names[0] == "majority"
        assert names[-2:] == list(profiles.NAMES.values())
        for name in ("majority", *profiles.NAMES.values()):
            assert all(one["predictors"][name][key] for key in profiles._SHOWN)
    again: list[str] = []
    assert profiles.measure(str(tmp_path), office.Plan(16, 1), small, again.append) == figures
    assert said
    assert not again  # what was made is not made again
    assert len({line.count("|") for line in profiles.table(figures)}) == 1


def test_the_page_shows_the_office_figures_that_were_kept() -> None:
    pages = Path(ROOT, "docs", "explanation")
    page, kept = (pages / "worth.md").read_text(), json.loads((pages / "worth-office.json").read_text())
    assert profiles.lay_out(page, kept) == page, "run: python -m desktop_logger.testing.profiles --table"
    for line in profiles.table(kept):
        assert line in page
