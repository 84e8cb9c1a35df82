"""Models of what people do next, from datasets alone: no key, no consent, no store is reachable from here."""
