"""What a pack holds: name by name, in order, each made only when it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct

from haulwatch.dispatch.evidence import tracks, verify
from haulwatch.dispatch.evidence.dossier import Dossier
from haulwatch.dispatch.evidence.readme import readme
from haulwatch.dispatch.evidence.scene import CityThen, no_scene
from haulwatch.domain.breaches import Breach, Evidence
from haulwatch.domain.evidence import PackedPhoto, PhotoSource, PictureSource, Scene
from haulwatch.domain.orders import Actor

KINDS = ((b"\xff\xd8\xff", "jpg"), (b"\x89PNG", "png"), (b"BM", "bmp"), (b"RIFF", "webp"))

Made = Callable[[], bytes]


class Export(Struct, frozen=True):
    """Who exports, and when (RFC 3339)."""

    actor: Actor
    at: str


class Absent(Struct, frozen=True):
    """Something that the order speaks of and the pack cannot hold, and why: `elsewhere`, `not_kept`, `damaged`."""

    name: str
    why: str


class Contents:
    """The files of one order's pack, except manifest, papers and map."""

    def __init__(
        self,
        dossier: Dossier,
        then: CityThen | None,
        pictures: PictureSource | None,
        photos: PhotoSource | None,
    ) -> None:
        self.dossier = dossier
        self.order = dossier.detail.order
        exact = then is not None and then.city.city_hash == self.order.city_hash
        self.then = then if exact else None
        self.scene: Scene = self.then.scene(self.order, dossier.detail.breach) if self.then else no_scene(self.order)
        self.breaches: list[Breach] = [finding.breach for finding in dossier.findings]
        self.track = tracks.whole_track(self.breaches)
        self.photos: Sequence[PackedPhoto] = photos.of_order(self.order.order_id) if photos else ()
        self.absent: list[Absent] = []
        self._pictures = pictures
        self._photo_source = photos

    def records(self) -> list[Evidence]:
        """The records that the findings rest on, each once, in the order of their instants."""
        known = {record.event_id: record for breach in self.breaches for record in breach.evidence}
        return sorted(known.values(), key=lambda record: (record.at, record.event_id))

    def files(self) -> Iterator[tuple[str, Made]]:
        """Names and makers. Pictures that are not here are noted in `absent` once their makers have been asked for."""
        detail, order = self.dossier.detail, self.order
        yield "README.txt", lambda: readme(order, self.scene).encode()
        audit = {"head": self.dossier.head, "entries": self.dossier.audit}
        yield "audit.json", lambda: pretty(audit)
        yield from self._city()
        for number, record in enumerate(self.records(), 1):
            yield f"events/{number:04d}-{_ascii(record.kind)}.json", _made(pretty, record)
        for number, finding in enumerate(self.dossier.findings, 1):
            yield f"findings/{number:04d}.json", finding.stored.encode
        yield "notices.json", lambda: pretty(list(self.dossier.notices))
        yield "order.json", lambda: pretty(detail)
        yield from self._pictures_and_photos()
        if self.scene.rule is not None:
            yield "rule.yaml", lambda: rule_document(self.scene)
        yield "track.geojson", lambda: pretty(tracks.geojson(order, self.track))
        yield "track.gpx", lambda: tracks.gpx(order, self.track).encode()
        yield "verify.py", Path(verify.__file__).read_bytes
        if self.then is not None:
            yield "zones.geojson", lambda: pretty(self.scene.zones)

    def _city(self) -> Iterator[tuple[str, Made]]:
        if self.then is not None:
            for name, data in self.then.sources(self.scene).items():
                yield f"city/{_ascii_path(name)}", _made(bytes, data)

    def _pictures_and_photos(self) -> Iterator[tuple[str, Made]]:
        if self.photos:
            yield "photos.json", lambda: pretty(self.photos)
        for photo in self.photos:
            yield from self._picture("photos", photo.sha256, partial(self.photo, photo))
        for sha256, uri in self.pictures():
            if sha256 is None:
                self.absent.append(Absent(uri, "elsewhere"))
                continue
            yield from self._picture("pictures", sha256, partial(self.picture, sha256))

    def pictures(self) -> list[tuple[str | None, str]]:
        """Digests and addresses of the pictures that came with the records."""
        found: dict[tuple[str | None, str], None] = {}
        for record in self.records():
            for image in record.payload.get("images") or ():
                found[image.get("sha256"), str(image.get("uri", ""))] = None
        return sorted(found, key=lambda one: (one[0] or "", one[1]))

    def picture(self, sha256: str) -> bytes | None:
        """A picture that came with a record, where it is here."""
        return None if self._pictures is None else self._pictures.get(sha256)

    def photo(self, photo: PackedPhoto) -> bytes | None:
        """A squad's photo as it was received, where it is here."""
        return None if self._photo_source is None else self._photo_source.original(photo)

    def _picture(self, folder: str, sha256: str, read: Callable[[], bytes | None]) -> Iterator[tuple[str, Made]]:
        """Read once to see whether it is here, and again when it is written: they are not all held at once."""
        data = read()
        if data is None:
            self.absent.append(Absent(f"{folder}/{sha256}", "not_kept"))
        elif hashlib.sha256(data).hexdigest() != sha256:
            self.absent.append(Absent(f"{folder}/{sha256}", "damaged"))
        else:
            yield f"{folder}/{sha256}.{ending_of(data)}", lambda: read() or b""


def ending_of(data: bytes) -> str:
    """The ending of a picture's name by its first bytes."""
    return next((ending for magic, ending in KINDS if data.startswith(magic)), "bin")


def pretty(value: Any) -> bytes:
    """JSON that a person can read, in UTF-8."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def rule_document(scene: Scene) -> bytes:
    """The rule in its author's words with where it stood, and the editions of the law that were in force."""
    assert scene.rule is not None
    plain = msgspec.to_builtins(scene)
    document: Mapping[str, Any] = {"city_hash": scene.city_hash, **plain["rule"], "law": plain["law"]}

    def written(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    class Dumper(yaml.SafeDumper):
        """Texts of several lines stay as they are."""

    Dumper.add_representer(str, written)
    return yaml.dump(document, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=120).encode()


def _made(make: Callable[[Any], bytes], value: Any) -> Made:
    return lambda: make(value)


def _ascii(text: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "_" for char in text) or "_"


def _ascii_path(name: str) -> str:
    """A name of a city's file as a name of the pack: other letters (Chinese ones, say) by their code points."""
    kept = (char if char.isascii() and (char.isalnum() or char in "-_./") else f"u{ord(char):04x}" for char in name)
    return "/".join(part.lstrip(".") or "_" for part in "".join(kept).split("/"))
