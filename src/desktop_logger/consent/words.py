"""What the ceremony says, in the languages of the notices. English wording of the prompts is a contract (tested).

Keys are the same in every language; a test holds that, and that no line says a word that we never say to people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .words_french import FRENCH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from desktop_logger.policy import Recipient

_EN = {
    "go_on": "Enter to go on, m for the whole notice:",
    "more": "--- more (Enter)",
    "record_keyboard": "Record keyboard? [y/N]",
    "record_pointer": "Record pointer? [y/N]",
    "record_context": "Record context? [y/N]",
    "record_target": "Record target? [y/N]",
    "record_task": "Record task? [y/N]",
    "about_keyboard": "keyboard: each key's kind and time; never which key.",
    "about_pointer": "pointer: clicks, scrolling, how far it moves; never where.",
    "about_context": "context: the kind of program in front; never its name.",
    "about_target": "target: the kind of element you click; never its name.",
    "about_task": "task: only what you say yourself: {tasks}.",
    "apps_all": "Recorded in every program.",
    "apps_allow": "Recorded only in these programs: {names}. In any other, nothing.",
    "apps_none": "No program is on the list of those that are recorded, so nothing is.",
    "apps_deny": "Recorded in all programs but: {names}.",
    "apps_deny_coarse": "Where the program is unknown (Wayland), coarsely in all.",
    "apps_deny_nothing": "Where the program is unknown (Wayland), nothing.",
    "unanswered_coarse": "Where nobody can tell whether a field is for a password, in the coarsest form at most.",
    "unanswered_nothing": "Where nobody can tell whether a field is for a password, nothing is recorded.",
    "sorted": "Kinds that this policy gives to programs itself: {names}.",
    "and_more": "{count} more (desktop-logger consent show)",
    "profile": "Profile [{default}]:",
    "purpose": "Let {organisation} use it to {purpose}? [y/N]",
    "new_passphrase": "New passphrase:",
    "repeat_passphrase": "Repeat passphrase:",
    "passphrase": "Passphrase:",
    "code": "Type {code} to sign, or Enter to refuse:",
    "match": "Does it match what you were given in person? [y/N]",
    "purge": "Delete everything that was recorded? [Y/n]",
    "yes": "y yes",
    "no": "n no",
    "policy": "The policy: {id}, version {version}",
    "policy_of": "The policy: {id}, version {version}, of {organisation} ({contact})",
    "dpo": "Data protection officer: {name} ({contact})",
    "kept": "Kept on this computer for {days} days, then deleted.",
    "nobody": "Who can read it: only you. Nothing leaves this computer.",
    "reader": "Who can read what is shared: {name}, for {scopes}\n  key {fingerprint}",
    "both": "{first} and {second}, only together",
    "leaves": "What leaves is made {profile} and waits {hours} hours; until then you can look at it and delete it.",
    "leaves_approved": "What leaves is made {profile}, and nothing leaves before you approve it.",
    "onward": "Passed on to: {names}",
    "no_onward": "Passed on to nobody else.",
    "forbidden": "Must not be used for: {uses}",
    "legal": "Legal ground, as your organisation names it: {text}",
    "paper": "Document: {title}",
    "injected": "What other programs put in as if you typed it (on-screen keyboards, automation) is recorded too.",
    "backend": "Input may be seen through a program of others: {name} (SHA-256 {sha256}…).",
    "commands": "Commands from a short fixed list (copy, paste, save …) are recorded by name.",
    "asked_for": "You will be asked about: {scopes}. Purposes: {purposes}.",
    "choose": "How finely? Of 100 tries, at least this many found one of 129 people by 500 (2,000) keys:",
    "events": "each press, to 1/50 second: 35 (76); and about 9 % of the letters.",
    "bursts": "runs of typing, in whole seconds: 12 (36).",
    "coarse": "rough steps, typing without duration: 8 (13).",
    "counts": "keys a minute, blurred by chance: 3 (7).",
    "week": "With a week of typing, assume you can be recognised.",
    "which": "Choose one of: {names}",
    "agree": "What you would sign:",
    "a_record": "recorded: {scopes}, as {profile}",
    "a_share": "shared for: {purposes}, as {profile}, with",
    "a_reader": "  {name}: {scopes}\n    key {fingerprint}",
    "a_for": "shared for: {purposes}",
    "a_shared": "shared as {profile}, {when}, with",
    "a_waits": "after {hours} hours",
    "a_approved": "when you approve",
    "a_until": "kept here {days} days; your consent ends on {day}",
    "a_alone": "shared with nobody",
    "a_ends": "ends by itself on {day}; withdraw at any time: desktop-logger consent withdraw",
    "a_kek": "The key to delete with lies in {place}.",
    "kek_keyring": "your keyring",
    "kek_file": "a file of your account (no usable keyring here)",
    "a_you": "your key: {fingerprint}",
    "about_passphrase": "Only your passphrase ({count} characters or more) opens your data. If you lose it, nobody can "
    "read the data; deleting still works.",
    "known_passphrase": "You have keys here already: the same passphrase as before.",
    "afresh": "NEW KEYS: what was recorded so far becomes unreadable for everybody and is deleted.",
    "short": "That is shorter than {count} characters.",
    "differ": "The two are not the same.",
    "signed": "Signed. Your receipt: {path}",
    "next": "Start recording: desktop-logger start",
    "note_no_uids": "note: this system has no user ids to compare, so nobody checks whose account this is.",
    "note_no_login_uid": "note: this system does not say who logged in; only the account itself is checked.",
    "note_no_sessions": "note: this system does not say who else is logged in; only the account itself is checked.",
    "fingerprint": "The organisation signs with the key\n\n  {fingerprint}\n",
    "joined": "The policy of {organisation} is in place. Nothing was sent, and nothing is recorded before you sign: "
    "desktop-logger consent sign",
    "hours": "Recorded only on {days}, {start}-{end} ({zone}). Outside these hours nothing is recorded.",
    "countersigned": "Signed also by: {name} ({contact})",
    "days": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "renewal": "RENEWAL of what you signed on {day}. You are shown what has changed since, then what you would sign.\n"
    "To be asked about everything again: desktop-logger consent sign --choose",
    "unchanged": "Nothing has changed. Only the end of your consent moves to a later day.",
    "changed": "What has changed:",
    "new_text": "The notice has a new text. What is new in it:",
    "w_parts": "the consent has other parts than this version knows",
    "w_notice": "another notice",
    "w_registry": "other fields are recorded",
    "w_classes": "keys are classified differently",
    "w_profiles": "the profiles are made differently",
    "w_scopes": "more is offered for recording",
    "w_applications": "other applications are covered",
    "w_unanswered": "something is recorded where nobody can tell whether a field is for a password",
    "w_categories": "applications are told apart in other ways",
    "w_tasks": "tasks are new or changed",
    "w_schedule": "other hours are covered",
    "w_commands": "commands are recorded by name",
    "w_backend": "input may be seen through another program, {name}",
    "w_injected": "what other programs put in as if you typed it is recorded too",
    "w_remote": "sessions over a network are allowed",
    "w_ceiling": "finer records are allowed",
    "w_controller": "another organisation is in charge",
    "w_countersigner": "another second party signs, or none",
    "w_reader": "reader {reader}… gets more",
    "w_purpose": "purpose {purpose} is new or changed",
    "w_retention": "data is kept longer: {days} days",
    "w_onward": "data is passed on further",
    "w_forbidden": "fewer uses are forbidden",
    "w_leaves": "data leaves this computer",
    "w_release": "finer records leave this computer",
    "w_unapproved": "data leaves without your approval",
    "w_sooner": "data leaves sooner: after {hours} hours",
    "n_scopes": "less is offered for recording",
    "n_applications": "fewer applications are covered",
    "n_unanswered": "nothing is recorded where nobody can tell whether a field is for a password",
    "n_tasks": "a task has gone",
    "n_schedule": "fewer hours are covered",
    "n_commands": "commands are no longer recorded by name",
    "n_ceiling": "only rougher records are allowed",
    "n_reader": "a reader gets less",
    "n_purpose": "a purpose has gone",
    "n_retention": "data is kept for a shorter time: {days} days",
    "n_onward": "data is passed on to fewer",
    "n_forbidden": "more uses are forbidden",
    "n_leaves": "nothing leaves this computer any more",
    "n_release": "only rougher records leave this computer",
    "n_unapproved": "nothing leaves before you approve it",
    "n_sooner": "data waits longer before it leaves",
    "weak": "{count} characters: short; could be found by trying. Four random words are better (an estimate).",
    "fair": "{count} characters: fair; longer is better (an estimate).",
    "good": "{count} characters: long (an estimate).",
    "keep": "A copy: desktop-logger consent receipt --out FILE",
    "copied": "A copy lies in {path}",
    "not_copied": "No copy was made: {path}: {reason}",
    "narrowed": "Narrower from now on: {scopes}, as {profile}{purposes}. Nothing is recorded beyond that any more.",
    "for_purposes": "; shared for: {purposes}",
    "for_nothing": "; shared with nobody",
    "note_no_session": "note: this system has no session manager that answers; whether this session is local, nobody "
    "checks.",
    "note_no_tracer": "note: this system does not say whether a debugger is attached.",
}

_DE = {
    "go_on": "Enter zum Fortfahren, m für den ganzen Hinweis:",
    "more": "--- weiter (Enter)",
    "record_keyboard": "Tastatur aufzeichnen? [j/N]",
    "record_pointer": "Zeiger aufzeichnen? [j/N]",
    "record_context": "Kontext aufzeichnen? [j/N]",
    "record_target": "Ziel aufzeichnen? [j/N]",
    "record_task": "Aufgabe aufzeichnen? [j/N]",
    "about_keyboard": "Tastatur: Art und Zeit jeder Taste; nie welche Taste.",
    "about_pointer": "Zeiger: Klicks, Scrollen, wie weit er sich bewegt; nie, wo.",
    "about_context": "Kontext: die Art des Programms vorn; nie sein Name.",
    "about_target": "Ziel: die Art des angeklickten Elements; nie sein Name.",
    "about_task": "Aufgabe: nur, was Sie selbst angeben: {tasks}.",
    "apps_all": "Aufgezeichnet in jedem Programm.",
    "apps_allow": "Aufgezeichnet nur in diesen Programmen: {names}. In jedem anderen nichts.",
    "apps_none": "Kein Programm steht auf der Liste der aufgezeichneten; also wird nichts aufgezeichnet.",
    "apps_deny": "Aufgezeichnet in allen Programmen außer: {names}.",
    "apps_deny_coarse": "Wo das Programm unbekannt ist (Wayland), grob in allen.",
    "apps_deny_nothing": "Wo das Programm unbekannt ist (Wayland), nichts.",
    "unanswered_coarse": "Wo niemand weiß, ob ein Feld für ein Passwort ist, höchstens in der gröbsten Form.",
    "unanswered_nothing": "Wo niemand weiß, ob ein Feld für ein Passwort ist, wird nichts aufgezeichnet.",
    "sorted": "Arten, die diese Regelung Programmen selbst gibt: {names}.",
    "and_more": "{count} weitere (desktop-logger consent show)",
    "profile": "Profil [{default}]:",
    "purpose": "Darf {organisation} es nutzen, um {purpose}? [j/N]",
    "new_passphrase": "Neue Passphrase:",
    "repeat_passphrase": "Passphrase wiederholen:",
    "passphrase": "Passphrase:",
    "code": "Zum Unterschreiben {code} eintippen, zum Ablehnen Enter:",
    "match": "Stimmt er mit dem überein, den man Ihnen persönlich gegeben hat? [j/N]",
    "purge": "Alles Aufgezeichnete löschen? [J/n]",
    "yes": "j ja y yes",
    "no": "n nein no",
    "policy": "Die Regelung: {id}, Version {version}",
    "policy_of": "Die Regelung: {id}, Version {version}, von {organisation} ({contact})",
    "dpo": "Datenschutzbeauftragte Stelle: {name} ({contact})",
    "kept": "Bleibt {days} Tage auf diesem Computer, dann wird es gelöscht.",
    "nobody": "Wer es lesen kann: nur Sie. Nichts verlässt diesen Computer.",
    "reader": "Wer das Geteilte lesen kann: {name}, für {scopes}\n  Schlüssel {fingerprint}",
    "both": "{first} und {second}, nur gemeinsam",
    "leaves": "Was hinausgeht, wird {profile} und wartet {hours} Stunden; bis dahin können Sie es ansehen und löschen.",
    "leaves_approved": "Was hinausgeht, wird {profile}, und nichts geht hinaus, bevor Sie es freigeben.",
    "onward": "Weitergegeben an: {names}",
    "no_onward": "Wird an niemanden sonst weitergegeben.",
    "forbidden": "Darf nicht benutzt werden für: {uses}",
    "legal": "Rechtsgrundlage, wie Ihre Organisation sie nennt: {text}",
    "paper": "Dokument: {title}",
    "injected": "Auch was andere Programme eingeben (Bildschirmtastaturen, Automaten) wird aufgezeichnet.",
    "backend": "Eingaben darf ein fremdes Programm sehen: {name} (SHA-256 {sha256}…).",
    "commands": "Befehle aus einer kurzen festen Liste (Kopieren, Einfügen …) werden mit Namen aufgezeichnet.",
    "asked_for": "Sie werden gefragt nach: {scopes}. Zwecke: {purposes}.",
    "choose": "Wie fein? Von 100 Versuchen fanden mindestens so viele einen von 129 Menschen an 500 (2.000) Tasten:",
    "events": "jeder Druck, auf 1/50 Sekunde: 35 (76); und etwa 9 % der Buchstaben.",
    "bursts": "Tippstrecken, in ganzen Sekunden: 12 (36).",
    "coarse": "grobe Stufen, Tippen ohne Dauer: 8 (13).",
    "counts": "Tasten pro Minute, durch Zufall verwischt: 3 (7).",
    "week": "Nehmen Sie an, dass man Sie an einer Woche Tippen erkennen kann.",
    "which": "Wählen Sie eines von: {names}",
    "agree": "Was Sie unterschreiben würden:",
    "a_record": "aufgezeichnet: {scopes}, als {profile}",
    "a_share": "geteilt für: {purposes}, als {profile}, mit",
    "a_reader": "  {name}: {scopes}\n    Schlüssel {fingerprint}",
    "a_for": "geteilt für: {purposes}",
    "a_shared": "geteilt als {profile}, {when}, mit",
    "a_waits": "nach {hours} Stunden",
    "a_approved": "wenn Sie es freigeben",
    "a_until": "bleibt hier {days} Tage; Ihre Einwilligung endet am {day}",
    "a_alone": "mit niemandem geteilt",
    "a_ends": "endet von selbst am {day}; zurücknehmen jederzeit: desktop-logger consent withdraw",
    "a_kek": "Der Schlüssel zum Löschen liegt in {place}.",
    "kek_keyring": "Ihrem Schlüsselbund",
    "kek_file": "einer Datei Ihres Kontos (kein nutzbarer Schlüsselbund hier)",
    "a_you": "Ihr Schlüssel: {fingerprint}",
    "about_passphrase": "Nur Ihre Passphrase (mindestens {count} Zeichen) öffnet Ihre Daten. Ohne sie kann niemand die "
    "Daten lesen, auch Sie nicht; löschen geht weiterhin.",
    "known_passphrase": "Sie haben hier schon Schlüssel: dieselbe Passphrase wie bisher.",
    "afresh": "NEUE SCHLÜSSEL: Was bisher aufgezeichnet wurde, wird für alle unlesbar und gelöscht.",
    "short": "Das ist kürzer als {count} Zeichen.",
    "differ": "Die beiden sind nicht gleich.",
    "signed": "Unterschrieben. Ihr Beleg: {path}",
    "next": "Aufzeichnung beginnen: desktop-logger start",
    "note_no_uids": "Hinweis: Dieses System kennt keine Benutzernummern; wessen Konto dies ist, prüft niemand.",
    "note_no_login_uid": "Hinweis: Dieses System sagt nicht, wer sich angemeldet hat; geprüft wird nur das Konto.",
    "note_no_sessions": "Hinweis: Dieses System sagt nicht, wer noch angemeldet ist; geprüft wird nur das Konto.",
    "fingerprint": "Die Organisation unterschreibt mit dem Schlüssel\n\n  {fingerprint}\n",
    "joined": "Die Regelung von {organisation} gilt nun hier. Nichts wurde gesendet, und nichts wird aufgezeichnet, "
    "bevor Sie unterschreiben: desktop-logger consent sign",
    "hours": "Aufgezeichnet nur {days}, {start}-{end} ({zone}). Außerhalb dieser Zeiten wird nichts aufgezeichnet.",
    "countersigned": "Mit unterschrieben von: {name} ({contact})",
    "days": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "renewal": "ERNEUERUNG dessen, was Sie am {day} unterschrieben haben. Sie sehen, was sich seither geändert hat, "
    "dann was Sie unterschreiben würden.\nUm alles noch einmal gefragt zu werden: desktop-logger consent sign --choose",
    "unchanged": "Nichts hat sich geändert. Nur das Ende Ihrer Einwilligung rückt auf einen späteren Tag.",
    "changed": "Was sich geändert hat:",
    "new_text": "Der Hinweis hat einen neuen Text. Neu darin ist:",
    "w_parts": "die Einwilligung hat andere Teile, als diese Version kennt",
    "w_notice": "ein anderer Hinweis",
    "w_registry": "andere Felder werden aufgezeichnet",
    "w_classes": "Tasten werden anders eingeteilt",
    "w_profiles": "die Profile entstehen anders",
    "w_scopes": "mehr wird zum Aufzeichnen angeboten",
    "w_applications": "andere Programme sind erfasst",
    "w_unanswered": "auch wo niemand sagen kann, ob ein Feld für ein Passwort ist, wird etwas aufgezeichnet",
    "w_categories": "Programme werden anders unterschieden",
    "w_tasks": "Aufgaben sind neu oder geändert",
    "w_schedule": "andere Zeiten sind erfasst",
    "w_commands": "Befehle werden mit Namen aufgezeichnet",
    "w_backend": "Eingaben darf ein weiteres Programm sehen, {name}",
    "w_injected": "auch was andere Programme eingeben, als tippten Sie es, wird aufgezeichnet",
    "w_remote": "Sitzungen über ein Netz sind erlaubt",
    "w_ceiling": "feinere Aufzeichnung ist erlaubt",
    "w_controller": "eine andere Organisation ist verantwortlich",
    "w_countersigner": "eine andere zweite Stelle unterschreibt mit, oder keine",
    "w_reader": "Leser {reader}… bekommt mehr",
    "w_purpose": "der Zweck {purpose} ist neu oder geändert",
    "w_retention": "Daten bleiben länger: {days} Tage",
    "w_onward": "Daten werden weiter weitergegeben",
    "w_forbidden": "weniger Verwendungen sind verboten",
    "w_leaves": "Daten verlassen diesen Computer",
    "w_release": "feinere Daten verlassen diesen Computer",
    "w_unapproved": "Daten gehen ohne Ihre Freigabe hinaus",
    "w_sooner": "Daten gehen früher hinaus: nach {hours} Stunden",
    "n_scopes": "weniger wird zum Aufzeichnen angeboten",
    "n_applications": "weniger Programme sind erfasst",
    "n_unanswered": "wo niemand sagen kann, ob ein Feld für ein Passwort ist, wird nichts aufgezeichnet",
    "n_tasks": "eine Aufgabe ist weggefallen",
    "n_schedule": "weniger Zeiten sind erfasst",
    "n_commands": "Befehle werden nicht mehr mit Namen aufgezeichnet",
    "n_ceiling": "nur gröbere Aufzeichnung ist erlaubt",
    "n_reader": "ein Leser bekommt weniger",
    "n_purpose": "ein Zweck ist weggefallen",
    "n_retention": "Daten bleiben kürzer: {days} Tage",
    "n_onward": "Daten werden an weniger weitergegeben",
    "n_forbidden": "mehr Verwendungen sind verboten",
    "n_leaves": "nichts verlässt diesen Computer mehr",
    "n_release": "nur gröbere Daten verlassen diesen Computer",
    "n_unapproved": "nichts geht hinaus, bevor Sie es freigeben",
    "n_sooner": "Daten warten länger, bevor sie hinausgehen",
    "weak": "{count} Zeichen: kurz; durch Probieren zu finden. Vier zufällige Wörter sind besser (geschätzt).",
    "fair": "{count} Zeichen: brauchbar; länger ist besser (geschätzt).",
    "good": "{count} Zeichen: lang (geschätzt).",
    "keep": "Eine Kopie: desktop-logger consent receipt --out DATEI",
    "copied": "Eine Kopie liegt in {path}",
    "not_copied": "Es wurde keine Kopie gemacht: {path}: {reason}",
    "narrowed": "Ab jetzt enger: {scopes}, als {profile}{purposes}. Darüber hinaus wird nichts mehr aufgezeichnet.",
    "for_purposes": "; geteilt für: {purposes}",
    "for_nothing": "; mit niemandem geteilt",
    "note_no_session": "Hinweis: Hier antwortet keine Sitzungsverwaltung; ob die Sitzung von hier ist, prüft niemand.",
    "note_no_tracer": "Hinweis: Dieses System sagt nicht, ob ein Debugger mitliest.",
}

TEXTS = {"en": _EN, "de": _DE, "fr": FRENCH}

SCOPES = {
    "en": {"keyboard": "keyboard", "pointer": "pointer", "context": "context", "target": "target", "task": "task"},
    "de": {"keyboard": "Tastatur", "pointer": "Zeiger", "context": "Kontext", "target": "Ziel", "task": "Aufgabe"},
    "fr": {"keyboard": "clavier", "pointer": "pointeur", "context": "contexte", "target": "cible", "task": "tâche"},
}


def say(language: str, key: str, **holes: object) -> str:
    """A sentence in the language, its holes filled."""
    return TEXTS[language][key].format(**holes)


def affirms(language: str, answer: str, *, default: bool = False) -> bool:
    """Whether an answer says yes; an empty one is the default, any other word than yes is no."""
    word = answer.strip().lower()
    return word in TEXTS[language]["yes"].split() or (default and not word)


def answers(language: str, answer: str) -> bool:
    """Whether an answer is one at all: yes, no, or empty. What cannot be undone asks again on anything else."""
    return answer.strip().lower() in ("", *TEXTS[language]["yes"].split(), *TEXTS[language]["no"].split())


def scopes(language: str, names: tuple[str, ...] | list[str]) -> str:
    """Scopes as people read them."""
    return " + ".join(SCOPES[language][name] for name in names)


def listed(language: str, names: Iterable[str], *, few: int | None = None) -> str:
    """Names one after another; of a list longer than ``few`` only the first, and how many more there are."""
    every = list(names)
    if few and len(every) > few + 1:
        every = [*every[:few], say(language, "and_more", count=len(every) - few)]
    return ", ".join(every)


def holders(language: str, recipient: Recipient) -> str:
    """A reader's name; of two who open only together, both."""
    if recipient.second is None:
        return recipient.name
    return TEXTS[language]["both"].format(first=recipient.name, second=recipient.second.name)


def days(language: str, weekdays: tuple[str, ...] | list[str]) -> str:
    """Weekdays as people read them, in the order of the week."""
    names = TEXTS[language]["days"].split()
    short = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return ", ".join(name for name, key in zip(names, short, strict=True) if key in weekdays)


def hours(language: str, schedule: dict[str, Any]) -> str:
    """The signed hours as one sentence."""
    spoken = days(language, schedule["weekdays"])
    return say(language, "hours", days=spoken, start=schedule["start"], end=schedule["end"], zone=schedule["zone"])
