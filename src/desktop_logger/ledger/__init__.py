"""The ledger: a chain of facts about consent and segments that can be added to and not rewritten.

``chain`` is what an entry and a whole chain must be, in pure bytes; ``book`` is the file, the one-use signing keys and
the way to add to them that a crash cannot tear.
"""

from .book import Ledger
from .chain import FIRST, KINDS, Entry, bundle_before, has_facts, is_head, short_code

__all__ = ["FIRST", "KINDS", "Entry", "Ledger", "bundle_before", "has_facts", "is_head", "short_code"]
