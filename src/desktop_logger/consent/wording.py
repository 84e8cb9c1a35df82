"""A receipt in words, in its own language: for the person who signed it and for whoever they show it to."""

from __future__ import annotations

import time

from . import words
from .receipt import Receipt


def receipt_in_words(receipt: Receipt) -> str:
    """Lines of plain text; everything in them stands in the signed receipt."""
    language, processing, subject = receipt.header.language, receipt.processing, receipt.parties.subject

    def say(key: str, **holes: object) -> str:
        return words.say(language, key, **holes)

    lines = [f"{receipt.event.state}  {_day(receipt.event.given)}  {receipt.header.id}", ""]
    if receipt.parties.controller:
        who = receipt.parties.controller
        lines.append(
            say("policy_of", id=processing.policy.id, version=processing.policy.version, organisation=who.name,
                contact=who.contact)
        )  # fmt: skip
    else:
        lines.append(say("policy", id=processing.policy.id, version=processing.policy.version))
    recorded = words.scopes(language, receipt.granted_scopes)
    lines.append(say("a_record", scopes=recorded, profile=processing.profile))
    if processing.release and processing.recipients:
        purposes = "; ".join(one.text for one in processing.purposes if one.granted)
        lines.append(say("a_share", purposes=purposes, profile=processing.release.profile))
        for one in processing.recipients:
            scopes = words.scopes(language, one.scopes)
            lines.append(say("a_reader", name=one.name, scopes=scopes, fingerprint=one.fingerprint))
    else:
        lines.append(say("a_alone"))
    if processing.meaning.schedule:
        lines.append(words.hours(language, processing.meaning.schedule.model_dump(mode="json")))
    lines.append(say("kept", days=processing.retention_days))
    lines.append(say("a_ends", day=_day(receipt.event.expires)))
    lines.append(say("a_you", fingerprint=subject.identity_fingerprint))
    return "\n".join(lines)


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
