"""The ceremony step by step, with a scripted person: how many steps it takes, and what a renewal shows and asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from desktop_logger import disk
from desktop_logger.consent import gate, identity, notices, renewing, words
from desktop_logger.consent.ceremony import Ceremony
from desktop_logger.consent.terminal import plainly
from desktop_logger.errors import NoConsent, Refused
from tests.signing import PASSPHRASE, HeldClock, Organisation, Remembered, Scripted, home_in, signed

pytestmark = pytest.mark.usefixtures("quick_passphrases")

BOTH = ("keyboard", "pointer", "train models")


def asked(person: Scripted) -> list[str]:
    """What was asked, without the code of the day."""
    return ["Type … to sign" if one.startswith("Type ") else one for one in person.asked]


def test_a_newcomer_takes_seven_steps_alone_and_nine_in_an_organisation(tmp_path: object) -> None:
    alone, member = Scripted(), Scripted(yes=BOTH)
    signed(home_in(f"{tmp_path}/alone"), HeldClock(), alone)
    home = home_in(f"{tmp_path}/member")
    Organisation().adopt(home)
    signed(home, HeldClock(), member)
    assert len(alone.asked) == 7
    assert len(member.asked) == 9
    # Enter, y Enter twice, Enter, the passphrase twice, the code with its hyphen: beside the passphrase 20 keys
    typed = 1 + 2 * 2 + 1 + 2 * (len(PASSPHRASE) + 1) + 9 + 1
    assert typed - 2 * len(PASSPHRASE) == 18


def test_refusing_is_one_key_and_writes_nothing(tmp_path: object) -> None:
    home = home_in(tmp_path)
    with pytest.raises(Refused):
        signed(home, HeldClock(), Scripted(type=""))
    assert not Path(home.root).exists()


def test_a_renewal_without_changes_asks_for_passphrase_and_code_only(tmp_path: object) -> None:
    home, clock = home_in(tmp_path), HeldClock()
    first = signed(home, clock, Scripted(yes=("keyboard",), profile="bursts"))
    clock.seconds += 100 * 86_400
    person = Scripted(yes=())
    second = signed(home, clock, person)
    assert asked(person) == ["Enter to go on, m for the whole notice:", "Passphrase:", "Type … to sign"]
    assert any("Nothing has changed" in text for text in person.said)
    assert (second.granted_scopes, second.processing.profile) == (first.granted_scopes, "bursts")
    assert second.event.state == "RenewedConsentGiven"
    assert second.event.expires == first.event.expires + 100 * 86_400


def test_an_expired_consent_is_renewed_like_a_living_one(tmp_path: object) -> None:
    home, clock = home_in(tmp_path), HeldClock()
    signed(home, clock)
    clock.seconds += 200 * 86_400
    with pytest.raises(NoConsent):
        gate.check(home, clock)
    person = Scripted(yes=())
    signed(home, clock, person)
    assert len(person.asked) == 3
    gate.check(home, clock)


def test_a_renewal_says_what_is_wider_and_narrower_and_asks_only_what_is_new(tmp_path: object) -> None:
    home, clock, works = home_in(tmp_path), HeldClock(), Organisation()
    works.adopt(home)
    signed(home, clock, Scripted(yes=("keyboard", "train models")))
    works.adopt(
        home, ("retention_days = 30", "retention_days = 60"), ("cooling_off_hours = 24", "cooling_off_hours = 48"),
        ("find out where its programs get in the way", "plan its trainings"), version=2,
    )  # fmt: skip
    person = Scripted(yes=("plan its trainings",))
    again = signed(home, clock, person)
    said = "\n".join(person.said)
    assert "data is kept longer: 60 days" in said
    assert "data waits longer before it leaves" in said
    assert "purpose improve-tools is new or changed" in said
    assert [one for one in person.asked if one.startswith("Let ")] == [
        "Let Example Works use it to plan its trainings? [y/N]"
    ]
    assert not [one for one in person.asked if one.startswith("Record ")]
    assert again.granted_purposes == ("train-models", "improve-tools")
    assert again.granted_scopes == ("keyboard",)


def test_a_new_scope_is_asked_and_an_old_no_stays_no(tmp_path: object) -> None:
    home, clock, works = home_in(tmp_path), HeldClock(), Organisation()
    both = 'scopes = ["keyboard", "pointer"]'
    works.adopt(home, (both, 'scopes = ["keyboard"]'))
    signed(home, clock, Scripted(yes=("keyboard",)))
    works.adopt(home, version=2)
    person = Scripted(yes=("pointer",))
    again = signed(home, clock, person)
    assert [one for one in person.asked if one.startswith("Record ")] == ["Record pointer? [y/N]"]
    assert again.granted_scopes == ("keyboard", "pointer")


@pytest.mark.parametrize("why", ["withdrawn", "another organisation", "new keys", "choose"])
def test_otherwise_everything_is_asked(tmp_path: object, why: str) -> None:
    home, clock = home_in(tmp_path), HeldClock()
    Organisation().adopt(home)
    signed(home, clock, Scripted(yes=BOTH))
    person = Scripted(yes=BOTH)
    if why == "withdrawn":
        gate.mark_withdrawn(home)
    elif why == "another organisation":
        Organisation().adopt(home)
    Ceremony(home, clock, person, Remembered()).hold(new_identity=why == "new keys", choose=why == "choose")
    assert len([one for one in person.asked if one.startswith("Record ")]) == 2
    assert not any("RENEWAL" in text for text in person.said)


def test_a_new_text_of_the_notice_is_shown_by_its_new_paragraphs(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, clock, works = home_in(tmp_path), HeldClock(), Organisation()
    works.adopt(home)
    signed(home, clock, Scripted(yes=BOTH))
    load = notices.load

    def newer(name: str, version: int, wanted: str) -> notices.Notice:
        if version == 7:
            return load(name, version, wanted)
        old = load(name, 7, wanted)
        return old._replace(version=8, sha256="2" * 64, rest=f"{old.rest}\n\nA paragraph that is new.")

    monkeypatch.setattr(notices, "load", newer)
    works.adopt(home, ('id = "organisation", version = 7', 'id = "organisation", version = 8'), version=2)
    # a mere wording goes on; asked at renewal
    assert gate.check(home, clock).scopes == ("keyboard", "pointer")
    person = Scripted(yes=())
    again = signed(home, clock, person)
    said = "\n".join(person.said)
    assert "A paragraph that is new." in said
    assert "What is recorded\n" not in said
    assert (again.processing.notice.version, len(person.asked)) == (8, 3)


def test_a_copy_goes_where_the_person_says_and_nowhere_else(tmp_path: Path) -> None:
    home, clock = home_in(tmp_path), HeldClock()
    folder = tmp_path / "mine"
    folder.mkdir()
    person = Scripted()
    one = Ceremony(home, clock, person, Remembered()).hold(copy=str(folder))
    (copy,) = folder.iterdir()
    assert copy.read_bytes() == disk.read(home.receipt, 1 << 20)
    assert one.header.id in copy.name
    assert copy.stat().st_mode & 0o077 == 0
    person = Scripted()
    Ceremony(home, clock, person, Remembered()).hold(copy=str(copy))  # a file that is there is not replaced
    assert any("No copy was made" in text for text in person.said)
    gate.check(home, clock)


@pytest.mark.parametrize(
    ("passphrase", "said"),
    [("12345678", "weak"), ("aaaaaaaaaaaaaaaaaaaaaaaa", "weak"), ("twelve-chars", "fair"), (PASSPHRASE, "good")],
)
def test_the_passphrase_is_judged_by_length_and_says_that_it_is_only_that(passphrase: str, said: str) -> None:
    assert identity.strength(passphrase) == said
    for language in words.TEXTS:
        words.say(language, said, count=len(passphrase))
    assert "an estimate" in words.say("en", said, count=1)


@pytest.mark.parametrize("language", notices.LANGUAGES)
@pytest.mark.parametrize("name", ["personal", "organisation", "demo"])
def test_plain_text_has_no_columns_and_no_marks(name: str, language: str) -> None:
    notice = notices.load(name, 1, language)
    spoken = plainly(f"{notice.summary}\n\n{notice.rest}")
    assert "  " not in spoken
    assert not set("*`#") & set(spoken)
    assert {"en": "NEVER: ", "de": "NIE: ", "fr": "JAMAIS: "}[language] in spoken
    # not a word is lost
    assert "".join(spoken.replace(":", "").split()) == "".join(
        char for char in f"{notice.summary}{notice.rest}".replace(":", "") if not char.isspace() and char not in "*`#"
    )


def test_previous_is_none_where_there_is_nothing_to_renew(tmp_path: object) -> None:
    home = home_in(tmp_path)
    policy = Organisation().adopt(home)
    assert renewing.previous(home, policy) is None


@pytest.mark.parametrize(
    ("days", "said"),
    [(15, None), (14.01, None), (14, "in 14 days"), (3.5, "in 4 days"), (3, "in 3 days, soon"),
     (1.5, "in 2 days, soon"),
     (1, "today"), (0.01, "today"), (0, None), (-1, None)],
)  # fmt: skip
def test_reminders_at_fourteen_three_and_no_days(days: float, said: str | None) -> None:
    found = gate.reminder(1_800_000_000, 1_800_000_000 - days * 86_400)
    if said is None:
        assert found is None
    else:
        assert found
        assert said in found
        assert "consent sign" in found
