"""How often what people released has been asked about: the secret behind a team's noise, and the budget.

Both lie in the lineage, which stays with the steward, and not beside the rows: who is given an export gets no key that
takes the noise off an answer, and who exports the same again gets the same answer. Invariants: the same numbers get the
same key and cost nothing anew; each bundle is part of ``most`` different answers at most, whichever exports it is in.
"""

from __future__ import annotations

import hmac
import secrets

from desktop_logger.errors import Refused

from . import lineage
from .folder import Folder

_TABLES = """
CREATE TABLE IF NOT EXISTS noise (key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS answers (number INTEGER PRIMARY KEY, state TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS asked (digest TEXT, answer INTEGER, PRIMARY KEY (digest, answer)) WITHOUT ROWID;
"""
_HERE = "SELECT digest FROM sessions WHERE export = :export AND NOT erased"


def once(folder: Folder, export: str, about: bytes, most: int) -> tuple[bytes, int]:
    """The secret of the noise for the exact numbers ``about``, and how many further answers this data will be part of.

    Notes that it was asked. Raises ``Refused`` where some of it was part of ``most`` answers with other numbers.
    """
    with lineage.opened(lineage.path_of(folder)) as connection:
        connection.executescript(_TABLES)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO noise SELECT ? WHERE NOT EXISTS (SELECT 1 FROM noise)", (secrets.token_bytes(32),)
        )
        key = bytes(connection.execute("SELECT key FROM noise").fetchone()[0])
        state = hmac.new(key, about, "sha256").hexdigest()
        connection.execute("INSERT OR IGNORE INTO answers (state) VALUES (?)", (state,))
        (number,) = connection.execute("SELECT number FROM answers WHERE state = ?", (state,)).fetchone()
        connection.execute(
            f"INSERT OR IGNORE INTO asked SELECT digest, :number FROM ({_HERE})",  # noqa: S608 - our own words
            {"export": export, "number": number},
        )
        query = f"SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM asked WHERE digest IN ({_HERE}) GROUP BY digest)"  # noqa: S608
        times = connection.execute(query, {"export": export}).fetchone()[0] or 0
        if times > most:
            raise Refused(
                f"some of this export's data was part of {most} answers already, in this export or another, "
                "which is all that is allowed",
                "Export what was released since then. The answers that were given stay good.",
            )
    return key, most - times
