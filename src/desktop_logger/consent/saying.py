"""Every field that a policy allows, in the person's language: made from the field registry, so that it cannot disagree.

The registry says which kinds, fields, profiles and closed lists there are; this module only has words for their names.
A name without words is an error here, and a test tries them all: a new field cannot be recorded without being said.
"""

from __future__ import annotations

from desktop_logger.policy import Policy
from desktop_logger.records import classes, profiles, registry

from . import words

_KINDS = {
    "gap": ("nothing was observed", "nichts wurde beobachtet", "rien n'a été observé"),
    "key": ("a key was pressed", "eine Taste wurde gedrückt", "une touche a été frappée"),
    "typing": ("a run of typing (coarse never tells how long)", "eine Tippstrecke (coarse sagt nie wie lange)",
               "une suite de frappes (coarse ne dit jamais combien de temps)"),
    "click": ("a click", "ein Klick", "un clic"),
    "scroll": ("scrolling", "Scrollen", "un défilement"),
    "move": ("the pointer was moved", "der Zeiger wurde bewegt", "le pointeur a bougé"),
    "stroke": ("a movement of the pointer", "eine Bewegung des Zeigers", "un mouvement du pointeur"),
    "presses": ("keys in a minute, blurred by chance", "Tasten in einer Minute, durch Zufall verwischt",
                "touches en une minute, brouillées par le hasard"),
    "actions": ("pointer actions in a minute, blurred by chance",
                "Zeigeraktionen in einer Minute, durch Zufall verwischt",
                "actions du pointeur en une minute, brouillées par le hasard"),
    "focus": ("the kind of program in front", "die Art des Programms vorn", "la sorte de programme au premier plan"),
    "switches": ("changes of program in a minute, blurred by chance",
                 "Programmwechsel in einer Minute, durch Zufall verwischt",
                 "changements de programme en une minute, brouillés par le hasard"),
    "target": ("what kind of element was clicked", "welche Art Element geklickt wurde", "la sorte d'élément cliqué"),
    "targets": ("clicked elements in a minute, blurred by chance",
                "geklickte Elemente in einer Minute, durch Zufall verwischt",
                "éléments cliqués en une minute, brouillés par le hasard"),
    "task": ("what you say you are doing", "was Sie zu tun angeben", "ce que vous dites faire"),
}  # fmt: skip

_FIELDS = {
    "t": ("when", "wann", "quand"),
    "reason": ("why", "warum", "pourquoi"),
    "seconds": ("how long", "wie lange", "combien de temps"),
    "class": ("its kind", "ihre Art", "sa sorte"),
    "command": ("the command's name", "der Name des Befehls", "le nom de la commande"),
    "gap": ("pause before", "Pause davor", "pause avant"),
    "n_text": (
        "number of text keys (and correcting keys in coarse)",
        "Zahl der Texttasten (und Korrekturtasten in coarse)",
        "nombre de touches de texte (et de correction dans coarse)",
    ),
    "n_edit": (
        "number of correcting keys (not in coarse)",
        "Zahl der Korrekturtasten (nicht in coarse)",
        "nombre de touches de correction (pas dans coarse)",
    ),
    "duration": ("how long", "wie lange", "combien de temps"),
    "button": ("which button", "welche Maustaste", "quel bouton"),
    "n": ("how many", "wie viele", "combien"),
    "direction": ("which way", "welche Richtung", "quel sens"),
    "dx": ("how far sideways", "wie weit seitwärts", "de combien de côté"),
    "dy": ("how far up or down", "wie weit auf oder ab", "de combien en hauteur"),
    "action": ("which action", "welche Aktion", "quelle action"),
    "category": ("its category", "seine Kategorie", "sa catégorie"),
    "role": ("its role", "seine Rolle", "son rôle"),
    "click": ("single or double or drag", "einfach oder doppelt oder gezogen", "simple ou double ou glissé"),
    "task": ("which task", "welche Aufgabe", "quelle tâche"),
    "outcome": ("beginning or outcome", "Beginn oder Ausgang", "début ou issue"),
}

_CLASSES = {
    "TEXT": ("text (letters, digits, punctuation, space)", "Text (Buchstaben, Ziffern, Satzzeichen, Leertaste)",
             "texte (lettres, chiffres, ponctuation, espace)"),
    "EDIT": ("correcting", "Korrigieren", "correction"),
    "ENTER": ("Enter", "Enter", "Entrée"),
    "TAB": ("Tab", "Tab", "Tab"),
    "NAV": ("arrows and page keys", "Pfeil- und Bildtasten", "flèches et pages"),
    "MODIFIER": ("Ctrl/Alt/Super", "Strg/Alt/Super", "Ctrl/Alt/Super"),
    "FUNCTION": ("F-keys", "F-Tasten", "touches F"),
    "ESCAPE": ("Escape", "Escape", "Échap"),
    "MEDIA": ("media keys", "Medientasten", "touches média"),
    "COMMAND": ("commands", "Befehle", "commandes"),
    "OTHER": ("everything else", "alles andere", "tout le reste"),
}  # fmt: skip

_TITLE = (
    "Every field that this policy allows, for {scopes}, as {profile} at the finest:",
    "Jedes Feld, das diese Regelung erlaubt, für {scopes}, höchstens so fein wie {profile}:",
    "Chaque champ que ce règlement permet, pour {scopes}, au plus fin en {profile} :",
)
_KEYS = ("Kinds of keys: {names}.", "Arten von Tasten: {names}.", "Sortes de touches : {names}.")
_GRID = (
    "Times: {grids}. A run ends after {pause} s without a key; one of fewer than {short} keys joins the next.",
    "Zeiten: {grids}. Eine Strecke endet nach {pause} s ohne Taste; eine unter {short} Tasten kommt zur nächsten.",
    "Temps : {grids}. Une suite finit après {pause} s sans touche ; une de moins de {short} touches suit la suivante.",
)
_LANGUAGES = ("en", "de", "fr")


def fields_in_words(policy: Policy, language: str) -> str:
    """Lines that name every kind of record and every field that can be stored under the policy."""
    at = _LANGUAGES.index(language)
    allowed = [one for one in profiles.PROFILES.values() if profiles.may_become(policy.ceiling, one)]
    names = {one.name for one in allowed}
    recorded = words.scopes(language, policy.scopes)
    lines = [_TITLE[at].format(scopes=recorded, profile=policy.ceiling.name)]
    for kind in registry.KINDS:
        if kind.scope not in ("any", *policy.scopes) or not names & set(kind.profiles):
            continue
        fields = [one for one in registry.FIELDS if one.record == kind.name and names & set(one.values)]
        if not policy.named_commands:
            fields = [one for one in fields if one.name != "command"]
        lines.append(f"* {_KINDS[kind.name][at]}: {', '.join(_FIELDS[one.name][at] for one in fields)}")
    if "keyboard" in policy.scopes:
        lines.append(_KEYS[at].format(names=", ".join(_CLASSES[one.name][at] for one in classes.KeyClass)))
    grids = ", ".join(f"{one.name} {_span(one.grid_ms)}" for one in allowed)
    lines.append(_GRID[at].format(grids=grids, pause=profiles.RUN_PAUSE_S, short=profiles.SHORT_RUN))
    return "\n".join(lines)


def _span(milliseconds: int) -> str:
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds // 1000} s"
