"""What was recorded, counted, drawn and written: the same numbers in every form."""

from __future__ import annotations

import csv
import json
import re
import stat
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_logger.errors import IntegrityError, Refused, Unavailable, UsageError
from desktop_logger.inspection import drawing, table
from desktop_logger.inspection.page import Facts, page
from desktop_logger.inspection.rows import FIELDS, Row, segment_rows
from desktop_logger.inspection.summary import Span, Summary
from desktop_logger.records import registry
from desktop_logger.records.classes import (
    Action,
    Button,
    Category,
    ClickKind,
    Command,
    Direction,
    KeyClass,
    Outcome,
    Reason,
    Role,
)
from desktop_logger.records.layout import (
    CLICK,
    COARSE_FORM,
    FOCUS,
    GAP,
    KEY,
    KINDS,
    MOVE,
    RECORD,
    SCROLL,
    STROKE,
    SWITCHES,
    TARGET,
    TARGETS,
    TASK,
    TYPING,
    VEILED_KINDS,
    describe,
)
from desktop_logger.records.profiles import BURSTS, COARSE, COUNTS, EVENTS, PROFILES, SCOPES, TASKS, Profile
from desktop_logger.segments.reading import RECORDS

START = 1_780_000_020.0
SPAN = Span("ab" * 16, START, START + 600)
FACTS = Facts((("You", "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG-HHHH", "everything"),), (("Keys", "as classes"),))


def records(*some: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.frombuffer(b"".join(RECORD.pack(*one) for one in some), RECORDS)


KEYBOARD = records(
    (0, KEY, KeyClass.TEXT, 0, 0, 0, 0),
    (50, KEY, KeyClass.TEXT, 0, 0, 0, 0),
    (60, KEY, KeyClass.EDIT, 0, 0, 0, 0),
    (3100, KEY, KeyClass.COMMAND, Command.COPY, 0, 0, 0),
    (4000, GAP, Reason.PAUSED, 0, 0, 0, 30),
)
POINTER = records(
    (10, MOVE, 0, 3, 65535, 0, 0),
    (70, CLICK, Button.LEFT, 1, 0, 0, 0),
    (80, SCROLL, Direction.DOWN, 3, 0, 0, 0),
    (4000, GAP, Reason.PAUSED, 0, 0, 0, 30),
)
PARTS = {"keyboard": [KEYBOARD], "pointer": [POINTER]}


@pytest.fixture
def summary() -> Summary:
    counted = Summary()
    counted.add(SPAN, EVENTS, PARTS)
    return counted


def test_the_summary_has_the_shape_that_scripts_rely_on(summary: Summary) -> None:
    assert summary.to_json() == {
        "records": 8,
        "keys": {"COMMAND": 1, "EDIT": 1, "TEXT": 2},
        "commands": {"copy": 1},
        "pointer": {"clicks": 1, "scrolls": 3, "moves": 1},
        "context": {},
        "gaps": [{"reason": "paused", "seconds": 30}],
        "segments": 1,
        "at_least": False,
    }


def test_a_typing_run_counts_its_presses() -> None:
    counted = Summary()
    counted.add(SPAN, BURSTS, {"keyboard": [records((0, TYPING, 0, 40, 3, 9, 0), (70, TYPING, 0, 5, 0, 1, 60))]})
    assert counted.to_json()["keys"] == {"EDIT": 3, "TEXT": 45}
    assert counted.minutes["keyboard"] == {int(START // 60): 43, int(START // 60) + 1: 5}


def test_buckets_are_counted_as_the_least_they_can_mean_and_that_is_said() -> None:
    counted = Summary()
    parts = {"keyboard": [records((0, TYPING, 0, 5, 0, 3, 0), (1, GAP, Reason.UNOBSERVED, 0, 0, 0, 6))]}
    counted.add(SPAN, COARSE, parts, released=True)
    assert counted.to_json()["keys"] == {"TEXT": 16}
    assert counted.to_json()["gaps"] == [{"reason": "unobserved", "seconds": 32}]
    assert counted.at_least
    own = Summary()
    own.add(SPAN, COARSE, parts)
    assert own.to_json()["gaps"] == [{"reason": "unobserved", "seconds": 6}]
    assert any("at least" in line for line in drawing.text(counted))
    assert "  In coarse, TEXT includes EDIT." in drawing.text(counted)
    assert "in coarse, TEXT includes EDIT." in page(counted, FACTS)


def test_two_equal_gaps_in_one_scope_are_two(summary: Summary) -> None:
    twice = records(*[(0, GAP, Reason.SUSPENDED, 0, 0, 0, 5)] * 2)
    summary.add(SPAN, EVENTS, {"keyboard": [twice], "pointer": [twice]})
    assert {"reason": "suspended", "seconds": 10} in summary.to_json()["gaps"]


def test_rows_are_in_the_order_of_time_and_say_their_scope() -> None:
    rows = segment_rows(PARTS, EVENTS)
    assert [row["t"] for row in rows] == sorted(row["t"] for row in rows)
    assert rows[0] == {"record": "key", "t": 0.0, "class": "TEXT", "scope": "keyboard"}
    assert [row["scope"] for row in rows if row["record"] == "gap"] == ["keyboard", "pointer"]


def test_how_long_each_category_had_the_focus() -> None:
    focus = records(
        (0, FOCUS, Category.MAIL, 0, 0, 0, 0), (500, FOCUS, Category.EDITOR, 0, 0, 0, 0),
        (1000, GAP, Reason.PAUSED, 0, 0, 0, 20), (2000, FOCUS, Category.EDITOR, 0, 0, 0, 0),
    )  # fmt: skip
    summary = Summary()
    summary.add(Span("s", START, START + 60), EVENTS, {"context": [focus]})
    assert summary.to_json()["context"] == {"editor": 30, "mail": 10}
    assert summary.to_json()["gaps"] == [{"reason": "paused", "seconds": 20}]


@pytest.mark.parametrize("bad", [(0, KEY | COARSE_FORM, 1, 0, 0, 0, 6),
                                 (0, TYPING | COARSE_FORM, 0, 9, 0, 0, 0),
                                 (0, GAP | COARSE_FORM, 1, 0, 0, 0, 0),
                                 (0, MOVE | COARSE_FORM, 0, 1, 1, 0, 0)])  # fmt: skip
def test_a_record_in_coarse_form_is_held_to_the_bounds_of_coarse(bad: tuple[int, ...]) -> None:
    with pytest.raises(IntegrityError):
        segment_rows({"keyboard": [records(bad)]}, EVENTS)


@pytest.mark.parametrize("bad", [(0, 99, 0, 0, 0, 0, 0), (0, KEY, 77, 0, 0, 0, 0), (0, KEY, 1, 500, 0, 0, 0)])
def test_a_record_outside_the_vocabulary_is_refused(bad: tuple[int, ...]) -> None:
    with pytest.raises(IntegrityError):
        segment_rows({"keyboard": [records(bad)]}, EVENTS)
    with pytest.raises(IntegrityError):
        Summary().add(SPAN, EVENTS, {"keyboard": [records(bad)]})


WORDS: dict[str, list[Any]] = {
    "class": list(KeyClass), "command": list(Command), "button": list(Button), "direction": list(Direction),
    "reason": list(Reason), "action": list(Action), "category": list(Category), "role": list(Role),
    "click": list(ClickKind), "outcome": list(Outcome), "task": list(range(1, TASKS + 1)),
}  # fmt: skip
SCOPE_OF = {kind.name: SCOPES if kind.scope == "any" else (kind.scope,) for kind in registry.KINDS}
_PLACE = {"code": 2, "a": 3, "b": 4, "c": 5, "d": 6}


@st.composite
def _honest(draw: st.DrawFn, profile: Profile) -> tuple[str, tuple[int, ...]]:
    """A record that the registry allows, and a scope that it may stand in."""
    kind = draw(st.sampled_from([one for one in registry.KINDS if profile.name in one.profiles]))
    (number,) = [number for number, name in KINDS.items() if name == kind.name]
    if profile in (EVENTS, BURSTS) and number in VEILED_KINDS and "coarse" in kind.profiles and draw(st.booleans()):
        profile, number = COARSE, number | COARSE_FORM
    record = [draw(st.integers(0, 2**32 - 1)), number, 0, 0, 0, 0, 0]
    for field in registry.fields_of(kind.name, profile.name):
        if field.name == "t":
            continue
        values = field.values[profile.name]
        if field.name in ("dx", "dy"):
            value = draw(st.integers(-(values // 2), values // 2)) & 0xFFFF
        elif (profile.name, field.name) == ("counts", "n"):
            value = draw(st.integers(-63, 960)) & 0xFFFF
        elif field.name in WORDS:
            value = draw(st.sampled_from(list(WORDS[field.name])))
        else:
            value = draw(st.integers(0, values - 1))
        record[_PLACE[field.slot]] = value
    return draw(st.sampled_from(SCOPE_OF[kind.name])), tuple(record)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_row_fits_the_columns_that_are_declared(profile: Profile, data: st.DataObject) -> None:
    some = data.draw(st.lists(_honest(profile), max_size=20))
    parts = {scope: [records(*[one for place, one in some if place == scope])] for scope in SCOPES}
    words = {field.name: set(field.words) for field in FIELDS if field.kind == "words"}
    numbers = {field.name for field in FIELDS if field.kind != "words"}
    rows = segment_rows(parts, profile)
    expected = [{**describe(one, profile), "scope": scope} for scope in SCOPES for one in parts[scope][0].tolist()]
    expected.sort(key=lambda row: float(row["t"]))
    assert expected == rows
    assert [list(row) for row in expected] == [list(row) for row in rows], "one order of columns"
    for row in rows:
        for name, value in row.items():
            assert value in words[name] if name in words else name in numbers and not isinstance(value, str)


@pytest.mark.parametrize(
    ("scope", "profile", "bad"),
    [
        ("keyboard", EVENTS, (0, CLICK, Button.LEFT, 1, 0, 0, 0)),  # a record in another scope's part
        ("pointer", EVENTS, (0, KEY, KeyClass.TEXT, 0, 0, 0, 0)),
        ("pointer", COARSE, (0, MOVE, 0, 1, 1, 0, 0)),  # finer than its profile
        ("keyboard", COARSE, (0, TYPING, 0, 9, 0, 0, 0)),  # beyond the last bucket: room for something else
        ("keyboard", COARSE, (0, TYPING, 0, 5, 4, 0, 0)),  # beyond what it ever told of corrections
        ("keyboard", COARSE, (0, TYPING, 0, 5, 0, 7, 0)),  # or of duration
        ("keyboard", BURSTS, (0, TYPING | COARSE_FORM, 0, 5, 4, 0, 0)),
        ("keyboard", BURSTS, (0, TYPING | COARSE_FORM, 0, 5, 0, 7, 0)),
        ("keyboard", BURSTS, (0, TYPING | COARSE_FORM, 0, 9, 3, 6, 0)),
        ("pointer", COARSE, (0, STROKE, 0, 6, 0, 0, 0)),
        ("pointer", COARSE, (0, STROKE, 0, 0, 0xFFFA, 0, 0)),
    ],
)
def test_a_record_out_of_place_or_bounds_is_refused(scope: str, profile: Profile, bad: tuple[int, ...]) -> None:
    with pytest.raises(IntegrityError):
        segment_rows({scope: [records(bad)]}, profile)


@pytest.mark.parametrize("profile", [COARSE, BURSTS, EVENTS], ids=lambda one: one.name)
def test_what_coarse_told_before_is_read_in_todays_form(profile: Profile) -> None:
    """As it is made coarse: the number of keys is the least that the sum can be (ADR 0042)."""
    kind = TYPING if profile is COARSE else TYPING | COARSE_FORM
    (row,) = segment_rows({"keyboard": [records((0, kind, 0, 2, 3, 4, 5))]}, profile)
    assert (row["n_text"], row["n_edit"], row["duration"], row["gap"]) == (3, 0, 0, 5)


def test_the_drawing_is_plain_text_within_80_columns(summary: Summary) -> None:
    for ascii_only in (False, True):
        lines = drawing.text(summary, ascii_only=ascii_only)
        assert max(map(len, lines)) <= 80
        assert "\x1b" not in "".join(lines)
        if ascii_only:
            assert "".join(lines).isascii()
    text = "\n".join(drawing.text(summary))
    assert "1 click, 3 scroll steps, 1 movement" in text
    assert re.search(r"paused +30 s", text)
    assert drawing.text(Summary()) == ["Nothing is recorded in this time."]


@settings(max_examples=50, deadline=None)
@given(spans=st.lists(st.tuples(st.integers(0, 40_000_000), st.integers(0, 700)), min_size=1, max_size=8))
def test_any_stretch_of_time_can_be_drawn(spans: list[tuple[int, int]]) -> None:
    counted = Summary()
    for start, length in spans:
        counted.add(Span("ab" * 16, START + start, START + start + length), EVENTS, PARTS)
    assert max(map(len, drawing.timeline(counted))) <= 80
    assert "</html>" in page(counted, FACTS)


class _Checker(HTMLParser):
    """Collects what a page would load, and whether its elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "rect"):
            self.open.append(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(summary: Summary) -> None:
    text = page(summary, FACTS, title="<script>alert(1)</script>")
    checker = _Checker()
    checker.feed(text)
    assert checker.open == []
    assert checker.loads == []
    assert "<script" not in text
    assert "http://" not in text
    assert "https://" not in text
    assert "prefers-color-scheme: dark" in text
    assert 'lang="en"' in text
    for said in ("COMMAND", "paused", "AAAA-BBBB", "as classes"):
        assert said in text
    assert "Nothing is recorded" in page(Summary(), FACTS)


def around() -> Summary:
    """Two categories in front, three elements clicked, a task that was begun twice and ended once."""
    focus = records((0, FOCUS, Category.EDITOR, 0, 0, 0, 0), (3000, FOCUS, Category.MAIL, 0, 0, 0, 0))
    clicked = records((5, TARGET, Role.MENU_ITEM, 2, 1, 0, 0), (6, TARGET, Role.LINK, 1, 1, 0, 0))
    said = records(*((t, TASK, 7, outcome, 0, 0, 0) for t, outcome in enumerate((1, 1, 2))))
    summary = Summary()
    summary.add(Span("s", START, START + 4000), EVENTS, {"context": [focus], "target": [clicked], "task": [said]})
    return summary


def test_categories_roles_and_tasks_are_shown_in_words_and_on_the_page() -> None:
    lines = drawing.text(around(), ascii_only=True)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for line in (r"mail +1 h 5 min", r"editor +1 min", r"menu item +2  #+", r"link +1  #+", r"task 7 +begin 2, ok 1"):
        assert re.search(f"^  {line}$", text, re.MULTILINE), line
    text = page(around(), FACTS)
    for cells in (("mail", "1 h 5 min"), ("task 7", "begin 2, ok 1")):
        assert "".join(f"<td>{cell}</td>" for cell in cells) in text
    assert '<td>menu item</td><td class="number">2</td>' in text
    checker = _Checker()
    checker.feed(text)
    assert checker.open == []


def test_who_granted_none_of_these_sees_no_word_of_them(summary: Summary) -> None:
    for said in ("In front", "Clicked", "Tasks", "Changes to an application"):
        assert said not in "\n".join(drawing.text(summary))
        assert f"<h2>{said}" not in page(summary, FACTS)


def test_under_counts_changes_and_clicks_are_numbers_with_noise() -> None:
    changes = records((0, SWITCHES, Category.CHAT, 5, 0, 0, 0), (0, SWITCHES, Category.MAIL, 0xFFFE, 0, 0, 0))
    clicked = records((0, TARGETS, Role.BUTTON, 9, 0, 0, 0))
    counted = Summary()
    counted.add(Span("s", START, START + 60), COUNTS, {"context": [changes], "target": [clicked]})
    text = "\n".join(drawing.text(counted, ascii_only=True))
    assert re.search(r"chat +about +5", text)
    assert re.search(r"button +about +9", text)
    assert "mail" not in text
    assert "In front" not in text
    assert '<td>chat</td><td class="number">5</td>' in page(counted, FACTS)


def rows_of(path: Path, form: str) -> list[Row]:
    if form == "jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if form == "csv":
        with open(path, newline="") as file:
            return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    return [
        {key: value for key, value in row.items() if value is not None}
        for row in pyarrow.parquet.read_table(path).to_pylist()
    ]


@pytest.mark.parametrize("form", table.FORMATS)
def test_the_same_rows_in_every_format(tmp_path: Path, form: str) -> None:
    rows = segment_rows(PARTS, EVENTS)
    path = tmp_path / f"rows.{form}"
    assert table.write(str(path), form, FIELDS, [rows]) == len(rows)
    found = rows_of(path, form)
    assert [{key: str(value) for key, value in row.items()} for row in found] == [
        {key: str(value) for key, value in row.items()} for row in rows
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_parquet_columns_are_coded_words_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table.write(str(path), "parquet", FIELDS, [segment_rows(PARTS, EVENTS)] * 3)
    schema = pyarrow.parquet.read_schema(path)
    for field in schema:
        assert field.metadata[b"meaning"]
        kind = str(field.type)
        assert kind in ("int64", "double") or kind.startswith("dictionary<values=string"), (field.name, kind)


def test_what_exists_is_not_overwritten_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("mine")
    with pytest.raises(Refused, match="exists"):
        table.write(str(path), "jsonl", FIELDS, [])
    assert path.read_text() == "mine"

    def failing() -> Any:
        yield segment_rows(PARTS, EVENTS)
        raise IntegrityError("altered")

    with pytest.raises(IntegrityError):
        table.write(str(tmp_path / "other.csv"), "csv", FIELDS, failing())
    assert [one.name for one in tmp_path.iterdir()] == ["rows.jsonl"]
    with pytest.raises(Unavailable):
        table.write(str(tmp_path / "no" / "rows.csv"), "csv", FIELDS, [])
    with pytest.raises(UsageError, match="format"):
        table.write(str(tmp_path / "rows.xml"), "xml", FIELDS, [])


def test_without_pyarrow_the_remedy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(Unavailable) as caught:
        table.write(str(tmp_path / "rows.parquet"), "parquet", FIELDS, [])
    assert "pip install" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []
