"""Bundles and erasure requests: what travels between a person's machine and an admin. Pure bytes, no I/O."""

from __future__ import annotations

from .erasure import LIMIT as ERASURE_LIMIT
from .erasure import SUFFIX as ERASURE_SUFFIX
from .erasure import Erasure, parse_erasure, write_erasure
from .format import FILE_LIMIT, FIRST, MAGIC, SUFFIX, Bundle, check_signature, open_contents, parse, write
from .manifest import Manifest, manifest_of

__all__ = [
    "ERASURE_LIMIT",
    "ERASURE_SUFFIX",
    "FILE_LIMIT",
    "FIRST",
    "MAGIC",
    "SUFFIX",
    "Bundle",
    "Erasure",
    "Manifest",
    "check_signature",
    "manifest_of",
    "open_contents",
    "parse",
    "parse_erasure",
    "write",
    "write_erasure",
]
