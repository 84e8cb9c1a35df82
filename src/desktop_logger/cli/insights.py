"""``insights``: for oneself, from one's own records; ``insights team``: for a team, from an export."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from .data import AsJson, Last, PassphraseFd, Since, Until, unlocked

app = typer.Typer(
    invoke_without_command=True,
    help="See your own friction and what might help, from your own records. Needs your passphrase; nothing leaves.",
    epilog="Example: desktop-logger insights --last 7d",
)


@app.callback()
def own(  # noqa: PLR0917 - one parameter an option, which typer reads by name
    context: typer.Context,
    last: Last = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    passphrase_fd: PassphraseFd = None,
) -> None:
    """See your own friction and what might help, from your own records. Needs your passphrase; nothing leaves."""
    if context.invoked_subcommand is not None:
        return
    from desktop_logger.insights import saying
    from desktop_logger.insights.own import Own
    from desktop_logger.inspection import own as records
    from desktop_logger.paths import home

    from . import times

    place = home()
    wanted = records.Wanted(*times.span(last, since, until, time.time()))
    found = Own()
    for part in records.opened(place, *unlocked(place, passphrase_fd), records.OWN, wanted):
        found.add(part.span.start, part.span.end, part.profile, part.parts)
    _print(found.to_json() if as_json else saying.own(found))


@app.command("team", epilog="Example: desktop-logger insights team data --admin steward")
def team(
    export: Annotated[str, typer.Argument(help="An export in Parquet.", metavar="EXPORT")],
    admin: Annotated[str, typer.Option("--admin", help="The admin folder that made it.", metavar="DIR")],
    as_json: AsJson = False,
) -> None:
    """See where tools get in the way, by kind of element and application, with noise that hides any one person.

    One fixed answer an export (differential privacy, ε = 1), and only what fewer than the policy's minimum group could
    not have made. Asking again gives the same numbers, also of the same data exported again. There is nothing to narrow
    it by. Run by the data steward, whose lineage tells people apart; the answer is what a team gets.
    """
    from functools import partial

    from desktop_logger.admin.answers import once
    from desktop_logger.admin.folder import Folder
    from desktop_logger.dataset.folder import read_card
    from desktop_logger.insights import saying
    from desktop_logger.insights import team as asked

    persons = _persons(admin, export)
    found = asked.answer(export, persons, partial(once, Folder(admin), str(read_card(export)["export"])))
    _print(found.to_json() if as_json else saying.team(found))


def _persons(admin: str, export: str) -> dict[int, str]:
    """Session → whose it is, as the steward's lineage says."""
    from desktop_logger.admin.folder import Folder
    from desktop_logger.admin.lineage import subjects
    from desktop_logger.dataset.folder import read_card
    from desktop_logger.errors import Refused

    name = str(read_card(export).get("export", ""))
    try:
        return subjects(Folder(admin), name)
    except ValueError:
        raise Refused("that admin folder did not make this export", "Name the one that did.") from None


def _print(report: dict[str, Any] | list[str]) -> None:
    print(json.dumps(report) if isinstance(report, dict) else "\n".join(report))
