"""What the focused application's names mean here: whether it may be recorded, and whether it asks for secrets.

The rule is the grant's, one line of JSON on the pipe from supervisor to indicator. An application says its names itself
(``records.applications``); those of prompts and lockers are what they say in the versions that distributions ship.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple

from desktop_logger.consent.grant import Grant
from desktop_logger.records.applications import Applications, category_of, matches
from desktop_logger.records.classes import Category

REST = b"rest"
"""The line that ends a rule."""

PROMPTS = (
    "pinentry", "pinentry-*", "gcr-prompter", "org.gnome.seahorse.prompt", "polkit-*", "lxpolkit", "xfce-polkit",
    "lxqt-policykit-agent", "policykit-*", "hyprpolkitagent", "ssh-askpass", "sshaskpass", "*-ssh-askpass",
    "x11-ssh-askpass", "ksshaskpass", "*-openssh-askpass", "gksu", "gksudo", "kdesu", "kdesudo", "lxqt-sudo",
    "kwalletd", "kwalletd5", "kwalletd6", "org.kde.kwalletd*", "systemd-ask-password*", "kscreenlocker_greet",
)  # fmt: skip
"""Windows that exist to be given a password."""

LOCKERS = (
    "i3lock", "slock", "swaylock", "xlock", "xscreensaver", "xsecurelock", "xtrlock", "alock", "light-locker",
    "gnome-screensaver*", "cinnamon-screensaver*", "mate-screensaver*", "xfce4-screensaver*",
)  # fmt: skip
"""Screen lockers, where they take the focus."""


@lru_cache(64)
def is_one_of(names: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    """Whether one of the names (small letters) is one of the patterns."""
    return any(matches(name, pattern) for name in names for pattern in patterns)


_allows = lru_cache(64)(Applications.allows)


class Rule(NamedTuple):
    """What of a grant concerns the focus."""

    target: bool
    """Whether roles under clicks are wanted."""
    applications: Applications
    categories: dict[str, int]
    """Pattern → category; empty where categories are not granted."""

    @property
    def allows_all(self) -> bool:
        """Whether there is no list of applications."""
        return self.applications.mode == "all"

    def allows(self, names: tuple[str, ...] | None) -> bool:
        """Whether an application of these names may be recorded. ``None``: nobody can say which one it is."""
        return _allows(self.applications, names)

    def category(self, names: tuple[str, ...]) -> Category:
        """The category of an application of these names."""
        return category_of(names, self.categories)

    @classmethod
    def of_grant(cls, grant: Grant) -> Rule:
        """The rule of a grant."""
        listed = (
            grant.applications if isinstance(grant.applications, Applications) else Applications(grant.applications)
        )
        return cls("target" in grant.scopes, listed, getattr(grant, "categories", {}))

    def to_wire(self) -> bytes:
        """This rule as one line of JSON."""
        return json.dumps(self._asdict(), separators=(",", ":")).encode()

    @classmethod
    def of_wire(cls, line: bytes) -> Rule:
        """The rule in a line that our supervisor wrote."""
        facts = json.loads(line)
        mode, names = facts["applications"]
        return cls(facts["target"], Applications(mode, tuple(names)), facts["categories"])
