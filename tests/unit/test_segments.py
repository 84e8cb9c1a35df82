from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop_logger.errors import IntegrityError, Unreadable
from desktop_logger.records.layout import RECORD, RECORD_BYTES
from desktop_logger.sealing import ReaderKey, StreamKeys, canonical, fresh_key, parse_canonical, seal_to
from desktop_logger.segments import format as form
from desktop_logger.segments import reading, writing

SCOPES = ("keyboard", "pointer")
PARTS = {"keyboard": 128, "pointer": 160}

records = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 255),
        *[st.integers(0, 65535)] * 3, st.integers(0, 2**32 - 1),
    ),
    max_size=200,
).map(lambda rows: b"".join(RECORD.pack(*row) for row in rows))  # fmt: skip


def typed(count: int) -> bytes:
    return b"".join(RECORD.pack(n * 11, 2, 1 + n % 3, 0, 0, 0, 0) for n in range(count))


def stream(keys: StreamKeys, segment: str = "0" * 32, scopes: tuple[str, ...] = SCOPES) -> form.Header:
    return form.Header(
        segment, "own", "bursts", scopes, {scope: PARTS[scope] for scope in scopes},
        {scope: keys.commitment(scope).hex() for scope in scopes}, "a" * 64, "b" * 64, 5, 29_000_000,
    )  # fmt: skip


def new_keys(root: bytearray, segment: str = "0" * 32, scopes: tuple[str, ...] = SCOPES) -> StreamKeys:
    return StreamKeys(root, form.key_context(segment, "own", "a" * 64), scopes)


def written(path: Path, frames: int = 4) -> tuple[bytes, bytearray]:
    root = fresh_key()
    file = writing.StreamFile(str(path), stream(new_keys(root)), new_keys(root))
    for number in range(frames):
        kind = form.FINAL if number == frames - 1 else form.DATA
        file.frame(kind, {"keyboard": bytearray(typed(number)), "pointer": bytearray()})
    file.sync()
    file.close()
    return path.read_bytes(), root


@settings(max_examples=150, deadline=None)
@given(records, st.sampled_from([128, 160, 384, 1536]))
def test_the_two_codecs_agree_and_nothing_is_lost(data: bytes, size: int) -> None:
    packer, found = writing.Packer(size), b""
    rest = data
    while rest:
        part, count = packer.pack(rest)
        assert len(part) == size
        assert count > 0
        found += reading.unpack(part).tobytes()
        rest = rest[count * RECORD_BYTES :]
    assert found == data


def test_an_empty_part_is_all_zero_and_full_ones_are_well_filled() -> None:
    packer = writing.Packer(384)
    assert packer.pack(b"") == (bytes(384), 0)
    data = os.urandom(16 * 400)
    _, count = packer.pack(data)
    assert count >= 20  # what cannot be compressed still goes in
    regular = typed(5000)
    counts = []
    while regular:
        _, count = packer.pack(regular)
        counts.append(count)
        regular = regular[count * RECORD_BYTES :]
    assert sum(counts) == 5000
    assert max(counts) > 200
    assert writing.fit(typed(10), 384) == 10


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_unpacking_any_bytes_gives_records_or_an_integrity_error(part: bytes) -> None:
    try:
        found = reading.unpack(part)
    except IntegrityError:
        return
    assert len(found) == int.from_bytes(part[:2], "little")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 127), st.integers(1, 255))
def test_an_altered_part_never_gives_more_than_it_announces(position: int, change: int) -> None:
    part = bytearray(writing.Packer(128).pack(typed(30))[0])
    part[position] ^= change
    try:
        found = reading.unpack(bytes(part))
    except IntegrityError:
        return
    assert len(found) == int.from_bytes(part[:2], "little")


def test_a_written_file_reads_back_with_its_keys(tmp_path: Path) -> None:
    data, root = written(tmp_path / "file")
    body = form.scan(data)
    assert (body.final, body.rest, len(body.frames)) == (True, "", 4)
    keys = reading.scope_keys(body, root)
    found = [(scope, seq, len(reading.unpack(part))) for scope, seq, part in reading.parts(body, keys)]
    assert found == [(scope, seq, seq if scope == "keyboard" else 0) for seq in range(4) for scope in SCOPES]
    only = list(reading.parts(body, {"pointer": keys["pointer"]}))
    assert [scope for scope, _, _ in only] == ["pointer"] * 4
    assert len(data) - body.good_bytes == 0
    assert (len(data) - len(body.header.to_bytes())) % body.header.frame_bytes == 0


def test_a_key_that_is_not_committed_to_is_refused(tmp_path: Path) -> None:
    data, root = written(tmp_path / "file")
    body = form.scan(data)
    with pytest.raises(Unreadable):
        reading.scope_keys(body, fresh_key())
    keys = reading.scope_keys(body, root)
    with pytest.raises(Unreadable):
        list(reading.parts(body, {"keyboard": keys["pointer"]}))


def test_stanzas_are_bound_to_their_file_role_and_scope(tmp_path: Path) -> None:
    data, root = written(tmp_path / "file")
    body, reader = form.scan(data), ReaderKey.generate()
    sealed = seal_to(reader.public, root, form.stanza_info("subject", "*", body.header_digest))
    assert reading.open_stanza(body, "subject", "*", sealed, reader) == bytes(root)
    other = form.scan(written(tmp_path / "other")[0])
    for where, role, scope in [(other, "subject", "*"), (body, "admin", "*"), (body, "subject", "keyboard")]:
        with pytest.raises(Unreadable):
            reading.open_stanza(where, role, scope, sealed, reader)


def opens(data: bytes, root: bytearray, frames: int = 4) -> bool:
    """Whether a reader with the root takes ``data`` for the whole file."""
    try:
        body = form.scan(data)
        if body.rest or not body.final or len(body.frames) != frames:
            return False
        return len(list(reading.parts(body, reading.scope_keys(body, root)))) == frames * len(SCOPES)
    except IntegrityError:
        return False


def test_no_altered_byte_no_shorter_file_and_no_moved_frame_is_accepted(tmp_path: Path) -> None:
    data, root = written(tmp_path / "file")
    assert opens(data, root)
    for position in range(len(data)):
        assert not opens(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :], root), position
        assert not opens(data[:position], root), position
    body = form.scan(data)
    size, start = body.header.frame_bytes, len(body.header.to_bytes())
    frames = [data[start + n * size :][:size] for n in range(4)]
    for order in ([0, 1, 3], [0, 2, 1, 3], [0, 1, 1, 2, 3], [1, 2, 3], [0, 1, 2, 3, 3], [3], [0, 1, 2, 2]):
        moved = data[:start] + b"".join(frames[n] for n in order)
        assert not opens(moved, root, len(order)), order
        # also with sequence numbers and chain made right again, which needs no key
        head, again = body.header_digest, data[:start]
        for seq, n in enumerate(order):
            parts = [bytes(part) for part in body.frames[n].parts.values()]
            frame, head = form.write_frame(seq, body.frames[n].kind, parts, head)
            again += frame
        assert not opens(again, root, len(order)), order


def test_another_version_is_refused_by_name(tmp_path: Path) -> None:
    data, _ = written(tmp_path / "file")
    with pytest.raises(IntegrityError, match="version"):
        form.scan(data.replace(b"segment/v1", b"segment/v2", 1))
    with pytest.raises(IntegrityError, match="not a segment"):
        form.scan(b"hello")


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"v": True}, {"suite": "none"}, {"segment": "A" * 32}, {"segment": "0"}, {"stream": "third"},
        {"profile": "raw"}, {"scopes": []}, {"scopes": ["pointer", "keyboard"]}, {"scopes": ["keyboard", "keyboard"]},
        {"scopes": "keyboard"}, {"parts": {"keyboard": 1, "pointer": 160}}, {"parts": {"keyboard": 128}},
        {"parts": {"keyboard": 2**31, "pointer": 160}}, {"commit": {}}, {"tick_s": 0}, {"opened": -1},
        {"opened": None}, {"more": 1}, {"profile": ["x"]}, {"stream": "release"}, {"receipt": 5},
    ],
)  # fmt: skip
def test_a_malformed_header_is_refused(change: dict[str, object]) -> None:
    header = stream(new_keys(fresh_key())).to_bytes()
    fields = {**parse_canonical(header[len(form.MAGIC) + 4 :]), **change}
    body = canonical(fields)
    with pytest.raises(IntegrityError):
        form.scan(form.MAGIC + len(body).to_bytes(4, "little") + body)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_scanning_any_bytes_is_a_body_or_an_integrity_error(data: bytes, begin: bool) -> None:
    try:
        form.scan(form.MAGIC + data if begin else data)
    except IntegrityError:
        return


def test_a_file_is_never_opened_for_writing_again(tmp_path: Path) -> None:
    written(tmp_path / "file")
    with pytest.raises(FileExistsError):
        written(tmp_path / "file")


def test_a_part_decompresses_to_no_more_than_it_announces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes of zstd can ask for all memory; one byte too many is enough to know."""
    asked: list[int] = []
    zstd = vars(reading)["zstd"]
    real = zstd.ZstdDecompressor

    class Watched:
        def __init__(self) -> None:
            self.real = real()
            self.eof, self.unused_data = False, b""

        def decompress(self, data: bytes, max_length: int = -1) -> bytes:
            asked.append(max_length)
            return bytes(self.real.decompress(data, max_length=max_length))

    monkeypatch.setattr(zstd, "ZstdDecompressor", Watched)
    packed = zstd.compress(bytes(1 << 20))
    with pytest.raises(IntegrityError):
        reading.unpack(writing.PART.pack(3, len(packed)) + packed)
    assert asked == [3 * RECORD_BYTES + 1]


def test_many_small_parts_hold_no_more_records_than_a_segment_can() -> None:
    records = b"".join(RECORD.pack(n, 1, 1, 0, 0, 0, 1) for n in range(4))
    part, taken = writing.Packer(512).pack(bytearray(records))
    assert taken == 4
    assert len(reading.unpack_all([part, part], most=8)) == 8
    with pytest.raises(IntegrityError, match="more records"):
        reading.unpack_all([part, part], most=7)
