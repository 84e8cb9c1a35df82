"""What an entry is and what makes a list of them a ledger, in the order of the specification. Pure bytes, no files.

One entry a line, canonical JSON: ``{seq, day, kind, prev, next, …facts, sig}``. ``prev`` is the SHA-256 of the line
before, ``next`` the public half of the key that signs the next entry; the subject's identity signs the first.
Where lines after the first were folded away, a checkpoint further down stands for them: ``through`` and ``head``
name the last of them, ``signer`` the key it named, ``folded`` the first 64 bits of each of their hashes.
Invariants: validity never depends on a clock; a hole that no checkpoint explains is an error.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Collection
from typing import Any

from desktop_logger.errors import IntegrityError
from desktop_logger.records.layout import STREAMS
from desktop_logger.sealing import Signer, canonical, canonical_without, hexdigest, parse_canonical, verify

Entry = dict[str, Any]

KINDS = frozenset(
    {
        "ledger.created", "consent.given", "consent.narrowed", "consent.withdrawn", "started", "stopped",
        "segment.opened", "segment.sealed", "segment.recovered", "approved", "released", "erased.intent", "erased.done",
        "erasure.requested", "acknowledged", "checkpoint",
    }
)  # fmt: skip
RESERVED = ("seq", "day", "kind", "prev", "next", "sig")
FIRST = "0" * 64
"""What the first entry names as the line before it."""
LARGEST_ENTRY = 4 << 20
FOLDED_DIGITS = 16
_CONTEXT = "ledger"


def write_line(entry: Entry, signer: Signer) -> bytes:
    """An entry with its signature, and the end of the line."""
    return canonical({**entry, "sig": signer.sign(_CONTEXT, canonical(entry)).hex()}) + b"\n"


def parse_entry(line: bytes) -> Entry | None:
    """An entry with its fixed fields in their types, or ``None``."""
    try:
        entry = parse_canonical(line)
    except IntegrityError:
        return None
    if not isinstance(entry, dict) or any(not isinstance(entry.get(name), str) for name in RESERVED[1:]):
        return None
    if type(entry.get("seq")) is not int or entry["kind"] not in KINDS:
        return None
    # One spelling: otherwise the last entry, which no later one names, could be written in two ways.
    if not all(_is_hex(entry[name], digits) for name, digits in (("prev", 64), ("next", 64), ("sig", 128))):
        return None
    if entry["kind"] == "checkpoint" and not _is_checkpoint(entry):
        return None
    return entry


def _is_hex(text: object, digits: int) -> bool:
    return isinstance(text, str) and len(text) == digits and not text.strip("0123456789abcdef")


def has_facts(entry: Entry) -> bool:
    """Whether an entry says of segments what its kind must, in its types; kinds that say nothing of them pass.

    A signature proves who wrote an entry, not that it can be read.
    """
    kind = entry["kind"]
    if kind in ("released", "erased.intent", "erased.done", "erasure.requested"):
        named = _are_hex(entry.get("segments"), 32)
        if kind.startswith("erased"):
            return named and type(entry.get("epoch")) is int and entry["epoch"] >= 0
        return named and isinstance(entry.get("file"), str) and (kind != "released" or _is_hex(entry.get("bundle"), 64))
    if kind not in ("segment.opened", "segment.sealed", "segment.recovered", "approved"):
        return True
    if not _is_hex(entry.get("segment"), 32):
        return False
    if kind in ("segment.opened", "approved") and not _are_hex(entry.get("stanzas"), 64):
        return False
    if kind == "approved":
        return True
    streams = entry.get("streams")
    if not isinstance(streams, dict) or not streams or any(stream not in STREAMS for stream in streams):
        return False
    if kind == "segment.opened":
        return _are_hex(list(streams.values()), 64)
    return all(_is_end(end, kind) for end in streams.values())


def _are_hex(texts: object, digits: int) -> bool:
    return isinstance(texts, list) and all(_is_hex(text, digits) for text in texts)


def _is_end(end: object, kind: str) -> bool:
    """Whether this is how a stream ended: its frames, bytes and head; of a recovered one also what was dropped."""
    if end is None:
        return kind == "segment.recovered"
    if not isinstance(end, dict) or not _is_hex(end.get("head"), 64):
        return False
    numbers = ("frames", "bytes") if kind == "segment.sealed" else ("frames", "bytes", "dropped")
    return all(type(end.get(name)) is int and end[name] >= 0 for name in numbers)


def _is_checkpoint(entry: Entry) -> bool:
    texts = all(isinstance(entry.get(name), str) for name in ("head", "signer", "folded", "bundle"))
    spelled = texts and all(_is_hex(entry[name], 64) for name in ("head", "signer", "bundle"))
    spelled = spelled and _is_hex(entry["folded"], len(entry["folded"]) // FOLDED_DIGITS * FOLDED_DIGITS)
    return spelled and type(entry.get("through")) is int and 0 < entry["through"] < entry["seq"]


def fold_in(entries: list[Entry]) -> Entry | None:
    """The checkpoint that stands for what is missing after the first entry, or ``None`` where nothing is."""
    if len(entries) < 2 or entries[1]["seq"] == 1:
        return None
    for entry in entries[1:]:
        if entry["kind"] == "checkpoint" and entry["through"] == entries[1]["seq"] - 1:
            return entry
    raise IntegrityError("line 2 of the ledger does not follow the one before it")


def check(lines: list[bytes], anchor: str | None, on_disk: Collection[bytes]) -> list[Entry]:
    """Check every hash, signature and number; return the entries. Raises ``IntegrityError`` naming the line.

    ``anchor``: a head (or its short code) that somebody kept. ``on_disk``: public halves of the signing keys that are
    there; the last entry must name one of them.
    """
    entries = []
    for number, line in enumerate(lines, 1):
        entry = parse_entry(line)
        if entry is None:
            raise IntegrityError(f"line {number} of the ledger is not an entry")
        entries.append(entry)
    if not entries:
        raise IntegrityError("the ledger is missing")
    if entries[0]["kind"] != "ledger.created":
        raise IntegrityError("the ledger does not begin with its creation")
    fold = fold_in(entries)
    prev, seq, signer, anchored = FIRST, 0, str(entries[0].get("subject")), anchor is None
    for number, (line, entry) in enumerate(zip(lines, entries, strict=True), 1):
        if number == 2 and fold is not None:
            seq, prev, signer = fold["through"] + 1, fold["head"], fold["signer"]
        if number > 1 and entry["kind"] == "ledger.created":
            raise IntegrityError(f"line {number} of the ledger is a beginning in the middle")
        if entry["seq"] != seq or entry["prev"] != prev:
            raise IntegrityError(f"line {number} of the ledger does not follow the one before it")
        try:
            public, signature = bytes.fromhex(signer), bytes.fromhex(entry["sig"])
            verify(public, _CONTEXT, canonical_without(line, entry, "sig"), signature)
        except (ValueError, IntegrityError):
            raise IntegrityError(f"line {number} of the ledger is not signed by the key before it") from None
        prev, signer, seq = hexdigest(line), entry["next"], seq + 1
        anchored = anchored or same_head(prev, anchor or "")
    if signer not in {public.hex() for public in on_disk}:
        raise IntegrityError("the ledger ends before its next signing key", "Entries at its end were removed.")
    if not anchored and not (fold is not None and _was_folded(fold, anchor or "")):
        raise IntegrityError("the ledger does not contain the head you kept", "It was cut, replaced or erased.")
    return entries


def _was_folded(fold: Entry, anchor: str) -> bool:
    if same_head(fold["head"], anchor):
        return True
    starts = {fold["folded"][at : at + FOLDED_DIGITS] for at in range(0, len(fold["folded"]), FOLDED_DIGITS)}
    return any(same_head(start + FIRST[FOLDED_DIGITS:], anchor, FOLDED_DIGITS) for start in starts)


def short_code(head: str) -> str:
    """The first 80 bits of a head in base32, four groups of four: short enough to write down."""
    text = b32encode(bytes.fromhex(head)[:10]).decode("ascii")
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def is_head(text: str) -> bool:
    """Whether a text can be a head (64 hexadecimal digits) or its short code."""
    if len(text) == 64:
        return not text.strip("0123456789abcdef")
    code = text.replace("-", "").upper()
    return len(code) == 16 and not code.strip("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def same_head(head: str, kept: str, digits: int = 64) -> bool:
    """Whether ``kept``, a head or its short code, is ``head`` (of which the first ``digits`` are known)."""
    if len(kept) == 64:
        return kept[:digits] == head[:digits]
    bits = min(80, digits * 4) // 5  # whole characters of the code that the known digits decide
    plain, mine = kept.replace("-", "").upper(), short_code(head).replace("-", "")
    return len(plain) == 16 and plain[:bits] == mine[:bits]


def bundle_before(entries: list[Entry]) -> str:
    """Digest of the last released bundle, ``FIRST`` where there was none: the ``prev`` of the next bundle."""
    for entry in reversed(entries):
        if entry["kind"] == "released" or (entry["kind"] == "checkpoint" and entry["bundle"] != FIRST):
            return str(entry["bundle"])
    return FIRST
