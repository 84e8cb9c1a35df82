"""``release``: what waits to leave, what exactly it is, and the subject's word on it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .data import AsJson, PassphraseFd

if TYPE_CHECKING:
    from desktop_logger.clock import Clock
    from desktop_logger.consent.grant import Grant
    from desktop_logger.paths import Home


def release(
    preview: Annotated[bool, typer.Option("--preview", help="Show every row that would leave.")] = False,
    approve: Annotated[bool, typer.Option("--approve", help="Let what waits leave, where you have to say so.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Do not wait for the cooling-off.")] = False,
    as_json: AsJson = False,
    passphrase_fd: PassphraseFd = None,
) -> None:
    """List what waits to leave for your organisation, and write what may leave to the outbox.

    Nothing is sent: whoever you let pick up the outbox carries it. What you purge before that never leaves.
    """
    from desktop_logger import release as releasing
    from desktop_logger import store
    from desktop_logger.clock import Clock
    from desktop_logger.consent import gate
    from desktop_logger.errors import UsageError
    from desktop_logger.paths import home

    if preview + approve + now > 1:
        raise UsageError("--preview, --approve and --now do not go together", "Use one of them.")
    place, clock = home(), Clock()
    place.check()
    grant = gate.check(place, clock)
    with store.locked(place):
        store.recover(place, clock)
    if preview:
        _preview(place, clock, grant, passphrase_fd, as_json=as_json)
        return
    if approve or now:
        _decide(place, clock, grant, "approve" if approve else "now")
    done = releasing.write(place, clock, grant, hurry=now)
    _report(releasing.waiting(place, clock, grant), done, clock, as_json=as_json)


def _preview(place: Home, clock: Clock, grant: Grant, passphrase_fd: int | None, *, as_json: bool) -> None:
    """The rows of everything that waits and may leave, opened with the subject's key."""
    from desktop_logger import release as releasing
    from desktop_logger.inspection import own

    from .data import _print_events, unlocked

    held = releasing.HELD
    segments = [one.segment for one in releasing.waiting(place, clock, grant) if one.state != held]
    if not segments:
        print("nothing waits to leave", file=sys.stderr)
        return
    scopes = frozenset(scope for who in grant.admins for scope in who.scopes)
    wanted = own.Wanted(segments=frozenset(segments), scopes=scopes)
    parts = own.opened(place, *unlocked(place, passphrase_fd), own.RELEASE, wanted)
    _print_events(parts, as_json=as_json)
    print(f"code of exactly this: {releasing.code(place, clock, segments)}", file=sys.stderr)


def _decide(place: Home, clock: Clock, grant: Grant, what: str) -> None:
    """The subject's own decision: a terminal, the passphrase, and a yes."""
    from desktop_logger import release as releasing
    from desktop_logger.consent import identity
    from desktop_logger.errors import Refused
    from desktop_logger.inspection.drawing import plural

    from . import passphrase

    wanted = {"approve": (releasing.UNAPPROVED, releasing.READY), "now": (releasing.COOLING, releasing.READY)}[what]
    segments = [one.segment for one in releasing.waiting(place, clock, grant) if one.state in wanted]
    if not segments:
        return
    passphrase.need_terminal("Deciding what leaves")
    reader = identity.unlock(place, passphrase.ask()).reader
    names = ", ".join(who.name for who in grant.admins)
    count = plural(len(segments), "segment")
    if what == "approve":
        # the code that the preview ended with: what was looked at is what leaves
        code = releasing.code(place, clock, segments)
        said = input(f"Type {code} to let {count} leave for {names}, or Enter to keep: ").strip().upper() == code
    else:
        said = input(f"Let {count} leave for {names}? [y/N] ").strip().lower() in ("y", "yes", "j", "ja")
    if not said:
        raise Refused("nothing was released", "Look at it first: desktop-logger release --preview")
    if what == "approve":
        releasing.approve(place, clock, grant, reader, segments)


def _report(waiting: list[Any], done: Any, clock: Clock, *, as_json: bool) -> None:
    from desktop_logger.clock import in_words
    from desktop_logger.inspection.drawing import clock as local

    if as_json:
        report = {
            "released": done.segments,
            "bundles": done.bundles,
            "failed": [{"segment": segment, "reason": reason} for segment, reason in done.failed],
            "waiting": [
                {"segment": one.segment, "opened": one.opened, "ready": one.ready, "state": one.state, "why": one.why}
                for one in waiting
            ],
        }
        print(json.dumps(report))
    else:
        for path in done.bundles:
            print(f"wrote {path}")
        for segment, reason in done.failed:
            print(f"not released: {segment}: {reason}")
        for one in waiting:
            left = max(int(one.ready - clock.now()), 0)
            more = f": {one.why}" if one.why else f", {in_words(left)} more" if one.state == "cooling off" else ""
            print(f"waits: {one.segment}  {local(one.opened)}  {one.state}{more}")
        if not (done.bundles or done.failed or waiting):
            print("nothing waits to leave")
    if done.failed:
        raise typer.Exit(1)
