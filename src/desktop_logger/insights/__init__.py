"""Insights: for oneself from one's own records, and for teams from exports, where no single person can be seen."""
