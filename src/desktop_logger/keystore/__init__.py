"""The keystore: per segment one entry of stanzas, all under one rotating key-encryption key (KEK).

Who holds the KEK and a reader's private key opens a segment; without the KEK nobody does, so that rotating it takes
the deleted segments out of every copy. The KEK's place (OS keyring, else a file outside ``keystore/``) is fixed at
the ceremony. Invariants: ``keystore/epoch`` names the one KEK of all entries in the folder and changes only together
with them; a folder is replaced as a whole; every function runs under the store lock except ``load_kek``.
"""

from .entries import (
    Stanza,
    create_folder,
    current_epoch,
    entry_path,
    listed,
    read_entry,
    remove_folder,
    replace_entry,
    rewrap,
    settle,
    stanza_from_wire,
    swap,
    write_entry,
)
from .kek import delete_kek, epochs, find_kek, fix_place, kek_place, keyring_available, load_kek, store_kek

__all__ = [
    "Stanza",
    "create_folder",
    "current_epoch",
    "delete_kek",
    "entry_path",
    "epochs",
    "find_kek",
    "fix_place",
    "kek_place",
    "keyring_available",
    "listed",
    "load_kek",
    "read_entry",
    "remove_folder",
    "replace_entry",
    "rewrap",
    "settle",
    "stanza_from_wire",
    "store_kek",
    "swap",
    "write_entry",
]
