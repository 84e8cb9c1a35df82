"""Reading files: whole, bounded, and without asking for more memory than they have bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from desktop_logger import disk


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_file_is_read_whole_or_refused(tmp_path: Path, size: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    assert disk.read(str(file), size) == file.read_bytes()
    assert disk.read(str(file), 8 << 20) == file.read_bytes()
    if size:
        with pytest.raises(OSError, match="larger than it can be"):
            disk.read(str(file), size - 1)


def test_a_small_file_under_a_large_limit_needs_little_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"small")
    code = (
        "import resource, sys; from desktop_logger import disk\n"
        "resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20)); print(disk.read(sys.argv[1], 1 << 30))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], capture_output=True, check=False)
    assert done.stdout == b"b'small'\n", done.stderr
