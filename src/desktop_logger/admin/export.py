"""The admin's export: from outboxes to a dataset for one purpose, with its card, lineage and ledger entry.

1. erasure requests are applied, before anything is opened
2. every bundle passes the checks of ``opening.accept``, or is listed with its reason
3. each device's chain is checked; too few people for a policy's ``minimum_export`` means none of them
4. the same order as an export that is there already: nothing is done
5. segments in random order: each is read whole, or refused; its rows are written
6. card and readme, then lineage and ledger, then the dataset takes its name

What stays with the steward (lineage: row → bundle → segment → receipt) is in the admin folder, never in the dataset.
A crash at any point leaves at most a ``….partial`` folder, which the next run replaces.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from desktop_logger.clock import Clock, day
from desktop_logger.errors import DesktopLoggerError, Refused
from desktop_logger.sealing import random_id

from . import outboxes
from .card import Terms, card, readme
from .dataset import Draft, Order, keep_lineage, read_lineage
from .folder import Folder, Keys
from .opening import Accepted, accept
from .outboxes import Refusal


class Report(NamedTuple):
    """What was done, for people and scripts."""

    export: str | None
    """Id of the export, ``None`` when there was nothing to write."""
    out: str
    fresh: bool
    """False: the same export was there already."""
    rows: int
    sessions: int
    subjects: int
    erasures: int
    affected: tuple[tuple[str, str], ...]
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The shape of ``admin export --json``."""
        return {
            **self._asdict(),
            "refused": [one._asdict() for one in self.refused],
            "affected": [{"export": export, "out": out} for export, out in self.affected],
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """The same for people."""
        if self.export is None:
            lines = ["nothing was written: no bundle may be opened for this purpose"]
        elif not self.fresh:
            lines = [f"nothing to do: {self.out} is this export already"]
        else:
            lines = [
                f"wrote {self.rows:,} rows of {self.sessions:,} sessions and {self.subjects:,} people to {self.out}"
            ]
        if self.erasures:
            lines.append(f"applied {self.erasures} new erasure request(s)")
        for export, out in self.affected:
            lines.append(f"export {export} holds rows that were erased since: delete {out} and make it again")
        lines += [f"note: {note}" for note in self.notes]
        if self.refused:
            lines.append(f"refused {len(self.refused)}:")
            lines += [f"  {one}" for one in self.refused]
        return lines


def export(
    folder: Folder, keys: Keys, order: Order, clock: Clock, *, progress: bool = False, demo: bool = False
) -> Report:
    """Carry out an order. ``demo`` is for the demonstration's own admin side; no command sets it."""
    order.check()
    # 1. erasures
    erasures, refused = outboxes.apply_erasures(folder, order.sources, clock)
    known = folder.ledger.known()
    affected = tuple(outboxes.affected(folder, known))
    # 2. bundles, one by one
    today = day(clock.now())
    accepted: list[Accepted] = []
    paths = outboxes.bundles(order.sources)
    step = _shown(len(paths), "checking", progress=progress)
    for path in paths:
        step()
        try:
            accepted.append(accept(path, keys, known, order.purpose, today, demo=demo))
        except DesktopLoggerError as error:
            refused.append(Refusal(path, error.message))
    # 3. bundles, together
    accepted, forked, notes = outboxes.chained(accepted, known)
    accepted, few = _enough(accepted)
    refused += forked + few
    result = Report(None, order.out, False, 0, 0, 0, erasures, affected, tuple(refused), tuple(notes))
    if not accepted:
        return result
    # 4. done before?
    before = _same(folder, order, accepted)
    if before is not None:
        return result._replace(export=before)
    # 5. rows
    made = random_id()
    with Draft(order.out) as draft:
        written = draft.rows(order.form, accepted, keys, _shown(len(accepted), "exporting", progress=progress))
        result = result._replace(refused=(*refused, *written.refused))
        if not written.sessions:
            return result
        # 6. card, lineage, ledger, name
        used = [one.bundle for one in written.sessions]
        facts = card(made, today, order.form, _terms(order.purpose, used), written.tally)
        draft.add("card.json", json.dumps(facts, indent=1) + "\n")
        draft.add("README.md", readme(facts))
        keep_lineage(folder, made, order, written.sessions)
        rows = written.tally.rows.total()
        folder.ledger.append(
            clock, "exported", folder.who, export=made, purpose=order.purpose, format=order.form, rows=rows,
            bundles={one.id: one.digest for one in used},
        )  # fmt: skip
        draft.finish()
    return result._replace(
        export=made, fresh=True, rows=rows, sessions=len(written.sessions), subjects=written.tally.people
    )


def _enough(accepted: list[Accepted]) -> tuple[list[Accepted], list[Refusal]]:
    """Drop what is under a policy whose ``minimum_export`` asks for more people than there are."""
    people: dict[str, set[str]] = defaultdict(set)
    for one in accepted:
        people[one.policy.id].add(one.subject)
    kept, refused = [], []
    for one in accepted:
        least, here = one.policy.minimum_export, len(people[one.policy.id])
        if here < least:
            refused.append(Refusal(one.path, f"the policy asks for at least {least} people in an export; here: {here}"))
        else:
            kept.append(one)
    return kept, refused


def _same(folder: Folder, order: Order, accepted: list[Accepted]) -> str | None:
    """The id of the export that is at ``out`` already, if it is this one. Raises ``Refused`` for anything else."""
    if not os.path.lexists(order.out):
        return None
    try:
        with open(os.path.join(order.out, "card.json"), encoding="utf-8") as file:
            made = str(json.load(file)["export"])
        lineage = read_lineage(folder, made)
    except (OSError, ValueError, KeyError, TypeError):
        lineage = {}
    digests = sorted(one["digest"] for one in lineage.get("sessions", []))
    same = (lineage.get("purpose"), lineage.get("format")) == (order.purpose, order.form)
    if not same or digests != sorted(one.digest for one in accepted):
        raise Refused(f"{order.out} exists already and is not this export", "Choose a new folder, or remove it first.")
    return made


def _terms(purpose: str, used: list[Accepted]) -> Terms:
    """What all receipts and policies of an export allow together: the narrowest of each."""
    return Terms(
        purpose=purpose,
        purpose_texts=tuple(sorted({one.purpose_text for one in used})),
        forbidden=tuple(sorted({name for one in used for name in one.policy.forbidden_uses})),
        onward=tuple(sorted(set.intersection(*(set(one.policy.onward_transfer) for one in used)))),
        delete_after=min(one.manifest.delete_after for one in used),
    )


def _shown(total: int, what: str, *, progress: bool) -> Callable[[], None]:
    """A step counter on standard error, where somebody watches."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress and (done == total or done % 16 == 0):
            print(f"\r{what} {done:,} of {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return step
