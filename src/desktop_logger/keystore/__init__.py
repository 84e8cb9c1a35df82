"""The keystore: per segment one entry of stanzas under a key of its own, and those keys under one rotating KEK.

Who holds the key-encryption key (KEK) and a reader's private key opens a segment; without the KEK nobody does, so that
rotating it takes the deleted segments out of every copy. The KEK's place (OS keyring, else a file outside
``keystore/``) is fixed at the ceremony. Invariants: ``keystore/keys`` names the one KEK of all its records and is
replaced as a whole; an entry is written once; every function runs under the store lock except ``load_kek``.
"""

from .entries import (
    Stanza,
    create_folder,
    entry_path,
    listed,
    read_entry,
    remove_entries,
    remove_folder,
    replace_entry,
    stanza_from_wire,
    whole,
    write_entry,
)
from .kek import (
    delete_kek,
    epochs,
    find_kek,
    fix_place,
    kek_place,
    keyring_available,
    load_kek,
    may_have_kek,
    store_kek,
)
from .keys import current_epoch, rewrap, settle, swap

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
    "may_have_kek",
    "read_entry",
    "remove_entries",
    "remove_folder",
    "replace_entry",
    "rewrap",
    "settle",
    "stanza_from_wire",
    "store_kek",
    "swap",
    "whole",
    "write_entry",
]
