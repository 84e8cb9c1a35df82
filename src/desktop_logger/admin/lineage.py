"""Where every row of every export came from: row group → bundle → segment → receipt. Stays with the steward.

One SQLite file in the admin folder. It is what erasure follows, and what tells a bundle that was exported before from
one that was not. Invariants: a session of an export is in it before the export has its name; what was erased keeps only
its bundle's digest; nothing of it is ever part of a dataset.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from desktop_logger import disk
from desktop_logger.errors import IntegrityError, Unavailable

from .folder import Folder
from .ledger import Known

_TABLES = """
CREATE TABLE IF NOT EXISTS exports (
    export TEXT PRIMARY KEY, purpose TEXT NOT NULL, format TEXT NOT NULL, out TEXT NOT NULL, state TEXT NOT NULL,
    minimum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS sessions (
    export TEXT NOT NULL, session INTEGER NOT NULL, part TEXT, row_group INTEGER, rows INTEGER NOT NULL,
    bundle TEXT, digest TEXT NOT NULL, segment TEXT, device TEXT, receipt TEXT, subject TEXT,
    erased INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (export, session)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_digest ON sessions (digest);
CREATE INDEX IF NOT EXISTS by_segment ON sessions (device, segment);
"""


class Affected(NamedTuple):
    """An export that still holds rows of erased segments."""

    export: str
    out: str
    sessions: tuple[int, ...]
    named: bool
    """False: the export was interrupted before it had its name, so that its rows were only in the draft."""


def path_of(folder: Folder) -> str:
    """Where the lineage lies."""
    return os.path.join(folder.lineage, "lineage.sqlite")


@contextmanager
def opened(path: str, tables: str = _TABLES) -> Iterator[sqlite3.Connection]:
    """A database of ours (0600), committed when the block ends well. Its errors become ours."""
    try:
        if not os.path.lexists(path):
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            with suppress(FileExistsError):
                os.close(disk.create(path))
        connection = sqlite3.connect(path, timeout=10, isolation_level="IMMEDIATE", check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"cannot use {path}: {error}", "Make room, or check that the folder is yours.") from None
    try:
        connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten, whatever the library does
        connection.executescript(tables)
        yield connection
        connection.commit()
    except sqlite3.OperationalError as error:
        raise Unavailable(f"cannot use {path}: {error}", "Make room, then run it again: it goes on.") from None
    except sqlite3.DatabaseError as error:
        raise IntegrityError(f"{path} is damaged: {error}", "Restore a copy of the admin folder.") from None
    finally:
        connection.close()


def put_known(connection: sqlite3.Connection, known: Known) -> None:
    """What was erased, as temporary tables: ``erased(device, segment)`` and ``gone(device, digest)``."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS erased (device TEXT, segment TEXT)")
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS gone (device TEXT, digest TEXT, PRIMARY KEY (device, digest))")
    connection.executemany("INSERT INTO temp.erased VALUES (?, ?)", known.erased)
    connection.executemany("INSERT OR IGNORE INTO temp.gone VALUES (?, ?)", known.gone)


def affected(folder: Folder, known: Known) -> list[Affected]:
    """Exports that still hold rows of erased segments, with those sessions."""
    found: dict[tuple[str, str, str], list[int]] = {}
    with opened(path_of(folder)) as connection:
        put_known(connection, known)
        rows = connection.execute(
            "SELECT s.export, e.out, e.state, s.session FROM sessions s JOIN exports e USING (export)"
            " WHERE NOT s.erased AND ("
            "EXISTS (SELECT 1 FROM temp.gone x WHERE x.device = s.device AND x.digest = s.digest) OR"
            " EXISTS (SELECT 1 FROM temp.erased x"
            " WHERE x.device = s.device AND x.segment = s.segment)) ORDER BY s.export, s.session"
        )
        for export, out, state, session in rows:
            found.setdefault((export, out, state), []).append(session)
    return [Affected(export, out, tuple(some), state != "writing") for (export, out, state), some in found.items()]


def rows_by_request(folder: Folder, export: str, requests: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Request → rows that an export still holds of what it names, for the requests that it holds any of."""
    found: dict[str, int] = {}
    named: dict[tuple[str, str], set[str]] = {}
    for name, one in requests.items():
        for what in (*one["segments"], *one["bundles"]):
            named.setdefault((one["device"], what), set()).add(name)
    with opened(path_of(folder)) as connection:
        query = "SELECT device, segment, digest, rows FROM sessions WHERE export = ? AND NOT erased"
        for device, segment, digest, rows in connection.execute(query, (export,)):
            for name in named.get((device, segment), set()) | named.get((device, digest), set()):
                found[name] = found.get(name, 0) + rows
    return found


def forget(folder: Folder, export: str, sessions: Iterable[int]) -> None:
    """Mark sessions as erased and keep of them only their bundles' digests."""
    with opened(path_of(folder)) as connection:
        connection.executemany(
            "UPDATE sessions SET erased = 1, rows = 0, part = NULL, row_group = NULL, bundle = NULL, segment = NULL,"
            " device = NULL, receipt = NULL, subject = NULL WHERE export = ? AND session = ?",
            ((export, one) for one in sessions),
        )


def without(folder: Folder, export: str, sessions: Iterable[int]) -> tuple[int, int]:
    """How many people and sessions an export holds besides these sessions."""
    with opened(path_of(folder)) as connection:
        connection.execute("CREATE TEMP TABLE going (session INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO temp.going VALUES (?)", ((one,) for one in sessions))
        query = (
            "SELECT COUNT(DISTINCT subject), COUNT(*) FROM sessions WHERE export = ? AND NOT erased"
            " AND session NOT IN (SELECT session FROM temp.going)"
        )
        people, left = connection.execute(query, (export,)).fetchone()
    return int(people), int(left)


def digest(folder: Folder, export: str) -> str:
    """SHA-256 over the sorted header digests of an export's bundles, erased ones too: what the ledger keeps."""
    with opened(path_of(folder)) as connection:
        query = "SELECT digest FROM sessions WHERE export = ? ORDER BY digest"
        return digest_of(connection.execute(query, (export,)))


def digest_of(rows: Iterable[tuple[str]]) -> str:
    """SHA-256 in hex over header digests, one a line."""
    found = hashlib.sha256()
    for number, (one,) in enumerate(rows):
        found.update(f"\n{one}".encode() if number else one.encode())
    return found.hexdigest()


def check_whole(folder: Folder, known: Known) -> None:
    """Raise ``IntegrityError`` when an export of the ledger is not in the lineage: erasure could not follow it."""
    with opened(path_of(folder)) as connection:
        here = {str(one) for (one,) in connection.execute("SELECT export FROM exports")}
    if lost := known.exports - here:
        raise IntegrityError(
            f"the lineage of {len(lost)} export(s) is missing, so erasure could not follow them",
            f"Restore a copy of {path_of(folder)}.",
        )


def set_state(folder: Folder, export: str, state: str) -> None:
    """``writing``, ``whole`` or ``gone``."""
    with opened(path_of(folder)) as connection:
        connection.execute("UPDATE exports SET state = ? WHERE export = ?", (state, export))


def subjects(folder: Folder, export: str) -> dict[int, str]:
    """Session → whose it is, without those that were erased. Raises ``ValueError`` where there is no such export."""
    with opened(path_of(folder)) as connection:
        if not connection.execute("SELECT 1 FROM exports WHERE export = ?", (export,)).fetchone():
            raise ValueError("no export of ours")
        rows = connection.execute("SELECT session, subject FROM sessions WHERE export = ? AND NOT erased", (export,))
        return {session: sys.intern(subject) for session, subject in rows}
