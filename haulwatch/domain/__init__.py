"""Vocabulary: events, truck state, breaches, orders, errors. Standard library and msgspec only."""
