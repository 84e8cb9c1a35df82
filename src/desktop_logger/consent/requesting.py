"""Collection requests: what an organisation asks volunteers for, signed by its controller, to accept or to ignore.

A *draft* is what `learn feedback` writes; the controller signs it against the policy that people have adopted. RFC
8785 canonical JSON; Ed25519 over everything but ``signature``. The JSON Schema in ``consent/request.schema.json`` is
made from here.

Invariants: a request asks for nothing that its policy does not offer; what people read is made from its fields here,
in their language, and no text of the sender's is shown but the organisation's name and the purpose as the policy has
them; reading a request writes nothing.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from desktop_logger import sealing
from desktop_logger.clock import day
from desktop_logger.errors import IntegrityError, Refused, UsageError
from desktop_logger.paths import rewrite
from desktop_logger.policy import CategoryName, Model, Name, Policy, ProfileName, Scope
from desktop_logger.records.profiles import PROFILES, may_become

from . import words
from .receipt import Base64, Fingerprint, Id, Time, unbase64

FORMAT = "desktop-logger/collection-request/1"
LARGEST = 16 * 1024
_CONTEXT = "collection request"
_MADE_BY = "It is made by: desktop-logger admin ask"
_AGAIN = "Ask whoever gave it to you for it again; do not take part by this one."
_DAY_S = 86_400

Action = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]{1,24}(?:\([a-z_-]{1,24}\)|\([A-Z_]{1,24}\))?$")]
"""A kind of action as the vocabulary of datasets names it: a word, or a word and one more in brackets."""
Percent = Annotated[int, Field(ge=0, le=100)]


class Draft(Model):
    """What would help, before anybody signs it."""

    purpose: Name
    """For which purpose of the policy."""
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    """What would have to be recorded."""
    profile: ProfileName
    """How finely, at least."""
    category: CategoryName | None
    """In applications of which kind; ``None`` for any."""
    action: Action | None
    """Which kind of action is missing; ``None`` for any."""
    volunteers: Annotated[int, Field(ge=1, le=100_000)]
    """How many people would help."""
    days: Annotated[int, Field(ge=1, le=180)]
    """For how many days; then a consent that was given for this ends."""
    right_now: Percent
    """Of a hundred such actions, how many the model foresees now."""
    right_elsewhere: Percent
    """Of a hundred others."""
    right_expected: Percent
    """Of a hundred such actions, how many it should foresee with these volunteers (learning curve)."""


class Signature(Model):
    """Ed25519 by the controller over the canonical request without this member."""

    by: Fingerprint
    algorithm: Literal["Ed25519"]
    value: Base64


class Request(Draft):
    """A signed request."""

    format: Literal["desktop-logger/collection-request/1"]
    id: Id
    controller: Base64
    """The controller's Ed25519 key, as in the policy."""
    asked: Time
    closes: Time
    """Afterwards nobody can accept it."""
    signature: Signature


def draft(data: bytes, name: str) -> Draft:
    """A draft from JSON. Raises ``UsageError`` naming the field."""
    try:
        return Draft.model_validate_json(data)
    except ValidationError as error:
        raise UsageError(f"{name}: {_where(error)}", "Make it with: desktop-logger learn feedback") from None


def sign(asked: Draft, policy: Policy, signer: sealing.Signer, now: float, open_days: int) -> bytes:
    """The canonical bytes of a signed request. Raises ``Refused`` for more than the policy offers, or another's key."""
    check_within(asked, policy)
    if policy.controller is None or b64decode(policy.controller.public) != signer.public:
        raise Refused("controller.public of the policy is not the key that signs", "Sign with the controller's folder.")
    document = {
        **asked.model_dump(mode="json"), "format": FORMAT, "id": sealing.random_id(),
        "controller": policy.controller.public, "asked": int(now), "closes": int(now) + open_days * _DAY_S,
    }  # fmt: skip
    value = b64encode(signer.sign(_CONTEXT, sealing.canonical(document))).decode()
    signature = {"by": sealing.fingerprint(signer.public), "algorithm": "Ed25519", "value": value}
    data = sealing.canonical({**document, "signature": signature})
    verify(data, "request")
    return data


def verify(data: bytes, name: str) -> Request:
    """The request in exactly these bytes, signed by the key it names. Raises ``IntegrityError`` or ``UsageError``."""
    if len(data) > LARGEST:
        raise UsageError(f"{name}: larger than {LARGEST} bytes", _MADE_BY)
    try:
        document = sealing.parse_canonical(data)
        found = Request.model_validate_json(data)
    except IntegrityError:
        raise UsageError(f"{name}: not a signed collection request", _MADE_BY) from None
    except ValidationError as error:
        raise UsageError(f"{name}: {_where(error)}", _MADE_BY) from None
    public = unbase64(found.controller, 32, "controller")
    if found.signature.by != sealing.fingerprint(public):
        raise IntegrityError(f"{name}: signed by a key that it does not name", _AGAIN)
    del document["signature"]
    try:
        sealing.verify(
            public, _CONTEXT, sealing.canonical(document),
            unbase64(found.signature.value, sealing.SIGNATURE_BYTES, "signature.value"),
        )  # fmt: skip
    except IntegrityError:
        raise IntegrityError(f"{name}: altered after it was signed", _AGAIN) from None
    return found


def check_within(asked: Draft, policy: Policy) -> None:
    """Raise ``Refused`` where a request asks for something that the policy does not offer."""
    if asked.purpose not in (one.id for one in policy.purposes):
        raise Refused(f"the policy has no purpose {asked.purpose}", "A request serves a purpose that people know.")
    if missing := [one for one in asked.scopes if one not in policy.scopes]:
        raise Refused(f"the policy does not offer: {', '.join(missing)}", "A new version of the policy can.")
    if not policy.release or not may_become(PROFILES[policy.release.profile], PROFILES[asked.profile]):
        raise Refused(f"what leaves under the policy is coarser than {asked.profile}", "A new version can be finer.")
    if asked.category is not None and "context" not in asked.scopes:
        raise Refused("a request for one kind of application needs the scope context", "Add it to `scopes`.")


def acceptable(found: Request, policy: Policy, now: float) -> None:
    """Raise ``Refused`` unless this is an open request of the organisation whose policy is in force."""
    if policy.controller is None:
        raise Refused(
            "no organisation's policy is in force here, so nobody vouches for this request",
            "Adopt the policy first: desktop-logger join FILE",
        )
    if found.controller != policy.controller.public:
        raise Refused(f"this request is not signed by {policy.controller.name}", "Ask the person who gave it to you.")
    if now >= found.closes:
        raise Refused(f"this request was open until {day(found.closes)}", "There is nothing to do.")
    check_within(found, policy)


def in_words(found: Request, policy: Policy, language: str, path: str | None = None) -> str:
    """A request for people, in their language; the policy is the one it was checked against.

    ``path``: where it lies, to say how to take part; without it, what the consent that is being given is for.
    """
    say = TEXTS[language]
    purpose = next(one.text.spoken(language) for one in policy.purposes if one.id == found.purpose)
    facts = {
        **found.model_dump(), "organisation": policy.organisation, "purpose": purpose, "path": path,
        "scopes": words.scopes(language, found.scopes), "closes": day(found.closes), "by": found.signature.by,
    }  # fmt: skip
    kind = "category_action" if found.category and found.action else "category" if found.category else "action"
    if found.category is None and found.action is None:
        kind = "more"
    if found.action:
        does = _DOES[language].get(found.action.partition("(")[0], "")
        facts["action"] = f"{does} ({found.action})" if does else found.action
    last = ("ends",) if path is None else ("free", "accept", "ends", "open")
    return "\n".join(say[key].format(**facts) for key in ("asks", kind, "needs", "gain", *last))


def schema() -> str:
    """``consent/request.schema.json``."""
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Request.model_json_schema()}
    return json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _where(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'request'}: {first['msg']}"


_DOES = {
    "en": {
        "TYPE": "typing", "EDIT": "correcting", "HOTKEY": "commands by keys", "PRESS": "pressing a special key",
        "CLICK": "clicking", "SCROLL": "scrolling", "MOVE": "moving the pointer", "SWITCH": "changing the application",
    },
    "de": {
        "TYPE": "Tippen", "EDIT": "Verbessern", "HOTKEY": "Befehle mit Tasten", "PRESS": "Drücken einer Sondertaste",
        "CLICK": "Klicken", "SCROLL": "Rollen", "MOVE": "Bewegen des Zeigers", "SWITCH": "Wechsel der Anwendung",
    },
    "fr": {
        "TYPE": "saisie", "EDIT": "correction", "HOTKEY": "commandes au clavier", "PRESS": "touches spéciales",
        "CLICK": "clics", "SCROLL": "défilement", "MOVE": "mouvements du pointeur",
        "SWITCH": "changements d'application",
    },
}  # fmt: skip
"""What an action's first word means, for people who do not know the vocabulary of datasets."""

TEXTS = {
    "en": {
        "asks": "{organisation} asks for volunteers, to {purpose}.",
        "category": "What is missing: work in applications of the kind {category}.",
        "action": "What is missing: examples of {action}.",
        "category_action": "What is missing: examples of {action} in applications of the kind {category}.",
        "more": "What is missing: more of everything.",
        "needs": "It would take {scopes}, as {profile} or finer, from about {volunteers} people, for {days} days.",
        "gain": "There the model foresees {right_now} of 100 actions, elsewhere {right_elsewhere}. With these people "
        "{right_expected} of 100 are expected; that is an estimate.",
        "free": "You need not answer. Ignoring it leaves no trace, and nobody is told.",
        "accept": "To take part: desktop-logger consent sign --request {path}\n  The ordinary questions are asked, "
        "each answered no unless you say yes.",
        "ends": "Your whole consent then ends after {days} days at the latest, also what you had signed before.",
        "open": "Open until {closes}. Signed with the key {by}",
    },
    "de": {
        "asks": "{organisation} sucht Freiwillige, um Folgendes zu tun: {purpose}.",
        "category": "Was fehlt: Arbeit in Anwendungen der Art {category}.",
        "action": "Was fehlt: Beispiele für {action}.",
        "category_action": "Was fehlt: Beispiele für {action} in Anwendungen der Art {category}.",
        "more": "Was fehlt: von allem mehr.",
        "needs": "Nötig wären {scopes}, als {profile} oder feiner, von etwa {volunteers} Personen, für {days} Tage.",
        "gain": "Dort sieht das Modell {right_now} von 100 Handlungen voraus, anderswo {right_elsewhere}. Mit diesen "
        "Personen werden {right_expected} von 100 erwartet; das ist eine Schätzung.",
        "free": "Sie brauchen nicht zu antworten. Nicht zu antworten hinterlässt keine Spur, und niemand erfährt es.",
        "accept": "Um mitzumachen: desktop-logger consent sign --request {path}\n  Es kommen die üblichen Fragen, jede "
        "gilt als verneint, wenn Sie nicht zustimmen.",
        "ends": "Ihre ganze Einwilligung endet dann nach spätestens {days} Tagen, auch was Sie vorher "
        "unterschrieben haben.",
        "open": "Offen bis {closes}. Unterschrieben mit dem Schlüssel {by}",
    },
    "fr": {
        "asks": "{organisation} cherche des volontaires, pour ceci : {purpose}.",
        "category": "Ce qui manque : du travail dans des applications du genre {category}.",
        "action": "Ce qui manque : des exemples de {action}.",
        "category_action": "Ce qui manque : des exemples de {action} dans des applications du genre {category}.",
        "more": "Ce qui manque : un peu plus de tout.",
        "needs": "Il faudrait {scopes}, en {profile} ou plus fin, d'environ {volunteers} personnes, pendant {days} "
        "jours.",
        "gain": "Là, le modèle prévoit {right_now} actions sur 100, ailleurs {right_elsewhere}. Avec ces personnes, "
        "on en attend {right_expected} sur 100 ; c'est une estimation.",
        "free": "Vous n'avez pas à répondre. Ne pas répondre ne laisse aucune trace, et personne n'en est informé.",
        "accept": "Pour participer : desktop-logger consent sign --request {path}\n  Les questions habituelles sont "
        "posées, la réponse est non sauf si vous dites oui.",
        "ends": "Tout votre consentement prend alors fin après {days} jours au plus, aussi ce que vous aviez "
        "signé avant.",
        "open": "Ouverte jusqu'au {closes}. Signée avec la clé {by}",
    },
}


def main() -> None:
    """Rewrite the schema in a checkout."""
    rewrite(schema(), "consent", "request.schema.json")


if __name__ == "__main__":
    main()
