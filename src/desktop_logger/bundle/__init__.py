"""Bundles, erasure requests, acknowledgements: what travels between a person and an admin. Pure bytes, no I/O."""

from __future__ import annotations

from .acknowledgement import LIMIT as ACK_LIMIT
from .acknowledgement import MOST_BUNDLES, Acknowledgement, parse_acknowledgement, write_erased, write_exported
from .acknowledgement import SUFFIX as ACK_SUFFIX
from .erasure import LIMIT as ERASURE_LIMIT
from .erasure import SUFFIX as ERASURE_SUFFIX
from .erasure import Erasure, parse_erasure, write_erasure
from .format import FILE_LIMIT, FIRST, MAGIC, SUFFIX, Bundle, check_signature, open_contents, parse, stream_of, write
from .manifest import Manifest, manifest_of

__all__ = [
    "ACK_LIMIT",
    "ACK_SUFFIX",
    "ERASURE_LIMIT",
    "ERASURE_SUFFIX",
    "FILE_LIMIT",
    "FIRST",
    "MAGIC",
    "MOST_BUNDLES",
    "SUFFIX",
    "Acknowledgement",
    "Bundle",
    "Erasure",
    "Manifest",
    "check_signature",
    "manifest_of",
    "open_contents",
    "parse",
    "parse_acknowledgement",
    "parse_erasure",
    "stream_of",
    "write",
    "write_erased",
    "write_erasure",
    "write_exported",
]
