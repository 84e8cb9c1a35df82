"""Storing: speed and size of the writer beside other ways to keep the same records, then reading, verifying, purging.

The records are those of an invented hour of office work in the profile ``events``, repeated. CPU time of this process
where nothing else is said; compare within one run only.
"""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from desktop_logger import store
from desktop_logger.capture.replay import Reader
from desktop_logger.records.events import Batch
from desktop_logger.records.layout import RECORD, RECORD_BYTES, SCOPE_OF_KIND, Redacted
from desktop_logger.records.profiles import PROFILES
from desktop_logger.redaction import Redactor
from desktop_logger.sealing import StreamKeys, fresh_key
from desktop_logger.segments.format import DATA, FINAL, Header, key_context, scan
from desktop_logger.segments.reading import parts, scope_keys, unpack
from desktop_logger.segments.writing import LEVEL, PART, StreamFile, planes
from tests.bulk import fill
from tests.storage import Person

from .office import HOUR_S, events
from .size import a_grant
from .tables import table

zstd = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
SCOPES = ("keyboard", "pointer")
ROUNDS = 10


def hour(folder: str) -> bytes:
    """The records of an hour, in order, as the writer gets them."""
    replay = os.path.join(folder, "office.jsonl")
    with open(replay, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in events())
    redactor = Redactor(a_grant(PROFILES["events"], None))
    redactor.begin(0)
    redactor.feed(Batch([event for _, found in Reader(replay).lines() for event in found], int(HOUR_S * 1000)))
    redactor.flush(int(HOUR_S * 1000))
    return bytes(redactor.take()[0])


def by_scope(records: bytes) -> dict[str, bytes]:
    """Records by scope, as the writer splits them; gaps, which belong to every scope, count as keyboard."""
    rows = [records[at : at + RECORD_BYTES] for at in range(0, len(records), RECORD_BYTES)]
    return {scope: b"".join(r for r in rows if SCOPE_OF_KIND.get(r[4], "keyboard") == scope) for scope in SCOPES}


def stream_file(path: str, part: int | dict[str, int], root: bytes) -> StreamFile:
    """A stream file outside any store."""
    sizes = part if isinstance(part, dict) else dict.fromkeys(SCOPES, part)
    keys = StreamKeys(root, key_context("5e" * 16, "own", "a" * 64), SCOPES)
    commit = {scope: keys.commitment(scope).hex() for scope in SCOPES}
    return StreamFile(path, Header("5e" * 16, "own", "events", SCOPES, sizes, commit, "a" * 64, "b" * 64, 5, 1), keys)


def ours(path: str, records: bytes, root: bytes) -> None:
    """All records in full frames, sealed and synced once."""
    file = stream_file(path, 65_536, root)
    split = by_scope(records)
    queues = {scope: bytearray(split[scope]) for scope in SCOPES}
    while any(queues.values()):
        for scope, count in file.frame(DATA, queues).items():
            del queues[scope][: count * RECORD_BYTES]
    file.frame(FINAL, queues)
    file.sync()
    file.close()


def read_ours(path: str, root: bytes) -> int:
    with open(path, "rb") as file:
        body = scan(file.read())
    return sum(len(unpack(part)) for _, _, part in parts(body, scope_keys(body, root)))


def _lines(records: bytes) -> list[dict[str, int]]:
    names = ("t", "kind", "code", "a", "b", "c", "d")
    return [dict(zip(names, row, strict=True)) for row in RECORD.iter_unpack(records)]


def json_lines(path: str, records: bytes) -> None:
    with gzip.open(path, "wt", compresslevel=6, encoding="ascii") as file:
        for row in _lines(records):
            file.write(json.dumps(row) + "\n")


def read_json_lines(path: str) -> int:
    with gzip.open(path, "rt", encoding="ascii") as file:
        return sum(1 for line in file if json.loads(line))


def sqlite_rows(path: str, records: bytes) -> None:
    with sqlite3.connect(path) as base:
        base.execute(
            "create table records (t integer, kind integer, code integer, a integer, b integer, c integer, d integer)"
        )
        base.executemany("insert into records values (?, ?, ?, ?, ?, ?, ?)", RECORD.iter_unpack(records))
    base.close()


def read_sqlite_rows(path: str) -> int:
    base = sqlite3.connect(path)
    found = len(base.execute("select * from records").fetchall())
    base.close()
    return found


def mcap_messages(path: str, records: bytes) -> None:
    writer_room = importlib.import_module("mcap.writer")
    with open(path, "wb") as file:
        writer = writer_room.Writer(file, compression=writer_room.CompressionType.NONE)
        writer.start()
        schema = writer.register_schema(name="record", encoding="jsonschema", data=b'{"type":"object"}')
        channel = writer.register_channel(topic="records", message_encoding="json", schema_id=schema)
        for row in _lines(records):
            writer.add_message(channel, log_time=row["t"], publish_time=row["t"], data=json.dumps(row).encode())
        writer.finish()


def read_mcap_messages(path: str) -> int:
    reader_room = importlib.import_module("mcap.reader")
    with open(path, "rb") as file:
        return sum(1 for _, _, message in reader_room.make_reader(file).iter_messages() if json.loads(message.data))


def cpu(work: Callable[[], object]) -> float:
    """Seconds of this process, the best of three."""
    found = []
    for _ in range(3):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def formats(folder: str, records: bytes) -> None:
    """The table of formats."""
    count, root, rows = len(records) // RECORD_BYTES, bytes(range(32)), []
    ways: list[tuple[str, Callable[[str], object], Callable[[str], int]]] = [
        ("ours: sealed, full frames", lambda path: ours(path, records, root), lambda path: read_ours(path, root)),
        ("JSON lines, gzip", lambda path: json_lines(path, records), read_json_lines),
        ("SQLite, a row each, one commit", lambda path: sqlite_rows(path, records), read_sqlite_rows),
    ]
    if importlib.util.find_spec("mcap"):
        ways.append(
            ("MCAP, JSON messages, no compression", lambda path: mcap_messages(path, records), read_mcap_messages)
        )
    else:
        print("NOT COMPARED: MCAP, because mcap is not installed (pip install --group bench)")
    for name, write, read in ways:
        path = os.path.join(folder, "one")

        def again(write: Callable[[str], object] = write, path: str = path) -> None:
            if os.path.exists(path):
                os.unlink(path)
            write(path)

        wrote = cpu(again)
        size = os.path.getsize(path)
        found = 0

        def back(read: Callable[[str], int] = read, path: str = path) -> None:
            nonlocal found
            found = read(path)

        took = cpu(back)
        assert found == count, (name, found, count)
        rows.append([name, f"{size / count:.2f}", f"{1e6 * wrote / count:.2f}", f"{count / wrote / 1e6:.2f}",
                     f"{1e6 * took / count:.2f}", f"{count / took / 1e6:.2f}"])  # fmt: skip
        os.unlink(path)
    columns = ["format", "bytes a record", "write, us", "write, M/s", "read, us", "read, M/s"]
    table(f"The same {count:,} records ({RECORD_BYTES} bytes each before storing)", columns, rows)


def writer_figures(folder: str, records: bytes) -> None:
    """Compression before padding, and one flush beside a bare write of the same bytes."""
    split, sizes = by_scope(records), {}
    for count in (16, 64, 4096):
        packed = hard = 0
        for scope in SCOPES:
            for at in range(0, len(split[scope]) // ROUNDS, count * RECORD_BYTES):
                columns = planes(split[scope][at : at + count * RECORD_BYTES])
                packed += len(zstd.compress(columns, LEVEL)) + PART.size
                hard += len(zstd.compress(columns, 19)) + PART.size
        sizes[count] = packed / hard
    profile = PROFILES["events"]
    file = stream_file(os.path.join(folder, "frames"), dict(profile.part_bytes), bytes(32))
    bare = os.open(os.path.join(folder, "bare"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    frame, few = (
        bytes(file.header.frame_bytes),
        {scope: bytearray(split[scope][: 20 * RECORD_BYTES]) for scope in SCOPES},
    )
    flushes: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(200):
        began = time.perf_counter()
        file.frame(DATA, few)
        file.sync()
        between = time.perf_counter()
        os.write(bare, frame)
        os.fdatasync(bare)
        flushes["ours"].append(between - began)
        flushes["bare"].append(time.perf_counter() - between)
    file.close()
    os.close(bare)
    ours_ms, bare_ms = (1000 * statistics.median(flushes[name]) for name in ("ours", "bare"))
    table("The writer", ["what", "figure", "promised"], [
        *[
            [f"parts of {count:,} records before padding / zstd -19 of the same columns", f"{found:.2f}", "1.2"]
            for count, found in sizes.items()
        ],
        ["one flush, frame and fdatasync, wall clock, median", f"{ours_ms:.2f} ms", ""],
        ["the same over a bare write and fdatasync", f"{ours_ms / bare_ms:.2f}", "1.5"],
    ])  # fmt: skip


def store_figures(folder: str) -> None:
    """Thirty days of eight hours, and twelve thousand segments."""
    month = Person(os.path.join(folder, "month"))
    ids = fill(month, 1440, frames=(120, 10), part=144)
    began, busy = time.perf_counter(), time.process_time()
    assert store.verify(month.home).ok
    verified = f"{time.process_time() - busy:.2f} s ({time.perf_counter() - began:.2f} s)"
    kek = month.kek()[1]
    began, count = time.process_time(), 0
    for segment in ids[:144]:
        for _ in store.open_stream(month.home, kek, segment, "own", month.reader):
            count += 1
    opened = time.process_time() - began
    many = Person(os.path.join(folder, "many"))
    fill(many, 12_000)
    os.sync()
    began, busy = time.perf_counter(), time.process_time()
    store.purge(many.home, many.clock, lambda: store.choose_range(many.home, 0, many.clock.now() + 1200))
    purged = f"{time.process_time() - busy:.2f} s ({time.perf_counter() - began:.2f} s)"
    table("A large store (in brackets: wall clock)", ["what", "figure", "promised"], [
        ["keyless verify, 30 days of 8 h (1,440 segments)", verified, "1.5 s"],
        ["opening a small clock frame's part", f"{1e6 * opened / count:.0f} us", "30-40 us"],
        ["a scan of 30 days of 8 h, both scopes, frames every 5 s", f"{opened / count * 2 * 720 * 240:.1f} s", "20 s"],
        ["user-hours a second, both scopes", f"{count / 2 / 720 / opened:.0f}", ""],
        ["purge of two among 12,000 segments", purged, "2 s"],
    ])  # fmt: skip


def run() -> None:
    """All tables."""
    fresh_key()
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as folder:
        records = hour(folder) * ROUNDS
        assert Redacted(records)
        formats(folder, records)
        writer_figures(folder, records)
        store_figures(folder)
