"""``purge``, ``verify`` and ``ledger``: deleting what was recorded, and checking that nothing else happened to it."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .data import AsJson, Last, Since, Until

if TYPE_CHECKING:
    from collections.abc import Callable

    from desktop_logger.paths import Home
    from desktop_logger.sealing import Kek


def purge(  # noqa: PLR0917 - one parameter an option, which typer reads by name
    last: Last = None,
    since: Since = None,
    until: Until = None,
    segment: Annotated[
        list[str] | None, typer.Option("--segment", help="This segment; may be repeated.", metavar="ID")
    ] = None,
    everything_recorded: Annotated[bool, typer.Option("--all", help="Everything recorded.")] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="Everything recorded, all its keys and the ledger's history.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what was recorded, now, without a passphrase. Older copies of it open no more. Whole segments only."""
    from desktop_logger import control, store
    from desktop_logger.clock import Clock
    from desktop_logger.errors import IntegrityError, UsageError
    from desktop_logger.paths import home

    from . import times
    from .books import StoreBooks

    place, clock = home(), Clock()
    ways = [last is not None, since is not None or until is not None, bool(segment), everything_recorded, everything]
    if sum(ways) != 1:
        raise UsageError(
            "say what to delete, in one way", "For example: --last 15m, --since 09:00, --segment ID, --all"
        )
    start, stop = times.span(last, since, until, clock.now())
    choose: Callable[[], list[str]] | list[str]
    if segment:
        choose = segment
    elif everything_recorded or everything:

        def choose() -> list[str]:
            return [one.id for one in store.segments(place) if one.state != "foreign"]
    else:

        def choose() -> list[str]:
            return store.choose_range(place, start or 0.0, clock.now() if stop is None else stop)

    place.check()
    # 1. end capture and writer, whether or not they answer; 2. delete; 3. go on recording, whatever happened
    how = control.halt(place, "hold")
    try:
        with store.locked(place):
            try:
                store.recover(place, clock)
                done = store.purge(place, clock, choose, everything=everything)
            except IntegrityError:
                if not (everything_recorded or everything):
                    raise
                done = store.purge_without_ledger(place, everything=everything)
            StoreBooks(place, clock).end_if_withdrawn()
    finally:
        resumed = how == "absent" or (how == "asked" and _go_on(place))
    if as_json:
        facts = done._asdict()
        print(json.dumps({"segments": facts.pop("segments"), "from": facts.pop("since"), **facts}))
        return
    print(_receipt(done))
    if not resumed:
        print("Recording has not begun again. See: desktop-logger status")


def _go_on(place: Home) -> bool:
    """Lift the hold. What was deleted stays deleted even where nobody answers; a hold also ends by itself."""
    from desktop_logger import control
    from desktop_logger.errors import DesktopLoggerError

    try:
        return "error" not in control.ask(place, {"verb": "go"}, timeout=2.0)
    except DesktopLoggerError:
        return False


def _receipt(done: Any) -> str:
    """What was deleted and what may remain, for people."""
    from desktop_logger.inspection.drawing import clock as local
    from desktop_logger.inspection.drawing import plural

    from . import narrow

    if not done.segments:
        return narrow.lines("\n".join(done.notes)) or "There was nothing to delete."
    lines = [f"deleted {plural(len(done.segments), 'segment')}"]
    if done.since is not None:
        lines[0] += f", recorded between {local(done.since)} and {local(done.until)}"
    lines += [f"  {segment}" for segment in done.segments]
    if done.kek_epoch:
        lines.append(f"Copies of them from before open no more: their key is gone (now epoch {done.kek_epoch}).")
    if done.released:
        lines.append(f"{plural(len(done.released), 'segment')} of them had been released to your organisation.")
    return narrow.lines("\n".join([*lines, *done.notes]))


def verify(
    anchor: Annotated[
        str | None,
        typer.Option("--anchor", help="A ledger head that you kept: it must still be there.", metavar="HEAD"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that everything stored is what was written, whole, and nothing else. Exit status 4 if it is not."""
    from desktop_logger import store
    from desktop_logger.errors import IntegrityError, UsageError
    from desktop_logger.ledger import is_head
    from desktop_logger.paths import home

    place = home()
    place.check()
    if anchor is not None and not is_head(anchor):
        raise UsageError("--anchor is neither a ledger head nor its code", "See: desktop-logger ledger head")
    if not _has_ledger(place):
        if as_json:
            print(
                json.dumps(
                    {"ok": True, "ledger": {"ok": True, "entries": 0, "head": None}, "segments": [], "papers": []}
                )
            )
        else:
            print("nothing is stored")
        return
    kek, lost = _kek(place)
    report = store.verify(place, anchor, kek, _bar, lost)
    wrong = _papers(place)
    if wrong:
        report = report._replace(ok=False)
    if as_json:
        print(json.dumps({
            "ok": report.ok,
            "ledger": {"ok": report.ledger_ok, "entries": report.entries, "head": report.head},
            "segments": [{"id": one.id, "verdict": one.verdict} for one in report.segments],
            "papers": wrong,
        }))  # fmt: skip
    else:
        print(f"ledger: {'ok' if report.ledger_ok else report.ledger_error}, {report.entries} entries")
        for one in report.segments:
            print(f"{one.id}  {one.verdict}{': ' + one.detail if one.detail else ''}")
        for line in wrong:
            print(f"papers: {line}")
        print(f"head: {report.head}")
    if not report.ok:
        bad = [one for one in report.segments if one.verdict not in ("ok", "open", "recovered", "erased")]
        what = report.ledger_error or (f"{len(bad)} segment(s) are not what was written" if bad else wrong[0])
        raise IntegrityError(what, "Keep the folder as it is, and see: desktop-logger ledger")


def _papers(place: Home) -> list[str]:
    """What is wrong with receipts and keys, beside the ledger's own words. Nothing where the ledger cannot be read."""
    from desktop_logger.clock import Clock
    from desktop_logger.consent import examining
    from desktop_logger.errors import DesktopLoggerError
    from desktop_logger.ledger import Ledger
    from desktop_logger.sealing import hexdigest

    ledger = Ledger(place, Clock())
    try:
        entries, lines = ledger.entries(), ledger.lines()
    except DesktopLoggerError:
        return []
    return examining.problems(place, entries, hexdigest(lines[0]) if lines else "")


_LARGE = 300
"""Segments from which a terminal is shown how far it is."""


def _bar(done: int, total: int) -> None:
    """How far a check of a large store is, on the terminal; gone when it is done. Nothing into a pipe."""
    if total < _LARGE or not sys.stderr.isatty() or (done % max(1, total // 20) and done < total):
        return
    full = 40 * done // total
    line = f"[{'#' * full}{'.' * (40 - full)}] {done} of {total} segments" if done < total else ""
    print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def _has_ledger(place: Home) -> bool:
    from desktop_logger.clock import Clock
    from desktop_logger.ledger import Ledger

    return Ledger(place, Clock()).exists() or bool(os.path.isdir(place.segments) and os.listdir(place.segments))


def _kek(place: Home) -> tuple[Kek | None, str]:
    """The KEK where it can be had, and why it is gone for good: a keyring that is locked now is no alarm."""
    from desktop_logger import keystore
    from desktop_logger.errors import IntegrityError, Unavailable

    try:
        return keystore.load_kek(place)[1], ""
    except Unavailable:
        return None, ""
    except IntegrityError as error:
        return None, error.message


_WORDS = {
    "ledger.created": "the ledger was begun",
    "consent.given": "you gave your consent",
    "consent.withdrawn": "you withdrew your consent",
    "started": "recording started",
    "stopped": "recording stopped",
    "segment.opened": "a segment was opened",
    "segment.sealed": "a segment was sealed",
    "segment.recovered": "a segment that a crash ended was closed",
    "approved": "you approved a release",
    "released": "a segment was released",
    "erased.intent": "a deletion began",
    "erased.done": "a deletion was finished",
    "erasure.requested": "erasure of what had been released was asked for",
    "acknowledged": "your organisation said what it did",
    "checkpoint": "older entries were folded",
}


def ledger(
    what: Annotated[str | None, typer.Argument(help="`head`: only the newest entry's digest, to keep.")] = None,
    exports: Annotated[bool, typer.Option("--exports", help="Who exported what, as they acknowledged.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read the ledger: what happened to consent and segments, by day. Keep its head to notice changes later."""
    from desktop_logger.clock import Clock
    from desktop_logger.errors import UsageError
    from desktop_logger.ledger import Ledger, short_code
    from desktop_logger.paths import home

    if what not in (None, "head"):
        raise UsageError(
            f"'{what}' is not part of the ledger", "See: desktop-logger ledger, desktop-logger ledger head"
        )
    place = home()
    place.check()
    if exports:
        from . import hearing

        hearing.exports(place, as_json=as_json)
        return
    book = Ledger(place, Clock())
    if not book.exists():
        print(json.dumps({"head": None, "entries": []}) if as_json else "there is no ledger yet")
        return
    if what == "head":
        head = book.head()
        print(json.dumps({"head": head, "code": short_code(head)}) if as_json else f"{head}\ncode: {short_code(head)}")
        return
    entries = book.entries()
    if as_json:
        print(json.dumps({"head": book.head(), "entries": entries}))
        return
    for entry in entries:
        detail = entry.get("segment") or ", ".join(entry.get("segments", ()))
        if "seconds" in entry:
            detail = f"{detail}, {entry['seconds']} s"
        gaps = entry.get("gaps") or {}
        detail = detail or ", ".join(f"{reason.replace('_', ' ')} {seconds} s" for reason, seconds in gaps.items())
        words = _WORDS.get(entry["kind"], entry["kind"])
        print(f"{entry['seq']:>5}  {entry['day']}  {words}{': ' + detail if detail else ''}")
