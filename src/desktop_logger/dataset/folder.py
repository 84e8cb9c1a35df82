"""A dataset's folder: parts, card, the note that an erasure waits, and what was made from it.

::

    data/g07-00000.parquet   parts, each of one split group
    card.json README.md croissant.json
    erasure-pending.json     while it is here nothing may be made from this folder
    derived.jsonl            datasets that were built from it, one a line: erasure follows them

Everything is 0600 in folders of 0700 and replaced as a whole.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from typing import Any

from desktop_logger import disk
from desktop_logger.errors import IntegrityError, Refused, UsageError

from .card import croissant, readme
from .parts import unwritable

PENDING = "erasure-pending.json"
DERIVED = "derived.jsonl"


def read_card(root: str) -> dict[str, Any]:
    """The card of a dataset. Raises ``UsageError`` where there is none."""
    facts: dict[str, Any] = {}
    with suppress(OSError, ValueError), open(os.path.join(root, "card.json"), encoding="utf-8") as file:
        facts = dict(json.load(file))
    if facts.get("v") != 1 or facts.get("kind") not in ("export", "sequences"):
        raise UsageError(
            f"{root} is not a dataset of this program (no card.json)", "Name a folder that `admin export` made."
        )
    return facts


def write_card(root: str, facts: dict[str, Any]) -> None:
    """Write the card in its forms."""
    add(root, "card.json", json.dumps(facts, indent=1) + "\n")
    add(root, "README.md", readme_of(facts))
    if facts["kind"] == "export":
        add(root, "croissant.json", croissant(facts))


def readme_of(facts: dict[str, Any]) -> str:
    """The card for people."""
    if facts["kind"] == "sequences":
        from .splitting import readme as of_sequences

        return of_sequences(facts)
    return readme(facts)


def add(root: str, name: str, text: str) -> None:
    """A file beside the rows, old or new as a whole."""
    try:
        disk.replace(os.path.join(root, name), text.encode())
    except OSError as error:
        raise unwritable(os.path.join(root, name), error) from None


def part_files(root: str) -> list[str]:
    """All parts, relative to the folder, sorted."""
    with suppress(FileNotFoundError):
        return sorted(
            os.path.join("data", name) for name in os.listdir(os.path.join(root, "data")) if not name.endswith(".tmp")
        )
    return []


def tidy(root: str) -> None:
    """Remove parts that somebody was writing when they died: rows may lie in them, and no reader looks there."""
    with suppress(FileNotFoundError):
        for name in os.listdir(os.path.join(root, "data")):
            if name.endswith(".tmp"):
                os.unlink(os.path.join(root, "data", name))


def mark_pending(root: str, requests: list[str]) -> None:
    """Note that an erasure waits, here and in what was built from it. A folder that is not there needs no note."""
    coming, seen = [root], set()
    while coming:
        one = coming.pop()
        if one not in seen and os.path.isdir(one):
            add(one, PENDING, json.dumps({"requests": sorted(requests)}) + "\n")
            coming += [place for identity, place in derived(one) if is_at(identity, place)]
        seen.add(one)


def clear_pending(root: str) -> None:
    """The erasure was carried out."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(root, PENDING))


def check_no_erasure_waits(root: str) -> None:
    """Raise ``Refused`` while an erasure waits for this folder: nothing may be made from it before."""
    if os.path.lexists(os.path.join(root, PENDING)):
        raise Refused(
            f"an erasure waits for {root}: nothing may be made from it before",
            "The data steward runs: desktop-logger admin erase",
        )


def noted(path: str, name: str) -> list[tuple[str, str]]:
    """(``name``, ``path``) of every line of a file of notes; none where there is no file.

    Raises ``IntegrityError`` for a line that says neither: what it named would be passed over by an erasure.
    """
    try:
        lines = disk.read(path, 64 << 20).splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise IntegrityError(f"{path} cannot be read: {error.strerror}", _UNREADABLE) from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            one = entry[name], entry["path"]
        except (ValueError, KeyError, TypeError):
            one = None, None
        if not all(isinstance(part, str) and part for part in one):
            raise IntegrityError(f"{path} is damaged in line {number}", _UNREADABLE)
        found.append((str(one[0]), str(one[1])))
    return found


def note(path: str, name: str, value: str, place: str) -> None:
    """Add a line to a file of notes, as a whole. Raises ``IntegrityError`` where what is there is damaged."""
    noted(path, name)
    line = json.dumps({name: value, "path": os.path.abspath(place)}) + "\n"
    try:
        before = disk.read(path, 64 << 20) if os.path.lexists(path) else b""
        disk.replace(path, before + (b"" if not before or before.endswith(b"\n") else b"\n") + line.encode())
    except OSError as error:
        raise unwritable(path, error) from None


_UNREADABLE = (
    "Erasure follows these notes. Put the file back from a copy, or write the line anew:"
    " an object with what it names and its path."
)


def register_derived(root: str, derived: str, identity: str) -> None:
    """Note that ``derived`` was made from this folder, so that erasure can follow."""
    note(os.path.join(root, DERIVED), "dataset", identity, derived)


def renote_derived(root: str, identity: str, place: str | None) -> None:
    """Say that what was built from this folder lies at ``place`` now, or (``None``) that nothing of it is left."""
    kept = [(name, place or path if name == identity else path) for name, path in derived(root)
            if name != identity or place is not None]  # fmt: skip
    text = "".join(json.dumps({"dataset": name, "path": os.path.abspath(path)}) + "\n" for name, path in kept)
    add(root, DERIVED, text)


def discard_draft(root: str, out: str) -> None:
    """Remove the draft at ``out`` that this dataset has a note of, and then the note.

    A draft of anything else is left alone, and so is the note where the draft has taken its name meanwhile.
    """
    draft = disk.draft_of(out)
    for identity, path in derived(root):
        if path == out and is_at(identity, draft):
            shutil.rmtree(draft, ignore_errors=True)
            if not os.path.lexists(draft) and not is_at(identity, out):
                renote_derived(root, identity, None)


def is_at(identity: str, place: str) -> bool:
    """Whether the dataset of this id, an export or what was built from one, lies there."""
    with suppress(UsageError, KeyError):
        facts = read_card(place)
        return bool(identity == facts.get("dataset", facts["export"]))
    return False


def derived(root: str) -> list[tuple[str, str]]:
    """(dataset id, path) of everything that was built from this folder. Raises ``IntegrityError`` for damaged notes."""
    return noted(os.path.join(root, DERIVED), "dataset")
