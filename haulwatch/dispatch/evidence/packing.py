"""One order's pack: its files, their list, and the ZIP around them."""

from __future__ import annotations

import hashlib
from operator import itemgetter
from typing import IO

from haulwatch import __version__
from haulwatch.dispatch.evidence.container import PackWriter
from haulwatch.dispatch.evidence.contents import Contents, Export, pretty
from haulwatch.dispatch.evidence.papers import drawn
from haulwatch.dispatch.evidence.verify import FORMAT, MANIFEST, SEAL
from haulwatch.domain.evidence import PackReceipt

FORMAT_VERSION = 1


def write_pack(out: IO[bytes], contents: Contents, export: Export) -> PackReceipt:
    """Writes the pack to `out`; the same contents and export give the same bytes."""
    writer = PackWriter(out)
    files = []
    for name, made in sorted([*contents.files(), *drawn(contents, export)], key=itemgetter(0)):
        digest = writer.add(name, made())
        files.append({"name": name, "sha256": digest.sha256, "size": digest.size})
    manifest = pretty(_manifest(contents, export) | {"files": files})
    sealed = hashlib.sha256(manifest).hexdigest()
    writer.add(MANIFEST, manifest)
    writer.add(SEAL, f"{sealed}  {MANIFEST}\n".encode())
    whole = writer.close()
    return PackReceipt(
        order_id=contents.order.order_id,
        version=contents.order.version,
        sha256=whole,
        manifest_sha256=sealed,
        size=writer.size,
        audit_seq=contents.dossier.head.seq,
        exported_at=export.at,
        exported_by=export.actor.actor_id,
    )


def _manifest(contents: Contents, export: Export) -> dict[str, object]:
    order = contents.order
    named = ("order_id", "version", "stage", "truck_id", "breach_id", "rule_id", "rule_hash", "city_hash")
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "program": f"haulwatch {__version__}",
        "order": {name: getattr(order, name) for name in named},
        "city": {"city_hash": order.city_hash, "exact": contents.scene.exact},
        "audit_head": contents.dossier.head,
        "exported": {"by": export.actor.actor_id, "roles": sorted(export.actor.roles), "at": export.at},
        "raw_frames": "not_kept",
        "absent": contents.absent,
    }
