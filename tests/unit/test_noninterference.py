"""Equal after classification and gridding, equal in every byte; of one burst shape, one log. Soak runs more."""

from __future__ import annotations

import random

import pytest

from desktop_logger.records.events import Event
from desktop_logger.records.layout import CLICK, FOCUS, GAP, KEY, MOVE, SCROLL, TARGET, TASK, VEIL
from desktop_logger.records.profiles import BURSTS, PROFILES
from tests import noninterference


def test_twelve_thousand_pairs_over_all_profiles() -> None:
    assert noninterference.check(12_000, seed=2) == 0
    used = {one.name for terms in noninterference.TERMS for one in (terms.own, terms.release)}
    assert used == set(PROFILES)


def test_texts_of_one_burst_shape_give_one_log() -> None:
    assert noninterference.check_shapes(1_500, seed=3) == 0


def test_which_keys_were_corrections_does_not_show_in_coarse() -> None:
    assert noninterference.check_corrected(500, seed=6) == 0


def test_which_keys_were_corrections_shows_in_bursts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pairs, so that the check above can fail."""
    monkeypatch.setattr(noninterference, "COARSE", BURSTS)
    assert noninterference.check_corrected(40, seed=6) > 20


def test_what_differs_under_a_veil_shows_in_no_profile() -> None:
    assert noninterference.check_veiled(400, seed=4) == 0


def test_without_the_veil_the_same_pairs_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    made = noninterference.veiled

    def bare(chance: random.Random) -> tuple[list[Event], list[Event], int]:
        one, other, end = made(chance)
        return [e for e in one if e[1] != VEIL], [e for e in other if e[1] != VEIL], end

    monkeypatch.setattr(noninterference, "veiled", bare)
    assert noninterference.check_veiled(40, seed=4) > 20


def test_pairs_hold_every_kind_of_event() -> None:
    chance = random.Random(5)
    kinds = {event[1] for _ in range(500) for event in noninterference.pair(chance)[0]}
    assert kinds == {KEY, CLICK, SCROLL, MOVE, GAP, FOCUS, TARGET, TASK, VEIL}


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
