"""The second signature under a policy: by the works council or the data protection officer, with their own key.

They make a folder of their own with ``admin init``; its controller key is the key that the policy must name under
``[countersignature]``. What they sign is the controller's envelope as it stands, so they sign exactly what people get.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from desktop_logger import disk, policy
from desktop_logger.clock import Clock
from desktop_logger.errors import Unavailable, UsageError
from desktop_logger.sealing import fingerprint

from .folder import Folder

_LARGEST = 1 << 20


def countersign(folder: Folder, path: str, passphrase: Callable[[], str], clock: Clock) -> policy.Policy:
    """Add the second signature to a signed policy, in place. Raises ``Refused`` when the policy names another key."""
    try:
        data = disk.read(path, _LARGEST)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "Name the policy's file.") from None
    name = os.path.basename(path)
    signed = policy.countersign(data, folder.unlock(passphrase()).controller, name)
    checked, _ = policy.open_signed(signed, name)
    folder.ledger.append(
        clock, "policy.signed", fingerprint(folder.controller), policy=checked.id, version=checked.version
    )
    mode = os.stat(path).st_mode & 0o777
    try:
        disk.replace(path, signed)
        os.chmod(path, mode)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}", "Choose a file that is yours.") from None
    return checked
