"""An independent reader of desktop-logger stores: python verify_store.py HOME [--anchor HEAD].

Written from docs/reference/segment-format.md alone; shares no code with the program. Needs only `cryptography`.
Prints one verdict a segment and the ledger's head; HEAD is one that somebody kept, or its short code. Changes nothing.
Exit status 0 if all is well, 4 if anything is wrong, 2 if there is nothing that it could look at.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import struct
import sys
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LABEL = b"desktop-logger/v1/"
SUITE = "MLKEM768_X25519+HKDF-SHA256+AES-256-GCM"
SEGMENT, ENTRY, KEYS = (f"desktop-logger/{name}/v1\n".encode() for name in ("segment", "keystore", "keys"))
SCOPES = ["keyboard", "pointer", "context", "target", "task"]
PROFILES = ["events", "bursts", "coarse", "counts"]
FIRST = "0" * 64
WORST = ["ok", "recovered", "open", "key-mismatch", "truncated", "altered", "missing"]
UNREADABLE = bytes(8257)  # for what is there and is no plain file that can be read: nothing good looks like it
ONE = ("segment.opened", "segment.sealed", "segment.recovered", "approved")
SEVERAL = ("released", "erasure.requested", "erased.intent", "erased.done")
KINDS = (
    *ONE, *SEVERAL, "ledger.created", "consent.given", "consent.narrowed", "consent.withdrawn", "started", "stopped",
    "acknowledged", "checkpoint",
)  # fmt: skip


class Wrong(Exception):
    """What is read is not what the specification says; the text is the verdict."""


def need(condition: object, verdict: str) -> None:
    if not condition:
        raise Wrong(verdict)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def is_hex(value: object, digits: int) -> bool:
    return isinstance(value, str) and len(value) == digits and all(c in "0123456789abcdef" for c in value)


def is_hex_list(values: object, digits: int) -> bool:
    return isinstance(values, list) and all(is_hex(value, digits) for value in values)


def is_int(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def write(value: Any) -> str:
    """Canonical JSON (RFC 8785) of what the format allows."""
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        need(abs(value) < 2**53, "malformed")
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    need(isinstance(value, dict), "malformed")
    names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(json.dumps(name, ensure_ascii=False) + ":" + write(value[name]) for name in names) + "}"


def read(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode())
        need(write(value).encode() == data and isinstance(value, dict), "malformed")
    except (ValueError, RecursionError):
        raise Wrong("malformed") from None
    return value  # type: ignore[no-any-return]


def without(fields: dict[str, Any], name: str) -> bytes:
    return write({key: value for key, value in fields.items() if key != name}).encode()


def signed(public: Any, context: str, message: bytes, signature: Any, verdict: str) -> None:
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), LABEL + context.encode() + b"\0" + message)
    except (ValueError, TypeError, InvalidSignature):
        raise Wrong(verdict) from None


def unwrap(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)
    except (InvalidTag, ValueError):
        raise Wrong("unreadable") from None


# Stream files


def header_of(data: bytes) -> tuple[dict[str, Any], int]:
    """Fields and the offset of the first frame."""
    need(data[: len(SEGMENT)] == SEGMENT[: len(data)], "altered")
    need(len(data) >= len(SEGMENT) + 4, "truncated")
    (size,) = struct.unpack_from("<I", data, len(SEGMENT))
    need(size <= 8192, "altered")
    start = len(SEGMENT) + 4
    need(len(data) >= start + size, "truncated")
    try:
        head = read(data[start : start + size])
    except Wrong:
        raise Wrong("altered") from None
    own = head.get("stream") == "own"
    names = {"v", "suite", "segment", "stream", "profile", "scopes", "parts", "commit", "receipt", "policy", "tick_s"}
    need(set(head) == names | ({"opened"} if own else set()), "altered")
    scopes, parts, commit = head["scopes"], head["parts"], head["commit"]
    need(is_int(head["v"], 1, 1) and head["suite"] == SUITE and head["stream"] in ("own", "release"), "altered")
    need(head["profile"] in PROFILES and is_int(head["tick_s"], 1, 3600), "altered")
    need(not own or is_int(head["opened"], 0, 2**40), "altered")
    need(is_hex(head["segment"], 32) and is_hex(head["receipt"], 64) and is_hex(head["policy"], 64), "altered")
    need(isinstance(scopes, list) and scopes and scopes == [scope for scope in SCOPES if scope in scopes], "altered")
    need(isinstance(parts, dict) and isinstance(commit, dict) and set(parts) == set(commit) == set(scopes), "altered")
    need(all(is_int(parts[scope], 4, 65536) and is_hex(commit[scope], 64) for scope in scopes), "altered")
    return head, start + size


def walk(data: bytes) -> tuple[dict[str, Any], bytes, list[tuple[int, int, int]], bytes, int, bool, str]:
    """Header, its digest, good frames as (seq, kind, offset), chain, end of the good bytes, whether final, the rest."""
    need(len(data) <= 64 << 20, "altered")
    head, at = header_of(data)
    first = chain = sha(data[:at])
    size = 5 + sum(28 + head["parts"][scope] for scope in head["scopes"]) + 32
    frames, final = list[tuple[int, int, int]](), False
    while not final and at + size <= len(data):
        seq, kind = struct.unpack_from("<IB", data, at)
        link = data[at + size - 32 : at + size]
        if seq != len(frames) or kind not in (1, 2) or sha(chain + data[at : at + size - 32]) != link:
            return head, first, frames, chain, at, False, "altered"
        frames.append((seq, kind, at))
        chain, final, at = link, kind == 2, at + size
    rest = "" if at == len(data) else "altered" if final else "torn"
    return head, first, frames, chain, at, final, rest


def judge(data: Any, digest: str, how: str, closed: dict[str, Any] | None) -> str:
    """The verdict on one stream file by what the ledger says of it."""
    try:
        _, first, frames, chain, good, final, rest = walk(data)
    except Wrong as wrong:
        return str(wrong)
    if first.hex() != digest:
        return "altered"
    if how == "open":
        return "altered" if rest == "altered" else "open"
    if closed is None:
        return "missing"
    same = good == closed["bytes"] and chain.hex() == closed["head"] and len(frames) == closed["frames"]
    if how == "recovered" and same and len(data) - good == closed["dropped"]:
        return "recovered"
    if how == "sealed" and same and final and not rest:
        return "ok"
    return "truncated" if rest != "altered" and len(data) < closed["bytes"] + closed.get("dropped", 0) else "altered"


# Keystore


def keys_of(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Epoch, and segment → record, from the bytes of ``keystore/keys``."""
    need(data.startswith(KEYS) and len(data) >= len(KEYS) + 4, "altered")
    start = len(KEYS) + 4
    records = (data[at : at + 76] for at in range(start, len(data) - 75, 76))
    return data[:start], {record[:16].hex(): record[16:] for record in records}


def stanzas_of(keys: bytes, kek: bytes, segment: str, entry: bytes) -> list[dict[str, str]]:
    """The stanzas of one segment: the file of keys, then the entry under the key that it gives."""
    head, records = keys_of(keys)
    need(segment in records, "missing")
    entry_key = unwrap(kek, records[segment], head + bytes.fromhex(segment))
    need(entry.startswith(ENTRY), "unreadable")
    fields = read(unwrap(entry_key, entry[len(ENTRY) :], ENTRY + segment.encode()))
    need(set(fields) == {"v", "segment", "stanzas"} and is_int(fields["v"], 1, 1), "malformed")
    stanzas: list[dict[str, str]] = fields["stanzas"]
    need(fields["segment"] == segment and isinstance(stanzas, list), "malformed")
    try:
        for stanza in stanzas:
            need(set(stanza) == {"stream", "role", "reader", "scope", "sealed"}, "malformed")
            need(all(isinstance(value, str) for value in stanza.values()), "malformed")
            base64.b64decode(stanza["sealed"], validate=True)
    except (ValueError, TypeError, AttributeError):
        raise Wrong("malformed") from None
    return stanzas


# Ledger


def ledger_of(data: bytes, signers: list[str], anchor: str | None = None) -> list[dict[str, Any]]:
    """All entries, each checked. ``signers``: public keys (hex) of the private ones that are there."""
    lines = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]
    need(lines, "missing")
    entries = [read(line) for line in lines]
    for entry in entries:
        need(is_int(entry.get("seq"), 0, 2**53) and entry.get("kind") in KINDS, "malformed")
        need(isinstance(entry.get("day"), str) and is_hex(entry.get("sig"), 128), "malformed")
        need(is_hex(entry.get("prev"), 64) and is_hex(entry.get("next"), 64), "malformed")
        if entry["kind"] == "checkpoint":
            need(all(is_hex(entry.get(name), 64) for name in ("head", "signer", "bundle")), "malformed")
            folded, through = entry.get("folded"), is_int(entry.get("through"), 1, entry["seq"] - 1)
            need(through and isinstance(folded, str) and is_hex(folded, len(folded) // 16 * 16), "malformed")
    need(entries[0]["kind"] == "ledger.created", "malformed")
    folds = [e for e in entries[1:] if e["kind"] == "checkpoint" and e["through"] == entries[1]["seq"] - 1]
    seq, prev, key, heads = 0, FIRST, entries[0].get("subject"), list[str]()
    for number, (line, entry) in enumerate(zip(lines, entries, strict=True)):
        if number == 1 and entry["seq"] != 1 and folds:
            seq, prev, key = folds[0]["through"] + 1, folds[0]["head"], folds[0]["signer"]
            heads += [prev, *(folds[0]["folded"][at : at + 16] for at in range(0, len(folds[0]["folded"]), 16))]
        need(number == 0 or entry["kind"] != "ledger.created", "broken-chain")
        need(entry["seq"] == seq and entry["prev"] == prev, "broken-chain")
        signed(key, "ledger", without(entry, "sig"), entry["sig"], "bad-signature")
        seq, prev, key = seq + 1, sha(line).hex(), entry["next"]
        heads.append(prev)
    need(key in signers, "cut")
    need(anchor is None or any(same_head(head, anchor) for head in heads), "anchor")
    return entries


def same_head(head: str, kept: str) -> bool:
    """``head``: 64 digits, or the first 16 of a folded one. ``kept``: 64 digits, or a short code."""
    code = base64.b32encode(bytes.fromhex(head[:20])).decode()[: len(head[:20]) * 4 // 5]
    short = kept.replace("-", "").upper()
    return kept.startswith(head) if len(kept) == 64 else len(short) == 16 and short.startswith(code)


def has_facts(entry: dict[str, Any]) -> bool:
    """Whether it says of segments what its kind must."""
    kind, streams = entry["kind"], entry.get("streams")
    if kind in SEVERAL:
        rest = is_int(entry.get("epoch"), 0, 2**53) if kind.startswith("erased") else isinstance(entry.get("file"), str)
        return (
            rest and is_hex_list(entry.get("segments"), 32) and (kind != "released" or is_hex(entry.get("bundle"), 64))
        )
    stanzas = is_hex_list(entry.get("stanzas"), 64) if kind in ("segment.opened", "approved") else True
    if kind not in ONE or kind == "approved" or not stanzas or not is_hex(entry.get("segment"), 32):
        return kind not in ONE or (stanzas and is_hex(entry.get("segment"), 32))
    if not isinstance(streams, dict) or not streams or not set(streams) <= {"own", "release"}:
        return False
    if kind == "segment.opened":
        return is_hex_list(list(streams.values()), 64)
    names = ["frames", "bytes", "dropped"] if kind == "segment.recovered" else ["frames", "bytes"]
    ends = [end for end in streams.values() if end is not None or kind == "segment.sealed"]
    return all(isinstance(end, dict) and is_hex(end.get("head"), 64) for end in ends) and all(
        is_int(end.get(name), 0, 2**53) for end in ends for name in names
    )


def segments_of(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Segment → what the ledger says of it."""
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        need(has_facts(entry), "malformed")
        kind = entry["kind"]
        for name in [entry["segment"]] if kind in ONE else entry["segments"] if kind in SEVERAL else []:
            one = found.setdefault(name, {"opened": {}, "stanzas": set(), "more": set(), "how": "open", "closed": {}})
            if kind == "segment.opened":
                one["opened"], one["stanzas"] = entry["streams"], one["stanzas"] | set(entry["stanzas"])
            elif kind == "approved":
                one["more"] |= set(entry["stanzas"])
            elif kind in ONE:
                one["how"], one["closed"] = kind[8:], entry["streams"]
            elif kind.startswith("erased"):
                one["erased"] = kind
    return found


def begun(data: bytes) -> bool:
    """A file that the ledger does not know and that holds no frame: a crash left it while it was being opened."""
    try:
        _, _, frames, _, _, _, rest = walk(data)
    except Wrong:
        later = data[:24] == SEGMENT[:24] and not SEGMENT.startswith(data[:26])  # of a version to come
        return len(data) <= 8256 and not later
    return not frames and not rest


def verdict(facts: dict[str, Any] | None, files: dict[str, bytes], keyed: bool, stanzas: set[str] | None) -> str:
    """One segment's. ``files``: stream → bytes; ``stanzas``: digests, or None where no KEK opens the entry."""
    if facts is None or (facts.get("erased") == "erased.done" and files):
        return "foreign"
    if "erased" in facts:
        return "erased"
    found = ["ok"]
    for stream, digest in facts["opened"].items():
        data, closed = files.get(stream), facts["closed"].get(stream)
        gone = data is None or (facts["how"] != "open" and closed is None)
        found.append("missing" if gone else judge(data, digest, facts["how"], closed))
    if set(files) - set(facts["opened"]):
        found.append("altered")
    known = facts["stanzas"] | facts["more"]
    if not keyed or (stanzas is not None and not (facts["stanzas"] <= stanzas <= known)):
        found.append("key-mismatch")
    return max(found, key=WORST.index)


# Whole stores


def contents(*path: str) -> bytes:
    """A plain file's bytes; nothing where there is none. A link or a pipe is not followed."""
    name = os.path.join(*path)
    try:
        with open(name if stat.S_ISREG(os.lstat(name).st_mode) else os.devnull, "rb") as file:
            return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else UNREADABLE
    except FileNotFoundError:
        return b""
    except OSError:
        return UNREADABLE


def key_over_all(home: str, keys: bytes, done: int) -> tuple[bytes, dict[str, bytes], bool]:
    """KEK (nothing where a keyring has it), segment → record, and whether anything can be opened with what is here."""
    try:
        head, records = keys_of(keys)
        place = read(contents(home, "kek", "place.json")).get("place")
    except Wrong:
        return b"", {}, False
    epoch = int.from_bytes(head[len(KEYS) :], "little")
    kek = contents(home, "kek", f"{epoch}.key")
    here = kek == b"keyring\n" if place == "keyring" else place == "file" and len(kek) == 32
    return kek if place == "file" else b"", records, here and epoch >= done


def store(home: str, anchor: str | None = None) -> tuple[dict[str, str], str, str]:
    """(segment → verdict, what is wrong with the ledger or '', head)."""
    public = ed25519.Ed25519PrivateKey.from_private_bytes
    secrets = [contents(home, "ledger", name) for name in ("signer", "signer.new")]
    signers = [public(one).public_key().public_bytes_raw().hex() for one in secrets if len(one) == 32]
    book, wrong = contents(home, "ledger", "ledger.jsonl"), ""
    lines = book.split(b"\n")[:-1]
    try:
        entries = ledger_of(book, signers, anchor)
    except Wrong as error:
        wrong = str(error)
        try:
            entries = [json.loads(line) for line in lines]
            need(all(entry["kind"] in KINDS for entry in entries), wrong)
        except (ValueError, TypeError, KeyError, RecursionError, Wrong):
            entries = []  # a line that is no entry at all: then nothing is known of any segment
    try:
        known = segments_of(entries)
    except Wrong as error:
        wrong, known = wrong or str(error), {}
    done = next((entry["epoch"] for entry in reversed(entries) if entry["kind"] == "erased.done" and known), 0)
    keys = contents(home, "keystore", "keys")
    kek, records, keyed_at_all = key_over_all(home, keys, done)
    files, folder = dict[str, dict[str, bytes]](), os.path.join(home, "segments")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        segment, _, stream = name.partition(".")
        if stream in ("own", "release"):
            files.setdefault(segment, {})[stream] = contents(folder, name)
    found = {}
    for segment in [*known, *(one for one in files if one not in known)]:
        entry, stanzas = contents(home, "keystore", f"{segment}.key"), None
        keyed = keyed_at_all and bool(entry) and segment in records
        if keyed and kek:
            try:
                stanzas = {sha(write(one).encode()).hex() for one in stanzas_of(keys, kek, segment, entry)}
            except Wrong:
                keyed = False
        beginning = segment not in known and all(map(begun, files[segment].values()))
        found[segment] = "open" if beginning else verdict(known.get(segment), files.get(segment, {}), keyed, stanzas)
    return found, wrong, sha(lines[-1]).hex() if lines else FIRST


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 3) or (len(arguments) == 3 and arguments[1] != "--anchor"):
        print(__doc__, file=sys.stderr)
        return 2
    if not any(os.path.lexists(os.path.join(arguments[0], name)) for name in ("ledger", "segments", "keystore")):
        print(f"{arguments[0]} holds no store: name the folder in which ledger/ and segments/ lie", file=sys.stderr)
        return 2
    found, wrong, head = store(*arguments[::2])
    print(
        f"ledger  {wrong or 'ok'}", *(f"{segment}  {one}" for segment, one in found.items()), f"head  {head}", sep="\n"
    )
    return 4 if wrong or set(found.values()) - {"ok", "open", "recovered", "erased"} else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
