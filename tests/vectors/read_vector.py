"""What the independent reader says of each vector: ``python -m tests.vectors.read_vector FOLDER``.

A vector is a text: lines ``name: value`` (``kind`` and ``expect`` in each), an empty line, and the bytes in base64.
Receipts, bundles and erasure requests are read here, the store's files in ``verify_store``; neither knows the program.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import struct
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from tests.vectors.verify_store import (
    LABEL,
    Wrong,
    is_hex,
    is_int,
    judge,
    ledger_of,
    need,
    read,
    segments_of,
    sha,
    signed,
    stanzas_of,
    unwrap,
    verdict,
    walk,
    without,
    write,
)  # fmt: skip

try:
    zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
except ImportError:
    zstd = None  # then what is inside an opened part is not looked at

BUNDLE = b"desktop-logger bundle 1\n"


def fingerprint(public: bytes) -> str:
    text = base64.b32encode(sha(public)[:20]).decode()
    return "-".join(text[at : at + 4] for at in range(0, 32, 4))


def expand(key: bytes, info: bytes) -> bytes:
    return hmac.digest(key, LABEL + info + b"\1", "sha256")


def open_parts(data: bytes, root: bytes) -> str:
    """SHA-256 over the records of all parts, in order. Raises ``Wrong`` of key-mismatch, unreadable or malformed."""
    head, first, frames, *_ = walk(data)
    names = {name: head[name] for name in ("receipt", "segment", "stream", "suite")}
    context = write(names).encode()
    chains = {scope: expand(root, b"scope\0" + scope.encode() + b"\0" + context) for scope in head["scopes"]}
    for scope, key in chains.items():
        need(expand(key, b"commit\0" + context).hex() == head["commit"][scope], "key-mismatch")
    total = hashlib.sha256()
    for seq, kind, start in frames:
        at = start + 5
        for scope in head["scopes"]:
            size = 28 + head["parts"][scope]
            aad = first + struct.pack("<IB", seq, kind) + scope.encode()
            part = unwrap(expand(chains[scope], b"msg"), data[at : at + size], aad)
            total.update(part_records(part))
            chains[scope], at = expand(chains[scope], b"next"), at + size
    return total.hexdigest()


def part_records(part: bytes) -> bytes:
    count, size = struct.unpack_from("<HH", part)
    packed, padding = part[4 : 4 + size], part[4 + size :]
    need(len(packed) == size and not any(padding) and (count == 0) == (size == 0), "malformed")
    if count == 0 or zstd is None:
        return b""
    opener = zstd.ZstdDecompressor()
    try:
        planes = opener.decompress(packed, max_length=16 * count + 1)
    except zstd.ZstdError:
        raise Wrong("malformed") from None
    need(len(planes) == 16 * count and opener.eof and not opener.unused_data, "malformed")
    records, time = b"", 0
    for n in range(count):
        row = planes[n::count]
        time = (time + int.from_bytes(row[:4], "little")) % 2**32
        records += time.to_bytes(4, "little") + row[4:]
    return records


def receipt_of(data: bytes) -> None:
    """Raises ``Wrong`` unless it is whole, signed and does not contradict itself."""
    document = read(data)
    try:
        subject, event, signature = document["parties"]["subject"], document["event"], document["signature"]
        identity = base64.b64decode(subject["identity"], validate=True)
        value = base64.b64decode(signature["value"], validate=True).hex()
        need(base64.b64encode(bytes.fromhex(value)).decode() == signature["value"], "malformed")
        need(signature["by"] == subject["identity_fingerprint"] == fingerprint(identity), "contradiction")
        signed(identity.hex(), "receipt", without(document, "signature"), value, "bad-signature")
        processing = document["processing"]
        need(processing["consent_digest"] == sha(write(processing["meaning"]).encode()).hex(), "contradiction")
        covered = {"processing": processing, "parties": document["parties"]}
        covered["event"] = {name: value for name, value in event.items() if name != "code"}
        code = base64.b32encode(sha(write(covered).encode())[:5]).decode()
        need(event["code"] == f"{code[:4]}-{code[4:]}", "contradiction")
        need(event["given"] < event["expires"] <= event["given"] + 366 * 86400, "contradiction")
    except (KeyError, TypeError, ValueError):
        raise Wrong("malformed") from None


def bundle_of(data: bytes, device: str) -> None:
    """Raises ``Wrong`` unless every part is what the signed header says."""
    need(data.startswith(BUNDLE), "malformed")
    start = len(BUNDLE) + 4
    need(len(data) >= start, "truncated")
    (size,) = struct.unpack_from("<I", data, len(BUNDLE))
    need(size <= 16 << 10, "malformed")
    need(len(data) >= start + size + 64, "truncated")
    header, at = data[start : start + size], start + size + 64
    head = read(header)
    need(set(head) == {"v", "bundle", "prev", "anchor", "recipients", "parts"} and is_int(head["v"], 1, 1), "malformed")
    need(is_hex(head["bundle"], 32) and is_hex(head["prev"], 64) and is_hex(head["anchor"], 64), "malformed")
    readers, parts = head["recipients"], head["parts"]
    need(isinstance(readers, list) and 1 <= len(readers) <= 16 and isinstance(parts, list), "malformed")
    need(all(isinstance(one, str) and 0 < len(one) <= 64 for one in readers), "malformed")
    need(len(set(readers)) == len(readers), "malformed")
    names = [f"sealed/{number}" for number in range(len(readers))] + ["stanzas", "stream"]
    need(len(parts) == len(names), "malformed")
    for name, part in zip(names, parts, strict=True):
        need(isinstance(part, dict) and set(part) == {"name", "bytes", "sha256"} and part["name"] == name, "malformed")
        limit = {"stream": 8 << 20, "stanzas": 256 << 10}.get(name, 512 << 10)
        need(is_int(part["bytes"], 0, limit), "malformed")
        need(len(data) >= at + part["bytes"], "truncated")
        need(sha(data[at : at + part["bytes"]]).hex() == part["sha256"], "altered")
        at += part["bytes"]
    need(at == len(data), "malformed")
    signed(device, "bundle", header, data[start + size : start + size + 64].hex(), "bad-signature")


def manifest_of(data: bytes) -> None:
    """Raises ``Wrong`` unless every member is there and of its kind."""
    fields = read(data)
    texts = {"bundle": 32, "segment": 32, "stream": 64, "receipt": 64}
    names = {*texts, "state", "profile", "scopes", "purposes", "policy", "delete_after"}
    need(set(fields) == names and all(is_hex(fields[name], digits) for name, digits in texts.items()), "malformed")
    for name in ("scopes", "purposes", "profile", "policy", "delete_after", "state"):
        values = fields[name] if name in ("scopes", "purposes") else [fields[name]]
        whole = isinstance(values, list) and all(isinstance(one, str) and 0 < len(one) <= 100 for one in values)
        need(whole, "malformed")
    need(fields["state"] in ("sealed", "recovered"), "malformed")
    need(re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", fields["delete_after"]), "malformed")


def erasure_of(data: bytes) -> None:
    """Raises ``Wrong`` unless the device that it names signed it."""
    body = read(data)
    need(set(body) == {"v", "kind", "request", "device", "segments", "bundles", "signature"}, "malformed")
    need(is_int(body["v"], 1, 1) and body["kind"] == "erasure" and is_hex(body["request"], 32), "malformed")
    for name, digits in (("segments", 32), ("bundles", 64)):
        need(isinstance(body[name], list) and all(is_hex(one, digits) for one in body[name]), "malformed")
    need(is_hex(body["device"], 64) and is_hex(body["signature"], 128), "malformed")
    signed(body["device"], "erasure", without(body, "signature"), body["signature"], "bad-signature")


def reader_of(seed: bytes) -> tuple[bytes, MLKEM768X25519PrivateKey]:
    """(public key, private key) of a 32-byte X-Wing seed."""
    wide = hashlib.shake_256(seed).digest(96)
    lattice, curve = mlkem.MLKEM768PrivateKey.from_seed_bytes(wide[:64]), x25519.X25519PrivateKey
    point = curve.from_private_bytes(wide[64:])
    public = lattice.public_key().public_bytes_raw() + point.public_key().public_bytes_raw()
    return public, MLKEM768X25519PrivateKey(lattice, point)


def open_stanza(stanza: dict[str, str], seeds: list[bytes], header_digest: bytes) -> bytes:
    """What a stanza seals, with the X-Wing seed of its reader, or of both holders."""
    info = LABEL + f"stanza/{stanza['role']}/{stanza['scope']}/".encode() + header_digest
    readers = sorted(map(reader_of, seeds), key=lambda one: one[0], reverse=True)
    layers = [info] if len(readers) == 1 else [info + b"/outer", info + b"/inner"]
    suite, sealed = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM), base64.b64decode(stanza["sealed"])
    try:
        for (_, key), layer in zip(readers, layers, strict=True):
            sealed = bytes(suite.decrypt(sealed, key, info=layer))
    except (InvalidTag, ValueError):
        raise Wrong("unreadable") from None
    return sealed


def vector(text: str) -> tuple[str, str, str]:
    """(kind, expected verdict, ours) of one vector's text."""
    head, _, body = text.partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    data = base64.b64decode(body)
    expected, kind = fields["expect"], fields["kind"]
    try:
        ours = "ok"
        if kind == "segment":
            ours = judge(data, fields["digest"], fields["how"], json.loads(fields["closed"]))
            if "root" in fields:
                need(open_parts(data, bytes.fromhex(fields["root"])) == fields["records"], "records")
        elif kind == "keystore":
            keys, kek = bytes.fromhex(fields["keys"]), bytes.fromhex(fields["kek"])
            stanzas = stanzas_of(keys, kek, fields["segment"], data)
            if "seed" in fields:
                opened = open_stanza(
                    stanzas[0], [bytes.fromhex(one) for one in fields["seed"].split()], bytes.fromhex(fields["digest"])
                )
                need(opened.hex() == fields["root"], "records")
        elif kind == "ledger":
            ledger_of(data, fields["signers"].split(), fields.get("anchor"))
        elif kind == "tombstone":
            facts = segments_of(ledger_of(data, fields["signers"].split())).get(fields["segment"])
            files = dict.fromkeys(fields["present"].split(), b"")
            ours = verdict(facts, files, "keyed" in fields, None)
        else:
            bundle = partial(bundle_of, device=fields.get("device", ""))
            papers: dict[str, Callable[[bytes], None]] = {
                "receipt": receipt_of, "erasure": erasure_of, "bundle": bundle, "manifest": manifest_of,
            }  # fmt: skip
            papers[kind](data)
    except Wrong as wrong:
        ours = str(wrong)
    return kind, expected, ours


def main(folder: str) -> int:
    """Prints one line a vector; 4 where the reader disagrees with any."""
    wrong = 0
    for name in sorted(name for name in os.listdir(folder) if name.endswith(".txt")):
        with open(os.path.join(folder, name), encoding="ascii") as file:
            _, expected, ours = vector(file.read())
        wrong += expected != ours
        print(f"{name}: {ours}" + ("" if expected == ours else f", BUT {expected} IS EXPECTED"))
    return 4 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
