"""Equal after classification and gridding, equal in every byte; of one burst shape, one log. Soak runs more."""

from __future__ import annotations

import random

import pytest

from desktop_logger.records.profiles import PROFILES
from tests import noninterference


def test_twelve_thousand_pairs_over_all_profiles() -> None:
    assert noninterference.check(12_000, seed=2) == 0
    used = {one.name for terms in noninterference.TERMS for one in (terms.own, terms.release)}
    assert used == set(PROFILES)


def test_texts_of_one_burst_shape_give_one_log() -> None:
    assert noninterference.check_shapes(1_500, seed=3) == 0


def test_the_check_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown more than the class, the same pairs differ."""
    monkeypatch.setattr(noninterference, "LETTERS", "a\u0008")
    telling = noninterference.press

    def press(name: str, t: int) -> tuple[int, int, int, int, int, int]:
        return telling("BackSpace" if name == "\u0008" else name, t)

    monkeypatch.setattr(noninterference, "press", press)
    assert noninterference.check(200) > 20


def test_pairs_of_one_shape_do_differ_before_redaction() -> None:
    one, other, _ = noninterference.same_shape(random.Random(4))
    assert one != other
