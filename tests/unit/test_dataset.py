"""From rows to tokens and back: what is built says what the rows said, and nothing else."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_logger import store
from desktop_logger.dataset import actions, document, elsewhere, sequences, splitting
from desktop_logger.dataset import card as cards
from desktop_logger.dataset import folder as datasets
from desktop_logger.dataset.arrow import Session, table
from desktop_logger.errors import Refused, UsageError
from desktop_logger.inspection.columns import ordered
from desktop_logger.records.classes import Action, Button, Category, ClickKind, Command, KeyClass, Outcome, Reason, Role
from desktop_logger.records.layout import (
    ACTIONS,
    CLICK,
    COARSE_FORM,
    FOCUS,
    GAP,
    KEY,
    MOVE,
    PRESSES,
    RECORD,
    SCOPE_OF_KIND,
    STROKE,
    SWITCHES,
    TARGET,
    TARGETS,
    TASK,
    TYPING,
)  # fmt: skip
from desktop_logger.segments.reading import RECORDS
from tests.organisation import HeldClock, Organisation, Subject, offering

SPELLED = [
    ((0, TYPING, 0, 3, 0, 0, 0), ["TYPE(4-7)"]),
    ((1, KEY, KeyClass.COMMAND, Command.COPY, 0, 0, 4), ["WAIT(8-15s)", "HOTKEY(copy)"]),
    ((1, KEY, KeyClass.COMMAND, 0, 0, 0, 0), ["HOTKEY"]),
    ((1, KEY, KeyClass.ENTER, 0, 0, 0, 1), ["PRESS(ENTER)"]),
    ((2, CLICK, Button.LEFT, 1, 0, 0, 0), ["CLICK(left)"]),
    ((2, STROKE, 0, 2, 0xFFFF, 1, 0), ["MOVE"]),
    ((2, FOCUS, Category.BROWSER, 0, 0, 0, 5), ["SWITCH(browser)"]),
    ((2, TARGET, Role.LINK, 1, ClickKind.DOUBLE, 0, 5), ["CLICK(link)"]),
    ((2, TASK, 7, Outcome.BEGIN, 0, 0, 0), ["TASK(begin, 7)"]),
    ((2, TASK, 7, Outcome.GAVE_UP, 0, 0, 0), ["TASK(gave_up, 7)"]),
    ((3, GAP, Reason.UNOBSERVED, 0, 0, 0, 5), ["UNOBSERVED(16-31s)"]),
]


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def organisation(tmp_path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch) -> Organisation:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return Organisation(str(tmp_path), clock)


def people(tmp_path: Path, organisation: Organisation, number: int, segments: int = 2) -> list[Subject]:
    found = [Subject(str(tmp_path / f"person{one}"), organisation) for one in range(number)]
    for person in found:
        for one in range(segments):
            person.record(3 + 50 * one)
    organisation.clock.time += 700  # type: ignore[attr-defined]
    for person in found:
        person.release()
    return found


def record(*fields: int) -> Any:
    return np.frombuffer(RECORD.pack(*fields), RECORDS)


def rows(*some: tuple[int, ...], profile: str = "coarse") -> Any:
    """Rows as an export writes them: in the order of time, then of scopes. Gaps stand in the keyboard's scope."""
    parts: dict[str, list[Any]] = {}
    for one in some:
        scope = SCOPE_OF_KIND.get(one[1] & ~COARSE_FORM, "keyboard")
        parts.setdefault(scope, []).append(record(*one))
    return table([Session(7, 3, profile, *ordered(parts))])[0]


def tokens(some: Any) -> list[int]:
    """Without the START and END of sessions."""
    columns, _, _ = sequences.read_columns(some)
    made: list[int] = actions.tokens(columns).tokens.tolist()
    return [one for one in made if actions.parts_of(one)[0] not in ("START", "END")]


def spelled(some: Any) -> list[str]:
    return [actions.spelled(one) for one in tokens(some)]


@pytest.mark.parametrize(("record", "said"), SPELLED)
def test_a_record_is_spelled_as_actions(record: tuple[int, ...], said: list[str]) -> None:
    assert spelled(rows(record)) == said


def test_corrections_are_edits_but_under_coarse() -> None:
    assert spelled(rows((0, TYPING, 0, 5, 1, 2, 0), profile="bursts")) == ["TYPE(4-7)", "EDIT(1)"]
    before = rows((0, TYPING, 0, 3, 2, 2, 0))  # as coarse was sealed before it counted all keys as one
    assert spelled(before) == ["TYPE(4-7)"]
    assert (before["n_text"][0].as_py(), before["n_edit"][0].as_py(), before["duration"][0].as_py()) == (3, 0, 0)


def test_many_records_are_what_each_is() -> None:
    """In minutes of their own, so that the order of scopes changes nothing."""
    some = [((place, *record[1:]), said) for place, (record, said) in enumerate(SPELLED)]
    assert spelled(rows(*[record for record, _ in some])) == [word for _, said in some for word in said]


def test_how_a_file_codes_its_words_changes_nothing() -> None:
    """Another order of the dictionary, and anything in the place of what is missing, as Parquet readers leave it."""
    made = rows(*[(place, *record[1:]) for place, (record, _) in enumerate(SPELLED)])
    other = []
    for name in made.column_names:
        column = made[name].combine_chunks()
        if pyarrow.types.is_dictionary(column.type):
            words = column.dictionary
            turned = words.take(pyarrow.array(range(len(words) - 1, -1, -1), pyarrow.int32()))
            codes = [99 if one is None else len(words) - 1 - one for one in column.indices.to_pylist()]
            buffers = [column.indices.buffers()[0], pyarrow.py_buffer(np.array(codes, np.int8))]
            kind = column.indices.type
            codes = pyarrow.Array.from_buffers(kind, len(column), buffers)
            column = pyarrow.DictionaryArray.from_arrays(codes, turned, safe=False)
        elif column.null_count:
            values = np.array([77 if one is None else one for one in column.to_pylist()], str(column.type))
            buffers = [column.buffers()[0], pyarrow.py_buffer(values)]
            column = pyarrow.Array.from_buffers(column.type, len(column), buffers)
        other.append(column)
    turned = pyarrow.Table.from_arrays(other, schema=made.schema)
    assert turned["class"].combine_chunks().dictionary != made["class"].combine_chunks().dictionary
    assert tokens(turned) == tokens(made)
    assert tokens(turned.slice(3)) == tokens(made.slice(3))


COUNTED = [
    ((0, PRESSES, KeyClass.TEXT, 40, 0, 0, 0), "TYPE(32-63)"),
    ((0, ACTIONS, Action.CLICK_LEFT, 2, 0, 0, 0), "CLICK(left)"),
    ((0, ACTIONS, Action.SCROLL_DOWN, 0xFFFE, 0, 0, 0), "SCROLL(down, 0)"),
    ((0, ACTIONS, Action.MOVING, 3, 0, 0, 0), "MOVE"),
    ((0, SWITCHES, Category.MAIL, 2, 0, 0, 0), "SWITCH(mail)"),
    ((0, TARGETS, Role.BUTTON, 2, 0, 0, 0), "CLICK(button)"),
]  # fmt: skip


@pytest.mark.parametrize(("record", "said"), COUNTED)
def test_a_count_of_a_minute_is_spelled_as_an_action(record: tuple[int, ...], said: str) -> None:
    assert spelled(rows(record, profile="counts")) == [said]


TICKS = 50
"""Of 20 ms, in a second."""


def test_a_pause_under_events_is_time_without_any_record() -> None:
    text, enter = KeyClass.TEXT, KeyClass.ENTER
    assert spelled(
        rows(
            (5 * TICKS, KEY, text, 0, 0, 0, 0),
            (5 * TICKS + 10, KEY, KeyClass.EDIT, 0, 0, 0, 0),
            (12 * TICKS, MOVE, 0, 1, 0, 0, 0),
            (13 * TICKS, KEY, text, 0, 0, 0, 0),  # eight seconds after the key, one after the pointer
            (14 * TICKS, GAP, Reason.UNOBSERVED, 0, 0, 0, 20),
            (35 * TICKS, KEY, text, 0, 0, 0, 0),  # one second after the gap
            (37 * TICKS + 49, KEY, enter, 0, 0, 0, 0),
            profile="events",
        )
    ) == [
        "WAIT(4-7s)", "TYPE(1)", "EDIT(1)", "WAIT(4-7s)", "MOVE", "TYPE(1)", "UNOBSERVED(16-31s)", "TYPE(1)",
        "WAIT(2-3s)", "PRESS(ENTER)",
    ]  # fmt: skip


def test_a_pause_under_bursts_counts_from_the_end_of_whatever_came_before() -> None:
    assert spelled(
        rows(
            (0, TYPING, 0, 9, 0, 30, 0),
            (10, CLICK, Button.LEFT, 1, 0, 0, 10),  # while the typing run went on
            (33, CLICK, Button.LEFT, 1, 0, 0, 23),
            (34, KEY, KeyClass.ENTER, 0, 0, 0, 4),
            profile="bursts",
        )
    ) == ["TYPE(8-15)", "CLICK(left)", "WAIT(2-3s)", "CLICK(left)", "PRESS(ENTER)"]


def test_no_pause_is_counted_across_records_whose_time_is_a_minute() -> None:
    """In the second minute something was done in coarse form: when, nobody knows."""
    at = [second * TICKS for second in (0, 30, 60, 61, 100, 125, 190, 250)]
    key, form = (KEY, KeyClass.TEXT, 0, 0, 0, 0), (TYPING | COARSE_FORM, 0, 3, 0, 2, 4)
    made = rows(*((t, *(form if t == 60 * TICKS else key)) for t in at), profile="events")
    assert spelled(made) == [
        "TYPE(1)", "WAIT(16-31s)", "TYPE(1)", "WAIT(8-15s)", "TYPE(4-7)", "TYPE(1)", "TYPE(1)", "TYPE(1)",
        "WAIT(32-63s)", "TYPE(1)", "WAIT(32-63s)", "TYPE(1)",
    ]  # fmt: skip


def test_a_gap_in_every_scope_is_one_token() -> None:
    gap: tuple[int, ...] = (1, GAP, Reason.UNOBSERVED, 0, 0, 0, 3)
    records = [record(*one) for one in (gap, gap, (1, GAP, Reason.UNOBSERVED, 0, 0, 0, 4))]
    parts = {scope: list(records) for scope in ("keyboard", "pointer", "context")}
    twice = table([Session(number, 3, "coarse", *ordered(parts)) for number in (7, 8)])[0]
    assert spelled(twice) == ["UNOBSERVED(4-7s)", "UNOBSERVED(4-7s)", "UNOBSERVED(8-15s)"] * 2


def around(some: Any) -> list[tuple[str, str, int]]:
    return [(actions.spelled(one), actions.category_of(one), actions.parts_of(one)[5]) for one in tokens(some)]


def test_a_token_knows_the_category_in_focus_and_the_task_in_hand() -> None:
    enter = (KEY, KeyClass.ENTER, 0, 0, 0, 0)
    assert around(
        rows(
            (0, FOCUS, Category.MAIL, 0, 0, 0, 0), (1, *enter),
            (2, TASK, 5, Outcome.BEGIN, 0, 0, 0), (2, FOCUS, Category.EDITOR, 0, 0, 0, 2), (3, *enter),
            (3, TASK, 5, Outcome.OK, 0, 0, 0), (4, *enter), profile="bursts",
        )
    ) == [
        ("SWITCH(mail)", "mail", 0), ("PRESS(ENTER)", "mail", 0), ("SWITCH(editor)", "editor", 0),
        ("TASK(begin, 5)", "editor", 5), ("PRESS(ENTER)", "editor", 5), ("TASK(ok, 5)", "editor", 5),
        ("PRESS(ENTER)", "editor", 0),
    ]  # fmt: skip


def test_within_a_minute_in_which_the_focus_changed_nothing_is_guessed() -> None:
    enter = (KEY, KeyClass.ENTER, 0, 0, 0, 0)
    gap: tuple[int, ...] = (3, GAP, Reason.UNOBSERVED, 0, 0, 0, 3)
    parts: dict[str, list[Any]] = {"keyboard": [], "context": []}
    parts["keyboard"] = [record(*one) for one in ((0, *enter), (1, *enter), gap, (4, *enter))]
    parts["context"] = [record(*one) for one in ((0, FOCUS, Category.MAIL, 0, 0, 0, 0), gap)]
    made = table([Session(7, 3, "coarse", *ordered(parts))])[0]
    assert around(made) == [
        ("PRESS(ENTER)", "", 0), ("SWITCH(mail)", "", 0), ("PRESS(ENTER)", "mail", 0), ("UNOBSERVED(4-7s)", "", 0),
        ("PRESS(ENTER)", "", 0),  # after a gap the focus is said anew, or it is not known
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(number=st.integers(0, actions.TOKENS - 1))
def test_every_token_has_its_parts_back(number: int) -> None:
    action, *parts = actions.parts_of(number)
    assert actions.token(actions.ACTIONS.index(action), *parts) == number


def test_every_token_fits_its_column() -> None:
    assert actions.TOKENS <= 2**31
    assert len(set(actions.ACTIONS)) == len(actions.ACTIONS)


def test_every_action_is_in_the_mapping_to_other_formats_once() -> None:
    covered = [one for said in elsewhere.mapping() for one in said.actions]
    assert sorted(covered) == sorted(set(actions.ACTIONS) - {"PAD"})


def test_the_mapping_names_nothing_that_the_others_do_not_have() -> None:
    with open(os.path.join(os.path.dirname(__file__), "..", "foreign", "vocabularies.toml"), "rb") as file:
        theirs = tomllib.load(file)
    agentnet, messages = theirs["agentnet"], theirs["owa"]["messages"]
    for said in elsewhere.mapping():
        here = re.findall(r"`([^`]*)`", said.agentnet)
        calls = [one for one in here if "." in one]
        for one in calls:
            library, _, name = one.partition(".")
            assert name in agentnet[library], said
        assert set(here) - set(calls) <= {*agentnet["arguments"], "click"}, said  # `click` is our own column
        there = re.findall(r"`([^`]*)`", said.owa)
        for name in (one for one in there if "/" in one):
            known = {*messages[name]["fields"], *messages[name]["words"]}
            assert {one for one in there if "/" not in one} <= known, said
            for button in re.findall(r"`button` (\w+)(?:, (\w+))?", said.owa):
                assert {one for one in button if one} <= {*known, "x"}, said


def test_sequences_hold_whole_sessions_with_gaps_masked(tmp_path: Path, organisation: Organisation) -> None:
    (person,) = people(tmp_path, organisation, 1)
    organisation.export(str(tmp_path / "out"), person.outbox, form="parquet")
    built = sequences.build(str(tmp_path / "out"), str(tmp_path / "built"))
    card = datasets.read_card(str(tmp_path / "built"))
    assert (built.sequences, card["rows"]) == (2, 2)
    assert built.records == datasets.read_card(str(tmp_path / "out"))["rows"]
    for batch in sequences.stream(str(tmp_path / "built")):
        for row in batch.to_pylist():
            words = [actions.spelled(one) for one in row["tokens"]]
            assert (words[0], words[-1]) == ("START", "END")
            assert "HOTKEY" in words
            for word, seen in zip(words, row["mask"], strict=True):
                assert seen != word.startswith("UNOBSERVED")


def test_long_sessions_are_cut_and_nothing_is_lost(tmp_path: Path, organisation: Organisation) -> None:
    (person,) = people(tmp_path, organisation, 1)
    organisation.export(str(tmp_path / "out"), person.outbox, form="parquet")
    whole = sequences.build(str(tmp_path / "out"), str(tmp_path / "whole"))
    cut = sequences.build(str(tmp_path / "out"), str(tmp_path / "cut"), length=3, deduplicate=False)
    assert cut.sequences > whole.sequences

    def joined(root: Path) -> dict[int, list[int]]:
        found: dict[int, list[tuple[int, list[int]]]] = {}
        for batch in sequences.stream(str(root)):
            for row in batch.to_pylist():
                assert len(row["tokens"]) == len(row["mask"]) <= 512
                found.setdefault(row["session"], []).append((row["sequence"], row["tokens"]))
        return {session: [one for _, part in sorted(some) for one in part] for session, some in found.items()}

    assert joined(tmp_path / "cut") == joined(tmp_path / "whole")


def test_equal_sequences_are_kept_once(tmp_path: Path, organisation: Organisation) -> None:
    person = Subject(str(tmp_path / "person"), organisation)
    for _ in range(4):
        person.record(9)
    person.release()
    organisation.export(str(tmp_path / "out"), person.outbox, form="parquet")
    built = sequences.build(str(tmp_path / "out"), str(tmp_path / "built"))
    assert (built.sequences, built.duplicates) == (1, 3)
    assert sequences.build(str(tmp_path / "out"), str(tmp_path / "all"), deduplicate=False).sequences == 4


def test_one_of_a_thing_is_not_told_as_several(tmp_path: Path, organisation: Organisation) -> None:
    person = Subject(str(tmp_path / "person"), organisation)
    person.record(1)
    person.release()
    organisation.export(str(tmp_path / "out"), person.outbox, form="parquet")
    sequences.build(str(tmp_path / "out"), str(tmp_path / "built"))
    for name in ("out", "built"):
        said = (tmp_path / name / "README.md").read_text()
        assert (
            re.findall(r"(?<![\d,.])1 (?:sequences|tokens|records|rows|people|sessions|duplicates|groups)", said) == []
        )


def test_a_library_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "pyarrow"
    broken.mkdir()
    program = (
        "from desktop_logger.dataset import arrow\ntry:\n arrow.pyarrow()\nexcept Exception as e: print(e, e.hint)"
    )

    def said() -> str:
        words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{program}"]
        return subprocess.run(words, capture_output=True, check=True, text=True).stdout

    (broken / "__init__.py").write_text("raise ImportError('pyarrow requires NumPy 2.0 or newer, found 1.24.4')")
    assert "cannot be loaded: pyarrow requires NumPy 2.0 or newer, found 1.24.4" in (old := said())
    assert "not installed" not in old
    assert "--upgrade numpy" in old
    (broken / "__init__.py").write_text("raise ModuleNotFoundError('no pyarrow', name='pyarrow')")
    assert "not installed" in said()


def test_nobody_is_in_two_splits(tmp_path: Path, organisation: Organisation) -> None:
    some = people(tmp_path, organisation, 4)
    organisation.export(str(tmp_path / "out"), *(one.outbox for one in some), form="parquet")
    root = str(tmp_path / "built")
    sequences.build(str(tmp_path / "out"), root, deduplicate=False)
    if sum(map(bool, datasets.read_card(root)["rows_by_group"])) < 3:  # by chance, people of so few groups
        with pytest.raises(Refused, match="split groups"):
            splitting.split(root, 4, 4)
        return
    for seed in range(3):
        facts = splitting.split(root, 4, 4, seed)
        assert sorted(group for groups in facts["split_groups"].values() for group in groups) == list(range(16))
        found = {
            name: {group for batch in sequences.stream(root, name) for group in batch.column("split_group").to_pylist()}
            for name in facts["split_groups"]
        }
        assert not found["train"] & found["validation"]
        assert not (found["train"] | found["validation"]) & found["test"]
        assert sum(splitting.counts(facts).values()) == facts["rows"] == 8
    with pytest.raises(UsageError):
        splitting.split(root, 10, 6)


def test_erasure_follows_into_what_was_built(tmp_path: Path, organisation: Organisation) -> None:
    gone, stays = people(tmp_path, organisation, 2)
    out, root = str(tmp_path / "out"), str(tmp_path / "built")
    organisation.export(out, gone.outbox, stays.outbox, form="parquet")
    sequences.build(out, root, deduplicate=False)
    before = {one for batch in sequences.stream(root) for one in batch.column("session").to_pylist()}
    store.purge(gone.home, gone.clock, [one.id for one in store.segments(gone.home)])
    with pytest.raises(Refused):
        organisation.export(str(tmp_path / "other"), gone.outbox, stays.outbox)
    with pytest.raises(Refused, match="erasure waits"):
        sequences.build(out, str(tmp_path / "again"))
    done = organisation.erase(gone.outbox, stays.outbox)
    assert {one["path"] for one in done.exports} == {out, root}
    after = {one for batch in sequences.stream(root) for one in batch.column("session").to_pylist()}
    assert len(before) == 4
    assert len(after) == 2
    assert after < before
    card = datasets.read_card(root)
    assert (card["rows"], card["subjects"], card["erasures"]) == (2, 1, 1)
    sequences.build(out, str(tmp_path / "again"))


def test_only_exports_in_parquet_are_built_from(tmp_path: Path, organisation: Organisation) -> None:
    (person,) = people(tmp_path, organisation, 1)
    organisation.export(str(tmp_path / "text"), person.outbox, form="jsonl")
    with pytest.raises(Refused, match="Parquet"):
        sequences.build(str(tmp_path / "text"), str(tmp_path / "built"))
    with pytest.raises(UsageError):
        sequences.build(str(tmp_path), str(tmp_path / "built"))
    assert not os.path.exists(tmp_path / "built")


def test_plain_pyarrow_reads_an_export_and_its_units(tmp_path: Path, organisation: Organisation) -> None:
    (person,) = people(tmp_path, organisation, 1)
    report = organisation.export(str(tmp_path / "out"), person.outbox, form="parquet")
    found = pyarrow.dataset.dataset(str(tmp_path / "out" / "data"), format="parquet")
    assert found.count_rows() == report.rows
    for field in found.schema:
        assert field.metadata[b"meaning"]
    assert found.schema.field("duration").metadata[b"unit:coarse"] == b"log2 bucket of seconds"
    croissant = json.loads((tmp_path / "out" / "croissant.json").read_text())
    fields = {one["source"]["extract"]["column"] for one in croissant["recordSet"][0]["field"]}
    assert fields == set(found.schema.names)


def test_the_page_is_current() -> None:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(root, "docs", "reference", "dataset.md"), encoding="utf-8") as file:
        assert file.read() == document.page(), "run: python -m desktop_logger.dataset.document"


def test_the_card_says_what_the_profile_was_measured_to_tell(tmp_path: Path, organisation: Organisation) -> None:
    (person,) = people(tmp_path, organisation, 1)
    organisation.export(str(tmp_path / "out"), person.outbox, form="parquet")
    card = datasets.read_card(str(tmp_path / "out"))
    told = card["leakage"]
    assert list(told["limits"]) == ["coarse"]
    assert len(told["figures"]) > 20
    assert {one["metric"] for one in told["figures"]} <= set(told["limits"]["coarse"])
    shown = (tmp_path / "out" / "README.md").read_text()
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(root, "docs", "reference", "leakage.md"), encoding="utf-8") as file:
        published = [line.strip("| \n").split(" | ") for line in file if " | coarse | " in line]
    for metric, _, value, interval, _, _ in published:
        limit = told["limits"]["coarse"][metric]
        side, bound = next(iter(limit.items()))
        assert f"| coarse | {metric} | {value} | {interval} | {side.replace('_', ' ')} {bound:g} |" in shown
        assert re.search(
            rf"\| coarse \| {re.escape(metric)} \| {re.escape(value)} \| {re.escape(interval)} \| at ", shown
        )


def test_a_card_of_an_earlier_version_still_tells_its_limits() -> None:
    now = cards.leakage(["coarse"])
    before = {"leakage": {"measured": now["measured"], "limits": now["limits"]}}
    assert "| coarse | recognised, 500 keys |  |  | at most " in cards.leaked(before)
    assert len(cards.leaked(before).splitlines()) == 2 + len(now["limits"]["coarse"])


def counted(rows: Any, name: str) -> dict[str, int]:
    return dict(sorted(Counter(one for one in rows[name].to_pylist() if one is not None).items()))


def holds(root: Path, subjects: int) -> dict[str, Any]:
    """The card of an export, every number of it counted by hand from the rows beside it."""
    card = datasets.read_card(str(root))
    rows = pyarrow.dataset.dataset(str(root / "data"), format="parquet").to_table()
    for name in ("record", "scope", "form", "class", "command", "category", "role", "outcome"):
        assert card[f"rows_by_{name}"] == counted(rows, name), name
    plain = rows.to_pylist()
    sessions = {row["session"] for row in plain}
    assert (card["rows"], card["sessions"], card["subjects"]) == (len(plain), len(sessions), subjects)
    assert card["sessions_by_profile"] == {"coarse": len(sessions)}
    assert card["sessions_by_scope"] == Counter(scope for _, scope in {(row["session"], row["scope"]) for row in plain})
    assert card["session_minutes"] == sum(
        int(max(row["t"] for row in plain if row["session"] == one)) + 1 for one in sessions
    )
    assert card["diversity"] == {
        "subjects": subjects, "split_groups": len({row["split_group"] for row in plain}),
        "systems": "not recorded", "keyboard_layouts": "not recorded", "applications": "not recorded",
    }  # fmt: skip
    gaps = [row for row in plain if row["record"] == "gap"]
    assert card["gap_rows"] == len(gaps)
    once = {(row["session"], row["t"]): (1 << row["seconds"]) // 2 for row in gaps}
    assert card["unobserved_seconds_at_least"] == sum(once.values()) == 16 * len(sessions)  # of 30 seconds each
    readme = (root / "README.md").read_text()
    assert "so how diverse they are cannot be said" in readme
    for name in ("record", "scope", "class", "command", "category", "role", "outcome"):
        for word, number in card[f"rows_by_{name}"].items():
            assert f"- {word}: {number:,} (" in readme
    assert "got the focus: 2 of 16; kinds of element that were clicked: 1 of 24" in readme
    croissant = json.loads((root / "croissant.json").read_text())
    assert [one["source"]["extract"]["column"] for one in croissant["recordSet"][0]["field"]] == rows.column_names
    assert croissant["version"] == f"1.{card['erasures']}.0"
    front = readme.split("---")[1]
    assert f"license_name: {card['purpose']}-only" in front
    assert "path: data/*.parquet" in front
    return card


def test_what_the_card_says_is_counted_also_after_an_erasure(
    tmp_path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    change = [*offering(), ("named_commands = false", "named_commands = true")]
    organisation = Organisation(str(tmp_path), clock, change=change)
    scopes = [("keyboard", "pointer", "context", "target", "task"), ("keyboard", "context", "target")]
    some = [Subject(str(tmp_path / f"person{n}"), organisation, scopes=one) for n, one in enumerate(scopes)]
    for person in some:
        person.record()
    some[0].record(3)
    for person in some:
        person.release()
    boxes = [one.outbox for one in some]
    organisation.export(str(tmp_path / "out"), *boxes, form="parquet")
    built = sequences.build(str(tmp_path / "out"), str(tmp_path / "built"), deduplicate=False)
    card = holds(tmp_path / "out", 2)
    assert card["rows_by_command"] == {"copy": 3}
    assert set(card["rows_by_outcome"]) == {"begin", "ok"}
    store.purge(some[0].home, some[0].clock, [store.segments(some[0].home)[0].id])
    organisation.erase(*boxes)
    assert holds(tmp_path / "out", 2)["erasures"] == 1
    facts = datasets.read_card(built.out)
    made = [row for batch in sequences.stream(built.out) for row in batch.to_pylist()]
    spelled = Counter(actions.parts_of(token)[0] for row in made for token in row["tokens"])
    assert facts["tokens_by_action"] == spelled
    assert {"SWITCH(browser)", "CLICK(link)", "TASK(begin)", "HOTKEY(copy)"} < set(spelled)
    assert facts["tokens"] == spelled.total() < built.tokens
    assert facts["tokens_unobserved"] == sum(row["mask"].count(False) for row in made) == 2
    assert facts["sessions_by_profile"] == {"coarse": 2}
    shown = (tmp_path / "built" / "README.md").read_text()
    assert f"- TYPE: {spelled['TYPE']} (" in shown
    assert re.search(r"\n\| coarse \| recognised, 500 keys \| [\d.]+ % \| [\d.]+ % to [\d.]+ % \| at most ", shown)


def test_the_card_says_the_type_of_every_column(tmp_path: Path, organisation: Organisation) -> None:
    (person,) = people(tmp_path, organisation, 1)
    # a reader that guesses types guesses them from one part, which may lack some
    for form in ("parquet", "jsonl", "csv"):
        organisation.export(str(tmp_path / form), person.outbox, form=form)
        front = (tmp_path / form / "README.md").read_text().split("---\n")[1]
        features = front.partition("dataset_info:\n  features:\n")[2]
        said = dict(re.findall(r"  - name: (\w+)\n    dtype: (\w+)\n", features))
        file = pyarrow.parquet.ParquetFile(tmp_path / "parquet" / datasets.part_files(str(tmp_path / "parquet"))[0])
        kept = json.loads(file.metadata.metadata[b"huggingface"])["info"]["features"]
        assert said == {name: one["dtype"] for name, one in kept.items()}
        assert list(said) == file.schema_arrow.names
        assert (said["role"], said["t"], said["seconds"]) == ("string", "float64", "int64")


_HUGGING_FACE = """
import sys, datasets
for path, rows in zip(sys.argv[1::2], sys.argv[2::2]):
    found = datasets.load_dataset(path, cache_dir=path + "-cache")
    assert sum(one.num_rows for one in found.values()) == int(rows), (path, found)
"""


@pytest.mark.skipif(
    importlib.util.find_spec("datasets") is None, reason="NOT TESTED: Hugging Face datasets is not installed"
)
def test_hugging_face_loads_every_format(tmp_path: Path, clock: HeldClock) -> None:
    organisation = Organisation(str(tmp_path), clock, change=offering())
    scopes = ("keyboard", "pointer", "context", "target", "task")
    some = [Subject(str(tmp_path / f"person{n}"), organisation, scopes=scopes[: n + 1]) for n in range(5)]
    for person in some:  # each of whom grants other scopes, so that columns of some parts are empty
        person.record(5)
        person.release()
    words: list[str] = []
    for form in ("parquet", "jsonl", "csv"):
        report = organisation.export(str(tmp_path / form), *(one.outbox for one in some), form=form)
        words += [str(tmp_path / form), str(report.rows)]
    built = sequences.build(str(tmp_path / "parquet"), str(tmp_path / "built"), deduplicate=False)
    splitting.split(built.out, 4, 4)
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    command = [sys.executable, "-c", _HUGGING_FACE, *words, built.out, str(built.sequences)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
