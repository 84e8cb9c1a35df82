"""A receipt as JSON-LD in terms of the W3C Data Privacy Vocabulary (DPV 2), after its guide to ISO/IEC TS 27560.

``TERMS`` is every DPV term that is ever written; ``consent/dpv-terms.txt`` lists them as taken from DPV's own
release, and a test holds the two and the output together. The signed bytes stay the receipt; this is a view of them.
"""

from __future__ import annotations

import time
from typing import Any

from . import words
from .receipt import Receipt

CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "dct": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
CONFORMS = "https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr"

TERMS = (
    "ActiveRight", "ConsentGiven", "ConsentNotice", "ConsentRecord", "DataController", "DataProtectionOfficer",
    "DataSubject", "ExplicitlyExpressedConsent", "PersonalData", "PersonalDataProcess", "Purpose", "Recipient",
    "RenewedConsentGiven", "WithdrawConsent", "WithinDevice", "hasConsentControl", "hasConsentStatus", "hasContact",
    "hasDataController", "hasDataProtectionOfficer", "hasDataSubject", "hasDuration", "hasIdentifier",
    "hasIndicationMethod", "hasLegalBasis", "hasLocation", "hasName", "hasNotice", "hasPersonalData", "hasPolicy",
    "hasProcess", "hasProhibition", "hasPurpose", "hasRecipient", "hasRight", "hasScope", "hasStorageCondition",
    "isExercisedAt", "isIndicatedAtTime", "isIndicatedBy",
)  # fmt: skip


def linked(receipt: Receipt) -> dict[str, Any]:
    """The receipt as a JSON-LD document; its ``@id`` is the receipt's id as a URN."""
    processing, parties, event = receipt.processing, receipt.parties, receipt.event
    subject = {"@id": f"urn:desktop-logger:key:{parties.subject.identity_fingerprint}", "@type": "dpv:DataSubject"}
    document: dict[str, Any] = {
        "@context": CONTEXT,
        "@id": f"urn:desktop-logger:receipt:{receipt.header.id}",
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": {"@id": CONFORMS},
        "dct:language": receipt.header.language,
        "dpv:hasIdentifier": receipt.header.id,
        "dpv:hasDataSubject": subject,
        "dpv:hasNotice": {
            "@type": "dpv:ConsentNotice",
            "dpv:hasIdentifier": f"{processing.notice.id}/{processing.notice.version}.{processing.notice.language}",
            "dct:identifier": f"sha256:{processing.notice.sha256}",
        },
        "dpv:hasLegalBasis": {"@id": f"dpv:{event.type}"},
        "dpv:hasConsentStatus": {"@id": f"dpv:{event.state}"},
        "dpv:isIndicatedBy": {"@id": subject["@id"]},
        "dpv:isIndicatedAtTime": _time(event.given),
        "dpv:hasIndicationMethod": event.method,
        "dct:valid": _time(event.expires),
        "dpv:hasConsentControl": {"@type": "dpv:WithdrawConsent", "dpv:isExercisedAt": processing.withdrawal},
        "dpv:hasRight": [{"@type": "dpv:ActiveRight", "dct:title": name} for name in processing.rights],
        "dpv:hasPolicy": {
            "dpv:hasIdentifier": f"{processing.policy.id}/{processing.policy.version}",
            "dct:identifier": f"sha256:{processing.policy.sha256}",
        },
        "dpv:hasProcess": _process(receipt),
    }
    if parties.controller:
        document["dpv:hasDataController"] = {
            "@id": f"urn:desktop-logger:key:{parties.controller.fingerprint}", "@type": "dpv:DataController",
            "dpv:hasName": parties.controller.name, "dpv:hasContact": parties.controller.contact,
        }  # fmt: skip
    if parties.dpo:
        document["dpv:hasDataProtectionOfficer"] = {
            "@type": "dpv:DataProtectionOfficer", "dpv:hasName": parties.dpo.name,
            "dpv:hasContact": parties.dpo.contact,
        }  # fmt: skip
    return document


def _process(receipt: Receipt) -> dict[str, Any]:
    processing = receipt.processing
    process: dict[str, Any] = {
        "@type": "dpv:PersonalDataProcess",
        "dpv:hasPersonalData": [
            {"@type": "dpv:PersonalData", "dct:title": name, "dct:description": _said(receipt, name)}
            for name in receipt.granted_scopes
        ],
        "dpv:hasPurpose": [
            {"@type": "dpv:Purpose", "dpv:hasIdentifier": one.id, "dct:description": one.text}
            for one in processing.purposes
            if one.granted
        ],
        "dpv:hasStorageCondition": {
            "dpv:hasLocation": {"@id": "dpv:WithinDevice"},
            "dpv:hasDuration": {"@type": "xsd:duration", "@value": f"P{processing.retention_days}D"},
        },
        "dpv:hasProhibition": list(processing.meaning.forbidden_uses),
    }
    if processing.recipients:
        process["dpv:hasRecipient"] = [
            {"@id": f"urn:desktop-logger:key:{one.fingerprint}", "@type": "dpv:Recipient", "dpv:hasName": one.name,
             "dpv:hasScope": list(one.scopes)}
            for one in processing.recipients
        ]  # fmt: skip
    return process


def _said(receipt: Receipt, scope: str) -> str:
    """What a scope is, as the person was told, and how finely it is kept."""
    tasks = ", ".join(receipt.processing.meaning.tasks)
    return f"{words.say('en', f'about_{scope}', tasks=tasks)} Profile: {receipt.processing.profile}."


def _time(seconds: int) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))}
