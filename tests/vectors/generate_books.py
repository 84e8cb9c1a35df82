"""Vectors of the keystore, the ledger and its tombstones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from desktop_logger import keystore
from desktop_logger.keystore import keys
from desktop_logger.ledger.chain import FIRST, FOLDED_DIGITS, KINDS, write_line
from desktop_logger.sealing import (
    Kek,
    ReaderKey,
    ReaderPair,
    Signer,
    canonical,
    digest,
    fingerprint,
    hexdigest,
    seal_to,
)
from desktop_logger.segments.format import stanza_info

from .generate import OTHER, ROOT, SEGMENT, flip, put

Entry = dict[str, Any]


def keystores() -> None:
    kek, seed, entry_key = bytes([0xEE]) * 32, bytes(range(32)), Kek(bytes([0xDD]) * 32)
    reader, header_digest = ReaderKey.from_seed(seed), digest(b"a header")
    sealed = seal_to(reader.public, ROOT, stanza_info("subject", "*", header_digest))
    stanza = keystore.Stanza("own", "subject", fingerprint(reader.public), "*", sealed).to_wire()
    plaintext: dict[str, Any] = {"v": 1, "segment": SEGMENT, "stanzas": [stanza]}
    magic = b"desktop-logger/keystore/v1\n"
    head = keys.MAGIC + (7).to_bytes(4, "little")

    def record(segment: str = SEGMENT, aad: bytes = head, key: Kek = entry_key) -> bytes:
        return bytes.fromhex(segment) + Kek(kek).wrap(key.secret(), aad + bytes.fromhex(segment))

    def entry(value: Any, segment: str = SEGMENT) -> bytes:
        body = value if isinstance(value, bytes) else canonical(value)
        return magic + entry_key.wrap(body, magic + segment.encode())

    good, file = entry(plaintext), head + record()
    said = {"segment": SEGMENT, "kek": kek.hex()}
    opened: dict[str, Any] = {"seed": seed.hex(), "digest": header_digest.hex(), "root": ROOT.hex()}

    def make(name: str, expect: str, why: str, data: bytes = good, file: bytes = file, **more: Any) -> None:
        put(name, "keystore", expect, why, data, **{**said, "keys": file.hex(), **more})

    make("ok", "ok", "one entry, its record, its stanza opened", **opened)
    make(
        "ok-among-others",
        "ok",
        "records of other segments before and after",
        file=head + record(OTHER) + record() + record("01" * 16),
    )
    make("ok-torn", "ok", "a torn record at the end never counted", file=file + record(OTHER)[:75])
    make("ok-later", "ok", "of two records the later counts", file=head + record(key=Kek(bytes(32))) + record())
    make("earlier", "unreadable", "of two records the earlier does not count", file=file + record(key=Kek(bytes(32))))
    make("no-record", "missing", "the record of another segment only", file=head + record(OTHER))
    make("no-records", "missing", "no record at all", file=head)
    make("torn-own", "missing", "its own record is torn", file=file[:-1])
    make("keys-version-2", "altered", "a later version of the file of keys", file=file.replace(b"/v1\n", b"/v2\n"))
    make("keys-cut", "altered", "the file of keys ends in its head", file=file[:25])
    make("other-kek", "unreadable", "another KEK", kek="aa" * 32)
    make("other-epoch", "unreadable", "the head says another epoch", file=file.replace(b"\7\0\0\0", b"\6\0\0\0", 1))
    other = record(OTHER)
    make(
        "exchanged",
        "unreadable",
        "another segment's key under this id",
        file=head + bytes.fromhex(SEGMENT) + other[16:],
    )
    make("record-changed", "unreadable", "a bit of the wrapped key", file=flip(file, len(head) + 40))
    make("entry-changed", "unreadable", "a bit of the entry", flip(good, len(good) - 20))
    make("entry-nonce", "unreadable", "a bit of the entry's nonce", flip(good, len(magic)))
    make("entry-cut", "unreadable", "the last byte is missing", good[:-1])
    make("entry-version-2", "unreadable", "a later version of the entry", good.replace(b"/v1\n", b"/v2\n"))
    make(
        "entry-of-other",
        "unreadable",
        "another segment's entry under this name",
        entry({**plaintext, "segment": OTHER}, OTHER),
    )
    make("says-other", "malformed", "inside it names another segment", entry({**plaintext, "segment": OTHER}))
    make("v-2", "malformed", "inside it names another version", entry({**plaintext, "v": 2}))
    make("more", "malformed", "a member that the format does not have", entry({**plaintext, "more": 1}))
    make("spaces", "malformed", "not canonical JSON", entry(canonical(plaintext).replace(b'":', b'": ', 1)))
    for name, wrong in (
        ("more", {**stanza, "more": "x"}),
        ("number", {**stanza, "scope": 1}),
        ("base64", {**stanza, "sealed": "?"}),
    ):
        make(
            f"stanza-{name}",
            "malformed",
            "a stanza that the format does not have",
            entry({**plaintext, "stanzas": [wrong]}),
        )
    second = ReaderKey.from_seed(bytes(range(32, 64)))
    pair = ReaderPair(reader, second)
    both = seal_to(pair.public, ROOT, stanza_info("admin", "keyboard", header_digest))
    nested = entry({**plaintext, "stanzas": [
        keystore.Stanza("release", "admin", fingerprint(pair.public), "keyboard", both).to_wire()
    ]})  # fmt: skip
    seeds = f"{seed.hex()} {second.seed().hex()}"
    make("ok-stanza-two", "ok", "sealed to two holders, opened with both keys", nested, **{**opened, "seed": seeds})
    make("stanza-two-alone", "unreadable", "sealed to two holders, one of whom opens it", nested, **opened)
    make("stanza-two-not", "unreadable", "sealed to one reader, opened as by two", **{**opened, "seed": seeds})
    admin = {**stanza, "role": "admin", "scope": "keyboard"}
    make("stanza-role", "unreadable", "sealed for another role", entry({**plaintext, "stanzas": [admin]}), **opened)
    make(
        "stanza-header", "unreadable", "sealed for another stream", good, **{**opened, "digest": hexdigest(b"another")}
    )


def signer(number: int) -> Signer:
    return Signer.from_bytes(bytes([number]) * 32)


def chain(facts: list[Entry], change: Callable[[int, Entry], None] = lambda _n, _entry: None) -> list[bytes]:
    """Lines of a ledger; ``change`` may alter an entry before it is signed. Entry n is signed by key n + 1."""
    lines: list[bytes] = []
    for number, fact in enumerate(facts):
        prev = hexdigest(lines[-1][:-1]) if lines else FIRST
        entry = {"day": "2026-01-02", **fact, "seq": number, "prev": prev, "next": signer(number + 2).public.hex()}
        change(number, entry)
        lines.append(write_line(entry, signer(number + 1)))
    return lines


def ledgers() -> None:
    first = {"kind": "ledger.created", "subject": signer(1).public.hex()}
    facts: list[Entry] = [
        first,
        {"kind": "consent.given", "receipt": "r"},
        {"kind": "started"},
        {"kind": "stopped", "gaps": {"paused": 60}},
        {"kind": "started"},
    ]
    lines = chain(facts)
    good, last = b"".join(lines), signer(6).public.hex()

    def make(name: str, expect: str, why: str, data: bytes = good, signers: str = last, **more: Any) -> None:
        put(name, "ledger", expect, why, data, signers=signers, **more)

    def changed(at: int, **values: Any) -> bytes:
        def change(number: int, entry: Entry) -> None:
            if number == at:
                entry.update(values)
                for name in [name for name, value in values.items() if value is ...]:
                    del entry[name]

        return b"".join(chain(facts, change))

    make("ok", "ok", "five entries")
    every = [first, *({"kind": kind} for kind in sorted(KINDS - {"ledger.created", "checkpoint"}))]
    make("ok-kinds", "ok", "every kind but a checkpoint", b"".join(chain(every)), signer(len(every) + 1).public.hex())
    make("ok-one", "ok", "only its creation", lines[0], signer(2).public.hex())
    make("ok-coming", "ok", "the key on disk is signer.new", signers=f"{signer(5).public.hex()} {last}")
    make("ok-torn", "ok", "a torn last line does not count", good + b'{"day":"20')
    make("ok-anchor", "ok", "it contains the kept head", anchor=hexdigest(lines[2][:-1]))
    make("ok-day-backwards", "ok", "the day never decides", changed(3, day="1999-01-01"))
    make("anchor", "anchor", "it does not contain the kept head", anchor="e" * 64)
    make("empty", "missing", "nothing is there", b"")
    make("cut", "cut", "the last entry is missing", b"".join(lines[:-1]))
    make("cut-line", "cut", "the last line is torn although its key is in use", good[:-5])
    make("no-signer", "cut", "the next signing key is not there", signers="")
    make("dropped", "broken-chain", "an entry in the middle is missing", b"".join(lines[:2] + lines[3:]))
    make("doubled", "broken-chain", "an entry twice", b"".join(lines[:3] + lines[2:]))
    make(
        "swapped",
        "broken-chain",
        "two entries in the other order",
        b"".join([lines[0], lines[2], lines[1], *lines[3:]]),
    )
    make("seq", "broken-chain", "a number is left out, signed so", changed(2, seq=3))
    make("prev", "broken-chain", "it names another line, signed so", changed(2, prev="a" * 64))
    make("second-beginning", "broken-chain", "created twice", changed(2, kind="ledger.created"))
    make("altered", "bad-signature", "a fact is changed", good.replace(b'"receipt":"r"', b'"receipt":"s"'))
    later = write_line(
        {"day": "2026-01-02", **facts[2], "seq": 2, "prev": hexdigest(lines[1][:-1]), "next": signer(4).public.hex()},
        signer(4),
    )
    make("later-key", "bad-signature", "signed by a later key", b"".join([*lines[:2], later]), signer(4).public.hex())
    make(
        "other-subject",
        "bad-signature",
        "the first entry names another identity",
        changed(0, subject=signer(9).public.hex()),
    )
    make("no-creation", "malformed", "it does not begin with its creation", changed(0, kind="started"))
    make("kind", "malformed", "a kind that the format does not have", changed(2, kind="paused"))
    make("no-day", "malformed", "a member is missing", changed(2, day=...))
    make("seq-text", "malformed", "a number as text", changed(2, seq="2"))
    make("spaces", "malformed", "not canonical JSON", good.replace(b'":', b'": ', 1))
    make("not-json", "malformed", "a line of something else", b"".join([*lines[:2], b"hello\n", *lines[2:]]))
    upper = lines[-1].rpartition(b'"sig":"')
    spelled = b"".join([*lines[:-1], upper[0], upper[1], upper[2].upper()])
    make("sig-upper", "malformed", "the last signature in upper case", spelled)
    _folds(lines, make)


def _folds(lines: list[bytes], make: Callable[..., None]) -> None:
    """Entries 1 and 2 are folded by a checkpoint at the end."""

    def checkpoint(**changes: Any) -> bytes:
        heads = "".join(hexdigest(line[:-1])[:FOLDED_DIGITS] for line in lines[1:3])
        entry = {
            "day": "2026-01-03",
            "kind": "checkpoint",
            "through": 2,
            "head": hexdigest(lines[2][:-1]),
            "bundle": FIRST,
            "signer": signer(4).public.hex(),
            "folded": heads,
            "seq": 5,
            "prev": hexdigest(lines[4][:-1]),
            "next": signer(7).public.hex(),
            **changes,
        }
        return write_line(entry, signer(6))

    last = signer(7).public.hex()
    kept = [lines[0], *lines[3:]]
    make("ok-folded", "ok", "a checkpoint stands for two entries", b"".join([*kept, checkpoint()]), last)
    make(
        "ok-folding", "ok", "the checkpoint is there, the entries not yet gone", b"".join([*lines, checkpoint()]), last
    )
    make(
        "ok-folded-anchor",
        "ok",
        "the kept head was folded",
        b"".join([*kept, checkpoint()]),
        last,
        anchor=hexdigest(lines[1][:-1]),
    )
    make(
        "folded-anchor",
        "anchor",
        "the kept head was never there",
        b"".join([*kept, checkpoint()]),
        last,
        anchor="e" * 64,
    )
    make("hole", "broken-chain", "entries are missing and nothing stands for them", b"".join(kept))
    make(
        "fold-short",
        "broken-chain",
        "one entry more is missing than was folded",
        b"".join([lines[0], lines[4], checkpoint()]),
        last,
    )
    make(
        "fold-head",
        "broken-chain",
        "the checkpoint names another head",
        b"".join([*kept, checkpoint(head="a" * 64)]),
        last,
    )
    wrong = checkpoint(signer=signer(9).public.hex())
    make("fold-signer", "bad-signature", "the checkpoint names another key", b"".join([*kept, wrong]), last)
    make("fold-future", "malformed", "it stands for itself", b"".join([*kept, checkpoint(through=5)]), last)
    odd = checkpoint(folded="0" * 15)
    make("fold-digits", "malformed", "what was folded is not a row of 16 digits each", b"".join([*kept, odd]), last)


def tombstones() -> None:
    created = {"kind": "ledger.created", "subject": signer(1).public.hex()}
    opened = {"kind": "segment.opened", "segment": SEGMENT, "streams": {"own": "d" * 64}, "stanzas": []}
    sealed = {
        "kind": "segment.sealed",
        "segment": SEGMENT,
        "streams": {"own": {"frames": 1, "bytes": 9, "head": "e" * 64}},
    }
    intent = {"kind": "erased.intent", "segments": [SEGMENT], "epoch": 1}
    done = {"kind": "erased.done", "segments": [SEGMENT], "epoch": 2}

    def make(name: str, expect: str, why: str, facts: list[Entry], present: str, *, segment: str = SEGMENT) -> None:
        lines = chain([created, *facts])
        last = signer(len(lines) + 1).public.hex()
        put(
            name, "tombstone", expect, why, b"".join(lines), signers=last, segment=segment, present=present, keyed="yes"
        )

    make("erased", "erased", "erased, and not here", [opened, sealed, intent, done], "")
    make("intended", "erased", "the erasure is not finished; files may remain", [opened, sealed, intent], "own")
    make("back", "foreign", "erased, and here again", [opened, sealed, intent, done], "own")
    make(
        "back-other-stream", "foreign", "erased, and here as another stream", [opened, sealed, intent, done], "release"
    )
    make("missing", "missing", "not here, and never erased", [opened, sealed], "")
    make(
        "other-erased",
        "missing",
        "only another segment was erased",
        [opened, sealed, {**done, "segments": [OTHER]}],
        "",
    )
    make("unknown", "foreign", "a file that the ledger does not know", [opened, sealed], "own", segment=OTHER)
    make("folded", "erased", "its opening is not in the ledger any more", [done], "")
    for name, why, wrong in (
        ("streams", "no streams", {**opened, "streams": {}}),
        ("stream", "a stream of another name", {**opened, "streams": {"other": "d" * 64}}),
        ("stanzas", "stanzas that are no hashes", {**opened, "stanzas": [1]}),
        ("id", "a segment that is no id", {**opened, "segment": "../" + SEGMENT[3:]}),
        ("end", "a seal that counts nothing", {**sealed, "streams": {"own": {"frames": 1}}}),
        ("null", "a seal of nothing", {**sealed, "streams": {"own": None}}),
        ("epoch", "an epoch as text", {**done, "epoch": "2"}),
    ):
        make(f"facts-{name}", "malformed", f"signed, but {why}", [opened, wrong], "")
