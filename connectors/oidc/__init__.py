"""Logging in through a city's own identity service (OpenID Connect): settings and the protocol (docs/people.md)."""
