"""Make the vectors: ``python -m tests.vectors.generate``. Each but the good ones departs from a good one in one point.

Keys come from fixed seeds; nonces and HPKE are random, so that a new run writes other bytes with the same verdicts.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from desktop_logger.records.layout import CLICK, FOCUS, KEY, RECORD, TARGET, TASK
from desktop_logger.records.profiles import SCOPES as EVERY
from desktop_logger.sealing import StreamKeys, canonical, digest, hexdigest, parse_canonical
from desktop_logger.segments.format import DATA, FINAL, MAGIC, Header, key_context, part_aad
from desktop_logger.segments.writing import PART as PREFIX
from desktop_logger.segments.writing import Packer

FOLDER = os.path.join(os.path.dirname(__file__), "data")
SEGMENT, OTHER, ROOT, PART = "5e" * 16, "07" * 16, bytes(range(32)), 64
SCOPES = ("keyboard", "pointer")
SIZE = 5 + 2 * (28 + PART) + 32
_KINDS = {"keyboard": KEY, "pointer": CLICK, "context": FOCUS, "target": TARGET, "task": TASK}


def put(name: str, kind: str, expect: str, why: str, data: bytes, **fields: str) -> None:
    """Write one vector."""
    text = "".join(
        f"{key}: {value}\n" for key, value in {"kind": kind, "expect": expect, "comment": why, **fields}.items()
    )
    with open(os.path.join(FOLDER, f"{kind}-{name}.txt"), "w", encoding="ascii") as file:
        file.write(text + "\n" + base64.encodebytes(data).decode())


# Segments


def header(**changes: Any) -> dict[str, Any]:
    context = key_context(SEGMENT, changes.get("stream", "own"), "a" * 64)
    chain = StreamKeys(ROOT, context, tuple(changes.get("commits", SCOPES)))
    made = Header(
        SEGMENT,
        "own",
        "bursts",
        SCOPES,
        dict.fromkeys(SCOPES, PART),
        {scope: chain.commitment(scope).hex() for scope in changes.pop("commits", SCOPES)},
        "a" * 64,
        "b" * 64,
        5,
        29_000_000,
    )
    fields: dict[str, Any] = parse_canonical(made.to_bytes()[len(MAGIC) + 4 :])
    return {name: value for name, value in {**fields, **changes}.items() if value is not ...}


def head_bytes(fields: dict[str, Any] | bytes, magic: bytes = MAGIC, length: int | None = None) -> bytes:
    body = fields if isinstance(fields, bytes) else canonical(fields)
    return magic + (len(body) if length is None else length).to_bytes(4, "little") + body


def plain(scope: str, frame: int) -> bytes:
    rows = b"".join(RECORD.pack(frame, _KINDS[scope], 1, 0, 0, 0, n) for n in range(3 - frame))
    return Packer(PART).pack(rows)[0]


def parts_of(head: bytes, fields: dict[str, Any], plains: Callable[[str, int], bytes] = plain) -> list[list[bytes]]:
    """Sealed parts of two data frames and a final one."""
    chain = StreamKeys(ROOT, key_context(SEGMENT, fields["stream"], "a" * 64), tuple(fields["scopes"]))
    return [
        [
            chain.seal_part(scope, plains(scope, n), part_aad(digest(head), n, FINAL if n == 2 else DATA, scope))
            for scope in fields["scopes"]
        ]
        for n in range(3)
    ]


def file_of(head: bytes, sealed: list[list[bytes]], frames: list[tuple[int, int]] | None = None) -> bytes:
    """The file with a right chain over whatever these frames say of themselves."""
    out, chain = [head], digest(head)
    for (seq, kind), parts in zip(frames or [(0, 1), (1, 1), (2, 2)], sealed, strict=True):
        body = seq.to_bytes(4, "little") + bytes([kind]) + b"".join(parts)
        chain = digest(chain + body)
        out += [body, chain]
    return b"".join(out)


def facts(data: bytes, head: bytes, **changes: Any) -> dict[str, str]:
    """What the ledger says of this file."""
    how, dropped, frames = changes.pop("how", "sealed"), changes.pop("dropped", None), changes.pop("frames", 3)
    closed: dict[str, Any] | None = {
        "frames": frames,
        "bytes": len(data),
        "head": data[-32:].hex() if frames else digest(head).hex(),
    }
    if dropped is not None and closed is not None:
        closed["dropped"] = dropped
    return {"how": how, "digest": hexdigest(head), "closed": json.dumps(None if how == "open" else closed)}


def segments() -> None:
    fields = header()
    head = head_bytes(fields)
    sealed = parts_of(head, fields)
    good = file_of(head, sealed)
    said = facts(good, head)
    at = len(head)
    start = [at + n * SIZE for n in range(4)]
    frame = [good[start[n] : start[n + 1]] for n in range(3)]

    def records(plains: Callable[[str, int], bytes] = plain, scopes: tuple[str, ...] = SCOPES) -> dict[str, str]:
        from desktop_logger.segments.reading import unpack

        every = b"".join(unpack(plains(scope, n)).tobytes() for n in range(3) for scope in scopes)
        return {"root": ROOT.hex(), "records": hexdigest(every)}

    put("ok-own", "segment", "ok", "sealed, opened with its root", good, **said, **records())
    release = header(stream="release", opened=...)
    release_head = head_bytes(release)
    body = file_of(release_head, parts_of(release_head, release))
    put("ok-release", "segment", "ok", "a release stream says no time", body, **facts(body, release_head), **records())
    one = header(commits=("pointer",), scopes=["pointer"], parts={"pointer": PART})
    one_head = head_bytes(one)
    body = file_of(one_head, parts_of(one_head, one))
    put("ok-one-scope", "segment", "ok", "one scope granted", body, **facts(body, one_head))
    five = header(commits=EVERY, scopes=list(EVERY), parts=dict.fromkeys(EVERY, PART))
    five_head = head_bytes(five)
    body = file_of(five_head, parts_of(five_head, five))
    put(
        "ok-five-scopes",
        "segment",
        "ok",
        "every scope granted",
        body,
        **facts(body, five_head),
        **records(scopes=EVERY),
    )
    cut = good[: start[2]]
    put("open", "segment", "open", "two frames, not closed", cut, **facts(cut, head, how="open"))
    put("open-empty", "segment", "open", "no frame yet", head, **facts(head, head, how="open"))
    put("open-torn", "segment", "open", "a torn end", good[:-9], **facts(cut, head, how="open"))
    named = facts(cut, head, how="recovered", dropped=7, frames=2)
    put("recovered", "segment", "recovered", "two frames and a torn end of 7 bytes", cut + b"torn...", **named)
    whole = facts(cut, head, how="recovered", dropped=0, frames=2)
    put("recovered-whole", "segment", "recovered", "nothing was torn", cut, **whole)
    put("recovered-more", "segment", "altered", "one byte more than was dropped", cut + b"torn....", **named)
    put("recovered-less", "segment", "truncated", "one byte less than was dropped", cut + b"torn..", **named)
    put(
        "recovered-changed",
        "segment",
        "altered",
        "a bit of a good frame",
        flip(cut, start[1] + 9) + b"torn...",
        **named,
    )
    for name, size in (
        ("empty", 0),
        ("magic", 9),
        ("length", len(MAGIC) + 2),
        ("header", at - 1),
        ("frames", at),
        ("frame", start[1] + 40),
        ("edge", start[2]),
        ("last-byte", len(good) - 1),
    ):
        put(f"truncated-{name}", "segment", "truncated", f"cut at byte {size}", good[:size], **said)
    put(
        "missing",
        "segment",
        "missing",
        "recovered as not there, and here again",
        good,
        how="recovered",
        digest=said["digest"],
        closed="null",
    )
    for name, data, why in (
        ("magic", b"D" + good[1:], "the first byte"),
        ("version-2", good.replace(b"/v1\n", b"/v2\n", 1), "a later version"),
        ("long-header", head_bytes(canonical(fields), length=8193) + bytes(9000), "a header of 8193 bytes"),
        ("flipped-part", flip(good, start[1] + 40), "a bit of a ciphertext"),
        ("flipped-chain", flip(good, len(good) - 1), "a bit of the last chain value"),
        ("dropped-first", head + b"".join(frame[1:]), "the first frame is left out"),
        ("dropped-middle", head + frame[0] + frame[2], "a frame is left out"),
        ("doubled", head + frame[0] + frame[0] + frame[1] + frame[2], "a frame twice"),
        ("swapped", head + frame[1] + frame[0] + frame[2], "two frames in the other order"),
        ("goes-on", good + frame[1], "a frame after the final one"),
        ("goes-on-byte", good + b"\0", "a byte after the final frame"),
    ):
        put(f"altered-{name}", "segment", "altered", why, data, **said)
    again = file_of(head, parts_of(head, fields))
    put("altered-resealed", "segment", "altered", "sealed anew with the same keys", again, **said)
    body = file_of(head, sealed, [(0, 1), (1, 1), (2, 1)])
    put("altered-no-final", "segment", "altered", "sealed, but no frame is final", body, **facts(body, head))
    for name, order in (
        ("seq", [(0, 1), (2, 1), (2, 2)]),
        ("kind", [(0, 1), (1, 3), (2, 2)]),
        ("kind-0", [(0, 0), (1, 1), (2, 2)]),
    ):
        body = file_of(head, sealed, order)
        put(f"altered-{name}", "segment", "altered", "a frame says so, with a right chain", body, **facts(body, head))
    said_less = json.dumps({**json.loads(said["closed"]), "frames": 2})
    put("altered-count", "segment", "altered", "the ledger counts two frames", good, **{**said, "closed": said_less})
    other = head_bytes(header(tick_s=6))
    body = file_of(other, parts_of(other, fields))
    put("altered-other-header", "segment", "altered", "another header than the ledger's", body, **facts(body, head))
    for name, changes in HEADERS.items():
        wrong = head_bytes({key: value for key, value in {**header(), **changes}.items() if value is not ...})
        body = wrong + good[at:]
        put(
            f"header-{name}", "segment", "altered", "a header that the format does not have", body, **facts(body, wrong)
        )
    text = canonical(fields)
    for name, spelled in (
        ("spaces", text.replace(b'":', b'": ', 1)),
        ("order", b'{"v":1,' + text[1:].replace(b',"v":1', b"")),
        ("twice", b'{"commit":{},' + text[1:]),
        ("float", text.replace(b'"tick_s":5', b'"tick_s":5.0')),
        ("list", b"[" + text + b"]"),
        ("escape", text.replace(b'"own"', b'"\\u006fwn"')),
    ):
        wrong = head_bytes(spelled)
        body = wrong + good[at:]
        put(f"spelling-{name}", "segment", "altered", "not canonical JSON", body, **facts(body, wrong))
    # with a key
    put("key-other-root", "segment", "key-mismatch", "another root", good, **said, root="11" * 32, records="0" * 64)
    wrong_commit = header(commit={**header()["commit"], "pointer": "c" * 64})
    wrong = head_bytes(wrong_commit)
    body = file_of(wrong, parts_of(wrong, fields))
    put("key-commitment", "segment", "key-mismatch", "two keys for one stream", body, **facts(body, wrong), **records())
    a, b = sealed[0], sealed[1]
    for name, parts in (
        ("ciphertext", [[flip(a[0], 20), a[1]], b, sealed[2]]),
        ("nonce", [[flip(a[0], 0), a[1]], b, sealed[2]]),
        ("tag", [[a[0], flip(a[1], len(a[1]) - 1)], b, sealed[2]]),
        ("frames", [b, a, sealed[2]]),
        ("scopes", [[a[1], a[0]], b, sealed[2]]),
        ("other-frame", [[b[0], a[1]], b, sealed[2]]),
    ):
        body = file_of(head, parts)
        put(f"part-{name}", "segment", "unreadable", "with a right chain", body, **facts(body, head), **records())
    packed = Packer(PART).pack(bytes(48))[0]
    packed = packed[PREFIX.size : PREFIX.size + PREFIX.unpack_from(packed)[1]]
    for name, part in malformed_parts(packed).items():

        def plains(scope: str, n: int, part: bytes = part) -> bytes:
            return part.ljust(PART, b"\0") if (scope, n) == ("pointer", 1) else plain(scope, n)

        body = file_of(head, parts_of(head, fields, plains))
        put(
            f"plain-{name}",
            "segment",
            "malformed",
            "a part opens and is not one",
            body,
            **facts(body, head),
            **records(),
        )


HEADERS: dict[str, dict[str, Any]] = {
    "v-2": {"v": 2},
    "v-true": {"v": True},
    "suite": {"suite": "none"},
    "stream": {"stream": "both"},
    "profile": {"profile": "raw"},
    "no-opened": {"opened": ...},
    "opened-text": {"opened": "now"},
    "opened-in-release": {"stream": "release"},
    "more": {"time": 1},
    "no-policy": {"policy": ...},
    "segment-upper": {"segment": "5E" * 16},
    "receipt-short": {"receipt": "a" * 63},
    "tick-0": {"tick_s": 0},
    "tick-3601": {"tick_s": 3601},
    "scopes-order": {"scopes": ["pointer", "keyboard"]},
    "scopes-later": {
        "scopes": ["keyboard", "task", "pointer"],
        "parts": dict.fromkeys(("keyboard", "task", "pointer"), PART),
    },
    "scopes-none": {"scopes": []},
    "scopes-twice": {"scopes": ["keyboard", "keyboard", "pointer"]},
    "scopes-unknown": {"scopes": ["clipboard"]},
    "parts-3": {"parts": {"keyboard": 3, "pointer": PART}},
    "parts-65537": {"parts": {"keyboard": PART, "pointer": 65537}},
    "parts-other": {"parts": {"keyboard": PART}},
    "commit-short": {"commit": {"keyboard": "c" * 64, "pointer": "c" * 62}},
}


def malformed_parts(packed: bytes) -> dict[str, bytes]:
    """Plaintexts that are not what a part is; ``packed`` are three records."""
    size = len(packed).to_bytes(2, "little")
    zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    unended = zstd.ZstdCompressor().compress(
        bytes(48), mode=zstd.ZstdCompressor.FLUSH_BLOCK
    )  # every byte, no last block
    return {
        "padding": b"\3\0" + size + packed + b"\0\0\1",
        "nothing-with-size": b"\0\0" + size + packed,
        "something-without-size": b"\3\0\0\0",
        "size-beyond": b"\3\0\xff\xff" + packed,
        "not-zstd": b"\3\0" + size + bytes(len(packed)),
        "too-much": b"\2\0" + size + packed,
        "too-little": b"\4\0" + size + packed,
        "two-frames": b"\3\0" + (2 * len(packed)).to_bytes(2, "little") + 2 * packed,
        "cut": b"\3\0" + (len(packed) - 1).to_bytes(2, "little") + packed[:-1],
        "unended": b"\3\0" + len(unended).to_bytes(2, "little") + unended,
    }


def flip(data: bytes, at: int) -> bytes:
    """One bit."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def main() -> int:
    """Write all vectors anew."""
    from tests.vectors import generate_books, generate_papers

    os.makedirs(FOLDER, exist_ok=True)
    for name in os.listdir(FOLDER):
        os.unlink(os.path.join(FOLDER, name))
    for make in (
        segments,
        generate_books.keystores,
        generate_books.ledgers,
        generate_books.tombstones,
        generate_papers.papers,
    ):
        make()
    print(f"{len(os.listdir(FOLDER))} vectors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
