"""Collection requests: ``requests`` shows them to people, ``admin ask`` signs one. Looking leaves nothing behind."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from desktop_logger.errors import DesktopLoggerError, UsageError

if TYPE_CHECKING:
    from desktop_logger.consent.requesting import Request


def read(path: str) -> Request:
    """The signed request in a file. Raises ``UsageError`` or ``IntegrityError``."""
    from desktop_logger.consent import requesting

    data = _given(path, requesting.LARGEST, "Name a file that you were given.")
    return requesting.verify(data, os.path.basename(path))


def _given(path: str, largest: int, remedy: str) -> bytes:
    """The bytes of a file that was named. Raises ``UsageError`` with the remedy."""
    from desktop_logger import disk

    try:
        return disk.read(path, largest)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", remedy) from None


def requests(
    path: Annotated[str, typer.Argument(help="A request, or a folder of them.", metavar="PATH")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """Show what your organisation asks volunteers for. Ignore it, or take part with consent sign --request FILE.

    Nothing is written, and nobody learns that you looked.
    """
    from desktop_logger import policy as policies
    from desktop_logger.clock import Clock
    from desktop_logger.consent import notices, requesting
    from desktop_logger.paths import home

    from . import narrow

    if not os.path.isdir(path):
        files = [path]
    else:
        files = [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".json")]
        if not files:
            print(f"no request in {path}")
    policy, _ = policies.active(home())
    now, language, bad = Clock().now(), notices.language(), False
    for place in files:
        try:
            found = read(place)
            requesting.acceptable(found, policy, now)
        except DesktopLoggerError as error:
            if len(files) == 1:
                raise
            bad = True
            print(json.dumps({"file": place, "error": error.message}) if as_json else f"{place}: {error.message}\n")
            continue
        if as_json:
            print(json.dumps({"file": place, **found.model_dump(mode="json")}))
        else:
            print(narrow.lines(requesting.in_words(found, policy, language, place)) + "\n")
    if bad:
        raise typer.Exit(1)


def ask(
    draft: Annotated[str, typer.Argument(help="What `learn feedback` wrote.", metavar="DRAFT")],
    directory: Annotated[str, typer.Option("--dir", help="The admin folder that `admin init` made.", metavar="DIR")],
    policy: Annotated[str, typer.Option("--policy", help="The signed policy people have adopted.", metavar="FILE")],
    out: Annotated[str, typer.Option("--out", help="A new file for the request.", metavar="FILE")],
    open_days: Annotated[int, typer.Option("--open", help="Days in which people can accept it.", min=1, max=180)] = 30,
) -> None:
    """Sign a collection request with the controller's key, to hand out to everybody alike."""
    from desktop_logger.admin.asking import ask as sign
    from desktop_logger.admin.folder import Folder
    from desktop_logger.clock import Clock
    from desktop_logger.consent import notices, requesting
    from desktop_logger.policy import open_signed

    from . import narrow, passphrase

    folder = Folder(directory)
    passphrase.need_terminal("Signing a request")
    data = _given(draft, requesting.LARGEST, "Name the draft that this wrote: desktop-logger learn feedback")
    signed = _given(policy, 1 << 20, "Name the signed policy: desktop-logger admin policy sign")
    asked, (checked, _) = requesting.draft(data, os.path.basename(draft)), open_signed(signed, os.path.basename(policy))
    found = sign(folder, asked, checked, passphrase.ask, Clock(), out, open_days)
    print(narrow.lines(requesting.in_words(found, checked, notices.language(), out)))
    print(f"\nsigned {out}. People look at it with: desktop-logger requests FILE")
