"""The consent ceremony as a person at a terminal performs it: reads a prompt, answers it, in the order they come."""

from __future__ import annotations

from collections.abc import Collection

import pexpect

PASSPHRASE = "correct horse battery staple"  # noqa: S105 - a made-up one, for homes that live as long as a test

PROMPTS = (
    r"Enter to go on, m for the whole notice:",
    r"Record (\w+)\? \[y/N\]",
    r"Profile \[\w+\]:",
    r"Let [^\r\n]+ use it to [^\r\n]+\? \[y/N\]",
    r"Type (\S+) to sign, or Enter to refuse:",
    r"[Pp]assphrase:",
    r"--- more \(Enter\)",
    r"\? \[Y/n\]",
    r"(?:Does it match|Let \d+ segments?)[^\r\n]*\? \[y/N\]",
)


def sign(
    child: pexpect.spawn[str],
    *,
    passphrase: str = PASSPHRASE,
    scopes: Collection[str] = ("keyboard", "pointer"),
    purposes: bool = True,
    profile: str = "",
    timeout: float = 120,
) -> str:
    """Answer every prompt until the program ends; returns all that it said. The caller looks at the exit status."""
    said = ""
    while True:
        found = child.expect([pexpect.EOF, *PROMPTS], timeout=timeout)
        said += child.before or ""
        if found == 0:
            child.close()
            return said
        said += child.after
        match = child.match
        if found == 2:
            child.sendline("y" if match[1] in scopes else "n")
        elif found == 3:
            child.sendline(profile)
        elif found == 4:
            child.sendline("y" if purposes else "n")
        elif found == 5:
            child.sendline(match[1])
        elif found == 6:
            child.sendline(passphrase)
        elif found == 9:
            child.sendline("y")
        else:
            child.sendline("")
