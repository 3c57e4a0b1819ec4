"""Evidence packs of the order store: made, noted in the table of packs, and audited; and the scene of an order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import IO

import msgspec
from sqlalchemy import Engine, insert, select

from haulwatch.dispatch.database import reading, writing
from haulwatch.dispatch.deliveries import MAX_LOG, Deliveries
from haulwatch.dispatch.evidence.contents import Contents, Export
from haulwatch.dispatch.evidence.dossier import Dossier, gather
from haulwatch.dispatch.evidence.packing import write_pack
from haulwatch.dispatch.evidence.scene import CityThen, no_scene
from haulwatch.dispatch.ledger import Recorder
from haulwatch.dispatch.pack_records import exported
from haulwatch.dispatch.packs_tables import packs
from haulwatch.dispatch.records import order_of, order_row
from haulwatch.domain.errors import AuthorError
from haulwatch.domain.evidence import CityHistory, PackReceipt, PhotoSource, PictureSource, Scene
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Actor, UnknownOrder


class NoHistory:
    """A `CityHistory` that has kept nothing."""

    def files(self, city_hash: str) -> None:
        """None."""


class Packs:
    """See the module; made by `OrderStore.packs`, for any number of threads. Raises WorldError like the store."""

    def __init__(
        self,
        engine: Engine,
        clock_ms: Callable[[], int],
        deliveries: Deliveries,
        history: CityHistory,
        pictures: PictureSource | None,
        photos: PhotoSource | None,
    ) -> None:
        self._engine = engine
        self._clock_ms = clock_ms
        self._deliveries = deliveries
        self._history = history
        self._pictures = pictures
        self._photos = photos
        self._kept: CityThen | None = None

    def export(self, order_id: str, out: IO[bytes], *, actor: Actor) -> PackReceipt:
        """Writes the order's pack to `out`, and puts on record who exported it. Raises `UnknownOrder`.

        What was written before an error is no pack: nobody has it on record.
        """
        dossier = self._dossier(order_id)
        contents = Contents(dossier, self._then(dossier.detail.order.city_hash), self._pictures, self._photos)
        export = Export(actor, rfc3339(self._clock_ms()))
        receipt = write_pack(out, contents, export)
        self._note(receipt, actor)
        return receipt

    def scene(self, order_id: str, *, actor: Actor) -> Scene:
        """The city as it was for this order; that somebody looked is put on record. Raises `UnknownOrder`."""
        dossier = self._dossier(order_id)
        order, breach = dossier.detail.order, dossier.detail.breach
        then = self._then(order.city_hash)
        scene = no_scene(order) if then is None else then.scene(order, breach)
        with writing(self._engine) as connection:
            recorder = Recorder(connection, rfc3339(self._clock_ms()))
            self._audit(recorder, order_id, "scene_read", actor, {"city_hash": order.city_hash, "exact": scene.exact})
            recorder.close()
        return scene

    def of_order(self, order_id: str) -> Sequence[PackReceipt]:
        """The packs that were exported of an order, oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(packs).where(packs.c.order_id == order_id).order_by(packs.c.exported_at, packs.c.sha256)
            ).all()
        return [PackReceipt(**row._mapping) for row in rows]

    def _dossier(self, order_id: str) -> Dossier:
        with reading(self._engine) as connection:
            dossier = gather(connection, order_id)
        notices = self._deliveries.log(order_id=order_id, limit=MAX_LOG)
        return msgspec.structs.replace(dossier, notices=notices)

    def _then(self, city_hash: str) -> CityThen | None:
        kept = self._kept
        if kept is not None and kept.city.city_hash == city_hash:
            return kept
        files = self._history.files(city_hash)
        try:
            then = None if files is None else CityThen(files)
        except AuthorError:
            return None  # kept, but this program cannot read it any more: then nothing is shown rather than something
        self._kept = then or kept
        return then

    def _note(self, receipt: PackReceipt, actor: Actor) -> None:
        with writing(self._engine) as connection:
            recorder = Recorder(connection, rfc3339(self._clock_ms()))
            told = {"sha256": receipt.sha256, "manifest_sha256": receipt.manifest_sha256, "size": receipt.size}
            told |= {"pack_version": receipt.version, "audit_seq": receipt.audit_seq}
            self._audit(recorder, receipt.order_id, "exported", actor, told)
            if not exported(connection, receipt.order_id, receipt.sha256):
                connection.execute(insert(packs), msgspec.structs.asdict(receipt))
            recorder.close()

    def _audit(self, recorder: Recorder, order_id: str, action: str, actor: Actor, data: dict[str, object]) -> None:
        row = order_row(recorder.connection, order_id)
        if row is None:
            raise UnknownOrder(order_id)
        detail = {"from": row.stage, "data": data, "roles": sorted(actor.roles)}
        recorder.audit_order(actor.actor_id, action, order_of(row), detail)
