"""How long what is kept, and its deletion, which is itself on record (docs/retention.md)."""
