"""What a process gives up, asked of the kernel in a process that gave it up."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import ctypes, os, resource
from desktop_logger import confine
layers = confine.harden()
mask = os.umask(0)
print(layers["dumpable"], layers["core"], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
      resource.getrlimit(resource.RLIMIT_CORE), oct(mask))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_hardening_takes_hold() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", CODE], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "on on 0 (0, 0) 0o77"
