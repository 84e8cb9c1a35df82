"""What a bundle says about its segment, to its recipients only."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from desktop_logger.errors import IntegrityError

from .checks import unhex


class Manifest(NamedTuple):
    """One segment, and the terms under which it left."""

    bundle: str
    segment: str
    stream: str
    """SHA-256 of the stream's header: which stream the keys must fit."""
    state: str
    """``sealed``, or ``recovered`` after a crash: then the stream has no final frame."""
    profile: str
    scopes: tuple[str, ...]
    purposes: tuple[str, ...]
    receipt: str
    """SHA-256 of the receipt's bytes."""
    policy: str
    delete_after: str
    """The day (``YYYY-MM-DD``) after which the recipient may keep nothing of it."""

    def to_wire(self) -> dict[str, Any]:
        """As it stands in the contents."""
        return {**self._asdict(), "scopes": list(self.scopes), "purposes": list(self.purposes)}


def manifest_of(fields: Any) -> Manifest:
    """The manifest in opened contents. Raises ``IntegrityError``."""
    names = Manifest._fields
    lists = ("scopes", "purposes")
    if not isinstance(fields, dict) or set(fields) != set(names):
        raise IntegrityError("the manifest does not have the fields that this format has")
    for name in names:
        values = fields[name] if name in lists else [fields[name]]
        if not isinstance(values, list) or not all(isinstance(one, str) and 0 < len(one) <= 100 for one in values):
            raise IntegrityError(f"the manifest's {name} is malformed")
    for name, digits in (("bundle", 32), ("segment", 32), ("stream", 64), ("receipt", 64)):
        unhex(fields[name], digits, f"the manifest's {name}")
    day = re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", fields["delete_after"], re.ASCII)
    if fields["state"] not in ("sealed", "recovered") or day is None:
        raise IntegrityError("the manifest's state or day is malformed")
    found: dict[str, Any] = {name: tuple(fields[name]) if name in lists else fields[name] for name in names}
    return Manifest(**found)
