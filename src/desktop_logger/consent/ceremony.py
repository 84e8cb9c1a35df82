"""The ceremony: a person reads, chooses, and signs with their own hand; or refuses, which leaves no trace.

1. the summary, on request the whole notice and policy; what a collection request asks for, where it answers one
· 2. who asks, and what the summary cannot know · 3. each scope apart, default no · 4. the profile, with its figures
· 5. each purpose of an organisation apart, default no · 6. what would be signed: readers, days, end · 7. passphrase ·
8. the code of exactly this document · 9. writing: keys, ledger, receipt, and last the end of an older withdrawal

A renewal shows in place of 1 to 5 what has changed since the receipt before it, and asks only about what is new.
Each thing is said once, so that reading it all takes about two minutes (``tests/unit/test_ceremony_page.py``).

Invariants: nothing is written before the right code (8) is typed; a refusal, a wrong code, Ctrl-C and the end of input
leave everything as it was; what is signed is what was shown, from memory, not from files read again.
"""

from __future__ import annotations

import os
import re
import signal
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Protocol

from desktop_logger import __version__, disk, sealing
from desktop_logger import policy as policies
from desktop_logger.clock import Clock, day
from desktop_logger.errors import DesktopLoggerError, NoConsent, Refused, Unavailable, Unreadable
from desktop_logger.paths import Home
from desktop_logger.records.profiles import PROFILES, may_become

from . import digest, identity, notices, person, receipt, renewing, requesting, saying, validation, withdrawing, words
from .gate import mark_withdrawn, write_last_seen
from .terminal import Terminal, flowing

_DAY_S = 86_400
_TRIES = 3


class Books(Protocol):
    """What the ceremony needs from the store; it lies on a higher floor and is handed in."""

    def exist(self) -> bool:
        """Whether there is a store already."""

    def kek_place(self) -> str:
        """``keyring`` or ``file``: where the key-encryption key lies, or would be put."""

    def begin(self, subject: sealing.Signer, place: str, *, afresh: bool) -> tuple[str, str]:
        """Make the store where there is none (``afresh``: delete what there is first). Ledger id and head, hex."""

    def record(self, kind: str, **facts: Any) -> None:
        """One ledger entry."""

    def record_withdrawal(self, kind: str, **facts: Any) -> None:
        """The entry of an earlier withdrawal that could not be made at the time, and what follows from it."""


class Answers(NamedTuple):
    """What the person chose."""

    scopes: tuple[str, ...]
    profile: str
    purposes: tuple[str, ...]


class Ceremony:
    """One ceremony on one terminal."""

    def __init__(
        self, home: Home, clock: Clock, terminal: Terminal, books: Books, request: requesting.Request | None = None
    ) -> None:
        """``request``: a collection request that this consent answers; the consent ends when it says."""
        self.home, self.clock, self.terminal, self.books, self.request = home, clock, terminal, books, request
        self.policy, self.payload = policies.active(home)
        self.language = notices.language()
        self.days = min(self.policy.consent_days, request.days) if request else self.policy.consent_days
        self.notice = notices.load(self.policy.notice.id, self.policy.notice.version, self.language)

    def hold(self, *, new_identity: bool = False, choose: bool = False, copy: str | None = None) -> receipt.Receipt:
        """Hold the ceremony. Raises ``Refused`` when it does not end in a signature; nothing is written then.

        ``choose``: ask everything, also on a renewal. ``copy``: a file or folder for a copy of the receipt.
        """
        try:
            signed = self._hold(new_identity=new_identity, choose=choose)
        except KeyboardInterrupt:
            raise Refused("stopped; nothing was signed", "Nothing was written. Run it again at any time.") from None
        self._copy(signed, copy)
        return signed

    def _hold(self, *, new_identity: bool, choose: bool) -> receipt.Receipt:
        notes = self._may_sign()
        if self.request:
            requesting.acceptable(self.request, self.policy, self.clock.now())
            self.terminal.say(requesting.in_words(self.request, self.policy, self.language) + "\n")
        before = None if new_identity or choose or self.request else renewing.previous(self.home, self.policy)
        if before:
            self.terminal.say(renewing.in_words(before, self.policy, self.notice) + "\n")
        else:
            self.terminal.say(self.notice.summary + "\n")
        self._read()
        for note in notes:
            self.terminal.say(self._say(note))
        if before:
            answers = self._answers_again(before)
        else:
            self.terminal.say(policy_in_brief(self.policy, self.language) + "\n")
            scopes = tuple(name for name in self.policy.scopes if self._scope(name))
            answers = Answers(scopes, self._profile() if scopes else "", self._purposes() if scopes else ())
        if not answers.scopes:
            raise Refused("nothing was chosen, so nothing was signed", "Nothing was written. That is a fine answer.")
        known = identity.exists(self.home) and not new_identity
        afresh = not known and (identity.exists(self.home) or self.books.exist())
        place = self.books.kek_place()
        self._recapitulate(answers, again=before is not None, afresh=afresh)
        keys, passphrase = self._keys(known=known)
        device = self._device(afresh=afresh)
        document = self._document(answers, keys, device)
        code = document["event"]["code"]
        typed = self.terminal.ask(self._say("code", code=code))
        if not typed.strip():
            raise Refused("refused; nothing was signed", "Nothing was written, and nobody is told.")
        if re.sub(r"[\s-]", "", typed).upper() != code.replace("-", ""):
            raise Refused("that was not the code; nothing was signed", "Nothing was written. Run it again at any time.")
        with _uninterrupted():
            return self._write(document, keys, passphrase, device, place, afresh=afresh)

    # --- before --------------------------------------------------------------------------------------------------

    def _may_sign(self) -> list[str]:
        if self.notice.id == notices.DEMO:
            try:
                validation.refuse_outside_demo(self.home)
            except NoConsent as error:
                raise Refused(error.message, "On your own display: desktop-logger consent sign") from None
            return []
        notes = person.act_for_yourself(remote_sessions=self.policy.remote_sessions)
        self.home.check()
        above = self.home.root
        while not os.path.exists(above):
            above = os.path.dirname(above)
        if not os.access(above, os.W_OK | os.X_OK):
            raise Unavailable(
                f"cannot write to {above}", "Make it writable for your account, or set DESKTOP_LOGGER_HOME."
            )
        return notes

    def _read(self) -> None:
        while self.terminal.ask(self._say("go_on")).strip().lower() == "m":
            whole = "\n\n".join(
                [
                    self.notice.summary,
                    flowing(self.notice.rest),
                    policy_in_words(self.policy, self.language),
                    saying.fields_in_words(self.policy, self.language),
                    self._say("a_kek", place=self._say(f"kek_{self.books.kek_place()}")),
                ]
            )
            self.terminal.page(whole, self._say("more"))
        self.terminal.say()

    # --- choices ---------------------------------------------------------------------------------------------------

    def _yes(self, key: str, **holes: object) -> bool:
        return words.affirms(self.language, self.terminal.ask(self._say(key, **holes)))

    def _scope(self, name: str) -> bool:
        """Say what a scope is, and ask about it."""
        tasks = words.listed(self.language, (one.text.spoken(self.language) for one in self.policy.tasks), few=10)
        self.terminal.say(self._say(f"about_{name}", tasks=tasks))
        return self._yes(f"record_{name}")

    def _profile(self) -> str:
        offered = [one.name for one in PROFILES.values() if may_become(self.policy.ceiling, one)]
        self.terminal.say("\n" + self._say("choose"))
        for name in offered:
            self.terminal.say(f"  {name}: {self._say(name)}")
        self.terminal.say(self._say("week"))
        while True:
            default = self.policy.profile.default
            chosen = self.terminal.ask(self._say("profile", default=default)).strip().lower() or default
            if chosen in offered:
                return chosen
            self.terminal.say(self._say("which", names=", ".join(offered)))

    def _purposes(self, known: renewing.Known = renewing.NOTHING) -> tuple[str, ...]:
        """Purposes that are granted: asked, except those that were asked before in these words."""
        if not self.policy.recipients:
            return tuple(one.id for one in self.policy.purposes)
        self.terminal.say()
        return tuple(
            one.id
            for one in self.policy.purposes
            if (
                one.id in known.granted
                if one.id in known.asked
                else self._yes("purpose", organisation=self.policy.organisation, purpose=one.text.spoken(self.language))
            )
        )

    def _answers_again(self, before: renewing.Before) -> Answers:
        """The answers of the receipt before, narrowed as they are now; asked is only what was never asked."""
        scopes = tuple(
            name
            for name in self.policy.scopes
            if (name in before.left.scopes if name in before.asked else self._scope(name))
        )
        profile = max(before.left.profile, self.policy.profile.ceiling, key=lambda name: PROFILES[name].rank)
        return Answers(scopes, profile, self._purposes(renewing.purposes(before, self.policy)) if scopes else ())

    def _recapitulate(self, answers: Answers, *, again: bool, afresh: bool) -> None:
        """What would be signed. ``again``: also what a first ceremony has on the screen already, its questions."""
        terms, readers = self._shared(answers)
        recorded = words.scopes(self.language, answers.scopes)
        lines = ["", self._say("agree")]
        lines.append("* " + self._say("a_record", scopes=recorded, profile=answers.profile))
        if terms:
            if again:
                granted = (one for one in self.policy.purposes if one.id in answers.purposes)
                lines.append(
                    "* " + self._say("a_for", purposes="; ".join(one.text.spoken(self.language) for one in granted))
                )
            waits = "a_waits" if terms["mode"] == "cooling-off" else "a_approved"
            when = self._say(waits, hours=terms["cooling_off_hours"])
            lines.append("* " + self._say("a_shared", profile=terms["profile"], when=when))
            for one in readers:
                shown = {**one, "scopes": words.scopes(self.language, one["scopes"])}
                lines.append(self._say("a_reader", **shown))
        else:
            lines.append("* " + self._say("a_alone"))
        if again and self.policy.schedule:
            lines.append("* " + words.hours(self.language, self.policy.schedule.model_dump()))
        ends = day(self.clock.now() + self.days * _DAY_S)
        lines.append("* " + self._say("a_until", days=self.policy.retention_days, day=ends))
        if afresh:
            lines += ["", self._say("afresh")]
        self.terminal.say("\n".join(lines) + "\n")

    # --- keys ------------------------------------------------------------------------------------------------------

    def _keys(self, *, known: bool) -> tuple[identity.Identity, str | None]:
        """The identity, and the passphrase where it is a new one."""
        if known:
            self.terminal.say(self._say("known_passphrase"))
            for left in reversed(range(_TRIES)):
                try:
                    return identity.unlock(self.home, self.terminal.secret(self._say("passphrase"))), None
                except Unreadable as error:
                    if not left:
                        raise Refused(f"{error.message}; nothing was signed", error.hint) from None
                    self.terminal.say(error.message)
        count = identity.SHORTEST_PASSPHRASE
        self.terminal.say(self._say("about_passphrase", count=count))
        for _ in range(_TRIES):
            first = self.terminal.secret(self._say("new_passphrase"))
            if len(first) < count:
                self.terminal.say(self._say("short", count=count))
                continue
            self.terminal.say(self._say(identity.strength(first), count=len(first)))
            if self.terminal.secret(self._say("repeat_passphrase")) == first:
                return identity.generate(), first
            self.terminal.say(self._say("differ"))
        raise Refused("no passphrase was chosen; nothing was signed", "Nothing was written. Run it again at any time.")

    def _device(self, *, afresh: bool) -> sealing.Signer:
        """The device key. A renewal keeps it, so that what was released before can still be erased with it."""
        if not afresh:
            with suppress(DesktopLoggerError):
                return identity.device(self.home)
        return sealing.Signer.generate()

    # --- the document ----------------------------------------------------------------------------------------------

    def _shared(self, answers: Answers) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """Release terms and readers, as far as they were granted."""
        release = self.policy.release
        readers = []
        if release and answers.purposes:
            for one in self.policy.recipients:
                shared = [name for name in answers.scopes if name in one.scopes]
                if shared:
                    name, fingerprint = words.holders(self.language, one), sealing.fingerprint(one.key)
                    readers.append({"name": name, "fingerprint": fingerprint, "scopes": shared})
        if not release or not readers:
            return None, []
        profile = max(release.profile, answers.profile, key=lambda name: PROFILES[name].rank)
        return {"profile": profile, "mode": release.mode, "cooling_off_hours": release.cooling_off_hours}, readers

    def _document(self, answers: Answers, keys: identity.Identity, device: sealing.Signer) -> dict[str, Any]:
        """Everything that is signed but the ledger's place."""
        policy, notice = self.policy, self.notice
        meaning = digest.meaning_of(policy, notice)
        terms, readers = self._shared(answers)
        header = {
            "format": receipt.FORMAT, "structure": "ISO/IEC TS 27560:2023", "id": sealing.random_id(),
            "previous": None, "language": self.language, "program": __version__,
        }  # fmt: skip
        state = "ConsentGiven"
        with suppress(NoConsent):
            data, before = validation.read(self.home)
            header["previous"] = sealing.hexdigest(data)
            same = before.parties.subject.identity_fingerprint == sealing.fingerprint(keys.signer.public)
            ended = os.path.lexists(self.home.withdrawn) or os.path.lexists(
                validation.withdrawal_path(self.home, before.header.id)
            )
            if same and not ended:
                state = "RenewedConsentGiven"
        processing = {
            "notice": {
                "id": notice.id,
                "version": notice.version,
                "language": notice.language,
                "sha256": notice.sha256,
            },
            "policy": {"id": policy.id, "version": policy.version, "sha256": sealing.hexdigest(self.payload)},
            "meaning": meaning,
            "consent_digest": digest.consent_digest(meaning),
            "scopes": [{"id": name, "granted": name in answers.scopes} for name in policy.scopes],
            "purposes": [
                {"id": one.id, "text": one.text.spoken(self.language), "granted": one.id in answers.purposes}
                for one in policy.purposes
            ],
            "profile": answers.profile,
            "named_commands": policy.named_commands and "keyboard" in answers.scopes,
            "release": terms,
            "recipients": readers,
            "retention_days": policy.retention_days,
            "storage_location": "this computer",
            "legal_basis": policy.legal_basis,
            "dpia": policy.dpia.model_dump() if policy.dpia else None,
            "works_agreement": policy.works_agreement.model_dump() if policy.works_agreement else None,
            "rights": ["access", "portability", "erasure", "restriction", "withdrawal", "complaint"],
            "withdrawal": "desktop-logger consent withdraw",
            "refusal_consequences": "none",
        }
        parties = {"subject": _subject(keys, device, str(header["id"])), "controller": None, "dpo": None}
        if policy.controller:
            who = policy.controller
            parties["controller"] = {
                "name": who.name, "contact": who.contact, "fingerprint": digest.fingerprint_of(who.public),
            }  # fmt: skip
        if policy.dpo:
            parties["dpo"] = policy.dpo.model_dump()
        given = int(self.clock.now())
        event = {
            "state": state, "type": "ExplicitlyExpressedConsent", "method": "code typed on a terminal",
            "given": given, "expires": given + self.days * _DAY_S,
        }  # fmt: skip
        event["code"] = receipt.code_of(processing, parties, event)
        return {"header": header, "processing": processing, "parties": parties, "event": event}

    # --- 9 -----------------------------------------------------------------------------------------------------------

    def _write(
        self, document: dict[str, Any], keys: identity.Identity, passphrase: str | None, device: sealing.Signer,
        place: str, *, afresh: bool,
    ) -> receipt.Receipt:  # fmt: skip
        home = self.home
        try:
            home.create(home.consent, home.receipts, home.keys)
            if afresh:
                # the old receipt must not outlive its keys, whatever happens next
                mark_withdrawn(home)
            if passphrase is not None:
                identity.save(home, keys, passphrase)
            ledger, head = self.books.begin(keys.signer, place, afresh=afresh)
            withdrawing.record_pending(home, self.books.record_withdrawal)
            data = receipt.sign({**document, "ledger": {"id": ledger, "head": head}}, keys.signer)
            signed = receipt.verify(data)
            self.books.record("consent.given", receipt=sealing.hexdigest(data), state=document["event"]["state"])
            identity.save_device(home, device)
            path = os.path.join(home.receipts, f"{signed.header.id}.json")
            disk.write_new(path, data)
            write_last_seen(home, int(self.clock.now()))
            disk.replace(home.receipt, data)
            with suppress(FileNotFoundError):
                os.unlink(home.withdrawn)
            disk.sync_folder(home.consent)
        except OSError as error:
            raise Unavailable(
                f"the receipt could not be written: {error.strerror}", "Run: desktop-logger doctor, then sign again."
            ) from None
        self.terminal.say(self._say("signed", path=path))
        self.terminal.say(self._say("a_you", fingerprint=sealing.fingerprint(keys.signer.public)))
        self.terminal.say(self._say("keep"))
        self.terminal.say(self._say("next"))
        return signed

    def _copy(self, signed: receipt.Receipt, place: str | None) -> None:
        """A copy of the receipt where the person said. That it cannot be made changes nothing of what was signed."""
        if place is None:
            return
        try:
            path = save_copy(place, signed.header.id, disk.read(self.home.receipt, receipt.LARGEST))
        except OSError as error:
            self.terminal.say(self._say("not_copied", path=place, reason=error.strerror))
        else:
            self.terminal.say(self._say("copied", path=path))

    def _say(self, key: str, **holes: object) -> str:
        return words.say(self.language, key, **holes)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits: between the code and the receipt (under a second) "nothing was signed" would be untrue."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def save_copy(place: str, receipt_id: str, data: bytes) -> str:
    """Write a new file with a receipt, in a folder or under a name; returns its path. Raises ``OSError``."""
    path = os.path.join(place, f"consent-{receipt_id}.json") if os.path.isdir(place) else place
    path = os.path.abspath(path)
    disk.write_new(path, data)
    return path


def policy_in_brief(policy: policies.Policy, language: str) -> str:
    """Who asks, and what the summary cannot know: what a policy leaves out, and what it has beyond the usual.

    All the rest of ``policy_in_words`` is asked about, stands in what would be signed, or behind ``m``.
    """
    lines = [_title(policy, language), *_covered(policy, language, few=10), *_beyond(policy, language)]
    if policy.onward_transfer:
        lines.append(words.say(language, "onward", names=", ".join(policy.onward_transfer)))
    return "\n".join(lines)


def policy_in_words(policy: policies.Policy, language: str) -> str:
    """The whole policy as lines that a person can check."""

    def say(key: str, **holes: object) -> str:
        return words.say(language, key, **holes)

    lines = [_title(policy, language)]
    if policy.countersignature:
        second = policy.countersignature
        lines.append(say("countersigned", name=second.name, contact=second.contact))
    if policy.dpo:
        lines.append(say("dpo", name=policy.dpo.name, contact=policy.dpo.contact))
    purposes = "; ".join(one.text.spoken(language) for one in policy.purposes)
    lines.append(say("asked_for", scopes=words.scopes(language, policy.scopes), purposes=purposes))
    lines += _covered(policy, language)
    lines.append(say(f"unanswered_{policy.unanswered}"))
    if "context" in policy.scopes and policy.categories:
        pairs = (f"{name} ({kind})" for name, kind in policy.categories.items())
        lines.append(say("sorted", names=words.listed(language, pairs)))
    if policy.tasks:
        tasks = words.listed(language, (one.text.spoken(language) for one in policy.tasks))
        lines.append(say("about_task", tasks=tasks))
    lines += _beyond(policy, language)
    lines.append(say("kept", days=policy.retention_days))
    if policy.release:
        key = "leaves" if policy.release.mode == "cooling-off" else "leaves_approved"
        lines.append(say(key, profile=policy.release.profile, hours=policy.release.cooling_off_hours))
        for one in policy.recipients:
            name, fingerprint = words.holders(language, one), sealing.fingerprint(one.key)
            lines.append(say("reader", name=name, scopes=words.scopes(language, one.scopes), fingerprint=fingerprint))
        lines.append(
            say("onward", names=", ".join(policy.onward_transfer)) if policy.onward_transfer else say("no_onward")
        )
        lines.append(say("forbidden", uses=", ".join(policy.forbidden_uses)))
    else:
        lines.append(say("nobody"))
    if policy.legal_basis:
        lines.append(say("legal", text=policy.legal_basis))
    lines += [say("paper", title=one.title) for one in (policy.dpia, policy.works_agreement) if one]
    return "\n".join(lines)


def _title(policy: policies.Policy, language: str) -> str:
    """The policy's name, and whose it is."""
    if not policy.controller:
        return words.say(language, "policy", id=policy.id, version=policy.version)
    name, contact = policy.controller.name, policy.controller.contact
    return words.say(
        language, "policy_of", id=policy.id, version=policy.version, organisation=name, contact=contact
    )  # fmt: skip


def _covered(policy: policies.Policy, language: str, few: int | None = None) -> list[str]:
    """In which programs something is recorded, and what holds where nobody can say which one it is."""
    mode, names = policy.applications.mode, words.listed(language, policy.applications.names, few=few)
    lines = [words.say(language, f"apps_{mode}" if names or mode != "allow" else "apps_none", names=names)]
    return lines + [words.say(language, f"apps_deny_{policy.unanswered}")] * (mode == "deny")


def _beyond(policy: policies.Policy, language: str) -> list[str]:
    """What not every policy has: commands by name, what other programs put in, foreign backends, hours."""
    lines = []
    if policy.named_commands:
        lines.append(words.say(language, "commands"))
    if policy.injected == "record":
        lines.append(words.say(language, "injected"))
    lines += [words.say(language, "backend", name=one.name, sha256=one.sha256[:16]) for one in policy.backends]
    if policy.schedule:
        lines.append(words.hours(language, policy.schedule.model_dump()))
    return lines


def _subject(keys: identity.Identity, device: sealing.Signer, receipt_id: str) -> dict[str, Any]:
    return {
        "identity": b64encode(keys.signer.public).decode(),
        "identity_fingerprint": sealing.fingerprint(keys.signer.public),
        "reader": b64encode(keys.reader.public).decode(),
        "reader_fingerprint": sealing.fingerprint(keys.reader.public),
        "device": b64encode(device.public).decode(),
        "uid": os.getuid() if hasattr(os, "getuid") else 0,
        "machine": person.machine(receipt_id),
    }
