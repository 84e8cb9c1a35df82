"""The runner of the documents' transcripts finds what is wrong, so that a silent one means that they hold."""

from __future__ import annotations

import os

import pytest

from tests.transcripts import play, steps

ENV = {"PATH": os.defpath, "LANG": "C.UTF-8"}


def console(text: str) -> str:
    return f"words\n\n```console\n{text}```\n"


def test_what_is_shown_is_what_must_be_shown(tmp_path: os.PathLike[str]) -> None:
    assert play(console("$ echo one; echo two\none\ntwo\n"), str(tmp_path), ENV) == []
    assert play(console("$ echo one; echo two\n…\ntwo\n"), str(tmp_path), ENV) == []
    assert play(console("$ echo one two three\none … three\n"), str(tmp_path), ENV) == []


@pytest.mark.parametrize("text", ["$ echo one\ntwo\n", "$ echo one; echo two\none\n", "$ false\n", "$ echo a.c\nabc\n"])
def test_what_differs_is_reported_with_its_line(tmp_path: os.PathLike[str], text: str) -> None:
    (wrong,) = play(console(text), str(tmp_path), ENV)
    assert wrong.startswith("line 4: $ ")


def test_an_error_that_is_shown_is_expected(tmp_path: os.PathLike[str]) -> None:
    assert play(console("$ echo error: no; exit 3\nerror: no\n"), str(tmp_path), ENV) == []


def test_prompts_are_answered(tmp_path: os.PathLike[str]) -> None:
    text = "$ read -p 'Record keyboard? [y/N] ' a; echo said $a\nRecord keyboard? [y/N] y\nsaid y\n"
    assert play(console(text), str(tmp_path), ENV) == []


def test_unseen_lines_run_at_their_place(tmp_path: os.PathLike[str]) -> None:
    text = "<!-- before:\necho hello > there\n-->\n" + console("$ cat there\nhello\n")
    assert play(text, str(tmp_path), ENV) == []


def test_a_block_of_no_known_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="line 1"):
        list(steps("```\nmake\n```\n"))
    with pytest.raises(ValueError, match="line 2"):
        list(steps("```console\nmake\n```\n"))
