"""What a replay file would become under a profile, for anybody who wants to check the redaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from desktop_logger.capture.replay import Reader
from desktop_logger.records.events import Batch
from desktop_logger.records.layout import RECORD, describe
from desktop_logger.records.profiles import SCOPES, Profile
from desktop_logger.redaction import Redactor


class _Everything:
    """The terms of a preview: every scope, one profile, nothing released."""

    scopes = SCOPES
    release: Profile | None = None

    def __init__(self, profile: Profile, *, named_commands: bool) -> None:
        self.own = profile
        self.named_commands = named_commands


def preview(
    path: str, profile: Profile, *, named_commands: bool = False
) -> Iterator[tuple[dict[str, Any] | None, list[dict[str, int | float | str]]]]:
    """What a replay file would become: each line beside the records that are ready after it.

    The last pair has no line: it is what the end of the file lets out. Nothing is recorded; no grant is needed.
    Raises ``UsageError`` naming file, line and reason.
    """
    redactor = Redactor(_Everything(profile, named_commands=named_commands))
    redactor.begin(0)
    reader = Reader(path)

    def rows() -> list[dict[str, int | float | str]]:
        own, _ = redactor.take()
        return [describe(record, profile) for record in RECORD.iter_unpack(own)]

    for raw, events in reader.lines():
        redactor.feed(Batch(events, reader.last))
        redactor.advance(reader.last)
        yield raw, rows()
    redactor.feed(Batch(reader.rest(), reader.last))
    redactor.flush(reader.last)
    yield None, rows()
