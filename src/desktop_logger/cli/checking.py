"""``learn check``: a model against one's own data, opened as ``inspect`` does.

Nothing is sent, and nothing is written but what the person was shown and said yes to.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .data import AsJson, Last, PassphraseFd, Since, Until, unlocked

if TYPE_CHECKING:
    from desktop_logger.dataset.arrow import Session
    from desktop_logger.inspection.own import Part, Wanted
    from desktop_logger.inspection.summary import Records
    from desktop_logger.learn.models import Model
    from desktop_logger.paths import Home


def check(  # noqa: PLR0917 - one parameter an option, which typer reads by name
    model: Annotated[str, typer.Argument(help="A model's folder.", metavar="MODEL")],
    last: Last = None,
    since: Since = None,
    until: Until = None,
    out: Annotated[
        str | None, typer.Option("--out", help="A new file for the counts, if you say yes.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
    passphrase_fd: PassphraseFd = None,
) -> None:
    """Compare a model with what you did, on this machine. Needs your passphrase; nothing is sent.

    --out shows exactly what would be in the file, counts of errors and no more, and asks.
    """
    from desktop_logger import disk
    from desktop_logger.inspection import own
    from desktop_logger.learn import checking, models
    from desktop_logger.paths import home

    from . import passphrase, times

    place, opened = home(), models.load(model)
    if out is not None:
        passphrase.need_terminal("Writing counts for somebody else")
        out = disk.new_place(out)
    start, stop = times.span(last, since, until, time.time())
    report = checking.check(opened, _sessions(place, opened, own.Wanted(start, stop), passphrase_fd))
    print(json.dumps(report) if as_json else "\n".join(checking.lines(report)))
    if out is not None:
        _write(out, report)


def _sessions(place: Home, model: Model, wanted: Wanted, passphrase_fd: int | None) -> list[Session]:
    """One's own segments in a form that the model knows: of the own stream, else of what is shared."""
    from desktop_logger.dataset.arrow import Session
    from desktop_logger.errors import Refused
    from desktop_logger.inspection import own
    from desktop_logger.inspection.columns import ordered
    from desktop_logger.learn.checking import fits

    keys = unlocked(place, passphrase_fd)
    seen: set[str] = set()
    for stream in (own.OWN, own.RELEASE):
        found = []
        for number, part in enumerate(own.opened(place, *keys, stream, wanted)):
            seen.add(part.profile.name)
            if fits(model, part.profile.name):
                records, scopes = ordered(_as_released(part))
                found.append(Session(number, 0, part.profile.name, records, scopes))
        profiles = {one.profile for one in found}
        if found:
            newest = found[-1].profile  # somebody who changed the profile is asked about what they record now
            return found if len(profiles) == 1 else [one for one in found if one.profile == newest]
    here = ", ".join(sorted(seen)) or "nothing"
    raise Refused(
        f"the model learned from {model.record['sources'][0]['profile']}; here is {here}",
        "A model with the view macro can be asked about bursts and coarse alike.",
    )


def _as_released(part: Part) -> dict[str, list[Records]]:
    """The same records with gaps as an export knows them, which is what models learn from."""
    import numpy as np

    from desktop_logger.records.layout import Redacted
    from desktop_logger.redaction import for_release

    def one(records: Records) -> Records:
        released = for_release(Redacted(records.tobytes()), part.profile, part.profile)
        return np.frombuffer(released, records.dtype)

    return {scope: [one(records) for records in found] for scope, found in part.parts.items()}


def _write(out: str, report: dict[str, Any]) -> None:
    """Show the file, ask, and write it."""
    from desktop_logger.errors import Refused
    from desktop_logger.inspection.table import appearing

    text = json.dumps(report, indent=1) + "\n"
    print(f"\nThis and no more would be in {out}:\n\n{text}")
    sys.stdout.write("Write it? Nothing sends it; whom you give it to is up to you. [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("nothing was written", "Nobody is told.")
    with appearing(out) as file:
        file.write(text.encode())
    print(f"wrote {out}")
