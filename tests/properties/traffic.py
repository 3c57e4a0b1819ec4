"""Random traffic of a few trucks in a small city under the shipped books, for the properties of the processor."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from haulwatch.city import City
from haulwatch.domain.events import Observation
from haulwatch.testing import city_of, position, sighting, square, weighing

ZONES = [
    square("S-1", "construction_site", 120.10, 30.86, 0.002),
    square("D-1", "disposal_site", 120.13, 30.86, 0.002),
    square("F-1", "forbidden", 120.115, 30.868, 0.003),
    square("T-1", "district", 120.12, 30.86, 0.2),
]
TABLES = {
    "trucks.csv": "truck_id,axle_count,body,carrier_id\n浙E00001,4,rigid,C-1\n浙E00002,3,rigid,C-2\n浙E00003,,,\n",
    "stations.csv": "station_id,lon,lat,tolerance_pct,verified_until,mode\nW-1,120.11,30.86,5,2099-12-31,wim\n",
    "cameras.csv": "camera_id,lon,lat,trust\nC-1,120.108,30.86,0.9\nC-2,120.122,30.86,0.8\n",
}
PLATES = ("浙E00001", "浙E00002", "浙E00003")
LATENESS_S = 3.0


def city() -> City:
    """The city of these zones and tables, with all shipped books."""
    return city_of(zones=ZONES, tables=TABLES)


@dataclass
class Driver:
    """One truck's stream in the making: where it is, what it shows, what it has told."""

    rng: Random
    truck_id: str
    t_s: float = 0.0
    lon: float = 120.10
    lat: float = 30.86
    log: list[Observation] | None = None

    def tell(self, make: Any, **fields: Any) -> None:
        """Tells an event of now, received at once."""
        assert self.log is not None
        number = len(self.log)
        event_id = f"{self.truck_id}-{number}"
        self.log.append(make(self.t_s, truck_id=self.truck_id, event_id=event_id, received_s=self.t_s, **fields))

    def drive(self, fixes: int, east: float, north: float, **shown: Any) -> None:
        """A few fixes on the way, some of them poor."""
        for _ in range(fixes):
            self.t_s += self.rng.choice((5, 10, 10, 20, 30))
            self.lon += east * self.rng.random()
            self.lat += north * self.rng.random()
            poor = {"valid": False} if self.rng.random() < 0.03 else {}
            speed = round(self.rng.uniform(10, 60), 1) if east or north else 0.0
            self.tell(position, lon=round(self.lon, 6), lat=round(self.lat, 6), speed_kmh=speed, **shown, **poor)

    def trip(self) -> None:
        """Loads, leaves, is seen and weighed, and unloads somewhere; may fall silent on the way."""
        rng = self.rng
        cover = rng.choice((None, "open", "open", "closed"))
        full = {"load": rng.choice(("full", "full", None)), "cover": cover}
        self.drive(rng.randint(1, 4), 0, 0, load="empty", cover=cover)
        self.drive(rng.randint(2, 4), 0, 0, **full)
        self.drive(rng.randint(3, 6), 0.002, 0, **full)
        if rng.random() < 0.6:
            self.t_s += 2
            self.tell(sighting, camera_id="C-1", cover=rng.choice(("open", "closed", None)), cover_confidence=0.95)
        if rng.random() < 0.5:
            self.t_s += 2
            gross = float(rng.choice((24_000, 33_000, 52_900)))
            self.tell(weighing, gross_kg=gross, station_id="W-1", axle_count=rng.choice((None, 3)))
        if rng.random() < 0.4:
            self.t_s += rng.choice((60, 119, 120, 121, 300, 1500))
        self.drive(rng.randint(2, 6), 0.002, rng.choice((0, 0, 0.002)), **full)
        if rng.random() < 0.5:
            self.t_s += 2
            self.tell(sighting, camera_id="C-2", cover=rng.choice(("open", None)), cover_confidence=0.9)
        if rng.random() < 0.5:
            self.lon, self.lat = 120.13, 30.86
        self.drive(rng.randint(2, 5), 0, 0, lift=rng.choice((None, "raised")), **full)
        self.drive(rng.randint(2, 5), 0, 0, load="empty", lift="lowered", cover=cover)
        self.lon, self.lat = 120.10, 30.86
        self.t_s += 600


def stream(rng: Random, truck_id: str, trips: int = 2) -> list[Observation]:
    """One truck's events, each received at its own instant."""
    driver = Driver(rng, truck_id, t_s=round(rng.uniform(0, 60), 3), log=[])
    for _ in range(rng.randint(1, trips)):
        driver.trip()
    assert driver.log is not None
    return driver.log
