"""From an export to sequences: ``dataset build``. Parts in, parts out, a row group at a time.

1. the export's card; no erasure waits for it; the export notes what is being made of it, so that erasure follows
2. each part in its own order: sessions → tokens (``actions``) → sequences of at most ``length`` tokens, START … END
3. exact duplicates are dropped (by digest of the tokens), counted
4. a mask marks unobserved time, so that no model learns that nothing happened there
5. card; nothing was erased from the export meanwhile; the draft takes its name

A row is one sequence: ``session``, ``split_group``, ``sequence`` (its number in the session), ``tokens`` (list of
int32) and ``mask`` (list of bool, true = observed). Splits are whole split groups and stand in the card, so that
splitting anew moves no row. Invariants: a session lies in one part; nothing but numbers is written; no row is on the
disk, not even in a draft, that the export has no note of; the draft takes its name when it is whole; memory is bounded
by a row group, and by the digests of half a million sequences.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from desktop_logger import __version__, disk
from desktop_logger.errors import Refused, Unavailable, UsageError
from desktop_logger.inspection.rows import EXPORT_FIELDS, FIELDS

from . import folder
from .actions import ACTIONS, TOKENS, Columns, by_action, named, tokens
from .arrow import Session, pyarrow, table
from .parts import parquet_writer, unwritable, used

LENGTH = 512
SPLITS = {"train": range(13), "validation": range(13, 14), "test": range(14, 16)}
"""Which split groups are which: 13, 1 and 2 of 16, so about 81, 6 and 13 per cent of the people."""
_WORDS = {field.name: field.words for field in (*EXPORT_FIELDS, *FIELDS) if field.kind == "words"}
_NUMBERS = ("task", "n_text", "n_edit", "n", "dx", "dy", "duration", "gap", "seconds")
_SAY_WHAT = ("class", "button", "direction", "action", "category", "role", "outcome")
"""Of these a record has one at most."""
READ = ("profile", "session", "split_group", "record", "scope", "t", "form", "command", *_SAY_WHAT, *_NUMBERS)
"""Columns of an export that tokens are made of."""


class Built(NamedTuple):
    """What was built."""

    dataset: str
    out: str
    records: int
    sequences: int
    tokens: int
    duplicates: int
    groups: list[int]
    """Sequences in each split group."""
    seconds: float


def schema() -> Any:
    """The Arrow schema of sequences."""
    arrow = pyarrow()
    return arrow.schema(
        [
            arrow.field("session", arrow.int64(), metadata={"meaning": "as in the export; erasure follows it"}),
            arrow.field("split_group", arrow.int8(), metadata={"meaning": "as in the export"}),
            arrow.field("sequence", arrow.int32(), metadata={"meaning": "number in the session, from 0"}),
            arrow.field("tokens", arrow.list_(arrow.int32()), metadata={"meaning": f"0 to {TOKENS - 1}"}),
            arrow.field("mask", arrow.list_(arrow.bool_()), metadata={"meaning": "true: observed"}),
        ],
        {"desktop-logger.schema": "sequences-2"},
    )


def build(export: str, out: str, *, length: int = LENGTH, deduplicate: bool = True) -> Built:
    """Make sequences of an export. Raises ``Refused`` while an erasure waits, or where ``out`` exists."""
    started = time.monotonic()
    # 1. the export
    facts = folder.read_card(export)
    folder.check_no_erasure_waits(export)
    folder.derived(export)  # damaged notes are found before any work
    if facts["kind"] != "export" or facts["format"] != "parquet":
        raise Refused("sequences are made from exports in Parquet", "Export with: --format parquet")
    out = disk.new_place(out)
    identity, totals = uuid.uuid4().hex, _Totals()
    seen = Seen() if deduplicate else None
    folder.discard_draft(export, out)  # of a build that was interrupted
    draft = disk.draft_of(out)
    disk.remove_all(draft)
    try:
        try:
            os.makedirs(os.path.join(draft, "data"), 0o700)
        except OSError as error:
            raise unwritable(draft, error) from None
        folder.write_card(draft, _card(facts, Built(identity, out, 0, 0, 0, 0, totals.groups, 0), length, totals))
        folder.register_derived(export, out, identity)
        for name in folder.part_files(export):
            _part(os.path.join(export, name), os.path.join(draft, name), length, seen, totals)
        # 5. card
        built = Built(
            identity, out, totals.records, totals.sequences, totals.tokens, totals.duplicates, totals.groups,
            time.monotonic() - started,
        )  # fmt: skip
        folder.write_card(draft, _card(facts, built, length, totals))
        _check_unchanged(export, facts)
        try:
            os.rename(draft, out)
            disk.sync_folder(os.path.dirname(out))
        except OSError as error:
            raise unwritable(out, error) from None
    except Unavailable:
        _check_unchanged(export, facts)  # an erasure takes the draft away
        raise
    finally:
        if seen is not None:
            seen.close()
        folder.discard_draft(export, out)
        shutil.rmtree(draft, ignore_errors=True)
    return built


def _check_unchanged(export: str, facts: dict[str, Any]) -> None:
    """Raise ``Refused`` where an erasure waits for the export by now, or was carried out since its card was read."""
    folder.check_no_erasure_waits(export)
    if folder.read_card(export) != facts:
        raise Refused(f"{export} has changed while it was read: somebody had rows erased", "Run it again.")


class Seen:
    """Digests of sequences: the first in memory, what comes after in an unnamed file, which takes longer (10 us each).

    Raises ``Unavailable`` where there is no room for it.
    """

    IN_MEMORY = 1 << 19
    """Some 100 bytes each."""

    def __init__(self) -> None:
        self._first: set[bytes] = set()
        self._more: sqlite3.Connection | None = None

    def is_new(self, digest: bytes) -> bool:
        """Whether it was not there before; it is now."""
        if digest in self._first:
            return False
        if len(self._first) < self.IN_MEMORY:
            self._first.add(digest)
            return True
        try:
            if self._more is None:
                self._more = sqlite3.connect("", isolation_level=None)
                self._more.executescript(
                    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16000;"
                    " CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID; BEGIN"
                )
            return self._more.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,)).rowcount > 0
        except sqlite3.Error as error:
            raise Unavailable(
                f"cannot look for duplicates: {error}", "Make room where temporary files lie; or: --keep-duplicates"
            ) from None

    def close(self) -> None:
        """Nothing of it is left."""
        if self._more is not None:
            self._more.close()


class _Totals:
    def __init__(self) -> None:
        self.records = self.sequences = self.tokens = self.duplicates = 0
        self.groups = [0] * 16
        self.actions = np.zeros(len(ACTIONS), np.int64)
        self.unobserved = 0


def _part(source: str, target: str, length: int, seen: Seen | None, totals: _Totals) -> None:
    """Steps 2 to 4 for one part."""
    arrow = pyarrow()
    try:
        with arrow.parquet.ParquetFile(source) as file, open(disk.create(target), "wb") as out:
            there = [name for name in READ if name in used(file)]
            with parquet_writer(out, schema()) as writer:
                for group in range(file.num_row_groups):
                    rows = file.read_row_group(group, columns=there, use_threads=False)
                    made = _sequences(rows, length, seen, totals)
                    if made.num_rows:
                        writer.write_table(made)
            out.flush()
            disk.sync(out.fileno())
    except OSError as error:
        raise unwritable(target, error) from None


def read_columns(rows: Any) -> tuple[Columns, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Arrow rows as token columns, with session and split group; sessions must lie one after another.

    A column that is not there is empty.
    """
    names, count = set(rows.column_names), rows.num_rows

    def codes(name: str, *, absent: bool) -> np.ndarray[Any, Any]:
        """Codes of the closed list, whatever order the file's own dictionary has; 0 is absent where asked for."""
        if name not in names or rows[name].null_count == count:
            return np.zeros(count, np.int8)
        column = _whole(rows[name])
        found, present = _values(column.indices)
        found = found.astype(np.int8) if present is None else found.astype(np.int8) * present
        listed = [_WORDS[name].index(word) for word in column.dictionary.to_pylist()]
        if listed != list(range(len(listed))):
            found = np.array(listed, np.int8)[found]
        if not absent:
            return found
        return found + np.int8(1) if present is None else (found + np.int8(1)) * present

    def numbers(name: str) -> np.ndarray[Any, Any]:
        if name not in names or rows[name].null_count == count:
            return np.zeros(count, np.int32)
        found, present = _values(_whole(rows[name]))
        return found.astype(np.int32, copy=False) if present is None else (found * present).astype(np.int32, copy=False)

    profile = codes("profile", absent=False)
    coarse, counts = (profile == _WORDS["profile"].index(one) for one in ("coarse", "counts"))
    by_minutes = coarse | counts
    formed = codes("form", absent=True) > 0
    session, _ = _values(_whole(rows["session"]))
    first = np.ones(count, np.bool_)
    first[1:] = session[1:] != session[:-1]
    time, _ = _values(_whole(rows["t"]))
    scale = 60_000.0 if by_minutes.all() else np.where(by_minutes, 60_000.0, 1000.0) if by_minutes.any() else 1000.0
    word = np.zeros(count, np.int8)
    for name in _SAY_WHAT:
        if name in names:
            word += codes(name, absent=True)
    found = Columns(
        record=codes("record", absent=False), scope=codes("scope", absent=False), word=word,
        command=codes("command", absent=True), ms=(time * scale + 0.5).astype(np.int64), coarse=coarse | formed,
        minute=by_minutes | formed, first=first, **{name: numbers(name) for name in _NUMBERS},
    )  # fmt: skip
    return found, session, _values(_whole(rows["split_group"]))[0]


def _whole(column: Any) -> Any:
    """A column in one piece."""
    return column.chunk(0) if column.num_chunks == 1 else pyarrow().concat_arrays(column.chunks)


def _values(array: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """Numbers of an Arrow array where they lie, and 0 or 1 for whether each is there (``None``: all are).

    What stands in the place of a missing one is anything.
    """
    kind = np.dtype(str(array.type))
    known, numbers = array.buffers()
    values = np.frombuffer(numbers, kind, len(array), array.offset * kind.itemsize)
    if not array.null_count:
        return values, None
    bits = np.unpackbits(np.frombuffer(known, np.uint8), count=array.offset + len(array), bitorder="little")
    return values, bits[array.offset :].view(np.int8)


def _sequences(rows: Any, length: int, seen: Seen | None, totals: _Totals) -> Any:
    """Sequences of one row group, which holds whole sessions."""
    arrow = pyarrow()
    if not rows.num_rows:
        return schema().empty_table()
    columns, session, group = read_columns(rows)
    all_tokens, mask, places = tokens(columns)
    totals.records += rows.num_rows
    sizes = np.diff(np.append(places, all_tokens.size))
    # each session is cut into sequences of at most `length`
    pieces = -(-sizes // length)
    owner = np.repeat(np.arange(sizes.size), pieces)
    number = np.arange(owner.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    begin = places[owner] + number * length
    finish = np.minimum(begin + length, (places + sizes)[owner])
    keep = np.ones(owner.size, np.bool_)
    if seen is not None:
        raw = all_tokens.data.cast("B")
        for place, (start, end) in enumerate(zip((begin * 4).tolist(), (finish * 4).tolist(), strict=True)):
            keep[place] = seen.is_new(hash_of(raw[start:end]))
        if not keep.all():
            wanted = np.repeat(keep, finish - begin)
            all_tokens, mask = all_tokens[wanted], mask[wanted]
    totals.duplicates += int((~keep).sum())
    owner, number = owner[keep], number[keep]
    offsets = np.concatenate([[0], np.cumsum((finish - begin)[keep])]).astype(np.int32)
    first = np.flatnonzero(columns.first)[owner]
    groups = group[first]
    for one, count in zip(*np.unique(groups, return_counts=True), strict=True):
        totals.groups[int(one)] += int(count)
    totals.sequences += int(owner.size)
    totals.tokens += int(all_tokens.size)
    totals.actions += by_action(all_tokens)
    totals.unobserved += int(all_tokens.size - mask.sum())
    return arrow.Table.from_arrays(
        [
            arrow.array(session[first]), arrow.array(groups.astype(np.int8)),
            arrow.array(number.astype(np.int32)),
            arrow.ListArray.from_arrays(arrow.array(offsets), arrow.array(all_tokens)),
            arrow.ListArray.from_arrays(arrow.array(offsets), arrow.array(mask)),
        ],
        schema=schema(),
    )  # fmt: skip


def of_sessions(sessions: list[Session]) -> Any:
    """Sequences of some sessions in memory, one each, as ``build`` makes them of an export; nothing is written."""
    made, _ = table(sessions)
    return _sequences(made, 1 << 30, None, _Totals())


def hash_of(data: bytes | memoryview) -> bytes:
    """16 bytes that two different sequences do not share (BLAKE2b)."""
    import hashlib

    return hashlib.blake2b(data, digest_size=16).digest()


def stream(root: str, split: str | None = None, *, batch: int = 4096) -> Iterator[Any]:
    """Record batches of a built dataset, one split or all, in bounded memory. Refuses while an erasure waits."""
    facts = folder.read_card(root)
    folder.check_no_erasure_waits(root)
    if split is not None and split not in facts["split_groups"]:
        raise UsageError(f"'{split[:20]}' is not a split", f"Splits: {', '.join(facts['split_groups'])}.")
    wanted = range(16) if split is None else facts["split_groups"][split]
    arrow = pyarrow()
    for name in folder.part_files(root):
        if int(os.path.basename(name)[1:3]) not in wanted:
            continue
        with arrow.parquet.ParquetFile(os.path.join(root, name)) as file:
            yield from file.iter_batches(batch_size=batch)


def _card(facts: dict[str, Any], built: Built, length: int, totals: _Totals) -> dict[str, Any]:
    kept = ("purpose", "purpose_texts", "forbidden_uses", "onward_transfer", "delete_after", "minimum_export",
            "minimum_group", "published", "subjects", "sessions", "sessions_by_profile", "leakage")  # fmt: skip
    return {
        "v": 1, "kind": "sequences", "dataset": built.dataset, "export": facts["export"],
        "made_by": f"desktop-logger {__version__}", "format": "parquet", "length": length, "vocabulary": TOKENS,
        "actions": list(ACTIONS), "rows": built.sequences, "tokens": built.tokens, "records": built.records,
        "tokens_by_action": named(totals.actions), "tokens_unobserved": totals.unobserved,
        "duplicates_dropped": built.duplicates, "rows_by_group": built.groups,
        "split_groups": {name: list(groups) for name, groups in SPLITS.items()}, "erasures": 0,
        **{name: facts[name] for name in kept}, **({"simulated": True} if facts.get("simulated") else {}),
    }  # fmt: skip
