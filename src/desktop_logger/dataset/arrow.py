"""Columns of records as Arrow tables: closed words as dictionaries, numbers in narrow types, units in the metadata.

Invariants: the schema is made from ``inspection.rows`` and the field registry and from nothing else; arrays go from
numpy to Arrow without a Python object per record; a column that no record of a table has is nulls, never left out.
Needs the extra ``dataset`` (pyarrow), which is loaded when the first function runs.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from desktop_logger.errors import Unavailable
from desktop_logger.inspection.columns import Codes, Columns, Records, columns, joined
from desktop_logger.inspection.rows import EXPORT_FIELDS, FIELDS, Field
from desktop_logger.records import registry
from desktop_logger.records.profiles import PROFILES

SCHEMA_VERSION = "1"
ALL_FIELDS = (*EXPORT_FIELDS, *FIELDS)
ALWAYS = (*(field.name for field in EXPORT_FIELDS), "record", "scope", "t")
"""Columns that every row has; saying so saves Parquet a pass over each."""
_WIDTHS = {"session": "int64", "split_group": "int8", "gap": "int64", "seconds": "int64"}

_DTYPES = {"dictionary<int8, string>": "string", "double": "float64"}
"""Arrow type → what Hugging Face ``datasets`` calls it, where that differs."""


class Session(NamedTuple):
    """One segment's records, in order, and what an export says of them."""

    number: int
    group: int
    profile: str
    records: Records
    scopes: Codes


def pyarrow() -> Any:
    """The library, or ``Unavailable`` with the remedy."""
    try:
        import pyarrow as pa
        import pyarrow.compute
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise Unavailable(
            "datasets need pyarrow, which is not installed", "Run: pip install 'desktop-logger[dataset]'"
        ) from None
    except ImportError as error:  # it is there, and says what it lacks: "requires NumPy 2.0 or newer, found 1.24.4"
        raise Unavailable(
            f"pyarrow is installed and cannot be loaded: {' '.join(str(error).split())[:200]}",
            "Run: pip install --upgrade numpy pyarrow",
        ) from None
    return pa


def units(name: str) -> dict[str, str]:
    """Profile → unit of a column, from the field registry; empty where it has none."""
    found: dict[str, str] = {}
    for field in registry.FIELDS:
        if field.name == name:
            found.update({profile: unit for profile, unit in field.unit.items() if profile not in found})
    return found


def kind_of(field: Field) -> str:
    """The Arrow type of a column, in words."""
    if field.kind == "words":
        return "dictionary<int8, string>"
    return "double" if field.kind == "float" else _WIDTHS.get(field.name, "int32")


def dtype_of(field: Field) -> str:
    """The same as Hugging Face ``datasets`` calls it."""
    kind = kind_of(field)
    return _DTYPES.get(kind, kind)


@lru_cache(maxsize=1)
def schema() -> Any:
    """The Arrow schema of an export, with meaning and units in each field's metadata."""
    arrow = pyarrow()
    kinds = {
        "dictionary<int8, string>": arrow.dictionary(arrow.int8(), arrow.string()), "double": arrow.float64(),
        "int64": arrow.int64(), "int32": arrow.int32(), "int8": arrow.int8(),
    }  # fmt: skip
    fields = [
        arrow.field(
            field.name, kinds[kind_of(field)], nullable=field.name not in ALWAYS,
            metadata={"meaning": field.meaning, **{f"unit:{name}": unit for name, unit in units(field.name).items()}},
        )
        for field in ALL_FIELDS
    ]  # fmt: skip
    # what Hugging Face `datasets` reads: without it, it does not accept dictionaries
    features = {field.name: {"dtype": dtype_of(field), "_type": "Value"} for field in ALL_FIELDS}
    return arrow.schema(
        fields, {"desktop-logger.schema": SCHEMA_VERSION, "huggingface": json.dumps({"info": {"features": features}})}
    )


def table(sessions: list[Session]) -> tuple[Any, list[Columns]]:
    """One Arrow table of whole sessions, in their order, and the columns it was made from.

    Raises ``IntegrityError`` for a record outside the vocabulary.
    """
    tables, made = [], []
    start = 0
    while start < len(sessions):  # sessions of one profile that follow each other are one piece
        end = start + 1
        while end < len(sessions) and sessions[end].profile == sessions[start].profile:
            end += 1
        piece = sessions[start:end]
        found = columns(
            joined([one.records for one in piece]),
            np.concatenate([one.scopes for one in piece]),
            PROFILES[piece[0].profile],
        )
        tables.append(_piece(piece, found))
        made.append(found)
        start = end
    return (pyarrow().concat_tables(tables) if tables else schema().empty_table()), made


def _piece(piece: list[Session], found: Columns) -> Any:
    arrow, count = pyarrow(), found.records
    lengths = [one.records.size for one in piece]
    arrays: list[Any] = []
    for field, declared in zip(ALL_FIELDS, schema(), strict=True):
        if field.name == "profile":
            code = np.full(count, field.words.index(piece[0].profile), np.int8)
            arrays.append(arrow.DictionaryArray.from_arrays(arrow.array(code), _words(field.words)))
        elif field.name == "session":
            arrays.append(arrow.array(np.repeat(np.array([one.number for one in piece], np.int64), lengths)))
        elif field.name == "split_group":
            arrays.append(arrow.array(np.repeat(np.array([one.group for one in piece], np.int8), lengths)))
        elif field.name == "t":
            arrays.append(arrow.array(found.seconds()))
        elif field.name not in found.fields:
            arrays.append(arrow.nulls(count, declared.type))
        else:
            values, present = found.fields[field.name]
            if field.kind == "words":
                codes = _array(arrow.int8(), values.view(np.int8), present)
                arrays.append(arrow.DictionaryArray.from_arrays(codes, _words(field.words)))
            else:
                width = np.dtype(str(declared.type))
                arrays.append(_array(declared.type, values.astype(width, copy=False), present))
    return arrow.Table.from_arrays(arrays, schema=schema())


def _array(kind: Any, values: npt.NDArray[Any], present: npt.NDArray[np.bool_] | None) -> Any:
    """Numbers as an Arrow array; nothing is left in a place that has no value."""
    arrow = pyarrow()
    if present is None:
        return arrow.Array.from_buffers(kind, values.size, [None, arrow.py_buffer(np.ascontiguousarray(values))])
    kept = arrow.py_buffer(values * present)
    return arrow.Array.from_buffers(kind, values.size, [arrow.py_buffer(np.packbits(present, bitorder="little")), kept])


@lru_cache(maxsize=16)
def _words(words: tuple[str, ...]) -> Any:
    return pyarrow().array(words, pyarrow().string())
