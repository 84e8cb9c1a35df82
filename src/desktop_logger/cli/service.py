"""``service`` and ``uninstall``: starting at login, and taking everything away again, with the account's own rights."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from desktop_logger.errors import IntegrityError, Unavailable, UsageError

if TYPE_CHECKING:
    from desktop_logger.paths import Home

app = typer.Typer(
    help="Have recording start at login, or no more.", no_args_is_help=True, rich_markup_mode=None,
    epilog="Example: desktop-logger service install",
)  # fmt: skip

_KINDS = ("systemd", "launchd", "windows")
_SEALING_S = 10.0


@app.command(epilog="Example: desktop-logger service install")
def install(
    show: Annotated[
        str | None,
        typer.Option("--print", help=f"Only print the file of: {', '.join(_KINDS)}.", metavar="KIND"),
    ] = None,
) -> None:
    """Have recording start when you log in, as long as your consent is valid. Starts nothing now."""
    from desktop_logger.clock import Clock
    from desktop_logger.daemon import service
    from desktop_logger.paths import home

    if show is not None:
        if show not in _KINDS:
            raise UsageError(f"--print {show[:20]}: not one of {', '.join(_KINDS)}")
        if show == "systemd":
            text = service.unit(home())
        elif show == "launchd":
            text = service.launchd().decode()
        else:
            text = service.task(os.environ.get("USERNAME") or os.environ.get("USER") or "you").decode("utf-16")
        print(text, end="")
        return
    if not sys.platform.startswith("linux"):
        raise Unavailable(
            "this version records on Linux only, so there is nothing to start at login here",
            "What a login would start can be read with: desktop-logger service install --print launchd",
        )
    done = service.install(home(), Clock())
    print(f"Recording starts when you log in to your desktop, as long as your consent is valid.\n  {done.unit}")
    if done.namespaces:
        print("The file system is closed to it but for its own folder (tried here first).")
    else:
        print(f"Without the file system closed by namespaces: {done.why}. What the processes close themselves stays.")
    if not done.manager:
        print("Your service manager does not answer now; it takes effect at your next login.")
    print(
        "A stop stays a stop until the next login. Now: desktop-logger start · no more: desktop-logger service remove"
    )


@app.command(epilog="Example: desktop-logger service remove")
def remove() -> None:
    """Have nothing start at login any more, and end what was started that way."""
    from desktop_logger.daemon import service

    print("Nothing starts at login any more." if service.remove() else "Nothing was set to start at login.")


def uninstall() -> None:
    """Delete everything that this program keeps on this machine: data, keys, receipts, the service. It asks first."""
    from desktop_logger import control, keystore, store
    from desktop_logger.clock import Clock
    from desktop_logger.daemon import device_opener, service
    from desktop_logger.paths import home

    place = home()
    place.check()
    print(f"This ends recording and deletes everything under {place.root}: what was recorded, its keys (also in the")
    print("keyring), the ledger, your receipts and your identity; and the service that starts it at login.")
    if not typer.confirm("Delete all of it?"):
        print("nothing was changed")
        raise typer.Exit(1)
    control.halt(place, "stop")
    service.remove()
    # The answer to a stop comes before its end: the writer still seals, and enters that in the ledger.
    deadline = time.monotonic() + _SEALING_S
    while (control.runs(place) or control.recorded(place)) and time.monotonic() < deadline:
        time.sleep(0.02)
    notes: list[str] = []
    if os.path.isdir(place.ledger) or os.path.isdir(place.segments):
        try:
            notes = store.purge(place, Clock(), everything=True).notes
        except IntegrityError:
            notes = store.purge_without_ledger(place, everything=True).notes
    for note in notes:
        print(f"note: {note}")
    if keystore.epochs(place):
        raise Unavailable(
            "one key could not be destroyed, so the folder stays until it can be",
            "Unlock your keyring (log in), then run: desktop-logger uninstall",
        )
    kept = _clear(place)
    if kept:
        print(f"Left as they were in {place.root}: {', '.join(kept)}")
        if "outbox" in kept:
            print("The outbox holds what your organisation has yet to be told. Carry it over, then delete it.")
    if os.path.exists("/" + device_opener.PROGRAM):
        print("The device opener belongs to the machine and stays; to remove it: sudo desktop-logger opener remove")
    print("Deleted. The program itself goes the way it came, for example: pip uninstall desktop-logger")


def _clear(place: Home) -> list[str]:
    """Delete what is ours in the home, and the home itself when nothing else lies there. Names of what stays."""
    if not place.exists():
        return []
    for path in place.ours():
        if path == place.outbox and os.path.isdir(path) and os.listdir(path):
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
    left = sorted(os.listdir(place.root))
    if not left:
        os.rmdir(place.root)
    return left
