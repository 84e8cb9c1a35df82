"""AT-SPI's roles, by number, and which of our closed list each one is. Whatever is not here is ``UNKNOWN``.

Numbers: ``AtspiRole`` of at-spi2-core, ``atspi-constants.h``.
"""

from __future__ import annotations

from desktop_logger.records.classes import Role

_NUMBERS = {
    Role.BUTTON: (43, 129),  # push button, push button menu
    Role.SWITCH: (62, 130),  # toggle button, switch
    Role.CHECK_BOX: (7, 8),  # check box, check menu item
    Role.RADIO_BUTTON: (44, 45),
    Role.MENU: (33, 34, 41),  # menu, menu bar, popup menu
    Role.MENU_ITEM: (35, 59),
    Role.LINK: (88,),
    Role.TEXT_FIELD: (40, 61, 76, 77, 79, 12),  # password text, text, autocomplete, edit bar, entry, date editor
    Role.TAB: (37, 38),
    Role.LIST_ITEM: (31, 32, 98),  # list, list item, list box
    Role.TREE_ITEM: (65, 66, 91),
    Role.TABLE_CELL: (10, 47, 55, 56, 57, 58, 90),
    Role.SLIDER: (51, 15),  # slider, dial
    Role.COMBO_BOX: (11,),
    Role.TOOL_BAR: (63,),
    Role.SCROLL_BAR: (48,),
    Role.IMAGE: (26, 27, 100, 13),  # icon, image, image map, desktop icon
    Role.DOCUMENT: (82, 92, 93, 94, 95, 96, 73, 85, 109, 116, 25),  # documents, and the paragraphs and texts in them
    Role.TERMINAL: (60,),
    Role.HEADING: (83,),
    Role.DIALOG: (16, 2, 19, 9, 22),  # dialog, alert, file, colour and font chooser
    Role.SPIN_BUTTON: (52,),
    Role.CANVAS: (6, 18),
}
_ROLES = {number: role for role, numbers in _NUMBERS.items() for number in numbers}


def role_of(number: int) -> Role:
    """The role of an element that says this number."""
    return _ROLES.get(number, Role.UNKNOWN)
