"""Where the cities as they were are kept: the embedded log, a cluster's topic, a folder at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from connectors.kafka_cities import CityShelf
from haulwatch.city import build_city, city_files, unpack_city
from haulwatch.domain.evidence import CityHistory
from streams.local_log_reader import LocalLogReader


class LogCities:
    """Cities of the embedded log, which keeps every one that was ever in force."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def files(self, city_hash: str) -> Mapping[str, bytes] | None:
        """See `CityHistory`."""
        if not self._path.is_file():
            return None
        log = LocalLogReader(self._path)
        try:
            packed = log.city(city_hash)
        finally:
            log.close()
        return None if packed is None else unpack_city(packed)


class ShelfCities:
    """Cities of a cluster's topic, which keeps every one that was ever deployed."""

    def __init__(self, shelf: CityShelf) -> None:
        self._shelf = shelf

    def files(self, city_hash: str) -> Mapping[str, bytes] | None:
        """See `CityHistory`."""
        packed = self._shelf.city(city_hash)
        return None if packed is None else unpack_city(packed)


class FolderCity:
    """The one city of a folder. Raises AuthorError where it has errors, WorldError where there is none."""

    def __init__(self, folder: Path) -> None:
        self._files = city_files(folder)
        self._city_hash = build_city(self._files).city_hash

    def files(self, city_hash: str) -> Mapping[str, bytes] | None:
        """See `CityHistory`."""
        return self._files if city_hash == self._city_hash else None


class FirstKnown:
    """Several places, asked one after the other."""

    def __init__(self, *places: CityHistory) -> None:
        self._places = places

    def files(self, city_hash: str) -> Mapping[str, bytes] | None:
        """See `CityHistory`."""
        for place in self._places:
            found = place.files(city_hash)
            if found is not None:
                return found
        return None
