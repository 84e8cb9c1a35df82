"""Grants for tests of what stands below the gate, made the way a parent process hands one over."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from desktop_logger.consent import gate
from desktop_logger.consent.grant import Grant


def grant(
    *scopes: str, own: str = "events", release: str | None = None, named_commands: bool = True, **facts: Any
) -> Grant:
    """A grant of ``scopes`` (default: keyboard and pointer), valid for this account and a day of testing."""
    nobody = base64.b64encode(bytes(32)).decode()
    wire: dict[str, Any] = {
        "receipt_id": "0" * 32, "receipt_hash": "0" * 64, "policy_hash": "0" * 64, "consent_digest": "0" * 64,
        "subject_reader": nobody, "device_public": nobody, "scopes": scopes or ("keyboard", "pointer"),
        "named_commands": named_commands, "own": own, "release": release, "release_mode": "none", "cooling_off_s": 0,
        "injected": "record", "backends": [],
        "admins": [], "purposes": [], "retention_days": 7, "disk_cap_bytes": 1 << 30, "given": 0,
        "expires": 1 << 40, "demo": False,
        "applications": ["all", []], "unanswered": "coarse", "categories": {}, "tasks": [],
        "schedule": None, "watched": [], "uid": os.getuid() if hasattr(os, "getuid") else 0,
    }  # fmt: skip
    return gate.inherit(json.dumps(wire | facts).encode())
