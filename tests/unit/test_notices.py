"""The texts that people sign: short enough to be read, the same in both languages, unchangeable once released."""

from __future__ import annotations

import os
import re
import string

import pytest

from desktop_logger import policy, sealing
from desktop_logger.consent import notices, words
from desktop_logger.consent.ceremony import policy_in_words
from tests.unit.test_policy import organisation

RELEASED = {
    ("demo", 1, "de"): "f3960cc3bbc07bd0e65d3826aaa76954a7261ec79e6325d438a47f7cfaa383d7",
    ("demo", 1, "en"): "72340e95a93aa97f1bff2e640c3555e99f7daa7b3dfa77f130e0d95df9b82129",
    ("organisation", 1, "de"): "551baf34e8edab649be1202091205fde1acfc792483fcf08ccd1b4f6501e95e3",
    ("organisation", 1, "en"): "5ee295973f10b0d65956a88c0a0729d7ffc9f097a46f22f6f7f1be0aa280bb0d",
    ("personal", 1, "de"): "36b7d616d963f19364462372e6a914155335e3de85916c67b61fb3b7e92bba69",
    ("personal", 1, "en"): "60c8a00085e22a9f9ac9007c2da22b5e44e1589df0d53103bc1598ba5baa5560",
}
"""A released notice never changes: another text is another version."""

NEVER_SAID = re.compile(r"\b(subject|monitor\w*|track\w*|productiv\w*|scor(?:e|es|ed|ing)|idle)\b", re.IGNORECASE)


@pytest.mark.parametrize(("key", "sha256"), RELEASED.items(), ids=lambda value: str(value)[:24])
def test_a_released_notice_is_unchanged(key: tuple[str, int, str], sha256: str) -> None:
    assert notices.load(*key).sha256 == sha256


def test_every_notice_is_listed() -> None:
    folder = os.path.dirname(os.path.dirname(notices.load("personal", 1, "en").path))
    found = {
        (name, int(file.split(".")[0]), file.split(".")[1])
        for name in os.listdir(folder)
        if os.path.isdir(os.path.join(folder, name))
        for file in os.listdir(os.path.join(folder, name))
    }
    assert found == set(RELEASED)


@pytest.mark.parametrize("key", RELEASED, ids=str)
def test_the_first_screen_fits_a_terminal_and_a_minute(key: tuple[str, int, str]) -> None:
    notice = notices.load(*key)
    lines = notice.summary.splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) < 80
    assert len(notice.summary.split()) <= 160
    assert notice.rest
    assert len(notice.rest.splitlines()) <= 110
    assert not NEVER_SAID.search(notice.summary + notice.rest)


@pytest.mark.parametrize("name", ["personal", "organisation"])
def test_a_notice_says_what_it_must(name: str) -> None:
    english, german = notices.load(name, 1, "en"), notices.load(name, 1, "de")
    for figure in ("82", "31", "15", "1 %", "500", "55"):
        assert figure in english.rest
        assert figure in german.rest
    for word in ("events", "bursts", "coarse", "X11", "consent withdraw", "purge", "inspect"):
        assert word in english.summary + english.rest
        assert word in german.summary + german.rest
    assert english.rest.count("\n## ") == german.rest.count("\n## ")
    assert "Password fields are not recognised yet" in english.summary
    assert "Passwortfelder werden noch nicht erkannt" in german.summary


def test_the_ceremony_says_the_same_things_in_every_language() -> None:
    english, german = words.TEXTS["en"], words.TEXTS["de"]
    assert english.keys() == german.keys()
    for key, text in english.items():
        holes = {name for _, name, _, _ in string.Formatter().parse(text) if name}
        assert holes == {name for _, name, _, _ in string.Formatter().parse(german[key]) if name}, key
        assert not NEVER_SAID.search(text), key
        assert not NEVER_SAID.search(german[key]), key


def test_the_prompts_are_the_contract() -> None:
    say = words.TEXTS["en"]
    assert say["go_on"] == "Enter to go on, m for the whole notice:"
    assert say["more"] == "--- more (Enter)"
    assert say["record_keyboard"] == "Record keyboard? [y/N]"
    assert say["record_pointer"] == "Record pointer? [y/N]"
    assert say["profile"] == "Profile [{default}]:"
    assert say["purpose"] == "Let {organisation} use it to {purpose}? [y/N]"
    assert (say["new_passphrase"], say["repeat_passphrase"]) == ("New passphrase:", "Repeat passphrase:")
    assert say["passphrase"] == "Passphrase:"  # noqa: S105
    assert say["code"] == "Type {code} to sign, or Enter to refuse:"


@pytest.mark.parametrize(
    ("answer", "default", "means"),
    [("", False, False), ("", True, True), ("y", False, True), ("YES ", False, True), ("n", True, False),
     ("j", False, False), ("maybe", False, False), ("\x1b[A", False, False)],
)  # fmt: skip
def test_only_a_clear_yes_is_a_yes(answer: str, default: bool, means: bool) -> None:
    assert words.affirms("en", answer, default=default) is means


@pytest.mark.parametrize(
    ("variables", "spoken"),
    [({}, "en"), ({"LANG": "de_AT.UTF-8"}, "de"), ({"LANG": "fr_FR"}, "en"), ({"LANG": "C"}, "en"),
     ({"LC_ALL": "C", "LANG": "de_DE"}, "en"), ({"LC_MESSAGES": "de_DE", "LANG": "en_GB"}, "de")],
)  # fmt: skip
def test_the_language_follows_the_locale(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], spoken: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert notices.language() == spoken


@pytest.mark.parametrize("language", notices.LANGUAGES)
def test_a_policy_in_words_names_readers_with_their_fingerprints(language: str) -> None:
    signer, reader = sealing.Signer.generate(), sealing.ReaderKey.generate()
    text = policy_in_words(policy.parse(organisation(signer, reader=reader).encode(), "x"), language)
    assert sealing.fingerprint(reader.public) in text
    assert "Example Works" in text
    assert "emotion-inference" in text
