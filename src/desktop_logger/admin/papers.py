"""The papers that an organisation needs beside the program, made from the policy and the field registry.

Four Markdown files whose lines follow the policy's and the registry's own order, so that two versions can be compared
line by line: the inventory for an impact assessment, the record of processing (GDPR Art. 30), the annex to a works
agreement, the information sheet. What only people can answer stands there as an open question, never as an answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from desktop_logger import __version__, disk, sealing
from desktop_logger import policy as policies
from desktop_logger.consent import notices, saying, words
from desktop_logger.consent.ceremony import policy_in_words
from desktop_logger.errors import Unavailable, UsageError
from desktop_logger.records import registry
from desktop_logger.records.profiles import PROFILES, Profile, may_become

_LARGEST = 256 << 10
_POSITION = """Consent in this software is a technical precondition, always: without a signature of the person nothing
can be recorded. Whether it is also the legal basis is the controller's decision; in the EU it usually cannot be the
only one, because people at work are rarely free to refuse (EDPB guidelines 05/2020; WP29 opinion 2/2017)."""

_RISKS = (
    ("recognising a person by how they type", "class and grid before storing; coarser profile before release",
     "the figures of the notice; with a week of typing, assume recognition"),
    ("reading back text", "letters, digits, punctuation and space are one class; no field can hold a character",
     "about 1 % of what the letters were from bursts and coarse; more of where Enter stood, in bursts corrections too"),
    ("working out how much one participant typed", "forbidden use in every export; a rotating group, no name",
     "forbidden, not impossible"),
    ("passwords", "nothing is recorded in a field that its application calls secret; programs that the policy denies",
     "where no application answers (a terminal), counted in the coarsest form; said in the notice"),
    ("reading by the wrong person", "each scope sealed to its own readers; the program cannot read back",
     "who controls the computer controls the program"),
    ("keeping too long", "deleted after the time of the policy; keys destroyed, so that copies do not open",
     "copies that hold the old key; traces on a disk"),
    ("pressure to take part", "refusing is one key and recorded nowhere; no list of people who refuse exists",
     "what people tell each other"),
)  # fmt: skip

_QUESTIONS = """
## For people to answer

* Is the processing necessary and proportionate to each purpose?
* Whom did you consult, and what did they say?
* Which residual risk is accepted, by whom?"""

_ERASURE = """
(f) Erasure: after {days} days on the person's computer, or at once when the person asks. What was released: when the
    signed request of the person reaches the steward; retention there is the controller's to name.

(g) Measures: docs/SECURITY.md; sealed on the person's computer, readable only with the keys above."""

_FREELY = """
7. Freely. Taking part is each person's choice; refusing, pausing, deleting and withdrawing have no consequence and are
   recorded nowhere that a superior can see. No list of people who refuse exists.

8. What the steward sees: who has registered to take part, what was shared, that something already shared was deleted.
   Not: pauses, deletions before sharing, refusals.

9. Groups. Insights and published datasets hold at least {group} people; exports at least {export}.

10. Changes. Whatever is wider stops recording until each person signs again. {second}

11. Checking. Anybody can verify policy and receipts: desktop-logger consent verify FILE.

Signed for the employer: ____________________   for the works council: ____________________"""


def write(folder: str, policy_file: str) -> list[str]:
    """Write the papers for a policy, TOML or signed, into a folder; returns their paths.

    Raises ``UsageError``, and ``IntegrityError`` for a signature that is not the one it should be.
    """
    try:
        text = disk.read(policy_file, _LARGEST)
    except OSError as error:
        raise UsageError(f"cannot read {policy_file}: {error.strerror}", "Name the policy's file.") from None
    name = os.path.basename(policy_file)
    if text.startswith(b"{"):  # no TOML does
        policy, text = policies.open_signed(text, name)
    else:
        policy = policies.parse(text, name)
    made = []
    disk.need_folder_above(folder)
    try:
        os.makedirs(folder, exist_ok=True)
        for name, paper in PAPERS.items():
            path = os.path.join(folder, name)
            disk.replace(path, paper(policy, sealing.hexdigest(text)).encode())
            made.append(path)
    except OSError as error:
        raise Unavailable(f"cannot write into {folder}: {error.strerror}", "Choose a folder that is yours.") from None
    return made


def inventory(policy: policies.Policy, digest: str) -> str:
    """The data inventory of an impact assessment: every field, how much it can say, to whom, for how long."""
    stored = _from(policy.ceiling)
    leaves = _from(PROFILES[policy.release.profile]) if policy.release else []
    lines = [*_head("Inventory for a data protection impact assessment", policy, digest), "## Every field", ""]
    lines += [
        f"Stored as `{policy.ceiling.name}` at the finest; "
        + (f"what leaves is `{leaves[0]}` at the finest." if leaves else "nothing leaves."),
        "Bits are the most that the field of one record can hold under any profile that the policy allows, against any",
        "attacker; measured leakage is far lower.", "",
        "| record | field | scope | what it is | what for | says something about | bits stored | bits released |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for field in registry.FIELDS:
        bits = [_most(field, profiles) for profiles in (stored, leaves)]
        if (field.scope == "any" or field.scope in policy.scopes) and any(bits):
            lines.append(
                f"| {field.record} | {field.name} | {field.scope} | {field.description} | {field.purpose} "
                f"| {field.sensitivity} | {bits[0] or '-'} | {bits[1] or '-'} |"
            )
    lines += ["", "## Risks that remain, and what is done about them", ""]
    lines += ["| risk | measure | what remains |", "|---|---|---|"]
    lines += [f"| {risk} | {measure} | {remains} |" for risk, measure, remains in _RISKS]
    return _done([*lines, _QUESTIONS])


def record(policy: policies.Policy, digest: str) -> str:
    """The record of processing activities, in the order of GDPR Art. 30(1) (a) to (g)."""
    who, dpo = policy.controller, policy.dpo
    lines = [*_head("Record of processing activities (GDPR Art. 30)", policy, digest)]
    lines.append("(a) Controller: " + (f"{who.name}, {who.contact}" if who else "the person alone"))
    lines.append("    Data protection officer: " + (f"{dpo.name}, {dpo.contact}" if dpo else "none named"))
    lines += ["", "(b) Purposes:"]
    lines += [f"    * {one.id}: {one.text.en}" for one in policy.purposes]
    lines += ["", "(c) People: those who signed the consent, nobody else. Data:"]
    lines += [f"    * {kind.name} ({kind.scope}): {kind.description}" for kind in _kinds(policy)]
    lines += ["", "(d) Recipients:"]
    lines += [
        f"    * {words.holders('en', one)}, for {', '.join(one.scopes)}; key {sealing.fingerprint(one.key)}"
        for one in policy.recipients
    ]
    lines += [] if policy.recipients else ["    * none"]
    onward = ", ".join(policy.onward_transfer) or "none"
    lines += ["", f"(e) Onward transfer: {onward}. Third countries: to be named by the controller."]
    lines += [_ERASURE.format(days=policy.retention_days), ""]
    return _done([*lines, "Legal basis: " + (policy.legal_basis or "to be named by the controller"), "", _POSITION])


def annex(policy: policies.Policy, digest: str) -> str:
    """The annex to a works agreement: what is agreed, as the program enforces it."""
    lines = [*_head("Annex to a works agreement", policy, digest)]
    lines += ["1. Subject. What is recorded is exactly, and only where the person says yes:", ""]
    lines += [f"   * {kind.name}: {kind.description}" for kind in _kinds(policy)]
    lines += [
        "",
        "2. Never recorded: characters, words, pictures, clipboard, titles, file names, addresses, positions.",
    ]
    released = f"released as {policy.release.profile} at the finest." if policy.release else "nothing is released."
    lines += ["", f"3. Granularity. Stored at the finest as {policy.profile.ceiling}; {released}"]
    lines += ["", "4. Purposes, and no others:", ""]
    lines += [f"   * {one.text.en}" for one in policy.purposes]
    lines += ["", "5. Forbidden uses: " + ", ".join(policy.forbidden_uses) + "."]
    hours = words.hours("en", policy.schedule.model_dump()) if policy.schedule else "Whenever the person starts it."
    lines += ["", f"6. Hours. {hours}"]
    who = policy.countersignature
    second = (
        f"{who.name} signs every version, or the program refuses it." if who else "No second signature is asked for."
    )
    lines.append(_FREELY.format(group=policy.minimum_group, export=policy.minimum_export, second=second))
    return _done(lines)


def sheet(policy: policies.Policy, digest: str) -> str:
    """The information sheet: the notice and the policy in words, in every language of the program."""
    lines = [*_head("Information sheet", policy, digest)]
    for language in notices.LANGUAGES:
        notice = notices.load(policy.notice.id, policy.notice.version, language)
        lines += [f"## {language}", "", notice.summary, "", notice.rest, "", policy_in_words(policy, language), ""]
        lines += [saying.fields_in_words(policy, language), ""]
    return _done(lines)


PAPERS: dict[str, Callable[[policies.Policy, str], str]] = {
    "dpia-inventory.md": inventory,
    "record-of-processing.md": record,
    "works-agreement-annex.md": annex,
    "information-sheet.md": sheet,
}


def _head(title: str, policy: policies.Policy, digest: str) -> list[str]:
    lines = [f"# {title}", "", f"Policy `{policy.id}` version {policy.version}, SHA-256 `{digest}`;"]
    lines += [f"desktop-logger {__version__}. Made from the policy and the field registry; change those, not this.", ""]
    papers = [one.title for one in (policy.dpia, policy.works_agreement) if one]
    return lines + ([f"Documents: {', '.join(papers)}", ""] if papers else [])


def _from(finest: Profile) -> list[str]:
    """The profiles that may be used where ``finest`` is the finest."""
    return [one.name for one in PROFILES.values() if may_become(finest, one)]


def _most(field: registry.Field, profiles: list[str]) -> str:
    """The largest capacity of a field under any of these profiles, in bits; empty where it has none."""
    bits = [field.bits(one) for one in profiles if one in field.values]
    return f"{max(bits):.2f}" if bits else ""


def _kinds(policy: policies.Policy) -> list[registry.Kind]:
    return [kind for kind in registry.KINDS if kind.scope == "any" or kind.scope in policy.scopes]


def _done(lines: list[str]) -> str:
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"
