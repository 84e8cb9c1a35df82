"""The control channel's words: one frame, one meaning, one answer or none; and where nobody can be asked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from desktop_logger import control
from desktop_logger.control.answering import answer
from desktop_logger.errors import Refused, Unavailable
from desktop_logger.paths import Home


def said(data: bytes) -> tuple[list[bytes], list[tuple[Any, ...]]]:
    """What one frame is answered, and what was done."""
    out: list[bytes] = []
    done: list[tuple[Any, ...]] = []

    def do(*what: Any) -> dict[str, Any]:
        done.append(what)
        return {"state": "recording"}

    answer(data, do, out.append)
    return out, done


def test_a_frame_is_done_and_answered_and_a_slow_verb_says_wait_first() -> None:
    assert said(b'{"verb":"status"}\n') == ([b'{"state": "recording"}\n'], [("status", None, "")])
    assert said(b'{"verb":"pause","seconds":5}\n') == (
        [control.WAIT, b'{"state": "recording"}\n'], [("pause", 5, "")],
    )  # fmt: skip
    assert said(b'{"verb":"begin","task":"report"}\n')[1] == [("begin", None, "report")]
    assert said(b'{"verb":"end","outcome":"ok"}\n')[1] == [("end", None, "ok")]


@pytest.mark.parametrize("data", [b"", b'{"verb":"status"}', b'{"verb":"stop"', b"\x00"])
def test_what_does_not_end_in_a_newline_is_no_frame(data: bytes) -> None:
    assert said(data) == ([], [])


@pytest.mark.parametrize(
    "data",
    [
        b'{"verb":"status","verb":"stop"}\n', b'{"verb":"status"}\n{"verb":"stop"}\n', b'["stop"]\n', b'"stop"\n',
        b'{"verb":["stop"]}\n', b'{"verb":"STOP"}\n', b'{"verb":"stop","now":true}\n', b"[" * 4000 + b"\n",
        b"\xff\xfe\n",
        b'{"verb":"pause","seconds":1e3}\n', b'{"verb":"pause","seconds":true}\n', b'{"verb":"pause","seconds":0}\n',
        b'{"verb":"pause","seconds":' + b"9" * 3900 + b"}\n", '{"verb":"begin","task":"é"}\n'.encode(),
    ],
)  # fmt: skip
def test_what_has_another_meaning_or_two_is_refused_and_nothing_is_done(data: bytes) -> None:
    (out,), done = said(data)
    assert done == []
    assert set(json.loads(out)) == {"error", "hint", "status"}


def test_a_request_that_is_refused_by_who_does_it_is_answered_with_the_reason() -> None:
    out: list[bytes] = []

    def do(*_: Any) -> dict[str, Any]:
        raise Refused("not now", "Later.")

    answer(b'{"verb":"go"}\n', do, out.append)
    assert json.loads(out[0]) == {"error": "not now", "hint": "Later.", "status": 1}


def test_where_a_path_is_too_long_for_a_socket_and_there_is_no_way_round_it_nobody_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS, which has no ``O_PATH``."""
    monkeypatch.delattr(os, "O_PATH")
    with pytest.raises(Unavailable, match="nothing is running"):
        control.ask(Home(str(tmp_path / ("long" * 40))), {"verb": "status"})
