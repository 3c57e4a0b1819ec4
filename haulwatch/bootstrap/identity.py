"""The city's own identity service, as every console knows it."""

from __future__ import annotations

from pathlib import Path

from connectors.oidc.provider import OidcProvider
from connectors.oidc.settings import OidcFile
from haulwatch.city.documents import read_file


def identity_provider(path: Path | None) -> OidcProvider | None:
    """The provider of the file; None without one. Raises AuthorError with every finding, WorldError where the file or
    its secret cannot be read."""
    return None if path is None else OidcProvider(read_file(path, OidcFile))
