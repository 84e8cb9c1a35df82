"""Replay files: what each line makes, and what every bad line is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_logger import capture
from desktop_logger.capture.replay import Reader, Rule
from desktop_logger.errors import Unavailable, UsageError
from desktop_logger.records.applications import Applications
from desktop_logger.records.classes import (
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
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, FOCUS, GAP, KEY, MOVE, RECORD, SCROLL, TARGET, TASK, VEIL, describe
from desktop_logger.records.profiles import BURSTS, COARSE, EVENTS, PROFILES, SCOPES, Profile
from desktop_logger.redaction import Redactor


def written(path: Path, *lines: str) -> str:
    file = path / "input.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def events(path: Path, *lines: str) -> list[Event]:
    reader = Reader(written(path, *lines))
    return [event for _, made in reader.lines() for event in made] + reader.rest()


class Terms(NamedTuple):
    own: Profile
    scopes: tuple[str, ...] = SCOPES
    named_commands: bool = False
    release: Profile | None = None


def records(path: str, profile: Profile) -> list[dict[str, Any]]:
    """What a whole file becomes."""
    reader, redactor = Reader(path), Redactor(Terms(profile), noise=lambda: 0)
    redactor.begin(0)
    for _, made in reader.lines():
        redactor.feed(Batch(made, reader.last))
    redactor.feed(Batch(reader.rest(), reader.last))
    redactor.flush(reader.last)
    return [describe(record, profile) for record in RECORD.iter_unpack(redactor.take()[0])]


def press(t: float, name: str, *, down: bool = True) -> str:
    return json.dumps({"t": t, "key": name, "down": down})


def test_every_kind_of_line(tmp_path: Path) -> None:
    assert events(
        tmp_path,
        press(0.1, "a"),
        '{"t": 0.2, "move": [3, -4]}',
        '{"t": 0.3, "button": 3, "down": true}',
        '{"t": 0.4, "button": 3, "down": false}',
        '{"t": 0.5, "scroll": [-1, 2]}',
        '{"t": 0.6, "focus": "org.gnome.Terminal", "secure": false}',
    ) == [
        (100, KEY, KeyClass.TEXT, 0, 0, 0),
        (200, MOVE, 0, 0, 3, -4),
        (300, CLICK, Button.RIGHT, 1, 0, 0),
        (300, TARGET, Role.UNKNOWN, ClickKind.SINGLE, 0, 0),
        (500, SCROLL, Direction.LEFT, 1, 0, 0),
        (500, SCROLL, Direction.UP, 2, 0, 0),
        (600, FOCUS, Category.OTHER, 0, 0, 0),
    ]


def test_modifiers_repeats_and_releases(tmp_path: Path) -> None:
    made = events(
        tmp_path,
        press(0, "Control_L"), press(0.1, "c"), press(0.2, "c"), press(0.3, "c", down=False),
        press(0.4, "Control_L", down=False), press(0.5, "Shift_L"), press(0.6, "C"),
        press(0.7, "Shift_L", down=False), press(0.8, "c", down=False), press(0.9, "c"),
        press(1, "ISO_Level3_Shift"), press(1.1, "at"),
    )  # fmt: skip
    assert [(event[2], event[3]) for event in made] == [
        (KeyClass.MODIFIER, 0), (KeyClass.COMMAND, Command.COPY), (KeyClass.TEXT, 0), (KeyClass.TEXT, 0),
        (KeyClass.TEXT, 0),
    ]  # fmt: skip


def test_nothing_is_recorded_while_something_secure_has_the_focus(tmp_path: Path) -> None:
    made = events(
        tmp_path,
        press(0, "a"),
        '{"t": 1, "focus": "org.keepassxc.KeePassXC", "secure": true}',
        press(1.5, "b"),
        '{"t": 2, "button": 1, "down": true}',
        '{"t": 4, "focus": "org.gnome.Terminal", "secure": false}',
        press(5, "d"),
        '{"t": 6, "focus": "org.keepassxc.KeePassXC", "secure": true}',
        press(7.6, "e"),
    )
    assert [event[:4] for event in made] == [
        (0, KEY, KeyClass.TEXT, 0), (1000, GAP, Reason.SECURE, 3), (4000, FOCUS, Category.OTHER, 0),
        (5000, KEY, KeyClass.TEXT, 0),
        (6000, GAP, Reason.SECURE, 2),
    ]  # fmt: skip


def test_focus_decides_over_categories_veils_and_gaps(tmp_path: Path) -> None:
    lines = [
        '{"t": 1, "focus": "Firefox", "secure": false}', press(1.2, "a"),
        '{"t": 2, "focus": "old-tool", "secure": false, "answered": false}', press(2.2, "b"),
        '{"t": 3, "focus": "org.keepassxc.KeePassXC", "secure": false}', press(3.2, "c"),
        '{"t": 5, "focus": "firefox", "secure": false}',
        '{"t": 6, "button": 1, "down": true, "role": "menu_item", "click": "double"}',
        '{"t": 7, "task": 3, "outcome": "gave_up"}',
    ]  # fmt: skip
    table = {"firefox": int(Category.BROWSER)}
    rule = Rule(Applications("deny", ("org.keepassxc.*",)), "coarse", table)
    made = [event for _, some in Reader(written(tmp_path, *lines), rule).lines() for event in some]
    assert [event[:4] for event in made] == [
        (1000, FOCUS, Category.BROWSER, 0), (1200, KEY, KeyClass.TEXT, 0),
        (2000, VEIL, 1, 0), (2000, FOCUS, Category.OTHER, 0), (2200, KEY, KeyClass.TEXT, 0),
        (3000, GAP, Reason.NOT_ALLOWED, 2), (5000, VEIL, 0, 0), (5000, FOCUS, Category.BROWSER, 0),
        (6000, CLICK, Button.LEFT, 1), (6000, TARGET, Role.MENU_ITEM, ClickKind.DOUBLE),
        (7000, TASK, 3, Outcome.GAVE_UP),
    ]  # fmt: skip
    strict = Rule(Applications("allow", ("firefox", "old-*")), "nothing", table)
    reader = Reader(written(tmp_path, *lines[:6]), strict)
    closed = [event for _, some in reader.lines() for event in some] + reader.rest()
    assert [event[2:4] for event in closed if event[1] == GAP] == [(Reason.UNKNOWN, 1), (Reason.NOT_ALLOWED, 1)]
    assert sum(event[1] == KEY for event in closed) == 1


BAD = {
    '{"t": 2, "task": 65, "outcome": "ok"}': '"task" is not a number from 1 to 64',
    '{"t": 2, "task": 1, "outcome": "won"}': '"outcome" is not one of begin, ok, failed, gave_up',
    '{"t": 2, "button": 1, "down": true, "role": "Send to Bob"}': '"role" is not one of unknown, button',
    '{"t": 2, "focus": "a", "secure": false, "answered": 1}': '"answered" is not true or false',
    "not JSON": "not JSON",
    '["t", 1]': "not a JSON object",
    '{"key": "a", "down": true}': '"t" is not a number of seconds',
    '{"t": -1, "key": "a", "down": true}': '"t" is not a number of seconds',
    '{"t": NaN, "key": "a", "down": true}': '"t" is not a number of seconds',
    '{"t": true, "key": "a", "down": true}': '"t" is not a number of seconds',
    '{"t": "1", "key": "a", "down": true}': '"t" is not a number of seconds',
    '{"t": 0.5, "key": "a", "down": true}': '"t" is before the line above',
    '{"t": 2}': "not exactly one of",
    '{"t": 2, "key": "a", "down": true, "move": [1, 1]}': "not exactly one of",
    '{"t": 2, "key": "a"}': "a key line has the fields t, key, down",
    '{"t": 2, "key": "a", "down": 1}': '"down" is not true or false',
    '{"t": 2, "key": "hunter2", "down": true}': '"key" is not an X keysym name',
    '{"t": 2, "key": "", "down": true}': '"key" is not an X keysym name',
    '{"t": 2, "key": 7, "down": true}': '"key" is not an X keysym name',
    '{"t": 2, "move": [1]}': '"move" is not a pair',
    '{"t": 2, "move": [1.5, 0]}': '"move" is not a pair',
    '{"t": 2, "move": [99999, 0]}': '"move" is not a pair',
    '{"t": 2, "scroll": 1}': '"scroll" is not a pair',
    '{"t": 2, "button": 0, "down": true}': '"button" is not a number',
    '{"t": 2, "button": "left", "down": true}': '"button" is not a number',
    '{"t": 2, "focus": 3, "secure": true}': '"focus" is not the name',
    '{"t": 2, "focus": "x"}': "a focus line has the fields t, focus, secure",
    '{"t": 2, "title": "x"}': "not exactly one of",
    "[" * 100_000: "not JSON",
}


@pytest.mark.parametrize(("line", "reason"), BAD.items(), ids=range(len(BAD)))
def test_a_bad_line_is_named_with_its_reason_and_never_repeated(tmp_path: Path, line: str, reason: str) -> None:
    path = written(tmp_path, press(1, "Return"), "", line)
    with pytest.raises(UsageError) as caught:
        records(path, EVENTS)
    assert caught.value.message.startswith(f"{path}, line 3: ")
    assert reason in caught.value.message
    assert caught.value.exit_status == 2
    assert "hunter2" not in caught.value.message


def test_bytes_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    path.write_bytes(b'{"t": 0, "key": "\xff", "down": true}\n')
    with pytest.raises(UsageError, match="line 1: not UTF-8"):
        records(str(path), EVENTS)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match="cannot read"):
        records(missing, EVENTS)
    with pytest.raises(Unavailable, match="cannot read"):
        capture.choose(f"replay:{missing}")


def test_backends_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, press(0, "a"))
    name, why = capture.choose(f"replay:{path}")
    assert name == f"replay:{path}"
    assert path in why
    for unknown in ("wayland", "replay", "x11:0", "replay:", "windows"):
        with pytest.raises(UsageError, match="there is no backend"):
            capture.load(unknown)


def test_a_file_under_each_profile(tmp_path: Path) -> None:
    path = written(tmp_path, press(0.1, "h"), press(0.2, "i"), press(0.3, "Return"), press(9, "x"))
    assert records(path, EVENTS) == [
        {"record": "key", "t": 0.1, "class": "TEXT"},
        {"record": "key", "t": 0.2, "class": "TEXT"},
        {"record": "key", "t": 0.3, "class": "ENTER"},
        {"record": "key", "t": 9.0, "class": "TEXT"},
    ]
    assert records(path, BURSTS) == [
        {"record": "key", "t": 0.0, "class": "ENTER", "gap": 0},
        {"record": "typing", "t": 9.0, "n_text": 3, "n_edit": 0, "duration": 0, "gap": 9},
    ]
    assert records(path, COARSE) == [
        {"record": "key", "t": 0, "class": "ENTER", "gap": 0},
        {"record": "typing", "t": 0, "n_text": 2, "n_edit": 0, "duration": 0, "gap": 4},
    ]


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?-+ äöüßéñжзи你好"
WORD = st.text(alphabet=LETTERS, min_size=3, max_size=12)


@given(WORD, WORD, st.sampled_from(sorted(PROFILES)))
def test_two_texts_of_one_length_look_the_same(
    tmp_path_factory: pytest.TempPathFactory, first: str, second: str, name: str
) -> None:
    length = min(len(first), len(second))
    folder = tmp_path_factory.mktemp("texts")

    def redacted(text: str) -> list[dict[str, Any]]:
        lines = [line for n, char in enumerate(text) for line in (press(n / 10, char), press(n / 10, char, down=False))]
        return records(written(folder, *lines), PROFILES[name])

    assert redacted(first[:length]) == redacted(second[:length])
