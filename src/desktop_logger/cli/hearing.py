"""``erasures`` and ``ledger --exports``: what the organisation says it did with what was released."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from .data import AsJson
from .narrow import hanging

if TYPE_CHECKING:
    from desktop_logger.ledger import Entry
    from desktop_logger.paths import Home

From = Annotated[
    list[str] | None,
    typer.Option("--from", help="A folder with acknowledgements, besides the outbox.", metavar="FOLDER"),
]


def erasures(source: From = None, as_json: AsJson = False) -> None:
    """List erasures that you asked for: outstanding and done. They have a month to answer (GDPR Art. 12(3))."""
    from desktop_logger.clock import Clock
    from desktop_logger.inspection.drawing import plural
    from desktop_logger.paths import home
    from desktop_logger.store import acknowledged

    place = home()
    entries, refused = heard(place, source)
    found = acknowledged.requests(entries, acknowledged.today(Clock()))
    if as_json:
        rows = [
            {"request": one.request, "day": one.day, "due": one.due, "segments": list(one.segments),
             "state": one.state, "done": one.done or None, "models": list(one.models)}
            for one in found
        ]  # fmt: skip
        print(json.dumps({"erasures": rows, "refused": refused}))
        return
    for one in found:
        count = plural(len(one.segments), "segment")
        said = f"done on {one.done}" if one.done else f"{one.state}, due by {one.due}"
        print(hanging(f"{one.day}  {one.request}  {count}  {said}", " " * 12))
        if one.models:
            said = f"{len(one.models)} model(s) had been trained on it before; that is not undone by deleting"
            print(hanging(f"{'':12}{said}", " " * 12))
    if not found:
        print("no erasure of released data was asked for")
    for line in refused:
        print(f"not taken in: {line}")


def exports(place: Home, *, as_json: bool) -> None:
    """Who exported what of mine, for which purpose, as their signed acknowledgements say."""
    from desktop_logger.inspection.drawing import plural
    from desktop_logger.store import acknowledged

    entries, refused = heard(place, None)
    found = acknowledged.exports(entries)
    if as_json:
        rows = [{**one._asdict(), "segments": list(one.segments)} for one in found]
        print(json.dumps({"exports": rows, "refused": refused}))
        return
    for one in found:
        count = plural(len(one.segments), "segment")
        print(f"{one.day}  {count} exported for {one.purpose}")
        print(f"            by {one.by}")
        print(f"            export {one.export}")
    if not found:
        print("no export was acknowledged")
    for line in refused:
        print(f"not taken in: {line}")


def heard(place: Home, sources: list[str] | None) -> tuple[list[Entry], list[str]]:
    """The ledger's entries, after taking in what lies in the outbox and in these folders."""
    from desktop_logger.clock import Clock
    from desktop_logger.ledger import Ledger
    from desktop_logger.store import acknowledged

    place.check()
    clock = Clock()
    ledger = Ledger(place, clock)
    if not ledger.exists():
        return [], []
    _, refused = acknowledged.take_in(place, clock, [place.outbox, *(sources or [])])
    return ledger.entries(), refused
