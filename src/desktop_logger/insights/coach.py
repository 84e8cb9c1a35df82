"""The coach: at most three habits that might save time, each with what it was seen in, what is assumed, and by whom.

Invariants: evidence is a count of records that exist, never a guess at what was meant; a saving is the most that the
habit could save under the assumption that stands beside it; nobody is scored, compared or ranked.

Seconds are those of the Keystroke-Level Model (Card, Moran and Newell, *The Keystroke-Level Model for User Performance
Time with Interactive Systems*, CACM 23(7), 1980; of an average typist): a key 0.28 s, pointing 1.10 s, a hand from
keyboard to mouse or back 0.40 s. Button presses and thinking are left out, which makes savings smaller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

KEY_S, POINT_S, HAND_S = 0.28, 1.10, 0.40
SOURCE = "Card, Moran and Newell, CACM 23(7), 1980: a key 0.28 s, pointing 1.10 s, moving a hand 0.40 s"
MOST = 3
FEWEST, SHORTEST_S = 10, 20.0
"""Fewer occasions than this, or less time, is no habit to speak of."""
LETTERS_A_WORD = 5


class Habit(NamedTuple):
    """One suggestion."""

    id: str
    seen: str
    """The evidence, in words with its number."""
    times: int
    try_this: str
    saves_at_most_s: int
    assuming: str
    source: str = SOURCE


def habits(counts: Mapping[str, int], *, at_least: bool = False) -> list[Habit]:
    """The suggestions that these counts carry, the largest saving first."""
    about = "at least " if at_least else ""
    made = [_menus(counts, about), _tabs(counts, about), _fields(counts, about), _erasing(counts, about),
            _back_and_forth(counts, about)]  # fmt: skip
    worth = [one for one in made if one.times >= FEWEST and one.saves_at_most_s >= SHORTEST_S]
    return sorted(worth, key=lambda one: -one.saves_at_most_s)[:MOST]


def _menus(counts: Mapping[str, int], about: str) -> Habit:
    times, keys = max(counts.get("role:menu_item", 0), 0), max(counts.get("commands", 0), 0)
    each = 2 * POINT_S + 2 * HAND_S - 2 * KEY_S
    return Habit(
        "menu-shortcuts", f"you clicked {about}{times} menu items, and used {about}{keys} commands by keys", times,
        "many menu items show their keys beside them (copy is Ctrl+C): take the one that you open most",
        round(times * each),
        f"each has keys that you know; with the mouse it is two pointings and two moves of the hand: {each:.1f} s",
    )  # fmt: skip


def _tabs(counts: Mapping[str, int], about: str) -> Habit:
    times = max(counts.get("role:tab", 0), 0)
    each = POINT_S + 2 * HAND_S - 2 * KEY_S
    return Habit(
        "tab-keys", f"you clicked on tabs {about}{times} times", times,
        "Ctrl+Tab or Ctrl+Page Down goes to the next tab in most programs", round(times * each),
        f"the tab is the next one, and your hand is on the keyboard before and after: {each:.1f} s each",
    )  # fmt: skip


def _fields(counts: Mapping[str, int], about: str) -> Habit:
    times, tabs = max(counts.get("role:text_field", 0), 0), max(counts.get("tab_keys", 0), 0)
    each = POINT_S + 2 * HAND_S - KEY_S
    return Habit(
        "field-keys", f"you clicked into text fields {about}{times} times, and pressed Tab {about}{tabs} times", times,
        "in a form, Tab goes to the next field and Shift+Tab to the one before", round(times * each),
        f"the field is the next one, and you type before and after: {each:.1f} s each",
    )  # fmt: skip


def _erasing(counts: Mapping[str, int], about: str) -> Habit:
    times, keys = counts.get("erased_runs", 0), counts.get("erased_keys", 0)
    saved = (keys - 2 * keys // LETTERS_A_WORD) * KEY_S
    return Habit(
        "erase-words", f"in {about}{times} runs of typing you used {about}{keys} single keys to erase", times,
        "Ctrl+Backspace erases the word before the cursor at once", round(saved),
        f"they followed each other and erased whole words of {LETTERS_A_WORD} letters; two keys a word",
    )  # fmt: skip


def _back_and_forth(counts: Mapping[str, int], about: str) -> Habit:
    pairs = {name.removeprefix("pair:"): times for name, times in counts.items() if name.startswith("pair:")}
    pair, times = max(pairs.items(), key=lambda one: (one[1], one[0]), default=("", 0))
    one, _, other = pair.partition("+")
    return Habit(
        "side-by-side", f"you went from {one or '-'} to {other or '-'} and back within 8 s {about}{times} times", times,
        "put the two windows side by side, so that both can be seen", round(times * 4 * KEY_S),
        f"each time both switches fall away, made with two keys each: {4 * KEY_S:.1f} s",
    )  # fmt: skip
