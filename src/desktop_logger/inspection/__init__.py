"""Reading one's own data, and the one way in which records become rows. Importing this package loads nothing."""
