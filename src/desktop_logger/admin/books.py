"""An export while it is made: what was accepted, which part it goes to, and what is done.

It is on disk, so that any number of bundles fits and a run that was interrupted goes on: one SQLite file under
``work/`` in the admin folder, and the draft ``OUT.partial``. Both are gone when the export has its name. Invariants:
scope keys are in it only wrapped under a key that lives as long as the process; a part that is not noted as done is
made again; a bundle that is no longer accepted (erased since, say) takes its part with it.
"""

from __future__ import annotations

import hmac
import itertools
import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from operator import itemgetter
from typing import Any, NamedTuple

from desktop_logger import disk
from desktop_logger.bundle import FIRST
from desktop_logger.dataset.parts import part_name, unwritable
from desktop_logger.dataset.tally import Tally
from desktop_logger.errors import DesktopLoggerError
from desktop_logger.sealing import Kek, hexdigest, random_id

from . import lineage, places
from .folder import Folder
from .ledger import Known
from .opening import Accepted, Readable
from .outboxes import Refusal, Refusals
from .tasks import Done, Job

SPLIT_GROUPS = 16
BUNDLES_A_PART = 256
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS bundles (
    digest TEXT PRIMARY KEY, fresh INTEGER NOT NULL, path TEXT NOT NULL, id TEXT, prev TEXT, device TEXT, segment TEXT,
    stream TEXT, state TEXT, profile TEXT, carried TEXT, subject TEXT, receipt TEXT, terms TEXT, keys BLOB,
    purpose_text TEXT, policy TEXT, delete_after TEXT, session INTEGER NOT NULL UNIQUE, grp INTEGER NOT NULL,
    part TEXT, row_group INTEGER, rows INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_prev ON bundles (device, prev);
CREATE INDEX IF NOT EXISTS by_segment ON bundles (device, segment);
CREATE INDEX IF NOT EXISTS in_order ON bundles (grp, session);
CREATE TABLE IF NOT EXISTS parts (part TEXT PRIMARY KEY, tally TEXT NOT NULL);
"""


class Wanted(NamedTuple):
    """What makes two runs the same export."""

    out: str
    purpose: str
    form: str
    demo: bool
    published: bool
    profile: str


class Books:
    """The work on one export. Made by ``opened``."""

    def __init__(self, connection: sqlite3.Connection, draft: str, wanted: Wanted) -> None:
        self.db, self.draft, self.wanted = connection, draft, wanted
        self._kek = Kek.generate()
        state = json.dumps([*wanted])
        kept = dict(self.db.execute("SELECT name, value FROM meta"))
        if kept.get("wanted") != state or not places.exists(draft) or os.path.islink(draft):
            for table in ("meta", "bundles", "parts"):
                self.db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own three names
            places.remove_all(draft)
            kept = {"wanted": state, "export": random_id(), "split": secrets.token_hex(32)}
            self.db.executemany("INSERT INTO meta VALUES (?, ?)", kept.items())
        self.export = kept["export"]
        self.again = 0
        """Files whose bundle had been accepted before in this run."""
        self._split = bytes.fromhex(kept["split"])
        """Of this export only, and gone with the work."""
        self.db.execute("UPDATE bundles SET fresh = 0")
        self.db.commit()

    # accepting

    def accept(self, one: Accepted) -> None:
        """Note a bundle that may be read; the same one twice is one."""
        if self.db.execute("SELECT 1 FROM bundles WHERE digest = ? AND fresh = 1", (one.digest,)).fetchone():
            self.again += 1
        manifest = one.manifest
        keys = self._kek.wrap(json.dumps({s: k.hex() for s, k in one.keys.items()}).encode(), one.digest.encode())
        facts = {
            "fresh": 1, "path": one.path, "id": one.id, "prev": one.prev, "device": one.device,
            "segment": manifest.segment, "stream": manifest.stream, "state": manifest.state,
            "profile": manifest.profile, "carried": json.dumps(manifest.scopes), "subject": one.subject,
            "receipt": one.receipt, "terms": json.dumps(one.terms), "keys": keys, "purpose_text": one.purpose_text,
            "policy": policy_key(one), "delete_after": manifest.delete_after,
        }  # fmt: skip
        changed = ", ".join(f"{name} = :{name}" for name in facts)
        update = f"UPDATE bundles SET {changed} WHERE digest = :digest"  # noqa: S608 - our own names
        if self.db.execute(update, {**facts, "digest": one.digest}).rowcount:
            return
        facts = {"digest": one.digest, **facts, "grp": split_group(self._split, one.subject)}
        names = ", ".join(facts)
        places = ", ".join(f":{name}" for name in facts)
        insert = f"INSERT OR IGNORE INTO bundles ({names}, session) VALUES ({places}, :session)"  # noqa: S608
        while not self.db.execute(insert, {**facts, "session": secrets.randbits(48)}).rowcount:
            pass  # another session has this random number

    def refuse_forks(self, known: Known, refused: Refusals) -> list[str]:
        """Keep what lies on one chain for each device; what forks off it is refused, what is missing is returned.

        A fork means that an outbox, or the whole home, was rolled back or copied. Of two bundles that continue the
        same one, the one that was exported before stays; where neither was, neither is used.
        """
        lineage.put_known(self.db, known)
        new = "fresh = 1 AND digest NOT IN (SELECT digest FROM lineage.sessions)"
        for other, reason in (
            ("o.prev = b.prev", "two bundles continue the same one: the outbox was rolled back or copied"),
            ("o.segment = b.segment", "its segment is in another bundle too (replayed)"),
        ):
            self.db.execute(
                f"CREATE TEMP TABLE forked AS SELECT digest, path FROM bundles b WHERE {new} AND EXISTS (SELECT 1"  # noqa: S608
                f" FROM bundles o WHERE o.fresh AND o.device = b.device AND {other} AND o.digest <> b.digest)"
            )
            refused.extend(Refusal(path, reason) for (path,) in self.db.execute("SELECT path FROM temp.forked"))
            self.db.execute("UPDATE bundles SET fresh = -1 WHERE digest IN (SELECT digest FROM temp.forked)")
            self.db.execute("DROP TABLE temp.forked")
        # refused ones are here too, as what others follow
        return [
            f"{number} bundle(s) of {subject} follow one that is not here: removed, refused, or not delivered yet"
            for subject, number in self.db.execute(
                "SELECT subject, COUNT(*) FROM bundles b WHERE fresh = 1 AND prev <> ? AND prev NOT IN"
                " (SELECT digest FROM bundles WHERE fresh) AND prev NOT IN (SELECT digest FROM lineage.sessions)"
                " AND NOT EXISTS (SELECT 1 FROM temp.gone x WHERE x.device = b.device AND x.digest = b.prev)"
                " GROUP BY subject ORDER BY subject",
                (FIRST,),
            )
        ]

    def refuse_few(self, least: Callable[[str], int], what: str, refused: Refusals) -> None:
        """Drop what is under a policy that asks for more people than there are."""
        policies = self.db.execute(
            "SELECT policy, COUNT(DISTINCT subject) FROM bundles WHERE fresh = 1 GROUP BY policy"
        ).fetchall()
        for policy, here in policies:
            if here < (needed := least(policy)):
                found = self.db.execute("SELECT path FROM bundles WHERE fresh = 1 AND policy = ?", (policy,))
                reason = f"the policy asks for at least {needed} people in {what}; here: {here}"
                refused.extend(Refusal(path, reason) for (path,) in found)
                self.db.execute("UPDATE bundles SET fresh = 0 WHERE policy = ?", (policy,))

    def settle(self) -> None:
        """Forget what is no longer accepted, with the parts that it is in; and parts that were not finished."""
        db = self.db
        stale = "SELECT part FROM bundles WHERE part IS NOT NULL AND fresh <> 1"
        for (part,) in db.execute(f"SELECT part FROM parts WHERE part IN ({stale})").fetchall():  # noqa: S608
            places.remove(os.path.join(self.draft, part))
            db.execute("DELETE FROM parts WHERE part = ?", (part,))
        db.execute("DELETE FROM bundles WHERE fresh <> 1")
        db.execute("UPDATE bundles SET part = NULL, rows = NULL WHERE part NOT IN (SELECT part FROM parts)")
        db.commit()
        done = {str(part) for (part,) in db.execute("SELECT part FROM parts")}
        data = os.path.join(self.draft, "data")
        try:
            if not places.is_remote(data):
                os.makedirs(data, 0o700, exist_ok=True)
                os.chmod(self.draft, 0o700)
            for name in places.names(data):
                if os.path.join("data", name) not in done:
                    places.remove(os.path.join(data, name))
        except OSError as error:
            raise unwritable(self.draft, error) from None

    # the work

    def count(self, where: str = "fresh = 1") -> int:
        """How many bundles."""
        return int(self.db.execute(f"SELECT COUNT(*) FROM bundles WHERE {where}").fetchone()[0])  # noqa: S608

    def jobs(self) -> Iterator[Job]:
        """What is left to do, in random order within each split group: a part holds one group."""
        numbers: dict[int, int] = {}
        for (part,) in self.db.execute("SELECT part FROM parts"):
            group, number = (int(one) for one in os.path.basename(part)[1:].partition(".")[0].split("-"))
            numbers[group] = max(numbers.get(group, 0), number + 1)
        names = ("digest", "path", "segment", "stream", "state", "profile", "carried", "receipt", "terms", "keys",
                 "session", "grp")  # fmt: skip
        for group in range(SPLIT_GROUPS):
            last = -1
            while True:
                rows = self.db.execute(
                    f"SELECT {', '.join(names)} FROM bundles WHERE grp = ? AND session > ? AND part IS NULL"  # noqa: S608
                    " AND fresh = 1 ORDER BY session LIMIT ?",
                    (group, last, BUNDLES_A_PART),
                ).fetchall()
                if not rows:
                    break
                number = numbers.get(group, 0)
                numbers[group] = number + 1
                part = part_name(group, number, self.wanted.form)
                found = [dict(zip(names, row, strict=True)) for row in rows]
                last = found[-1]["session"]
                self.db.executemany(
                    "UPDATE bundles SET part = ? WHERE digest = ?", ((part, one["digest"]) for one in found)
                )
                yield Job(part, os.path.join(self.draft, part), self.wanted.form, tuple(map(self._readable, found)))

    def _readable(self, row: dict[str, Any]) -> Readable:
        keys = json.loads(self._kek.unwrap(row["keys"], row["digest"].encode()))
        return Readable(
            row["path"], row["digest"], row["segment"], row["stream"], row["state"], row["profile"],
            tuple(json.loads(row["carried"])), row["receipt"], tuple(json.loads(row["terms"])),
            {scope: bytes.fromhex(key) for scope, key in keys.items()}, row["session"], row["grp"],
        )  # fmt: skip

    def done(self, done: Done) -> list[Refusal]:
        """Note a finished job; what it refused."""
        self.db.executemany(
            "UPDATE bundles SET row_group = ?, rows = ? WHERE digest = ?",
            ((group, rows, digest) for digest, group, rows in done.written),
        )
        refused = []
        for digest, reason in done.refused:
            (path,) = self.db.execute("SELECT path FROM bundles WHERE digest = ?", (digest,)).fetchone()
            refused.append(Refusal(path, reason))
            self.db.execute("UPDATE bundles SET fresh = 0, part = NULL WHERE digest = ?", (digest,))
        if done.written:
            self.db.execute("INSERT OR REPLACE INTO parts VALUES (?, ?)", (done.part, json.dumps(done.tally)))
        self.db.commit()
        return refused

    # the end

    def tally(self) -> Tally:
        """Counts of all parts."""
        total = Tally()
        for (text,) in self.db.execute("SELECT tally FROM parts"):
            total.merge(Tally(json.loads(text)))
        return total

    def distinct(self, column: str) -> list[str]:
        """Different values of a column over what was written."""
        query = f"SELECT DISTINCT {column} FROM bundles WHERE fresh = 1 ORDER BY 1"  # noqa: S608 - our own names
        return [str(one) for (one,) in self.db.execute(query)]

    def digest(self) -> str:
        """SHA-256 over the sorted header digests of all bundles: what the ledger keeps of them."""
        return lineage.digest_of(self.db.execute("SELECT digest FROM bundles WHERE fresh = 1 ORDER BY digest"))

    def is_export(self, export: str) -> bool:
        """Whether what is accepted now is exactly what an earlier export holds."""
        here = "SELECT digest FROM bundles WHERE fresh = 1"
        there = "SELECT digest FROM lineage.sessions WHERE export = :export AND NOT erased"
        head = self.db.execute("SELECT purpose, format FROM lineage.exports WHERE export = ?", (export,)).fetchone()
        if head != (self.wanted.purpose, self.wanted.form):
            return False
        query = f"SELECT EXISTS ({here} EXCEPT {there}) OR EXISTS ({there} EXCEPT {here})"
        return not self.db.execute(query, {"export": export}).fetchone()[0]

    def keep_lineage(self, minimum: int) -> None:
        """Where every row came from, for the steward only."""
        self.db.execute(
            "INSERT OR REPLACE INTO lineage.exports VALUES (?, ?, ?, ?, 'writing', ?)",
            (self.export, self.wanted.purpose, self.wanted.form, self.wanted.out, minimum),
        )
        self.db.execute("DELETE FROM lineage.sessions WHERE export = ?", (self.export,))
        self.db.execute(
            "INSERT INTO lineage.sessions SELECT ?, session, part, row_group, rows, id, digest, segment, device,"
            " receipt, subject, 0 FROM bundles WHERE fresh = 1",
            (self.export,),
        )
        self.db.commit()

    def by_folder(self) -> Iterator[tuple[str, Iterator[str]]]:
        """(folder of an outbox, header digests of its bundles that were exported)."""
        self.db.create_function("folder_of", 1, os.path.dirname, deterministic=True)
        rows = self.db.execute("SELECT folder_of(path), digest FROM bundles WHERE fresh = 1 ORDER BY 1, path")
        for folder, some in itertools.groupby(rows, key=itemgetter(0)):
            yield folder, map(itemgetter(1), some)


def policy_key(one: Accepted) -> str:
    """A name for the terms of a bundle's policy."""
    return f"{one.policy.id}/{one.policy.version}"


def split_group(key: bytes, subject: str) -> int:
    """0-15, the same for one person throughout one export (HMAC-SHA-256 under a key of that export)."""
    return hmac.digest(key, subject.encode(), "sha256")[0] % SPLIT_GROUPS


def work_path(folder: Folder, out: str) -> str:
    """Where the work on an export is noted."""
    return os.path.join(folder.root, "work", hexdigest(out.encode())[:32] + ".sqlite")


@contextmanager
def opened(folder: Folder, wanted: Wanted) -> Iterator[Books]:
    """The books of one export, with the lineage beside them."""
    with lineage.opened(lineage.path_of(folder)):
        pass  # made where it is missing
    with lineage.opened(work_path(folder, wanted.out), _TABLES) as connection:
        connection.execute("ATTACH DATABASE ? AS lineage", (lineage.path_of(folder),))
        yield Books(connection, disk.draft_of(wanted.out), wanted)


def discard(folder: Folder, out: str) -> None:
    """Remove what an unfinished export left."""
    places.remove_all(disk.draft_of(out))
    forget(folder, out)


def forget(folder: Folder, out: str) -> None:
    """Remove the books of an export that has its name."""
    for end in ("", "-journal"):
        with suppress(FileNotFoundError):
            os.unlink(work_path(folder, out) + end)


def unfinished(folder: Folder) -> list[str]:
    """Where exports were begun and not finished."""
    found = []
    work = os.path.join(folder.root, "work")
    for name in sorted(os.listdir(work)) if os.path.isdir(work) else []:
        if name.endswith(".sqlite"):
            with suppress(DesktopLoggerError, sqlite3.Error, ValueError):
                with lineage.opened(os.path.join(work, name), _TABLES) as connection:
                    row = connection.execute("SELECT value FROM meta WHERE name = 'wanted'").fetchone()
                if row:
                    found.append(str(json.loads(row[0])[0]))
    return found
