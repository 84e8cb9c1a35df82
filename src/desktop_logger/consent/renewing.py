"""Renewal: what has changed since the receipt before, and which of its answers still stand.

A renewal is possible where the receipt before is whole, by the identity here, of the same organisation and notice,
and not withdrawn; whether it has expired or asks for too little by now does not matter. Otherwise everything is
asked as if for the first time.
"""

from __future__ import annotations

import difflib
import os
from base64 import b64decode
from typing import NamedTuple

from desktop_logger.clock import day
from desktop_logger.errors import DesktopLoggerError
from desktop_logger.paths import Home
from desktop_logger.policy import Policy
from desktop_logger.sealing import hexdigest

from . import digest, identity, narrowing, notices, validation, words
from .receipt import Receipt


class Before(NamedTuple):
    """The receipt that is renewed."""

    receipt: Receipt
    left: narrowing.Left

    @property
    def asked(self) -> tuple[str, ...]:
        """Scopes that were asked about, whatever the answer."""
        return tuple(one.id for one in self.receipt.processing.scopes)


class Known(NamedTuple):
    """Purposes that need not be asked again, and those among them that were granted."""

    asked: frozenset[str]
    granted: frozenset[str]


NOTHING = Known(frozenset(), frozenset())


def previous(home: Home, policy: Policy) -> Before | None:
    """The receipt to renew, ``None`` where everything must be asked."""
    try:
        data, receipt = validation.read(home)
        here = identity.publics(home)
        left = narrowing.left_of(home, receipt, hexdigest(data))
    except DesktopLoggerError:
        return None
    meaning = receipt.processing.meaning
    ended = os.path.lexists(home.withdrawn) or os.path.lexists(validation.withdrawal_path(home, receipt.header.id))
    ours = b64decode(receipt.parties.subject.identity) == here.identity
    same = meaning.notice.id == policy.notice.id and meaning.controller == (
        policy.controller.public if policy.controller else None
    )
    return Before(receipt, left) if ours and same and not ended else None


def purposes(before: Before, policy: Policy) -> Known:
    """What was asked before in the same words, to the same end: sharing that did not exist then is asked anew."""
    meaning = before.receipt.processing.meaning
    if not meaning.recipients:
        return NOTHING
    notice = notices.load(policy.notice.id, policy.notice.version, before.receipt.header.language)
    now = digest.meaning_of(policy, notice)["purposes"]
    same = frozenset(name for name, text in now.items() if meaning.purposes.get(name) == text)
    return Known(same, same & set(before.left.purposes))


def in_words(before: Before, policy: Policy, notice: notices.Notice) -> str:
    """What has changed since, in the language of the notice."""
    language, receipt = notice.language, before.receipt
    signed = receipt.processing.meaning.model_dump(mode="json")
    now = digest.meaning_of(policy, notice)
    lines = [words.say(language, "renewal", day=day(receipt.event.given)), ""]
    changes = digest.widening(signed, now) + digest.narrowing(signed, now)
    if changes:
        lines.append(words.say(language, "changed"))
        lines += ["* " + words.say(language, one.key, **one.holes) for one in changes]
    if receipt.processing.notice.version != notice.version:
        lines += ["", words.say(language, "new_text"), "", *_new_paragraphs(receipt, notice)]
    elif not changes:
        lines.append(words.say(language, "unchanged"))
    return "\n".join(lines)


def _new_paragraphs(receipt: Receipt, notice: notices.Notice) -> list[str]:
    """Paragraphs of the notice that the version before did not have; all of it where that version is not here."""
    shown = receipt.processing.notice
    now = _paragraphs(notice)
    try:
        old = _paragraphs(notices.load(shown.id, shown.version, notice.language))
    except DesktopLoggerError:
        return now
    matcher = difflib.SequenceMatcher(a=old, b=now, autojunk=False)
    return [one for tag, _, _, start, end in matcher.get_opcodes() if tag != "equal" for one in now[start:end]]


def _paragraphs(notice: notices.Notice) -> list[str]:
    return [one for one in f"{notice.summary}\n\n{notice.rest}".split("\n\n") if one.strip()]
