"""The ceremony as it looks: 80 by 24, without colour or cursor tricks, resized, in every language, and read out."""

from __future__ import annotations

import os
import time

import pexpect
import pyte
import pytest

from .test_ceremony import CODE, PASSPHRASE, Desk, ended

WORDS = {
    "en": ("Enter to go on", r"Record \w+\? \[y/N\] ", r"Profile \[\w+\]: ", r"assphrase: ", rf"Type {CODE} to sign"),
    "de": ("Enter zum Fort", r"aufzeichnen\? \[j/N\] ", r"Profil \[\w+\]: ", r"(?:assphrase|wiederholen): ",
           rf"Unterschreiben {CODE} ein"),
    "fr": ("Entrée pour", r"Enregistrer le \w+ \? \[o/N\] ", r"Profil \[\w+\] : ", r"secrète : ",
           rf"Taper {CODE} pour"),
}  # fmt: skip
YES = {"en": "y", "de": "j", "fr": "o"}


@pytest.fixture
def desk(tmp_path: object) -> Desk:
    return Desk(os.path.join(str(tmp_path), "home"))


def shown(child: pexpect.spawn[str], screen: pyte.Screen, stream: pyte.Stream) -> str:
    """Feed what came to the terminal, and return what its screen shows."""
    text = f"{child.before}{child.after if isinstance(child.after, str) else ''}"
    assert "\x1b" not in text
    stream.feed(text)
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            assert (cell.fg, cell.bg, cell.bold, cell.reverse) == ("default", "default", False, False)
    return "\n".join(screen.display)


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_the_whole_ceremony_on_80_by_24_without_colour(desk: Desk, language: str) -> None:
    screen = pyte.Screen(80, 24)
    stream = pyte.Stream(screen)
    begin, record, profile, secret, code = WORDS[language]
    began = time.monotonic()
    child = desk.terminal("consent", "sign", LANG=f"{language}_XX.UTF-8")
    child.expect(begin)
    first = shown(child, screen, stream)
    assert first.lstrip().startswith("# "), "the summary and the first prompt fit one screen"
    child.sendline("")
    for _ in range(2):
        child.expect(record)
        shown(child, screen, stream)
        child.sendline(YES[language])
    child.expect(profile)
    assert "coarse" in shown(child, screen, stream)
    child.setwinsize(12, 60)  # resized in the middle: the rest is wrapped anew
    child.sendline("")
    for _ in range(2):
        child.expect(secret)
        child.sendline(PASSPHRASE)
    child.expect(code)
    assert max(map(len, str(child.before).splitlines())) <= 60
    child.sendline(child.match[1])
    assert ended(child)[0] == 0
    assert time.monotonic() - began < 120
    assert desk.status()["valid"]


def test_read_out_it_is_sentences_without_stops(desk: Desk) -> None:
    child = desk.terminal("consent", "sign", "--plain", rows=24)
    child.expect_exact("Enter to go on, m for the whole notice: ")
    assert "NEVER: Characters, words, screen pictures, clipboard, window titles, file names" in str(child.before)
    child.sendline("m")
    child.expect_exact("Enter to go on, m for the whole notice: ")
    whole = str(child.before)
    assert "--- more" not in whole
    assert "\x1b" not in whole
    assert "What is not protected" in whole
    child.sendintr()
    assert ended(child)[0] == 1
    assert not os.path.exists(desk.home)


def test_a_terminal_that_is_closed_in_the_middle_leaves_nothing(desk: Desk) -> None:
    child = desk.terminal("consent", "sign")
    child.expect_exact("Enter to go on, m for the whole notice: ")
    child.sendline("")
    child.expect(r"\[y/N\] ")
    child.close(force=False)
    time.sleep(0.5)
    assert not os.path.exists(desk.home)


def test_a_receipt_is_printed_in_every_form_and_checked_anywhere(desk: Desk, tmp_path: object) -> None:
    desk.sign()
    path = desk.run("consent", "receipt", "--out", str(tmp_path)).strip()
    said = desk.run("consent", "verify", path)
    assert said.startswith("good: receipt")
    elsewhere = Desk(os.path.join(str(tmp_path), "elsewhere"))
    assert elsewhere.run("consent", "verify", path) == said
    assert not os.path.exists(elsewhere.home)
    assert '"dpv:ConsentRecord"' in desk.run("consent", "receipt", "--format", "dpv")
    assert "error:" in desk.run("consent", "receipt", "--format", "xml", status=2)
    with open(path, "r+b") as file:
        data = file.read()
        file.seek(0)
        file.write(data.replace(b'"granted":true', b'"granted":none', 1))
    assert "error:" in elsewhere.run("consent", "verify", path, status=4)
    assert "nothing was named" in desk.run("consent", "narrow", status=2)
    assert "not granted now" in desk.run("consent", "narrow", "--without", "context", status=2)
