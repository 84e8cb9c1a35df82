"""The bytes of a stream file, in the order of ``docs/reference/segment-format.md``. No I/O, no keys.

::

    file  := MAGIC | u32 length | header | frame*
    frame := u32 seq | u8 kind | (nonce12 | ciphertext | tag16 per scope) | chain32

All integers little-endian. ``chain`` is SHA-256 of the previous frame's chain (the header's hash for the first)
and of the frame's bytes before it. All frames of a file have one size; exactly the last may be FINAL.
Invariants: bounds are checked before anything is sliced or allocated; a header is its own canonical form.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from desktop_logger.errors import IntegrityError, OtherVersion
from desktop_logger.records.layout import STREAMS
from desktop_logger.records.profiles import PROFILES, SCOPES
from desktop_logger.sealing import DIGEST_BYTES, SEAL_BYTES, SUITE, canonical, digest, parse_canonical

MAGIC_FAMILY = b"desktop-logger/segment/v"
MAGIC = MAGIC_FAMILY + b"1\n"
VERSION = 1
DATA, FINAL = 1, 2
LARGEST_HEADER = 8192
LARGEST_PART = 65_536
LARGEST_FILE = 64 << 20

_LENGTH = struct.Struct("<I")
_FRAME = struct.Struct("<IB")
_FIELDS = {"v", "suite", "segment", "stream", "profile", "scopes", "parts", "commit", "receipt", "policy", "tick_s"}


class Header(NamedTuple):
    """What a stream file says about itself; bound into every part by ``digest``."""

    segment: str
    stream: str
    profile: str
    scopes: tuple[str, ...]
    parts: dict[str, int]
    """Plaintext bytes of each scope's part of a frame."""
    commit: dict[str, str]
    """Commitment to each scope's key, hexadecimal."""
    receipt: str
    policy: str
    tick_s: int
    opened: int | None
    """Minutes since 1970-01-01 UTC; in the own stream only, what is released says no time."""

    def to_bytes(self) -> bytes:
        """Everything before the first frame."""
        fields: dict[str, Any] = {"v": VERSION, "suite": SUITE, **self._asdict()}
        if self.opened is None:
            del fields["opened"]
        body = canonical(fields)
        return MAGIC + _LENGTH.pack(len(body)) + body

    @property
    def digest(self) -> bytes:
        """SHA-256 of everything before the first frame."""
        return digest(self.to_bytes())

    @property
    def frame_bytes(self) -> int:
        """Size of each frame of this file."""
        return _FRAME.size + sum(SEAL_BYTES + self.parts[scope] for scope in self.scopes) + DIGEST_BYTES

    @property
    def context(self) -> bytes:
        """What the stream's keys are bound to."""
        return key_context(self.segment, self.stream, self.receipt)


class Frame(NamedTuple):
    """One frame, still sealed."""

    seq: int
    kind: int
    parts: dict[str, bytes]
    """Scope → nonce, ciphertext and tag."""
    chain: bytes


def key_context(segment: str, stream: str, receipt: str) -> bytes:
    """The ``context`` of ``StreamKeys``: known before the header, because the header commits to the keys."""
    return canonical({"receipt": receipt, "segment": segment, "stream": stream, "suite": SUITE})


def stanza_info(role: str, scope: str, header_digest: bytes) -> bytes:
    """The ``info`` of a stanza: ``role`` is ``subject`` (scope ``*``) or ``admin``."""
    return f"desktop-logger/v1/stanza/{role}/{scope}/".encode("ascii") + header_digest


def part_aad(header_digest: bytes, seq: int, kind: int, scope: str) -> bytes:
    """What one part is authenticated with: which file, which frame, which kind, which scope."""
    return header_digest + _FRAME.pack(seq, kind) + scope.encode("ascii")


def write_frame(seq: int, kind: int, sealed: list[bytes], previous: bytes) -> tuple[bytes, bytes]:
    """A frame's bytes and its chain value. ``sealed`` are the parts in the order of the header's scopes."""
    body = _FRAME.pack(seq, kind) + b"".join(sealed)
    chain = digest(previous + body)
    return body + chain, chain


def parse_header(data: bytes) -> tuple[Header, int]:
    """The header and the offset of the first frame. Raises ``IntegrityError``, ``OtherVersion`` for a later format."""
    refuse_other_version(data)
    if not data.startswith(MAGIC):
        raise IntegrityError("not a segment")
    start = len(MAGIC) + _LENGTH.size
    if len(data) < start:
        raise IntegrityError("the segment's header is truncated")
    (length,) = _LENGTH.unpack_from(data, len(MAGIC))
    if length > LARGEST_HEADER:
        raise IntegrityError("the segment's header is larger than it can be")
    if len(data) < start + length:
        raise IntegrityError("the segment's header is truncated")
    fields = parse_canonical(data[start : start + length])
    if not isinstance(fields, dict) or not _well_formed(fields):
        raise IntegrityError("the segment's header is malformed")
    scopes = tuple(fields["scopes"])
    return (
        Header(
            fields["segment"], fields["stream"], fields["profile"], scopes, fields["parts"], fields["commit"],
            fields["receipt"], fields["policy"], fields["tick_s"], fields.get("opened"),
        ),
        start + length,
    )  # fmt: skip


def refuse_other_version(data: bytes) -> None:
    """Raise ``OtherVersion`` for a stream file whose first line names a version that is not ours."""
    if data.startswith(MAGIC_FAMILY) and not MAGIC.startswith(data[: len(MAGIC)]):
        raise OtherVersion("a segment of another format version", "Read it with a newer desktop-logger.")


def is_beginning(data: bytes) -> bool:
    """Whether ``data`` ends before its header does: a file whose first write was torn, or that was cut there."""
    start = len(MAGIC) + _LENGTH.size
    if len(data) < start:
        return MAGIC.startswith(data[: len(MAGIC)])
    (length,) = _LENGTH.unpack_from(data, len(MAGIC))
    return data.startswith(MAGIC) and length <= LARGEST_HEADER and len(data) < start + length


def _well_formed(fields: dict[str, Any]) -> bool:
    own = fields.get("stream") == "own"
    if set(fields) != _FIELDS | ({"opened"} if own else set()):
        return False
    scopes, parts, commit = fields["scopes"], fields["parts"], fields["commit"]
    return (
        fields["v"] == VERSION
        and fields["v"] is not True
        and fields["suite"] == SUITE
        and fields["stream"] in STREAMS
        and isinstance(fields["profile"], str)
        and fields["profile"] in PROFILES
        and all(is_hex(fields[name], size) for name, size in (("segment", 32), ("receipt", 64), ("policy", 64)))
        and _int_within(fields["tick_s"], 1, 3600)
        and (not own or _int_within(fields["opened"], 0, 2**40))
        and isinstance(scopes, list)
        and scopes == [scope for scope in SCOPES if scope in scopes]
        and len(scopes) > 0
        and isinstance(parts, dict)
        and isinstance(commit, dict)
        and set(parts) == set(commit) == set(scopes)
        and all(_int_within(size, 4, LARGEST_PART) for size in parts.values())
        and all(is_hex(value, 64) for value in commit.values())
    )


def is_hex(value: object, length: int) -> bool:
    """Whether ``value`` is lower-case hexadecimal text of this length."""
    return isinstance(value, str) and len(value) == length and set(value) <= set("0123456789abcdef")


def _int_within(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


class Body(NamedTuple):
    """What a keyless look at a stream file finds."""

    header: Header
    header_digest: bytes
    frames: list[Frame]
    head: bytes
    """Chain value of the last good frame; the header's hash where there is none."""
    good_bytes: int
    """Where the last good frame ends."""
    final: bool
    """The last good frame is FINAL: nothing is missing at the end."""
    rest: str
    """What follows the good bytes: ``""``, ``torn`` (less than a frame) or ``altered``."""


def scan(data: bytes) -> Body:
    """Walk the chain up to where it breaks. Raises ``IntegrityError`` only for the header."""
    if len(data) > LARGEST_FILE:
        raise IntegrityError("the segment is larger than it can be")
    header, position = parse_header(data)
    header_digest = chain = digest(data[:position])
    size, final = header.frame_bytes, False
    frames: list[Frame] = []
    while position + size <= len(data) and not final:
        frame = data[position : position + size]
        seq, kind = _FRAME.unpack_from(frame)
        following = digest(chain + frame[:-DIGEST_BYTES])
        if seq != len(frames) or kind not in (DATA, FINAL) or following != frame[-DIGEST_BYTES:]:
            return Body(header, header_digest, frames, chain, position, final, "altered")
        frames.append(Frame(seq, kind, _parts(header, frame), following))
        chain, final, position = following, kind == FINAL, position + size
    left = len(data) - position
    rest = "" if left == 0 else "altered" if final or left >= size else "torn"
    return Body(header, header_digest, frames, chain, position, final, rest)


def _parts(header: Header, frame: bytes) -> dict[str, bytes]:
    parts, at = {}, _FRAME.size
    for scope in header.scopes:
        size = SEAL_BYTES + header.parts[scope]
        parts[scope] = frame[at : at + size]
        at += size
    return parts
