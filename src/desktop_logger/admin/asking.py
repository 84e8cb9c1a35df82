"""Signing a collection request: what `learn feedback` proposed, held against the policy, under the controller's key."""

from __future__ import annotations

import os
from collections.abc import Callable

from desktop_logger.clock import Clock
from desktop_logger.consent import requesting
from desktop_logger.errors import Refused, Unavailable
from desktop_logger.inspection.table import appearing
from desktop_logger.policy import Policy
from desktop_logger.sealing import fingerprint

from .folder import Folder


def ask(  # noqa: PLR0917 - a request is all of this
    folder: Folder, asked: requesting.Draft, policy: Policy, passphrase: Callable[[], str], clock: Clock, out: str,
    open_days: int,
) -> requesting.Request:  # fmt: skip
    """Sign a draft and write the request to a new file. Raises ``Refused`` for more than the policy offers."""
    requesting.check_within(asked, policy)  # before anybody is asked for a passphrase
    if os.path.lexists(out):
        raise Refused(f"{out} exists already", "Choose a new file: a request that people have is never changed.")
    signed = requesting.sign(asked, policy, folder.unlock(passphrase()).controller, clock.now(), open_days)
    found = requesting.verify(signed, out)
    with appearing(out) as file:
        file.write(signed)
    try:
        os.chmod(out, 0o644)  # meant to be handed out
        folder.ledger.append(clock, "request.signed", fingerprint(folder.controller), request=found.id)
    except (OSError, Unavailable):
        os.unlink(out)
        raise
    return found
