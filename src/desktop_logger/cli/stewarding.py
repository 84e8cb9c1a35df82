"""``admin erase``, ``ledger``, ``verify`` and ``rehearse``: what a data steward answers for."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from desktop_logger.errors import UsageError

from .narrow import hanging, lines
from .systems import need_linux

Dir = Annotated[str, typer.Option("--dir", help="The admin folder that `admin init` made.", metavar="DIR")]
PassphraseFd = Annotated[
    int | None, typer.Option("--passphrase-fd", help="Read the passphrase from this descriptor.", metavar="N")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("erase", epilog="Example: desktop-logger admin erase --from outbox --dir steward")(erase)
    app.command("ledger", epilog="Example: desktop-logger admin ledger --dir steward")(ledger)
    app.command("verify", epilog="Example: desktop-logger admin verify --dir steward")(verify)
    app.command("rehearse", epilog="Example: desktop-logger admin rehearse")(rehearse)


def erase(  # noqa: PLR0917 - one parameter an option, which typer reads by name
    directory: Dir,
    source: Annotated[
        list[str] | None, typer.Option("--from", help="A folder with erasure requests and bundles.", metavar="OUTBOX")
    ] = None,
    runs: Annotated[
        list[str] | None, typer.Option("--runs", help="A folder with records of training runs.", metavar="DIR")
    ] = None,
    moved: Annotated[
        list[str] | None, typer.Option("--moved", help="A dataset that lies elsewhere now.", metavar="ID=DIR")
    ] = None,
    deleted: Annotated[
        list[str] | None, typer.Option("--deleted", help="A dataset of which nothing is left.", metavar="ID")
    ] = None,
    passphrase_fd: PassphraseFd = None,
    as_json: Json = False,
) -> None:
    """Carry out erasure requests: in every export, in what was built from them, and in the outboxes.

    Then it looks whether a row is left, and signs an acknowledgement for each request. Exit status 1 while some export
    cannot be found.
    """
    from desktop_logger.admin.erase import Request
    from desktop_logger.admin.erase import erase as run
    from desktop_logger.admin.folder import Folder
    from desktop_logger.clock import Clock

    from . import passphrase

    pairs = []
    for one in moved or []:
        export, equals, place = one.partition("=")
        if not equals:
            raise UsageError("--moved wants ID=DIR", "For example: --moved 0123…=/data/moved")
        pairs.append((export, place))
    request = Request(tuple(source or ()), tuple(runs or ()), tuple(pairs), tuple(deleted or ()))
    folder = Folder(directory)
    request.check(folder)
    report = run(folder, folder.unlock(passphrase.obtain(passphrase_fd)), request, Clock())
    print(json.dumps(report.to_json()) if as_json else lines("\n".join(report.lines())))
    if report.missing:
        raise typer.Exit(1)


def ledger(directory: Dir, as_json: Json = False) -> None:
    """Read who registered, exported and erased what, on which day; `by` is the start of a key's fingerprint."""
    from desktop_logger.admin.folder import Folder

    book = Folder(directory).ledger
    entries = book.entries()
    if as_json:
        print(json.dumps({"head": book.head(), "entries": entries}))
        return
    for one in entries:
        print(hanging(f"{one['seq']:>4} {one['day']}  {one['kind']:<15} by {one['who'][:9]}  {_detail(one)}", " " * 33))


def verify(directory: Dir, as_json: Json = False) -> None:
    """Check the ledger's chain, and that the lineage holds what the ledger says was exported. Exit 4 if it does not."""
    from desktop_logger.admin import lineage
    from desktop_logger.admin.folder import Folder
    from desktop_logger.errors import IntegrityError

    folder = Folder(directory)
    entries = folder.ledger.entries()
    bad = [
        str(one["export"])
        for one in entries
        if one["kind"] == "exported" and lineage.digest(folder, one["export"]) != one["lineage"]
    ]
    known = folder.ledger.known()
    waiting = sorted(known.requests - known.carried_out)
    if as_json:
        head = folder.ledger.head()
        print(json.dumps({"ok": not bad, "entries": len(entries), "head": head, "altered": bad, "waiting": waiting}))
    else:
        print(f"ledger: ok, {len(entries)} entries, head")
        print(f"  {folder.ledger.head()}")
        print(f"exports: {len(known.exports)}, erasure requests waiting: {len(waiting)}")
    if bad:
        raise IntegrityError(f"the lineage of export {bad[0]} is not what the ledger says", "Restore a copy of it.")


def rehearse(keep: Annotated[bool, typer.Option("--keep", help="Leave the temporary folder.")] = False) -> None:
    """Play the whole chain once with a synthetic person: from keys to an erasure that reached every row.

    In a temporary place, on a display of its own; its receipts are worth nothing elsewhere.
    """
    need_linux("a rehearsal records too")
    from .rehearsing import rehearse as play

    play(keep=keep)


def _detail(one: dict[str, object]) -> str:
    names = ("subject", "policy", "export", "purpose", "rows", "request", "requests")
    said = {name: ", ".join(value) if isinstance(value := one[name], list) else value for name in names if name in one}
    return "  ".join(f"{name} {value}" for name, value in said.items())
