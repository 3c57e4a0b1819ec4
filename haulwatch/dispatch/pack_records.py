"""What the order store knows of packs without being able to make one."""

from __future__ import annotations

from sqlalchemy import Connection, select

from haulwatch.dispatch.packs_tables import packs
from haulwatch.dispatch.records import storable


def exported(connection: Connection, order_id: str, sha256: str) -> bool:
    """Whether a pack with this digest (of the file, or of its manifest) was exported of the order."""
    if not (storable(sha256) and storable(order_id)):
        return False
    digest = sha256.lower()
    of_pack = (packs.c.sha256 == digest) | (packs.c.manifest_sha256 == digest)
    query = select(packs.c.order_id).where(packs.c.order_id == order_id, of_pack)
    return connection.execute(query.limit(1)).first() is not None
