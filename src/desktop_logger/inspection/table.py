"""Rows into files: JSON Lines, CSV and Parquet, with one set of columns and one way of appearing on disk.

A table is written beside its place as ``….partial`` and renamed when it is whole; what is there already is never
overwritten. Words are dictionary-coded in Parquet, and each column says its meaning in its metadata.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
from collections.abc import Iterable, Iterator
from typing import IO, Any, Protocol

from desktop_logger import disk
from desktop_logger.errors import Refused, Unavailable, UsageError

from .rows import Field, Row

FORMATS = ("parquet", "jsonl", "csv")
_PYARROW = "Run: pip install 'desktop-logger[dataset]'"


class Table(Protocol):
    """Somewhere to put rows."""

    def add(self, rows: list[Row]) -> None:
        """Append rows."""

    def close(self) -> None:
        """Write what is left."""


class _Jsonl:
    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def add(self, rows: list[Row]) -> None:
        self.file.writelines(line(row).encode() + b"\n" for row in rows)

    def close(self) -> None:
        pass


class _Csv:
    def __init__(self, file: IO[bytes], fields: tuple[Field, ...]) -> None:
        import io

        self.text = io.TextIOWrapper(file, "utf-8", newline="")
        self.writer = csv.DictWriter(self.text, [field.name for field in fields], lineterminator="\n")
        self.writer.writeheader()

    def add(self, rows: list[Row]) -> None:
        self.writer.writerows(rows)

    def close(self) -> None:
        self.text.flush()
        self.text.detach()


class _Parquet:
    ROWS = 1 << 17
    """Rows of one row group."""

    def __init__(self, file: IO[bytes], fields: tuple[Field, ...]) -> None:
        self.arrow, parquet = _pyarrow()
        self.schema = self.arrow.schema([self._column(field) for field in fields])
        self.writer = parquet.ParquetWriter(file, self.schema, compression="zstd")
        self.waiting: list[Row] = []

    def _column(self, field: Field) -> Any:
        arrow = self.arrow
        kind = {
            "words": arrow.dictionary(arrow.int8(), arrow.string()),
            "text": arrow.dictionary(arrow.int32(), arrow.string()),
            "int": arrow.int64(),
            "float": arrow.float64(),
        }[field.kind]
        return arrow.field(field.name, kind, metadata={"meaning": field.meaning})

    def add(self, rows: list[Row]) -> None:
        self.waiting += rows
        while len(self.waiting) >= self.ROWS:
            self._group(self.waiting[: self.ROWS])
            del self.waiting[: self.ROWS]

    def _group(self, rows: list[Row]) -> None:
        self.writer.write_table(self.arrow.Table.from_pylist(rows, schema=self.schema))

    def close(self) -> None:
        if self.waiting:
            self._group(self.waiting)
        self.writer.close()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise Unavailable("writing Parquet needs pyarrow, which is not installed", _PYARROW) from None
    return pa, parquet


def line(row: Row) -> str:
    """A row as one line of JSON."""
    return json.dumps(row, separators=(",", ":"))


def check_format(name: str) -> str:
    """A format by name, with what it needs. Raises ``UsageError`` or ``Unavailable``."""
    if name not in FORMATS:
        raise UsageError(f"'{name}' is not a format", f"Formats: {', '.join(FORMATS)}.")
    if name == "parquet":
        _pyarrow()
    return name


@contextlib.contextmanager
def opened(path: str, name: str, fields: tuple[Field, ...]) -> Iterator[Table]:
    """A table that appears at ``path`` when the block ends well, and not at all otherwise."""
    check_format(name)
    with appearing(path) as file:
        table: Table
        if name == "jsonl":
            table = _Jsonl(file)
        elif name == "csv":
            table = _Csv(file, fields)
        else:
            table = _Parquet(file, fields)
        yield table
        table.close()


@contextlib.contextmanager
def appearing(path: str) -> Iterator[IO[bytes]]:
    """A new file (0600) that takes its name only when it is whole. Raises ``Refused`` where one exists."""
    path = os.path.abspath(path)
    partial = path + ".partial"
    if os.path.lexists(path):
        raise Refused(f"{path} exists already", "Choose another name, or remove it first.")
    try:
        with open(disk.reopen(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _take_name(partial, path)
        disk.sync_folder(os.path.dirname(path))
    except FileExistsError:
        os.unlink(partial)
        raise Refused(f"{path} exists already", "Choose another name, or remove it first.") from None
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise Unavailable(
            f"cannot write {path}: {error.strerror}", "Choose a folder with room that is yours."
        ) from None
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise


def _take_name(partial: str, path: str) -> None:
    """Give a whole file its name; whoever made that file in the meantime keeps theirs."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.rename(partial, path)
    else:
        os.unlink(partial)


def write(path: str, name: str, fields: tuple[Field, ...], rows: Iterable[list[Row]]) -> int:
    """Write all rows to one new file; returns how many."""
    count = 0
    with opened(path, name, fields) as table:
        for some in rows:
            table.add(some)
            count += len(some)
    return count
