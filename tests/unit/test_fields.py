"""What macOS and Windows say of the focused field: every answer, and every way of not answering."""

from __future__ import annotations

import ctypes
import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from desktop_logger.focus import fields
from desktop_logger.focus.applications import Rule
from desktop_logger.focus.watching import Watching
from desktop_logger.records import attention
from desktop_logger.records.classes import Safety
from tests.automation import Desktop
from tests.granted import grant

E_FAIL = -0x7FFFBFFB


class Carbon:
    """Apple's library with its one question, which has a type like any of ctypes' functions."""

    def __init__(self, answer: int) -> None:
        self.IsSecureEventInputEnabled = ctypes.CFUNCTYPE(ctypes.c_ubyte)(lambda: answer)


@pytest.mark.parametrize(("answer", "safety"), [(1, Safety.UNSAFE), (255, Safety.UNSAFE), (0, Safety.UNANSWERED)])
def test_on_macos_only_a_yes_is_believed(answer: int, safety: Safety) -> None:
    assert fields.secure_input(Carbon(answer))() is safety


def test_a_library_that_has_no_such_question_says_so() -> None:
    with pytest.raises(AttributeError):
        fields.secure_input(object())


@pytest.mark.parametrize(
    ("windows", "safety"),
    [
        (Desktop(name="Edit", style=0x20), Safety.UNSAFE),
        (Desktop(name="WindowsForms10.EDIT.app.0.1", style=0x50000020), Safety.UNSAFE),
        (Desktop(name="Edit", style=0x50000000), Safety.UNANSWERED),
        (Desktop(name="ListBox", style=0x20), Safety.UNANSWERED),
        (Desktop(name=None), Safety.UNANSWERED),
        (Desktop(threads=False, name="Edit", style=0x20), Safety.UNANSWERED),
        (Desktop(says=1), Safety.UNSAFE),
        (Desktop(says=0), Safety.UNANSWERED),
        (Desktop(name="Edit", style=0x20, says=0), Safety.UNSAFE),
        (Desktop(says=0, said=E_FAIL), Safety.UNKNOWN),
        (Desktop(says=1, said=E_FAIL), Safety.UNKNOWN),
        (Desktop(says=0, found=E_FAIL), Safety.UNKNOWN),
        (Desktop(says=0, empty=True), Safety.UNKNOWN),
        (Desktop(made=E_FAIL, says=1), Safety.UNANSWERED),
    ],
)  # fmt: skip
def test_on_windows_the_style_of_an_edit_field_or_an_element_says_yes_and_nothing_says_safe(
    windows: Desktop, safety: Safety
) -> None:
    asked = fields.field(windows, windows)
    assert [asked(), asked()] == [safety, safety]
    assert windows.held == 0, "every element that was given is given back"


def test_the_names_of_the_interfaces_are_those_of_the_headers() -> None:
    assert uuid.UUID(bytes_le=fields._CUIAUTOMATION) == uuid.UUID("ff48dba4-60ef-4201-aa87-54103eef594e")
    assert uuid.UUID(bytes_le=fields._IUIAUTOMATION) == uuid.UUID("30cbe57d-d9d0-452a-ab13-7ac5ac4825ee")


def told(field: Callable[[], Safety] | None) -> Any:
    """What the indicator tells capture where only the system can be asked."""
    watching = Watching(None, None, None, field)
    reading, writing = os.pipe()
    try:
        watching.attend(Rule.of_grant(grant()), writing)
        watching.turn()
        return watching.lacks, Safety(attention.RECORD.unpack(os.read(reading, attention.BYTES))[1])
    finally:
        watching.close()
        os.close(reading)
        os.close(writing)


def test_what_the_system_says_reaches_capture() -> None:
    assert told(fields.secure_input(Carbon(1))) == (["fields", "windows"], Safety.UNSAFE)
    assert told(fields.secure_input(Carbon(0))) == (["fields", "windows"], Safety.UNANSWERED)
    assert told(fields.field(windows := Desktop(says=0, said=E_FAIL), windows)) == (
        ["fields", "windows"],
        Safety.UNKNOWN,
    )


def test_here_there_is_nothing_to_ask() -> None:
    assert fields.of_this_system() is None
    assert told(None)[1] is Safety.UNANSWERED
