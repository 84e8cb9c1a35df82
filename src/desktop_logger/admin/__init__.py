"""The organisation's side: keys, policy, registered subjects, export. It cannot load capture, store or daemon."""
