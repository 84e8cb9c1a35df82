"""Looking at one's own data: ``inspect``, ``export``, ``preview``; and where all commands on data are registered."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from desktop_logger.inspection.own import Wanted
    from desktop_logger.inspection.page import Facts
    from desktop_logger.paths import Home
    from desktop_logger.sealing import Kek, ReaderKey

PassphraseFd = Annotated[
    int | None, typer.Option("--passphrase-fd", help="Read the passphrase from this descriptor.", metavar="N")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Last = Annotated[str | None, typer.Option("--last", help="Only the last 15m, 1h, 2d …", metavar="DURATION")]
Since = Annotated[str | None, typer.Option("--since", help="From this date or time on.", metavar="TIME")]
Until = Annotated[str | None, typer.Option("--until", help="Before this date or time.", metavar="TIME")]


def register(app: typer.Typer) -> None:
    """Add the commands on data, in the order of a person's way through them."""
    from . import hearing, keeping, releasing, requests

    app.command("preview", epilog="Example: desktop-logger preview typed.jsonl --profile bursts")(preview)
    app.command("inspect", epilog="Example: desktop-logger inspect --last 1h --html mine.html")(inspect)
    app.command("purge", epilog="Example: desktop-logger purge --last 15m")(keeping.purge)
    app.command("release", epilog="Example: desktop-logger release --preview")(releasing.release)
    app.command("export", epilog="Example: desktop-logger export --out mine.csv --format csv")(export)
    app.command("verify", epilog="Example: desktop-logger verify --json")(keeping.verify)
    app.command("ledger", epilog="Example: desktop-logger ledger head")(keeping.ledger)
    app.command("erasures", epilog="Example: desktop-logger erasures")(hearing.erasures)
    app.command("requests", epilog="Example: desktop-logger requests request.json")(requests.requests)


def unlocked(place: Home, passphrase_fd: int | None) -> tuple[Kek, ReaderKey]:
    """What opens one's own data: the key-encryption key and the reader key, after asking for the passphrase."""
    from desktop_logger import keystore
    from desktop_logger.consent import identity

    from . import passphrase

    place.check()
    identity.publics(place)  # says what is missing before anybody is asked
    _, kek = keystore.load_kek(place)
    return kek, identity.unlock(place, passphrase.obtain(passphrase_fd)).reader


def readable(place: Home) -> frozenset[str] | None:
    """Scopes of the release stream that somebody else may read, by the receipt; ``None`` where nothing is signed."""
    from desktop_logger.consent import validation
    from desktop_logger.errors import NoConsent

    try:
        _, receipt = validation.read(place)
    except NoConsent:
        return None
    return frozenset(scope for one in receipt.processing.recipients for scope in one.scopes)


def inspect(  # noqa: PLR0917 - one parameter an option, which typer reads by name
    last: Last = None,
    since: Since = None,
    until: Until = None,
    events: Annotated[bool, typer.Option("--events", help="Print every record, one a line.")] = False,
    html: Annotated[str | None, typer.Option("--html", help="Write one page with plots.", metavar="FILE")] = None,
    as_admin: Annotated[bool, typer.Option("--as-admin", help="Show exactly what an admin would get.")] = False,
    as_json: AsJson = False,
    passphrase_fd: PassphraseFd = None,
) -> None:
    """Look at what is recorded: keys by class, pointer, timeline, gaps. Needs your passphrase."""
    from desktop_logger.inspection import drawing, own, page, table
    from desktop_logger.paths import home

    from . import times

    place = home()
    start, stop = times.span(last, since, until, time.time())
    wanted = own.Wanted(start, stop, scopes=readable(place) if as_admin else None)
    parts = own.opened(place, *unlocked(place, passphrase_fd), own.RELEASE if as_admin else own.OWN, wanted)
    if events:
        _print_events(parts, as_json=as_json)
        return
    summary = own.summarise(parts)
    if as_admin and not summary.to_json()["segments"] and not as_json and html is None:
        print("Nothing that was recorded is shared with anybody.")
        return
    title = "What an admin would get" if as_admin else "Recorded on this machine"
    if html is not None:
        text = page.page(summary, _facts(place), title=title)
        with table.appearing(html) as file:
            file.write(text.encode())
    if as_json:
        print(json.dumps(summary.to_json()))
        return
    if html is not None:
        print(f"wrote {html}")
        return
    plain = (sys.stdout.encoding or "ascii").lower().replace("-", "") != "utf8"
    print("\n".join(drawing.text(summary, ascii_only=plain, title=title)))


def _print_events(parts: object, *, as_json: bool) -> None:
    """Rows as they are opened, one a line: JSON, or words for people."""
    from collections.abc import Iterable
    from typing import cast

    from desktop_logger.inspection.own import Part
    from desktop_logger.inspection.table import line

    for part in cast("Iterable[Part]", parts):
        for row in part.rows():
            print(line(row) if as_json else in_words(row))


def in_words(row: dict[str, int | float | str]) -> str:
    """A record for people: time, kind, and the rest by name."""
    rest = " ".join(f"{name}={value}" for name, value in row.items() if name not in ("t", "record", "segment"))
    return f"{row['t']:>10}  {row['record']:<7} {rest}"


_MORE = (
    ("context", "In front", "the category of the application; never its name, a title or an address"),
    ("target", "Clicked", "the role of the element; never its name, value or place"),
    ("task", "Tasks", "what you say you begin and end, by its number in the policy"),
)


def _facts(place: Home) -> Facts:
    """What the page says about storage and readers, as far as there is a receipt."""
    from desktop_logger.consent import identity, validation
    from desktop_logger.errors import NoConsent
    from desktop_logger.inspection.page import Facts
    from desktop_logger.sealing import fingerprint

    stored = [
        ("Keys", "what kind of key and when; never which key"),
        ("Pointer", "clicks, scroll steps and displacement; never a position on the screen"),
        ("Where", f"{place.root}, sealed: the program that stores it cannot read it back"),
        ("Deleting", "desktop-logger purge --last 15m; also what lies in older copies then opens no more"),
    ]
    readers = [("You", fingerprint(identity.publics(place).reader), "everything, with your passphrase")]
    try:
        _, receipt = validation.read(place)
    except NoConsent:
        return Facts(readers, stored)
    processing = receipt.processing
    granted = [one.id for one in processing.scopes if one.granted]
    more = [(name, how) for scope, name, how in _MORE if scope in granted]
    stored[2:2] = more
    stored.insert(2 + len(more), ("How finely", processing.profile))
    stored.insert(3 + len(more), ("How long", f"{processing.retention_days} days, then it is deleted by itself"))
    for one in processing.recipients:
        what = f"what you release of {', '.join(one.scopes)}"
        readers.append(
            (one.name, one.fingerprint, what + (f", as {processing.release.profile}" if processing.release else ""))
        )
    if not processing.recipients:
        readers.append(("Nobody else", "-", "nothing"))
    return Facts(readers, stored)


def export(  # noqa: PLR0917 - one parameter an option, which typer reads by name
    out: Annotated[str, typer.Option("--out", help="A new file.", metavar="FILE")],
    form: Annotated[str, typer.Option("--format", help="jsonl, csv or parquet.", metavar="NAME")] = "jsonl",
    last: Last = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    passphrase_fd: PassphraseFd = None,
) -> None:
    """Write your own data to a file of yours. It is then in the clear: look after it."""
    import os

    from desktop_logger.errors import Refused
    from desktop_logger.inspection import own, table
    from desktop_logger.inspection.rows import FIELDS, OWN_FIELDS
    from desktop_logger.paths import home

    from . import times

    place = home()
    table.check_format(form)
    wanted: Wanted = own.Wanted(*times.span(last, since, until, time.time()))
    if os.path.lexists(out):
        raise Refused(f"{out} exists already", "Choose another name, or remove it first.")
    parts = own.opened(place, *unlocked(place, passphrase_fd), own.OWN, wanted)
    rows = (
        [{**row, "opened": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(part.span.start))} for row in part.rows()]
        for part in parts
    )
    count = table.write(out, form, (*OWN_FIELDS, *FIELDS), rows)
    if as_json:
        print(json.dumps({"out": os.path.abspath(out), "rows": count, "format": form}))
    else:
        print(f"wrote {count:,} records to {out}")


def preview(
    file: Annotated[str, typer.Argument(help="A replay file: one input event a line.", metavar="FILE")],
    profile: Annotated[
        str, typer.Option("--profile", help="events, bursts, coarse or counts.", metavar="NAME")
    ] = "events",
    as_json: AsJson = False,
) -> None:
    """See what a recorded input would become: raw beside redacted. Records nothing, and needs no consent."""
    from desktop_logger.errors import UsageError
    from desktop_logger.inspection.rows import Row
    from desktop_logger.inspection.table import line
    from desktop_logger.records import capacity
    from desktop_logger.records.profiles import PROFILES

    from .previewing import lines

    if profile not in PROFILES:
        raise UsageError(f"'{profile[:20]}' is not a profile", f"Profiles: {', '.join(PROFILES)}.")
    if not as_json:
        print(capacity.in_words(PROFILES[profile]))
        print("That bound holds against anybody; what attacks reached is far less: docs/reference/leakage.md\n")
        print(f"{'raw input':<36}  what is kept as {profile}")
    for raw, rows in lines(file, PROFILES[profile]):
        if as_json:
            for row in rows:
                print(line(row))
            continue
        kept: list[Row] = rows or [{}]
        for number, row in enumerate(kept):
            left = raw if number == 0 else ""
            print(f"{left[:36]:<36}  {in_words(row).strip() if row else ''}".rstrip())
