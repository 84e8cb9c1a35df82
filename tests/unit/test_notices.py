"""The texts that people sign: short enough to be read, the same in both languages, unchangeable once released."""

from __future__ import annotations

import math
import os
import re
import string
import textwrap

import pytest

from desktop_logger import policy, sealing
from desktop_logger.consent import notices, saying, words
from desktop_logger.consent.ceremony import policy_in_brief, policy_in_words
from desktop_logger.consent.terminal import flowing
from desktop_logger.records import classes, registry
from desktop_logger.records.profiles import PROFILES, SCOPES
from tests.unit.test_policy import organisation
from tests.unit.test_registry import ROOT

RELEASED = {
    ("demo", 1, "de"): "f3960cc3bbc07bd0e65d3826aaa76954a7261ec79e6325d438a47f7cfaa383d7",
    ("demo", 1, "en"): "72340e95a93aa97f1bff2e640c3555e99f7daa7b3dfa77f130e0d95df9b82129",
    ("demo", 1, "fr"): "a8697019ee05615c5cd474bb3be47f8a4768a8a943a957d964176a034dcbeb97",
    ("organisation", 1, "de"): "d57cee69cad457ec5384aa5623923d56a18057a59054ca251fae0d27a0ec5bb3",
    ("organisation", 1, "en"): "d2fd61954514f39871b6436e1f2f381893c8b6a6e228a333e732650044464d84",
    ("organisation", 1, "fr"): "457d9a524b30b2f179415b507c919b09a245c24956e4ade50910780cf0e60dd6",
    ("organisation", 2, "de"): "ec33c0c7282e371a47549054f8d05c6eee171c7500e968570600ec1efd56dbf2",
    ("organisation", 2, "en"): "b021fd1a267229ab0a092482b963f60bdfecd4b60785d8b969f3ee541b53c9e6",
    ("organisation", 2, "fr"): "5100f5a7bac83dd9569f6c22595ed249084b07fd134941ab3d3a881a8f75543d",
    ("organisation", 3, "de"): "8b42d0f73b96b875ecda990620524f13e2a7acd8555f166a922839d184f58f60",
    ("organisation", 3, "en"): "43ca2491a5a5ed16d7fdc0ef78fb801a2a9abd4ae113b11b392696dcfa3316ea",
    ("organisation", 3, "fr"): "839652934956671e17a0a6eed0d279a0464a1a8f08a5b4e910a0e9f61f96d00c",
    ("organisation", 4, "de"): "ffe5fbb98cdd560b0476dda893e3013ce32f7a4f021be666d440070c9cab8bdb",
    ("organisation", 4, "en"): "0c8a328a64409139d7a4e53d23927a0a2a4f96d591c62ccc51fe96cba050b81c",
    ("organisation", 4, "fr"): "a203e202d1482fe563e8808dbdb6f60f8104a5a26c644951593c233345484e98",
    ("organisation", 5, "de"): "e4769fc20d499a470e1fd1db512e1d98c6ae28a1f30bd861f793f79122008f3a",
    ("organisation", 5, "en"): "d303a39bdc1a7947c8247df3599eee1c28a6e15517315aee4eeb9f05a3146e29",
    ("organisation", 5, "fr"): "e98ada8534d5475e66d54f3c8857d185e365311ed700bbf2fdb4240128eb09e1",
    ("organisation", 6, "de"): "03fd38e4cc65f6c65289e59d6f51544c68c54d3b6e02cf805288b59a3bd46291",
    ("organisation", 6, "en"): "9ca60875146afcc65b89f6641e62d12d1d6e6746ddf9331d1a48166f59984706",
    ("organisation", 6, "fr"): "c553cb48ea83dbf014a8af69fd8d573bb25c76817b3665fa56745de054b5927a",
    ("organisation", 7, "de"): "b1a5d54d4fcfe1efcf943ee3142c893de36e49464267b59ea29eba51ead78b1c",
    ("organisation", 7, "en"): "476470a9e7d2e12a7da2b5f7568662e4f41fe926f04adf62f01808ccb2d285d1",
    ("organisation", 7, "fr"): "5f7abac99f7e84f0d507961b57370e4c544cdf3b62498efe8b3016867fc7ee6e",
    ("personal", 1, "de"): "873d713cdfa6319b92c8515bcd6ce0834ddbfdd917bc5eb33304d60b875e08c7",
    ("personal", 1, "en"): "c390fbb57b3268d9d408da1570506932c0248dc8672111d33d052d5199c7ca95",
    ("personal", 1, "fr"): "ba782e773465d718617cfdaec58b77997372142859649a47becf9df12c66cfa5",
    ("personal", 2, "de"): "2df8160642fc38b25890c85dae59fd31007ff56d08393c930c1a08fbb3a3cd40",
    ("personal", 2, "en"): "c878829d8f33f55e872f7590e7eddb0df6e7ef352b9e21a03b0c85b12d06e025",
    ("personal", 2, "fr"): "13ffbbbe4e1bfeba94ffce30297bb820263db7bd6c17c0c98f75817901969156",
    ("personal", 3, "de"): "16be847cfe51d4d24b348ed728a5da64fa41f9d6e62e53ebcdb50d7ef9d3edda",
    ("personal", 3, "en"): "5c3ca64a6066950afce0daca176af1344409c085faa72c1c224178c14bc2fb75",
    ("personal", 3, "fr"): "0fd9545b2e3326d0ffc79253949e55e8d0d0c19c2748a299f27bf861c5f58099",
    ("personal", 4, "de"): "55842b7c89c444bf494ccf7a1861026d4d5bfe3eacff3e3bc52095af5c6629f4",
    ("personal", 4, "en"): "ead2ea2aea96ae48dc3d7c30454a9ee7e0ca28add16921f2be20d629ff60ba1f",
    ("personal", 4, "fr"): "a42ff152988225be81826377a493d82a90af227975377fa39603be5d1d79d81d",
    ("personal", 5, "de"): "bb63650f76a1cc95ac1fde65d45d3f5903c3e94482a0d22c5bd0c2df326cc9a0",
    ("personal", 5, "en"): "5e44e3257ed3d3f9357790c994ec9c9118fc1bc5f26cfc1b6dd2a71b2e63a9ac",
    ("personal", 5, "fr"): "7a200c63b49609b99fbdc899117d72f8fdd56d92c41b84105de646304b86b75f",
    ("personal", 6, "de"): "c5e60bdb39eb7d27a02b0fc25bbe054ad9849b0f52415a61461043681bd82f51",
    ("personal", 6, "en"): "788af023833610e061a46a08b2388657e4ff61e068a41ac90d01664fbe13e103",
    ("personal", 6, "fr"): "16c58a6db28e958290774b43f6f704a0c2143f091c39bc6b1d49eb4789d1d4ec",
    ("personal", 7, "de"): "b41d5fefee4394aabed8cfc34b5ab6caf0a8f4dcff154e10390c92a941e37a61",
    ("personal", 7, "en"): "eaf0e216e07c4b12317cea5b66f1650f346e055e605267ede1a3bd8b51612ac4",
    ("personal", 7, "fr"): "d967f26d435f1ea2e2979e2caf56d989941a28dcb19965c06bcd2a3f6712b8bd",
}
"""A released notice never changes: another text is another version."""

NEVER_SAID = re.compile(r"\b(subject|monitor\w*|track\w*|productiv\w*|scor(?:e|es|ed|ing)|idle)\b", re.IGNORECASE)


@pytest.mark.parametrize(("key", "sha256"), RELEASED.items(), ids=lambda value: str(value)[:24])
def test_a_released_notice_is_unchanged(key: tuple[str, int, str], sha256: str) -> None:
    assert notices.load(*key).sha256 == sha256


def test_every_notice_is_listed() -> None:
    folder = os.path.dirname(os.path.dirname(notices.load("personal", 1, "en").path))
    found = {
        (name, int(file.split(".")[0]), file.split(".")[1])
        for name in os.listdir(folder)
        if os.path.isdir(os.path.join(folder, name))
        for file in os.listdir(os.path.join(folder, name))
    }
    assert found == set(RELEASED)


@pytest.mark.parametrize("key", RELEASED, ids=str)
def test_the_first_screen_fits_a_terminal_and_a_minute(key: tuple[str, int, str]) -> None:
    notice = notices.load(*key)
    lines = notice.summary.splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) < 80
    assert len(notice.summary.split()) <= 160
    assert notice.rest
    assert len(notice.rest.splitlines()) <= 110
    assert not NEVER_SAID.search(notice.summary + notice.rest)


@pytest.mark.parametrize("name", ["personal", "organisation"])
@pytest.mark.parametrize("language", notices.LANGUAGES)
def test_the_notice_in_force_fits_two_pages(name: str, language: str) -> None:
    """Two pages of A4 at ten points: 66 lines of 95 characters each, headings and spaces between them included."""
    notice = notices.load(name, 7, language)
    lines = [*notice.summary.split("\n"), ""]
    for paragraph in flowing(notice.rest).split("\n"):
        lines += textwrap.wrap(paragraph, 95) or [""]
    assert len(lines) <= 2 * 66
    assert len(notice.summary.split()) <= 140
    assert len(re.findall(r"[^\W_][\w'-]*", notice.rest)) <= (1_150 if language == "fr" else 1_050)


@pytest.mark.parametrize("name", ["personal", "organisation"])
def test_a_notice_says_what_it_must(name: str) -> None:
    spoken = {language: notices.load(name, 1, language) for language in notices.LANGUAGES}
    for notice in spoken.values():
        for figure in ("35", "18", "14", "76", "82", "1 %", "500", "129", "55"):
            assert figure in notice.rest
        for word in ("events", "counts", "X11", "consent withdraw", "consent narrow", "purge", "inspect"):
            assert word in notice.summary + notice.rest
        assert notice.rest.count("\n## ") == spoken["en"].rest.count("\n## ")
    assert "Password fields are not recognised yet" in spoken["en"].summary
    assert "Passwortfelder werden noch nicht erkannt" in spoken["de"].summary
    assert "mot de passe ne sont pas encore reconnus" in spoken["fr"].summary
    if name == "organisation":
        # what the steward sees, and that linking a pseudonym is forbidden rather than impossible
        for notice, words_of_it in zip(
            (spoken[language] for language in ("en", "de", "fr")),
            (("forbidden, not impossible", "No list of people who refuse", "Ask the contacts"),
             ("verboten, nicht unmöglich", "Eine Liste derer, die ablehnen, gibt es nicht", "Fragen Sie"),
             ("interdit, pas impossible", "aucune liste de personnes qui refusent", "Demandez aux contacts")),
            strict=True,
        ):  # fmt: skip
            flat = " ".join(notice.rest.split())
            assert all(" ".join(one.split()) in flat for one in words_of_it), notice.language


@pytest.mark.parametrize("name", ["personal", "organisation"])
@pytest.mark.parametrize("language", notices.LANGUAGES)
def test_the_notice_in_force_and_the_ceremony_say_the_published_figures(name: str, language: str) -> None:
    """People recognised, of 100 tries, from 500 and from 2,000 keys, as ``docs/reference/leakage.md`` has them.

    By the attacker who gets more, statistical or a network.
    """
    ours = policy.load_personal()[0] if name == "personal" else None
    theirs = policy.parse(organisation(sealing.Signer.generate()).encode(), "x") if ours is None else ours
    rest = notices.load(name, theirs.notice.version, language).rest
    (said,) = [each for each in re.split(r"\n(?=\* |\n)", rest) if "129" in each and "`counts`" in each]
    numbers = set(re.findall(r"\d+", said))
    with open(os.path.join(ROOT, "docs", "reference", "leakage.md"), encoding="utf-8") as file:
        rows = [line.strip("| \n").split(" | ") for line in file if line.startswith("| recognised, ")]
    best = sorted(rows, key=lambda row: float(row[2].removesuffix(" %")))
    told = {(row[1], row[0].split()[1]): row for row in best}
    for profile in PROFILES:
        said_now = re.search(r"(\d+) \((\d+)\)", words.TEXTS[language][profile])
        assert said_now, profile
        assert set(said_now.groups()) <= numbers, profile
        for figure, row in zip(said_now.groups(), (told[profile, "500"], told[profile, "2000"]), strict=True):
            assert math.floor(float(row[2].removesuffix(" %")) + 0.5) == int(figure), (profile, row)


@pytest.mark.parametrize("name", ["personal", "organisation"])
@pytest.mark.parametrize("language", notices.LANGUAGES)
def test_the_notice_in_force_says_the_published_figures_of_words_and_passwords(name: str, language: str) -> None:
    with open(os.path.join(ROOT, "docs", "reference", "leakage.md"), encoding="utf-8") as file:
        rows = [line.strip("| \n").split(" | ") for line in file if line.startswith("| ")]
    told = {(row[0], row[1]): float(row[2].removesuffix(" %")) for row in rows if re.match(r"[\d.]+( %)?$", row[2])}
    words_of_it = [told["first word in 10", one] for one in ("events", "bursts", "coarse", "(guessing by frequency)")]
    sooner = [2 ** told["password, bits off", one] for one in ("events", "bursts", "coarse")]
    said = [re.findall(r"\d+", each) for each in notices.load(name, 7, language).rest.split("\n* ")]
    for figures in (["9", "1", *map(_rounded, words_of_it[:1]), "100", *map(_rounded, words_of_it[1:])],
                    [*map(_rounded, sooner)]):  # fmt: skip
        assert figures in said, figures
    assert told["password before text, bits off", "bursts"] < 0.02
    there = told["letters, bits each", "(all there is)"] / 100
    assert _rounded(told["letters, bits each", "events"] / there) == "9"
    for profile in ("bursts", "coarse"):
        assert _rounded(told["letters, bits each, recurrent", profile] / there) == "1"
    for spoken in words.TEXTS.values():
        assert "9 %" in spoken["events"]


def _rounded(value: float) -> str:
    return str(math.floor(value + 0.5))


@pytest.mark.parametrize("name", ["personal", "organisation"])
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ("asked about each thing apart", "Context, target, task", "from a closed list, never its name",
                "shown before you sign", "Wayland")),
        ("de", ("nach jedem einzeln gefragt", "Kontext, Ziel, Aufgabe", "aus einer festen Liste, nie sein Name",
                "bevor Sie unterschreiben", "Wayland")),
        ("fr", ("chaque chose à part", "Contexte, cible, tâche", "d'une liste fermée, jamais son nom",
                "avant de signer", "Wayland")),
    ],
)  # fmt: skip
def test_the_notice_in_force_says_every_scope_and_what_is_left_out(
    name: str, language: str, said: tuple[str, ...]
) -> None:
    ours = policy.load_personal()[0] if name == "personal" else None
    theirs = policy.parse(organisation(sealing.Signer.generate()).encode(), "x") if ours is None else ours
    notice = notices.load(name, theirs.notice.version, language)
    flat = " ".join(notice.rest.split())
    assert all(words_of_it in flat for words_of_it in said if words_of_it != "bevor Sie unterschreiben"), notice.path
    assert said[3] in flat or "vor der Unterschrift" in flat


def test_the_ceremony_says_the_same_things_in_every_language() -> None:
    english = words.TEXTS["en"]
    for language, texts in words.TEXTS.items():
        assert english.keys() == texts.keys()
        for key, text in english.items():
            holes = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            assert holes == {name for _, name, _, _ in string.Formatter().parse(texts[key]) if name}, (language, key)
            assert not NEVER_SAID.search(texts[key]), (language, key)


def test_the_prompts_are_the_contract() -> None:
    say = words.TEXTS["en"]
    assert say["go_on"] == "Enter to go on, m for the whole notice:"
    assert say["more"] == "--- more (Enter)"
    assert say["record_keyboard"] == "Record keyboard? [y/N]"
    assert say["record_pointer"] == "Record pointer? [y/N]"
    assert say["profile"] == "Profile [{default}]:"
    assert say["purpose"] == "Let {organisation} use it to {purpose}? [y/N]"
    assert (say["new_passphrase"], say["repeat_passphrase"]) == ("New passphrase:", "Repeat passphrase:")
    assert say["passphrase"] == "Passphrase:"  # noqa: S105
    assert say["code"] == "Type {code} to sign, or Enter to refuse:"


@pytest.mark.parametrize(
    ("answer", "default", "means"),
    [("", False, False), ("", True, True), ("y", False, True), ("YES ", False, True), ("n", True, False),
     ("j", False, False), ("maybe", False, False), ("\x1b[A", False, False)],
)  # fmt: skip
def test_only_a_clear_yes_is_a_yes(answer: str, default: bool, means: bool) -> None:
    assert words.affirms("en", answer, default=default) is means


@pytest.mark.parametrize(
    ("variables", "spoken"),
    [({}, "en"), ({"LANG": "de_AT.UTF-8"}, "de"), ({"LANG": "fr_FR"}, "fr"), ({"LANG": "es_ES"}, "en"),
     ({"LANG": "C"}, "en"),
     ({"LC_ALL": "C", "LANG": "de_DE"}, "en"), ({"LC_MESSAGES": "de_DE", "LANG": "en_GB"}, "de")],
)  # fmt: skip
def test_the_language_follows_the_locale(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], spoken: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert notices.language() == spoken


@pytest.mark.parametrize("language", notices.LANGUAGES)
def test_every_field_that_can_be_recorded_is_said(language: str) -> None:
    """Made from the registry: a field, class or kind without words in a language is an error here."""
    ours = policy.load_personal()[0].model_copy(update={"scopes": SCOPES})
    text = saying.fields_in_words(ours, language)
    at = notices.LANGUAGES.index(language)
    for kind in registry.KINDS:
        (line,) = (line for line in text.splitlines() if line.startswith(f"* {saying._KINDS[kind.name][at]}:"))
        said = line.partition(": ")[2].split(", ")
        assert said == [saying._FIELDS[one.name][at] for one in registry.FIELDS if one.record == kind.name]
    assert set(saying._CLASSES) == {one.name for one in classes.KeyClass}
    assert all(saying._CLASSES[one.name][at] in text for one in classes.KeyClass)
    assert "events 20 ms, bursts 1 s, coarse 60 s" in text
    assert not NEVER_SAID.search(text)
    less = ours.model_copy(update={"scopes": ("pointer",), "named_commands": False})
    assert saying._KINDS["key"][at] not in saying.fields_in_words(less, language)


@pytest.mark.parametrize("language", notices.LANGUAGES)
def test_a_policy_in_words_names_readers_with_their_fingerprints(language: str) -> None:
    signer, reader = sealing.Signer.generate(), sealing.ReaderKey.generate()
    text = policy_in_words(policy.parse(organisation(signer, reader=reader).encode(), "x"), language)
    assert sealing.fingerprint(reader.public) in text
    assert "Example Works" in text
    assert "emotion-inference" in text


@pytest.mark.parametrize("language", notices.LANGUAGES)
def test_a_policy_in_words_names_every_program_task_and_kind_that_it_lists(language: str) -> None:
    ours = policy.load_personal()[0]
    text = policy_in_words(ours, language)
    assert all(name in text for name in ours.applications.names)
    short = policy_in_brief(ours, language)
    left = str(len(ours.applications.names) - 10)
    assert ours.applications.names[9] in short
    assert ours.applications.names[10] not in short
    assert "Wayland" in short
    assert left in short
    assert "desktop-logger consent show" in short
    offered = policy.Text(en="an invoice", de="eine Rechnung", fr="une facture")
    more = {
        "scopes": SCOPES,
        "tasks": (policy.Task(id="invoice", text=offered),),
        "categories": {"our-crm": "business"},
    }
    every = policy_in_words(ours.model_copy(update=more), language)
    assert offered.spoken(language) in every
    assert "our-crm (business)" in every
    for mode, key in (("all", "apps_all"), ("allow", "apps_none")):
        alone = ours.model_copy(update={"applications": policy.Applications(mode=mode), "unanswered": "nothing"})  # type: ignore[arg-type]
        said = policy_in_words(alone, language)
        assert words.say(language, key) in said
        assert words.say(language, "unanswered_nothing") in said


@pytest.mark.parametrize("language", notices.LANGUAGES)
def test_every_scope_is_explained_before_it_is_asked_about(language: str) -> None:
    for name in SCOPES:
        text = words.say(language, f"about_{name}", tasks="an invoice")
        assert text.startswith(words.SCOPES[language][name])
        assert len(text) <= 130
