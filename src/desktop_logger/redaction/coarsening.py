"""Step 3 and the way from any profile to a coarser one: ``events → bursts → coarse``, never back.

``counts`` is made at capture and nowhere else (``counting``), because its noise is drawn once; here it only
stays as it is.

``coarsen`` keeps gaps as they are but for the grid of their time. ``for_release`` also makes every gap's
reason ``UNOBSERVED`` and, under ``coarse``, its seconds a bucket: what leaves knows no other reason.
"""

from __future__ import annotations

from desktop_logger.errors import Refused
from desktop_logger.records.classes import Reason
from desktop_logger.records.layout import (
    COARSE_FORM,
    FOCUS,
    GAP,
    KEY,
    RECORD,
    RECORD_BYTES,
    STROKE,
    TARGET,
    TASK,
    TYPING,
    U32,
    Redacted,
)
from desktop_logger.records.profiles import BURSTS, CAPS, COARSE, COUNTS, EVENTS, Profile, bucket, may_become

from .runs import Runs

_SECONDS = COARSE.grid_ms // BURSTS.grid_ms
_TICKS = BURSTS.grid_ms // EVENTS.grid_ms
_BITS = U32.bit_length() + 1
_SINCE, _DURATION, _TEXT, _N, _CELLS = (
    tuple(min(bits, CAPS[quantity]) for bits in range(_BITS))
    for quantity in ("gap", "duration", "n_text", "n", "cells")
)
"""The bucket of a number by its bit length (``profiles.bucket``, looked up: this runs for every record)."""


def _cells(field: int) -> int:
    """The field of a displacement in cells → the field of its signed bucket."""
    if field & 0x8000:
        return 0x10000 - _CELLS[(0x10000 - field).bit_length()]
    return _CELLS[field.bit_length()]


def bucketed(records: bytes, form: int = 0, grid: int = 1) -> bytes:
    """Records of ``bursts`` as records of ``coarse``, one for one; those in ``coarse`` form only lose their mark.

    Of a run of typing the number of keys is left, corrections among them, and no duration: neither how fast somebody
    types nor how much they correct (ADR 0042). A record in ``coarse`` form from before that loses both here too.

    ``form`` is a mark for all of them, ``grid`` how many ticks of the stream that they go to are one of ``coarse``.
    """
    out = bytearray()
    pack = RECORD.pack
    for t, kind, code, a, b, c, d in RECORD.iter_unpack(records):
        minute = t // _SECONDS * grid
        if kind == KEY:
            out += pack(minute, KEY | form, code, a, 0, 0, _SINCE[d.bit_length()])
        elif kind == TYPING:
            out += pack(minute, TYPING | form, 0, _TEXT[(a + b).bit_length()], 0, 0, _SINCE[d.bit_length()])
        elif kind == STROKE:
            x, y = _cells(a), _cells(b)
            out += pack(minute, STROKE | form, 0, x, y, _DURATION[c.bit_length()], _SINCE[d.bit_length()])
        elif kind == FOCUS:
            out += pack(minute, FOCUS | form, code, 0, 0, 0, _SINCE[d.bit_length()])
        elif kind == GAP:
            out += pack(minute, GAP | form, code, 0, 0, 0, d)
        elif kind == TYPING | COARSE_FORM:
            out += pack(minute, TYPING | form, 0, max(a, b), 0, 0, d)
        elif kind >= COARSE_FORM or kind == TASK:
            out += pack(minute, kind & ~COARSE_FORM | form, code, a, b, c, d)
        else:
            n, click = _N[a.bit_length()], b if kind == TARGET else 0
            out += pack(minute, kind | form, code, n, click, _DURATION[c.bit_length()], _SINCE[d.bit_length()])
    return bytes(out)


def unobserved(records: bytes, profile: Profile) -> bytes:
    """The same records with gaps as a release stream of ``profile`` may know them."""
    if GAP not in records[4::RECORD_BYTES]:
        return records
    out = bytearray(records)
    for start in range(0, len(out), RECORD_BYTES):
        if out[start + 4] == GAP:
            t, _, _, _, _, _, seconds = RECORD.unpack_from(out, start)
            RECORD.pack_into(out, start, t, GAP, Reason.UNOBSERVED, 0, 0, 0, _seconds(seconds, profile))
    return bytes(out)


def coarsen_gap(record: bytes, profile: Profile) -> Redacted:
    """A gap of the own stream as a release stream of ``profile`` may know it; its time stays as it is."""
    return Redacted(unobserved(bytes(record), profile))


def release_gaps(gaps: bytes, frm: Profile, to: Profile) -> Redacted:
    """Gaps of an own stream of profile ``frm`` as the release stream of profile ``to`` may know them."""
    moved = bytearray()
    for t, kind, code, _, _, _, seconds in RECORD.iter_unpack(gaps):
        moved += RECORD.pack(t * frm.grid_ms // to.grid_ms, kind, code, 0, 0, 0, seconds)
    return Redacted(unobserved(bytes(moved), to))


def coarsen(records: Redacted, frm: Profile, to: Profile, end: int | None = None) -> Redacted:
    """The records of one whole segment of profile ``frm`` as records of ``to``.

    ``end`` is the segment's end on the grid of ``frm`` (default: the last record's time); only a held short
    run takes its time from it. Raises ``Refused`` where ``to`` is finer than ``frm``.
    """
    if frm == to:
        return records
    if not may_become(frm, to):
        raise Refused(f"{frm.name} cannot be made {to.name}", "A profile can only be made coarser, never finer.")
    if to is COUNTS:
        raise Refused(f"{frm.name} is made counts at capture only", "Noise that is drawn again could be averaged away.")
    made: bytes = records
    if frm.rank < BURSTS.rank <= to.rank:
        runs = Runs()
        runs.feed(made)
        last = max((record[0] for record in RECORD.iter_unpack(made)), default=0)
        runs.flush(max(last, end or 0) // _TICKS)
        made = runs.take()
    if frm.rank < COARSE.rank <= to.rank:
        made = bucketed(made)
    return Redacted(made)


def for_release(records: Redacted, frm: Profile, to: Profile, end: int | None = None) -> Redacted:
    """``coarsen`` as the release stream is made: gaps lose their reason."""
    return Redacted(unobserved(coarsen(records, frm, to, end), to))


def _seconds(seconds: int, profile: Profile) -> int:
    return bucket(seconds, CAPS["seconds"]) if profile.rank >= COARSE.rank else seconds
