"""Erasure that follows the data: from a person's request to every row of it that the organisation has.

1. requests are noted (from here on export and build refuse what they name)
2. drafts of unfinished exports are thrown away
3. every export that holds affected sessions: those rows are taken out and a second reading finds none; card counted
   anew; too few people left for the policy's minimum: all of it goes
4. the same for every dataset that was built from it, and from that; one that is not where it was made is asked for
5. lineage keeps only the digests; bundles of erased segments that lie in the outboxes are deleted
6. models that were trained on any of it are named, from run records and from the datasets' own notes, and marked stale:
   they cannot be unlearned here, and that is said
7. ledger entry; then, for each request, an acknowledgement signed by the controller's key

Invariants: every step can be repeated, and a crash at any point is finished by the next run; a request is acknowledged
only when nothing that is known of it is left. An export or built dataset whose folder is gone must be found or declared
deleted; a model that is gone is named all the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from desktop_logger import bundle
from desktop_logger.bundle import ERASURE_LIMIT, ERASURE_SUFFIX, FILE_LIMIT
from desktop_logger.clock import Clock, day
from desktop_logger.dataset import erasing, trained
from desktop_logger.dataset import folder as datasets
from desktop_logger.dataset.trained import Model
from desktop_logger.errors import DesktopLoggerError, IntegrityError, UsageError
from desktop_logger.inspection.drawing import plural

from . import books, lineage, outboxes, places
from .acknowledging import Sender
from .folder import Folder, Keys
from .lineage import Affected
from .opening import contents_of
from .outboxes import Refusal
from .runs import Trained, trained_on


class Erased(NamedTuple):
    """What one run did."""

    requests: tuple[str, ...]
    """Carried out and acknowledged now."""
    exports: tuple[dict[str, Any], ...]
    """``{dataset, path, rows, sessions, parts}`` for each dataset that was rewritten."""
    missing: tuple[tuple[str, str], ...]
    """(export or built dataset, where it was): these requests stay outstanding."""
    bundles: int
    """Bundle files that were deleted from the outboxes."""
    models: tuple[Trained, ...]
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The shape of ``admin erase --json``."""
        return {
            "requests": list(self.requests), "exports": list(self.exports),
            "missing": [{"export": export, "out": out} for export, out in self.missing], "bundles": self.bundles,
            "models": [one._asdict() for one in self.models],
            "refused": [one._asdict() for one in self.refused], "notes": list(self.notes),
        }  # fmt: skip

    def lines(self) -> list[str]:
        """The same for people."""
        lines = [f"carried out {plural(len(self.requests), 'erasure request')}"]
        if self.missing:
            lines = ["nothing is answered yet: not every dataset with their rows was found"]
        lines += [
            f"  {one['path']}: {plural(one['rows'], 'row')} of {plural(one['sessions'], 'session')} went; none is left"
            for one in self.exports
        ]
        if self.bundles:
            lines.append(f"  deleted {plural(self.bundles, 'bundle')} from the outboxes")
        lines += [
            f"{export} is not at {out}: say where it is, as in --moved {export}=FOLDER;"
            f" or, if nothing is left of it, --deleted {export}"
            for export, out in self.missing
        ]
        lines += [
            f"model of run {one.run} was trained on {one.dataset}: stale; train it again without ({one.path})"
            for one in self.models
        ]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"refused: {one}" for one in self.refused]
        return lines


class Request(NamedTuple):
    """What to carry out, and with what help."""

    sources: tuple[str, ...]
    runs: tuple[str, ...] = ()
    """Folders with run records."""
    moved: tuple[tuple[str, str], ...] = ()
    """(export or built dataset, where it is now)."""
    deleted: tuple[str, ...] = ()
    """Exports and built datasets that the steward declares deleted."""

    def check(self, folder: Folder) -> None:
        """Refuse what can be refused before a passphrase is asked. Raises ``UsageError``."""
        outboxes.folders(self.sources)
        exports = folder.ledger.known().exports
        for one in (*(one for one, _ in self.moved), *self.deleted):
            if one not in exports and (len(one) != 32 or one.strip("0123456789abcdef")):
                raise UsageError(f"'{one[:40]}' is no dataset", "Their ids stand on their cards, and in what it says.")
        for one, place in self.moved:
            if not _is_at(one, place):
                raise UsageError(f"{place} is not the dataset {one}", "Name the folder that holds its card.json.")


def erase(folder: Folder, keys: Keys, request: Request, clock: Clock) -> Erased:
    """Carry out every erasure request that is noted or lies in the outboxes."""
    # 1. requests
    _, refused = outboxes.note_erasures(folder, request.sources, clock)
    known = folder.ledger.known()
    lineage.check_whole(folder, known)
    # 2. drafts
    if known.requests - known.carried_out:
        for out in books.unfinished(folder):
            books.discard(folder, out)
    # 3. and 4. exports, and what was made from them
    noted = {one["request"]: one for one in folder.ledger.entries() if one["kind"] == "erasure.noted"}
    shares = {name: _Share() for name in noted}
    done: list[dict[str, Any]] = []
    missing: list[tuple[str, str]] = []
    for one in lineage.affected(folder, known):
        place = dict(request.moved).get(one.export, one.out)
        if not _is_at(one.export, place):  # what is there is rewritten, even where somebody says that it is deleted
            if one.named and one.export not in request.deleted:
                missing.append((one.export, place))
                continue
            lineage.set_state(folder, one.export, "gone")
        else:
            here, lost = _follow(folder, one, place, request)
            done += here
            for name, rows in lineage.rows_by_request(folder, one.export, noted).items():
                shares[name].rows += rows
                shares[name].datasets.update(dataset["dataset"] for dataset in here)
            missing += lost
            if lost:
                continue  # the lineage still knows these sessions: the next run looks again
        # 5. lineage
        lineage.forget(folder, one.export, one.sessions)
    waiting = sorted(known.requests - known.carried_out)
    bundles = _delete_bundles(request.sources, known.gone)
    # 6. models
    touched = {one["dataset"] for one in done} | _built_before(folder, known.gone)
    marked = {model.run: (model, one["dataset"]) for one in done for model in trained.models(one["path"])}
    noted_models = [model.path for model, _ in marked.values()]
    beside = (os.path.join(os.path.dirname(one["path"]), "runs") for one in done)
    places = dict.fromkeys([*request.runs, *beside, *noted_models])
    models = _models(places, touched, marked)
    _mark_stale(models)
    result = Erased((), tuple(done), tuple(missing), bundles, tuple(models), tuple(refused), ())
    if missing or not waiting:
        return result
    # 7. ledger, acknowledgements
    sender = Sender(folder, keys, day(clock.now()))
    rows = sum(one["rows"] for one in done)
    found = _where(folder, request.sources)
    folder.ledger.append(
        clock, "erased", folder.who, requests=waiting, rows=rows, deleted=sorted(request.deleted),
        exports=[one["dataset"] for one in done], models=[one.run for one in models],
    )  # fmt: skip
    for name in waiting:
        # each request is told of what was its own: not how much others had erased in the same run
        theirs, digests = shares[name], noted[name]["bundles"]
        seen = theirs.datasets | _built_before(folder, frozenset((noted[name]["device"], one) for one in digests))
        sender.erased(
            found.get(name), noted[name], exports=len(theirs.datasets), rows=theirs.rows,
            models=[one.run for one in _models(places, seen, marked)] if seen else [],
        )  # fmt: skip
    return result._replace(requests=tuple(waiting), notes=tuple(sender.notes()))


class _Share:
    """What of a run was one request's."""

    def __init__(self) -> None:
        self.rows = 0
        """In exports; what was built from them is not counted again."""
        self.datasets: set[str] = set()


def _models(places: Iterable[str], seen: Collection[str], marked: Mapping[str, tuple[Model, str]]) -> list[Trained]:
    """Models that saw one of these datasets: by their records, or by the datasets' notes where they are gone."""
    found = trained_on((place for place in places if os.path.isdir(place)), seen)
    runs = {one.run for one in found}
    # where another run's record lies at its place, it was trained again there: what replaced it has notes of its own
    gone = [
        (run, model, name) for run, (model, name) in marked.items()
        if run not in runs and name in seen and not os.path.lexists(os.path.join(model.path, trained.RECORD))
    ]  # fmt: skip
    return found + [Trained(run, model.path, name) for run, model, name in gone]


def _is_at(export: str, place: str) -> bool:
    """Whether this export or built dataset lies there."""
    try:
        if places.is_remote(place):
            card = json.loads(places.read(f"{place}/card.json", 4 << 20))
            return bool(card["kind"] == "export" and card["export"] == export)
        return datasets.is_at(export, place)
    except (UsageError, KeyError, ValueError, FileNotFoundError):
        return False


def _follow(
    folder: Folder, one: Affected, place: str, request: Request
) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Steps 3 and 4 for one export: what was done, and what was built from it and is not where it was."""
    left = lineage.without(folder, one.export, one.sessions)
    with places.checked_out(place) as here:
        done = [{**_take_out(here, datasets.read_card(here), one.sessions, left), "path": place}]
        built, missing = _built_from(here, request)
    done += [_take_out(path, datasets.read_card(path), one.sessions, left) for path in built]
    return done, missing


def _built_from(root: str, request: Request) -> tuple[list[str], list[tuple[str, str]]]:
    """Where all lies that was built from a dataset, and from that; and what is not there. Notes are kept true."""
    found: list[str] = []
    missing: list[tuple[str, str]] = []
    coming, seen, moved = [root], set(), dict(request.moved)
    while coming:
        origin = coming.pop()
        for _, path in datasets.derived(origin):
            datasets.discard_draft(origin, path)  # of a build that was interrupted, or still goes on: it ends then
        for identity, path in datasets.derived(origin):
            place = os.path.abspath(moved.get(identity, path))
            if identity in seen:
                continue
            seen.add(identity)
            if datasets.is_at(identity, place):
                if place != path:
                    datasets.renote_derived(origin, identity, place)
                found.append(place)
                coming.append(place)
            elif identity in request.deleted:
                datasets.renote_derived(origin, identity, None)
            else:
                missing.append((identity, place))
    return found, missing


def _take_out(path: str, facts: dict[str, Any], sessions: Collection[int], left: tuple[int, int]) -> dict[str, Any]:
    dropped = erasing.drop(path, frozenset(sessions))
    people, remaining = left
    least = max(int(facts.get("minimum_export", 1)), int(facts["minimum_group"]) if facts.get("published") else 1)
    if 0 < people < least:
        erasing.drop_everything(path)
        people = remaining = 0
        dropped = dropped._replace(rows=int(facts["rows"]))
    datasets.write_card(path, erasing.recount(path, facts, remaining, people))
    datasets.clear_pending(path)
    identity = facts.get("dataset") or facts["export"]
    return {"dataset": identity, "path": path, "rows": dropped.rows, "sessions": len(sessions), "parts": dropped.parts}


def _mark_stale(models: Collection[Trained]) -> None:
    """A note beside each model of ours. Where it cannot be written, the count in the dataset's card still tells."""
    for one in models:
        if os.path.basename(one.path) == trained.RECORD:
            trained.mark_stale(os.path.dirname(one.path), [one.dataset])


def _built_before(folder: Folder, gone: frozenset[tuple[str, str]]) -> set[str]:
    """Exports that held bundles of these digests, whether they were rewritten now or by a run that was interrupted."""
    with lineage.opened(lineage.path_of(folder)) as connection:
        connection.execute("CREATE TEMP TABLE named (digest TEXT)")
        connection.executemany("INSERT INTO temp.named VALUES (?)", ((digest,) for _, digest in gone))
        rows = connection.execute(
            "SELECT DISTINCT export FROM sessions WHERE erased AND digest IN (SELECT digest FROM temp.named)"
        )
        return {str(export) for (export,) in rows}


def _delete_bundles(sources: Collection[str], gone: frozenset[tuple[str, str]]) -> int:
    """Bundles of erased segments would still open for us: they go, if the device that asks is the one that signed."""
    deleted, devices = 0, {digest: bytes.fromhex(device) for device, digest in gone}
    for path in outboxes.bundles(sources) if gone else ():
        with suppress(IntegrityError, OSError):
            found = bundle.parse(contents_of(path, FILE_LIMIT))
            if found.digest in devices:
                bundle.check_signature(found, devices[found.digest])
                places.remove(path)
                deleted += 1
    return deleted


def _where(folder: Folder, sources: Collection[str]) -> dict[str, str]:
    """Request → the folder that it was delivered in."""
    found: dict[str, str] = {}
    devices = outboxes.devices(folder)
    for path in outboxes.listed(sources, ERASURE_SUFFIX):
        with suppress(DesktopLoggerError):
            one = bundle.parse_erasure(contents_of(path, ERASURE_LIMIT))
            found[outboxes.name_of(one, devices)] = os.path.dirname(path)
    return found
