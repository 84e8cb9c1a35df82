"""The vocabulary: classes, scopes, profiles, the record's layout and the field registry. Standard library only."""
