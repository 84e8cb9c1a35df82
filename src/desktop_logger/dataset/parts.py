"""The parts of a dataset: files of whole sessions, as Parquet, JSON Lines or CSV, each of which appears at once.

A session lies in one row group of one part and never straddles two, so that erasing it rewrites one file. Text forms
are made by Arrow from whole columns; every value is a closed word or a number, so nothing needs quoting, and a line is
exactly what ``inspect --events --json`` prints. Memory is bounded by ``GROUP_ROWS`` a worker, whatever the input.
"""

from __future__ import annotations

import contextlib
import os
from types import TracebackType
from typing import Any, Self

import numpy as np

from desktop_logger import disk
from desktop_logger.errors import Unavailable, UsageError
from desktop_logger.inspection.columns import Columns
from desktop_logger.inspection.rows import EXPORT_FIELDS

from .arrow import ALL_FIELDS, Session, pyarrow, schema, table

FORMATS = ("parquet", "jsonl", "csv")
GROUP_ROWS = {"parquet": 1 << 16, "jsonl": 1 << 15, "csv": 1 << 15}
"""Rows that are made at once: a row group, or some lines, which take more memory each."""
USED = "desktop-logger.columns"
"""Key in a part's metadata: the columns that hold anything in it. Where it is missing, all may."""
_BATCH = 1 << 13
"""Values that pyarrow encodes in one go: its default of 1,024 takes 5 per cent longer."""
LEVEL = 3
"""zstd: higher levels save a few per cent for ten times the time."""


def check_format(name: str) -> str:
    """A format by name, with what it needs. Raises ``UsageError`` or ``Unavailable``."""
    if name not in FORMATS:
        raise UsageError(f"'{name[:20]}' is not a format", f"Formats: {', '.join(FORMATS)}.")
    pyarrow()
    return name


def part_name(group: int, number: int, form: str) -> str:
    """Where a part lies, relative to the dataset: all rows of a part are of one split group."""
    return os.path.join("data", f"g{group:02d}-{number:05d}.{form}")


class PartWriter:
    """One part file, written as ``….tmp`` and renamed by ``close``; removed when anything goes wrong before that."""

    def __init__(self, path: str, form: str) -> None:
        self.path, self.form = path, form
        self.groups = 0
        self._used = {field.name for field in EXPORT_FIELDS} | {"t"}
        self._temporary = path + ".tmp"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._temporary)
        try:
            self._file = open(disk.create(self._temporary), "wb")  # noqa: SIM115 - closed in close or __exit__
        except OSError as error:
            raise unwritable(path, error) from None
        if form == "parquet":
            self._parquet = parquet_writer(self._file, schema())
        elif form == "csv":
            self._write(",".join(field.name for field in ALL_FIELDS).encode() + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._temporary)

    def write(self, sessions: list[Session]) -> list[Columns]:
        """Append whole sessions as one row group (number ``groups - 1`` afterwards); the columns, for counting.

        Raises ``IntegrityError`` for a record outside the vocabulary: then nothing of them was written.
        """
        rows, made = table(sessions)
        self.groups += 1
        self._used.update(name for one in made for name, (_, here) in one.fields.items() if here is None or here.any())
        try:
            if self.form == "parquet":
                self._parquet.write_table(rows, row_group_size=max(rows.num_rows, 1))
            else:
                start = 0
                for one in made:
                    self._write(_lines(rows.slice(start, one.records), one, self.form))
                    start += one.records
        except OSError as error:
            raise unwritable(self.path, error) from None
        return made

    def close(self) -> None:
        """The part is on the medium and has its name."""
        try:
            if self.form == "parquet":
                self._parquet.add_key_value_metadata({USED: ",".join(sorted(self._used))})
                self._parquet.close()
            self._file.flush()
            disk.sync(self._file.fileno())
            self._file.close()
            os.replace(self._temporary, self.path)
            disk.sync_folder(os.path.dirname(self.path))
        except OSError as error:
            raise unwritable(self.path, error) from None

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise unwritable(self.path, error) from None


def parquet_writer(file: Any, layout: Any) -> Any:
    """Parquet as we write it: zstd, dictionaries where values repeat, statistics where somebody looks for rows.

    In rows of records session and group are runs and ``t`` rises: plain, and split into bytes, zstd packs them better
    than a dictionary would, which takes a hash of every value.
    """
    looked_for = [name for name in ("session", "split_group") if name in layout.names]
    rising = {"t": "BYTE_STREAM_SPLIT"} if "t" in layout.names else None
    repeated = [name for name in layout.names if name not in ("t", *looked_for)] if rising else True
    return pyarrow().parquet.ParquetWriter(
        file, layout, compression="zstd", compression_level=LEVEL, write_statistics=looked_for,
        use_dictionary=repeated, column_encoding=rising, write_batch_size=_BATCH,
    )  # fmt: skip


def used(file: Any) -> frozenset[str]:
    """The columns of an open part that may hold anything."""
    noted = (file.metadata.metadata or {}).get(USED.encode())
    return frozenset(noted.decode().split(",") if noted else file.schema_arrow.names)


def unwritable(path: str, error: OSError) -> Unavailable:
    """An error of the system while writing a dataset, in words."""
    return Unavailable(
        f"cannot write {path}: {error.strerror or 'the system refused'}",
        "Make room, or choose a folder that is yours; then run the same command again.",
    )


def _lines(rows: Any, found: Columns, form: str) -> bytes:
    """Rows of one profile as text, one line each."""
    arrow = pyarrow()
    compute, json = arrow.compute, form == "jsonl"
    cells: list[Any] = []
    for number, field in enumerate(ALL_FIELDS):
        column = rows.column(number)
        if json and column.null_count == rows.num_rows and rows.num_rows:
            continue
        if field.name == "t":
            text = _times(found)
        elif field.kind == "words":
            text = column.cast(arrow.string())
            text = compute.binary_join_element_wise('"', text, '"', "") if json else text
        else:
            text = column.cast(arrow.string())
        if json:
            text = compute.binary_join_element_wise(f'"{field.name}":', text, "")
        cells.append(text)
    if json:
        # a missing value is a missing key
        body = compute.binary_join_element_wise(*cells, ",", null_handling="skip")
        lines = compute.binary_join_element_wise("{", body, "}\n", "")
    else:
        body = compute.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement="")
        lines = compute.binary_join_element_wise(body, "\n", "")
    flat = lines.combine_chunks() if hasattr(lines, "combine_chunks") else lines
    flat = flat.chunk(0) if hasattr(flat, "num_chunks") else flat
    return _bytes_of(flat)


def _bytes_of(strings: Any) -> bytes:
    """The characters of a string array, joined: its data buffer, between its first and last offset."""
    if not len(strings):
        return b""
    offsets = np.frombuffer(strings.buffers()[1], np.int32)[strings.offset : strings.offset + len(strings) + 1]
    return bytes(memoryview(strings.buffers()[2])[int(offsets[0]) : int(offsets[-1])])


def _times(found: Columns) -> Any:
    """``t`` as Python and JSON spell it: whole minutes, or seconds with at least one digit after the point."""
    arrow = pyarrow()
    if found.by_minutes:
        return arrow.array(found.t).cast(arrow.string())
    grid = found.profile.grid_ms
    milliseconds = found.t.astype(np.int64) * grid
    fractions = arrow.array([str(part * grid / 1000)[1:] for part in range(max(1000 // grid, 1))])
    whole = arrow.array(milliseconds // 1000).cast(arrow.string())
    return arrow.compute.binary_join_element_wise(whole, fractions.take(arrow.array(milliseconds % 1000 // grid)), "")
