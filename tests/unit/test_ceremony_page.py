"""The ceremony of five scopes on 80 by 24, kept in ``docs/reference/ceremony.md``, and what it asks of a person.

``python -m tests.unit.test_ceremony_page`` writes the page. What differs between two ceremonies (keys, code, day, path)
stands as a fixed word in it.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest

from desktop_logger.consent.ceremony import Ceremony
from desktop_logger.errors import Refused
from desktop_logger.records.profiles import SCOPES
from tests.signing import HeldClock, Organisation, Remembered, Scripted, home_in

pytestmark = pytest.mark.usefixtures("quick_passphrases")

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "ceremony.md"
WORDS_A_MINUTE = 238
"""Silent reading of English prose, mean of 190 studies (Brysbaert 2019)."""
KEY_S, CHOICE_S = 0.28, 1.35
"""A key, and making up one's mind before a prompt (keystroke-level model, Card, Moran and Newell 1980)."""
PASSPHRASE_KEYS = 24
"""Four words of five letters with their spaces and Enter, typed twice."""

FIVE = (
    ('scopes = ["keyboard", "pointer"]   # what people', f"scopes = {list(SCOPES)}   # what people".replace("'", '"')),
    (
        "\n[profile]",
        'tasks = [{id = "invoice", text = {en = "an invoice"}}, {id = "order", text = {en = "an order"}}]\n\n[profile]',
    ),
)


def count(text: str) -> int:
    """Words in a text: what has a letter or a digit in it; a star or a plus is none."""
    return sum(any(map(str.isalnum, one)) for one in text.split())


class Written(Scripted):
    """What stands on the terminal, wrapped to it, with the answers."""

    def __init__(self, yes: tuple[str, ...], **answers: str) -> None:
        super().__init__(yes, **answers)
        self.lines: list[str] = []
        self.keys = 0
        self.read = 0

    def _size(self) -> tuple[int, int]:
        return 79, 24

    def say(self, text: str = "") -> None:
        super().say(text)
        if not text.startswith("note: "):  # what this system cannot check differs from one to the next
            self.read += count(text)
        self.lines += self._lines(text)

    def ask(self, prompt: str) -> str:
        answer = super().ask(prompt)
        self.lines.append(f"{prompt} {answer}".rstrip())
        self.keys += len(answer) + 1
        self.read += count(prompt)
        return answer

    def secret(self, prompt: str) -> str:
        self.lines.append(prompt)
        self.keys += PASSPHRASE_KEYS
        return super().secret(prompt)

    def seconds(self) -> int:
        """How long a newcomer takes who reads every word once, by the rule above; an estimate, nobody was timed."""
        return round(self.read / WORDS_A_MINUTE * 60 + self.keys * KEY_S + len(self.asked) * CHOICE_S)


def held(yes: tuple[str, ...], folder: str, *changes: tuple[str, str], **answers: str) -> Written:
    """One ceremony in an organisation."""
    home, person = home_in(folder), Written(yes, **answers)
    Organisation().adopt(home, *changes)
    try:
        Ceremony(home, HeldClock(), person, Remembered()).hold()
    except Refused as error:
        person.lines.append(f"error: {error.message}")
    return person


def page() -> str:
    """The whole page, in English."""
    with tempfile.TemporaryDirectory() as folder:
        yes = ("keyboard", "pointer", "context", "target", "task", "train models", "find out where")
        whole = held(yes, f"{folder}/a", *FIVE)
        refused = held((), f"{folder}/b", *FIVE, type="")
        two = held(("keyboard", "pointer", "train models", "find out where"), f"{folder}/c")
    lines = "\n".join(whole.lines)
    for pattern, word in (
        (r"\b(?:[A-Z2-7]{4}-){7}[A-Z2-7]{4}\b", "<fingerprint>"), (r"\b[A-Z2-7]{4}-[A-Z2-7]{4}\b", "ABCD-2345"),
        (r"\b\d{4}-\d\d-\d\d\b", "<day>"),
        (r"\n?/\S+/receipts/[0-9a-f]{32}\.json", " <home>/consent/receipts/<id>.json"),
        (r"(?m)^note: (?:.*\n)+?(?=note:|The policy)", ""),
    ):  # fmt: skip
        lines = re.sub(pattern, word, lines)
    rows = "\n".join(
        f"| {what} | {len(one.asked)} | {one.keys} | {one.read:,} | {one.seconds() // 60}:{one.seconds() % 60:02} |"
        for what, one in (
            ("five scopes, two purposes, everything affirmed", whole),
            ("two scopes, two purposes, everything affirmed", two),
            ("refused: no to each of five scopes", refused),
        )
    )
    return f"""# The ceremony, as it looks

<!-- Made by `python -m tests.unit.test_ceremony_page` from the ceremony itself; do not edit. A test holds it. -->

`desktop-logger consent sign` in an organisation that offers all five scopes, has two purposes and one reader, on a
terminal of 80 by 24; answers stand behind the prompts, a passphrase is not shown. Notes on what this system cannot
check are left out, keys and days replaced by words.

```text
{lines}
```

## What it asks of a person

| | prompts | keys | words shown | estimate, min:s |
|---|---:|---:|---:|---:|
{rows}

Keys count Enter, and a passphrase of four short words ({PASSPHRASE_KEYS} keys) each time it is typed. **Nobody was
timed.** The estimate is a rule: every word read once at {WORDS_A_MINUTE} words a minute (mean of 190 studies of silent
reading, Brysbaert 2019), {KEY_S} s a key and {CHOICE_S} s to make up one's mind at each prompt (keystroke-level model,
Card, Moran and Newell 1980). A word is what has a letter or a digit; what the program says after the code counts too.
By that rule two scopes, which the example policy offers, keep the two minutes that were wanted; all five with two
purposes take a few seconds longer. Who reads the whole notice with `m` takes some minutes more.
"""


def test_the_page_is_what_the_ceremony_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    assert page() == PAGE.read_text("utf-8")


def test_the_page_fits_a_terminal_and_asks_about_every_scope_apart() -> None:
    shown = PAGE.read_text("utf-8").partition("```text\n")[2].partition("\n```")[0].splitlines()
    assert max(map(len, shown)) <= 80
    for name in SCOPES:
        (at,) = (number for number, line in enumerate(shown) if line.startswith(f"Record {name}?"))
        assert any(line.startswith(f"{name}: ") for line in shown[at - 2 : at])
    prompts = re.findall(r"\| five scopes.*?\| (\d+) \|", PAGE.read_text("utf-8"))
    assert int(prompts[0]) <= 12


@pytest.mark.parametrize(("case", "seconds"), [("five scopes", 130), ("two scopes", 120), ("refused", 60)])
def test_reading_and_answering_everything_takes_about_two_minutes(case: str, seconds: int) -> None:
    ((minutes, rest),) = re.findall(rf"\| {case}.*\| (\d+):(\d\d) \|", PAGE.read_text("utf-8"))
    assert int(minutes) * 60 + int(rest) <= seconds


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    PAGE.write_text(page(), "utf-8")
