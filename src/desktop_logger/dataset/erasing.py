"""Taking sessions out of a dataset, and out of everything that was built from it; then looking whether one is left.

Only parts that hold such a session are rewritten, each as a whole, a row group or some lines at a time. Invariants:
what stays is byte for byte the same values in the same order; a crash leaves each part old or new; ``drop`` returns
only after a second reading of every part has found none of the sessions.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import IO, Any, NamedTuple

import numpy as np

from desktop_logger import disk
from desktop_logger.errors import IntegrityError
from desktop_logger.records.profiles import SCOPES

from . import folder
from .actions import ACTIONS, by_action, named
from .arrow import pyarrow
from .parts import USED, parquet_writer, unwritable, used
from .tally import COUNTED, at_least

_COUNTED = ("session", "profile", "t", "seconds", *COUNTED)
_SEQUENCES = ("tokens", "mask")


class Dropped(NamedTuple):
    """What an erasure took out of one dataset."""

    rows: int
    parts: int
    """Parts that were rewritten or removed."""


def drop(root: str, sessions: AbstractSet[int]) -> Dropped:
    """Take all rows of these sessions out of a dataset's parts. Raises ``IntegrityError`` if one is left."""
    rows, parts = 0, 0
    folder.tidy(root)
    for name in folder.part_files(root):
        path = os.path.join(root, name)
        if not any(not sessions.isdisjoint(found) for found in _sessions(path)):
            continue
        with _replacing(path) as target:
            went, kept = _rewrite(path, target, sessions)
        if not kept:
            os.unlink(path)
            disk.sync_folder(os.path.dirname(path))
        rows, parts = rows + went, parts + 1
    for name in folder.part_files(root):
        if any(not sessions.isdisjoint(found) for found in _sessions(os.path.join(root, name))):
            raise IntegrityError(f"{name}: rows that had to go are still there", "Run it again; if it stays, say so.")
    return Dropped(rows, parts)


def drop_everything(root: str) -> int:
    """Remove all parts: too few people would be left. Returns how many."""
    names = folder.part_files(root)
    for name in names:
        os.unlink(os.path.join(root, name))
    if names:
        disk.sync_folder(os.path.join(root, "data"))
    return len(names)


def _sessions(path: str) -> Iterator[set[int]]:
    """Session numbers in a part, some rows at a time."""
    if path.endswith(".parquet"):
        with pyarrow().parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1 << 20, columns=["session"]):
                yield set(pyarrow().compute.unique(batch.column(0)).to_pylist())
        return
    with open(path, encoding="utf-8", newline="") as file:
        rows: Any = csv.DictReader(file) if path.endswith(".csv") else map(json.loads, file)
        for row in rows:
            yield {int(row["session"])}


def _rewrite(path: str, target: IO[bytes], sessions: AbstractSet[int]) -> tuple[int, int]:
    """Copy what stays. Returns (rows that went, rows that stayed)."""
    went = kept = 0
    if path.endswith(".parquet"):
        arrow = pyarrow()
        going = arrow.array(sorted(sessions), arrow.int64())
        with arrow.parquet.ParquetFile(path) as file, parquet_writer(target, file.schema_arrow) as writer:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group)
                staying = rows.filter(arrow.compute.invert(arrow.compute.is_in(rows["session"], value_set=going)))
                went, kept = went + rows.num_rows - staying.num_rows, kept + staying.num_rows
                if staying.num_rows:
                    writer.write_table(staying, row_group_size=staying.num_rows)
            writer.add_key_value_metadata({USED: ",".join(sorted(used(file)))})
        return went, kept
    with open(path, encoding="utf-8", newline="") as file:
        place = -1
        if path.endswith(".csv"):
            names = file.readline()
            target.write(names.encode())
            place = names.rstrip("\n").split(",").index("session")
        for line in file:
            session = json.loads(line)["session"] if place < 0 else line.rstrip("\n").split(",")[place]
            if int(session) in sessions:
                went += 1
            else:
                target.write(line.encode())
                kept += 1
    return went, kept


@contextlib.contextmanager
def _replacing(path: str) -> Iterator[IO[bytes]]:
    """A new file that takes the place of ``path`` when the block ends well."""
    temporary = path + ".tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    try:
        with open(disk.create(temporary), "wb") as file:
            yield file
            file.flush()
            disk.sync(file.fileno())
        os.replace(temporary, path)
        disk.sync_folder(os.path.dirname(path))
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def recount(root: str, facts: dict[str, Any], sessions: int, subjects: int) -> dict[str, Any]:
    """The card after an erasure, counted anew from what is there, so that counting twice is the same as once.

    That goes for the number of erasures too: one that is finished in a second run finds everything as the card says.
    """
    found = _Recount()
    for name in folder.part_files(root):
        for batch in _batches(os.path.join(root, name)):
            found.add(batch, int(os.path.basename(name)[1:3]))
    known = found.of_sequences() if facts["kind"] == "sequences" else found.of_rows()
    if facts["kind"] == "sequences" and facts["sessions_by_profile"]:
        (profile, *others) = facts["sessions_by_profile"]
        known |= {} if others else {"sessions_by_profile": {profile: sessions}}
    left = {
        **facts, **known, "subjects": subjects, "sessions": sessions, "rows": found.rows,
        "diversity": {
            **facts.get("diversity", {}), "subjects": subjects, "split_groups": sum(map(bool, found.groups)),
        },
    }  # fmt: skip
    return left if left == facts else {**left, "erasures": facts.get("erasures", 0) + 1}


class _Recount:
    """What ``tally`` and ``sequences`` count while they write, from the files."""

    def __init__(self) -> None:
        self.rows = self.gaps = 0
        self.groups = [0] * 16
        self.words: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
        self.profiles: dict[int, str] = {}
        self.scopes: set[tuple[int, str]] = set()
        self.minutes: dict[int, float] = {}
        self.unobserved: Counter[tuple[int, int]] = Counter()
        """(session, scope) → seconds of gaps at least."""
        self.actions = np.zeros(len(ACTIONS), np.int64)
        self.masked = 0

    def add(self, batch: Any, group: int) -> None:
        """Count some rows of one part."""
        self.rows += batch.num_rows
        self.groups[group] += batch.num_rows
        for name, counter in self.words.items():
            if name in batch.column_names:
                for one in batch[name].value_counts().to_pylist():
                    if one["values"]:
                        counter[str(one["values"])] += one["counts"]
        if "t" in batch.column_names:
            self._sessions(batch)
        if "tokens" in batch.column_names:
            self.actions += by_action(np.asarray(batch["tokens"].combine_chunks().flatten()))
            self.masked += int(
                pyarrow().compute.sum(pyarrow().compute.invert(batch["mask"].combine_chunks().flatten())).as_py() or 0
            )

    def _sessions(self, batch: Any) -> None:
        compute = pyarrow().compute
        for one in batch.group_by(["session", "profile"]).aggregate([("t", "max")]).to_pylist():
            self.profiles[one["session"]] = one["profile"]
            minutes = one["t_max"] if one["profile"] in ("coarse", "counts") else one["t_max"] / 60
            self.minutes[one["session"]] = max(self.minutes.get(one["session"], 0.0), minutes)
        for one in batch.group_by(["session", "scope"]).aggregate([]).to_pylist():
            self.scopes.add((one["session"], one["scope"]))
        gaps = batch.filter(compute.equal(batch["record"], "gap")).select(["session", "scope", "profile", "seconds"])
        self.gaps += gaps.num_rows
        for one in gaps.group_by(["session", "scope", "profile"]).aggregate([("seconds", "list")]).to_pylist():
            lasted = np.array([int(seconds or 0) for seconds in one["seconds_list"]])
            self.unobserved[one["session"], SCOPES.index(one["scope"])] += at_least(lasted, one["profile"])

    def of_rows(self) -> dict[str, Any]:
        """The counted part of an export's card."""
        once: dict[int, int] = {}
        for (session, _), seconds in sorted(self.unobserved.items()):
            once.setdefault(session, seconds)
        by_scope = Counter(scope for _, scope in self.scopes)
        return {
            "gap_rows": self.gaps, "session_minutes": sum(int(one) + 1 for one in self.minutes.values()),
            "unobserved_seconds_at_least": sum(once.values()),
            "sessions_by_scope": {scope: by_scope[scope] for scope in SCOPES if by_scope[scope]},
            "sessions_by_profile": dict(sorted(Counter(self.profiles.values()).items())),
            **{f"rows_by_{name}": dict(sorted(counter.items())) for name, counter in self.words.items()},
        }  # fmt: skip

    def of_sequences(self) -> dict[str, Any]:
        """The counted part of the card of what was built."""
        return {
            "rows_by_group": self.groups, "tokens": int(self.actions.sum()), "tokens_unobserved": self.masked,
            "tokens_by_action": named(self.actions),
        }  # fmt: skip


def _batches(path: str) -> Iterator[Any]:
    """A part as Arrow tables, some rows at a time."""
    arrow = pyarrow()
    if path.endswith(".parquet"):
        with arrow.parquet.ParquetFile(path) as file:
            wanted = [one for one in (*_COUNTED, *_SEQUENCES) if one in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=1 << 20, columns=wanted):
                yield arrow.Table.from_batches([batch])
        return
    with open(path, encoding="utf-8", newline="") as text:
        rows: Any = csv.DictReader(text) if path.endswith(".csv") else map(json.loads, text)
        while some := list(itertools.islice(rows, 1 << 16)):
            columns: dict[str, list[Any]] = {name: [row.get(name) or None for row in some] for name in _COUNTED}
            columns["session"] = [int(row["session"]) for row in some]
            columns["t"] = [float(row["t"]) for row in some]
            yield arrow.table(columns)
