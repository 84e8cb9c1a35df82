"""The admin's export: from outboxes to a dataset for one purpose, with its card, lineage and ledger entry.

1. erasure requests are noted; while one of them waits for an export of ours, nothing is opened: ``admin erase`` first
2. every bundle passes the checks of ``opening.accept``, or is listed with its reason
3. each device's chain is checked; too few people for a policy's ``minimum_export`` means none of them
4. the same order as an export that is there already: nothing is done
5. jobs of some bundles each, in random order, each of which writes a part; what cannot be read is refused
6. card, lineage, ledger, then the dataset takes its name
7. acknowledgements into the outboxes

What stays with the steward (lineage: row group → bundle → segment → receipt) is in the admin folder, never in the
dataset. What is interrupted goes on when the same command runs again: parts that were finished are kept.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from desktop_logger import disk
from desktop_logger.clock import Clock, day
from desktop_logger.dataset.card import Terms, card
from desktop_logger.dataset.folder import read_card, write_card
from desktop_logger.dataset.parts import check_format, unwritable
from desktop_logger.errors import Refused, UsageError
from desktop_logger.inspection.drawing import plural
from desktop_logger.policy import Policy
from desktop_logger.records.profiles import PROFILES

from . import books, engines, lineage, opening, outboxes, places
from .acknowledging import Sender
from .books import Books, Wanted, policy_key
from .folder import Folder, Keys
from .outboxes import Refusal, Refusals
from .tasks import carry_out, check_all

_CHUNK = 32
"""Bundles that are checked in one go."""
_ENOUGH = 1024
"""Bundles from which processes of their own are worth their start (about a second of work)."""


class Order(NamedTuple):
    """What an export is asked for."""

    sources: tuple[str, ...]
    out: str
    purpose: str
    form: str
    published: bool = False
    """It is meant for others than this organisation's own people: ``minimum_group`` applies."""
    profile: str = ""
    """Of this profile only, since numbers of two have different units; empty for all."""

    def check(self) -> None:
        """Refuse what can be refused before a passphrase is asked. Raises ``UsageError`` or ``Unavailable``."""
        check_format(self.form)
        if not self.purpose.strip():
            raise UsageError("--purpose is empty", "Name one of the purposes in the policy.")
        if self.profile not in ("", *PROFILES):
            raise UsageError(f"'{self.profile[:20]}' is not a profile", f"Profiles: {', '.join(PROFILES)}.")
        outboxes.folders(self.sources)
        places.check_name(self.out)
        for place in (*self.sources, self.out):
            places.check(place)
        if not places.is_remote(self.out):
            disk.need_folder_above(self.out)
            if os.path.lexists(self.out) and not os.path.lexists(os.path.join(self.out, "card.json")):
                raise Refused(f"{self.out} exists already and is no export", "Choose a new folder.")


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
    """New erasure requests that were noted."""
    notes: tuple[str, ...]
    refused: Refusals

    def json(self) -> Iterator[str]:
        """What ``admin export --json`` prints, in pieces: any number of bundles may have been refused."""
        yield json.dumps({name: value for name, value in self._asdict().items() if name != "refused"})[:-1]
        start = ', "refused": ['
        for one in self.refused:
            yield start + json.dumps(one._asdict())
            start = ", "
        yield "]}" if len(self.refused) else start + "]}"

    def lines(self) -> Iterator[str]:
        """The same for people."""
        if self.export is None:
            yield "nothing was written: no bundle may be opened for this purpose"
        elif not self.fresh:
            yield f"nothing to do: {self.out} is this export already"
        else:
            people = "1 person" if self.subjects == 1 else f"{self.subjects:,} people"
            whose = f"{plural(self.sessions, 'session')} and {people}"
            yield f"wrote {plural(self.rows, 'row')} of {whose} to {self.out}"
        if self.erasures:
            yield f"noted {plural(self.erasures, 'new erasure request')}"
        yield from (f"note: {note}" for note in self.notes)
        if self.refused:
            yield f"refused {len(self.refused)}:"
            yield from (f"  {one}" for one in self.refused)
            yield from (f"hint: {hint}" for hint in dict.fromkeys(one.hint for one in self.refused if one.hint))


def export(
    folder: Folder, keys: Keys, order: Order, clock: Clock, *, progress: bool = False, demo: bool = False,
    engine: str = "local", address: str | None = None, workers: int = 0,
) -> Report:  # fmt: skip
    """Carry out an order. ``demo`` is for the demonstration's own admin side; no command sets it."""
    order.check()
    out = places.absolute(order.out)
    shown = _Progress(wanted=progress)
    try:
        report = _carried_out(folder, keys, order, clock, shown, demo, engine, address, workers)
    except Refused:
        books.discard(folder, out)
        raise
    finally:
        shown.end()
    if report.export is None:
        books.discard(folder, out)
    else:
        lineage.set_state(folder, report.export, "whole")
        books.forget(folder, out)
    return report


def _carried_out(  # noqa: PLR0917 - one caller
    folder: Folder, keys: Keys, order: Order, clock: Clock, shown: _Progress, demo: bool, engine: str,
    address: str | None, workers: int,
) -> Report:  # fmt: skip
    # 1. erasures
    refused = Refusals()
    erasures, wrong = outboxes.note_erasures(folder, order.sources, clock)
    refused.extend(wrong)
    known = folder.ledger.known()
    lineage.check_whole(folder, known)
    if waiting := lineage.affected(folder, known):
        raise Refused(
            f"{len(waiting)} export(s) hold rows that people asked to erase: nothing is opened before that is done",
            f"Run: desktop-logger admin erase {shlex.join(['--dir', folder.root, *_from(order.sources)])}",
        )
    today = day(clock.now())
    wanted = Wanted(places.absolute(order.out), order.purpose, order.form, demo, order.published, order.profile)
    empty = Report(None, order.out, False, 0, 0, 0, erasures, (), refused)
    policies: dict[str, Policy] = {}
    with books.opened(folder, wanted) as work:
        # 2. bundles, one by one
        step = shown.start("checking")
        expected = opening.Expected(
            keys.reader.seeds(), keys.controller.public, known, order.purpose, today, demo, order.profile
        )
        check, chunks = partial(check_all, expected=expected), _chunks(outboxes.bundles(order.sources))
        for some in engines.run("local", check, chunks, workers=workers, enough=_ENOUGH // _CHUNK):
            for one in some:
                if isinstance(one, Refusal):
                    refused.append(one)
                else:
                    policies[policy_key(one)] = one.policy
                    work.accept(one)
            step(len(some), None)
        # 3. bundles, together
        notes = work.refuse_forks(known, refused)
        if work.again:
            notes.append(f"{plural(work.again, 'file')} with a bundle that was here already: each bundle counts once")

        def few() -> None:
            work.refuse_few(lambda key: policies[key].minimum_export, "an export", refused)
            if order.published:
                work.refuse_few(lambda key: policies[key].minimum_group, "a published dataset", refused)

        few()
        empty = empty._replace(notes=tuple(notes))
        # 4. done before?
        if work.count() and places.exists(wanted.out):
            before = _same(order, work)
            return empty._replace(export=before)
        work.settle()
        # 5. parts
        total = work.count()
        step = shown.start("exporting")
        step(total - work.count("part IS NULL"), total)
        enough = _ENOUGH // books.BUNDLES_A_PART
        for done in engines.run(engine, carry_out, work.jobs(), address=address, workers=workers, enough=enough):
            refused.extend(work.done(done))
            step(len(done.written) + len(done.refused), total)
        few()  # what could not be read may have left too few
        if total and work.count() != work.count("part IS NOT NULL"):
            work.settle()
            for done in engines.run(engine, carry_out, work.jobs(), address=address, workers=workers, enough=enough):
                refused.extend(work.done(done))
        work.settle()
        if not work.count():
            return empty
        # 6. card, lineage, ledger, name
        tally, used = work.tally(), [policies[key] for key in work.distinct("policy")]
        subjects = len(work.distinct("subject"))
        facts = card(
            work.export, today, order.form, _terms(order.purpose, work, used), tally, subjects=subjects,
            groups=len(work.distinct("grp")), published=order.published,
        )  # fmt: skip
        with places.written(work.draft) as draft:
            write_card(draft, facts)
        work.keep_lineage(max(one.minimum_export for one in used))
        if work.export not in known.exports:
            folder.ledger.append(
                clock, "exported", keys.who, export=work.export, purpose=order.purpose, format=order.form,
                rows=tally.rows, bundles=work.count(), lineage=work.digest(), engine=engine,
            )  # fmt: skip
        _take_name(work.draft, wanted.out)
        # 7. acknowledgements
        sender = Sender(folder, keys, today)
        for place, digests in work.by_folder():
            sender.exported(place, work.export, order.purpose, digests)
        return empty._replace(
            export=work.export, fresh=True, rows=tally.rows, sessions=work.count(), subjects=subjects,
            notes=(*notes, *sender.notes()),
        )  # fmt: skip


def _from(sources: tuple[str, ...]) -> Iterator[str]:
    for one in sources:
        yield from ("--from", one)


def _chunks(paths: Iterator[str]) -> Iterator[list[str]]:
    some: list[str] = []
    for path in paths:
        some.append(path)
        if len(some) == _CHUNK:
            yield some
            some = []
    if some:
        yield some


def _same(order: Order, work: Books) -> str:
    """The id of the export that is at ``out`` already, if it is this one. Raises ``Refused`` for anything else."""
    try:
        if places.is_remote(order.out):
            facts = json.loads(places.read(f"{places.absolute(order.out)}/card.json", 4 << 20))
        else:
            facts = read_card(order.out)
        made = str(facts["export"]) if facts["published"] == order.published else ""
    except (UsageError, KeyError, ValueError, FileNotFoundError):
        made = ""
    if not work.is_export(made):
        raise Refused(f"{order.out} exists already and is not this export", "Choose a new folder, or remove it first.")
    return made


def _take_name(draft: str, out: str) -> None:
    """Give the dataset its name. Refuses a folder that has appeared there meanwhile."""
    try:
        places.take_name(draft, out)
    except OSError as error:
        if os.path.lexists(out):
            raise Refused(f"{out} exists already", "Choose a new folder, or remove it first.") from None
        raise unwritable(out, error) from None


def _terms(purpose: str, work: Books, used: list[Policy]) -> Terms:
    """What all receipts and policies of an export allow together: the narrowest of each."""
    return Terms(
        purpose=purpose,
        purpose_texts=tuple(work.distinct("purpose_text")),
        forbidden=tuple(sorted({name for one in used for name in one.forbidden_uses})),
        onward=tuple(sorted(set.intersection(*(set(one.onward_transfer) for one in used)))),
        delete_after=work.distinct("delete_after")[0],
        minimum_export=max(one.minimum_export for one in used),
        minimum_group=max(one.minimum_group for one in used),
    )


class _Progress:
    """A line that moves on standard error, where somebody watches; what is said next begins on a line of its own."""

    def __init__(self, *, wanted: bool) -> None:
        self._wanted, self._open = wanted, False

    def start(self, what: str) -> Callable[[int, int | None], None]:
        """A step counter: how many more, and of how many if that is known."""
        done = 0

        def step(more: int, total: int | None) -> None:
            nonlocal done
            done += more
            if self._wanted:
                of = f" of {total:,}" if total is not None else ""
                print(f"\r{what} {done:,}{of}", end="", file=sys.stderr, flush=True)
                self._open = True

        return step

    def end(self) -> None:
        """The line is done."""
        if self._open:
            print(file=sys.stderr, flush=True)
        self._open = False
