"""The trucks of Hekou: plates, masses, carriers and what their terminals can sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from haulwatch.domain.text import Text

DeviceClass = Literal["full", "weight", "basic"]
"""`full`: load, cover and lift; `weight`: load in kg only; `basic`: position only."""
DEVICE_MODELS: dict[DeviceClass, str] = {"full": "hk-muck-3", "weight": "hk-load-2", "basic": "hk-gps-1"}
CARRIERS = (
    ("C-01", Text("青河土石方", "Qinghe Earthworks")),
    ("C-02", Text("云溪运输", "Yunxi Haulage")),
    ("C-03", Text("望潮环境", "Wangchao Environment")),
    ("C-04", Text("南屿渣土", "Nanyu Muck Transport")),
    ("C-05", Text("东渚建设运输", "Dongzhu Construction Haulage")),
    ("C-06", Text("砚池物流", "Yanchi Logistics")),
    ("C-07", Text("松岭土方", "Songling Earthworks")),
    ("C-08", Text("盐仓运输", "Yancang Haulage")),
)
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True)
class Chassis:
    """A type of truck; masses in kg; the limit is that of MOT order 62 of 2016, art. 3, for this many axles."""

    axle_count: int
    body: Literal["rigid", "articulated"]
    limit_kg: int
    tare_kg: tuple[int, int]
    share: float


CHASSIS = (
    Chassis(4, "rigid", 31_000, (12_600, 15_200), 0.68),
    Chassis(3, "rigid", 25_000, (10_600, 12_000), 0.17),
    Chassis(2, "rigid", 18_000, (6_600, 7_600), 0.05),
    Chassis(6, "articulated", 49_000, (16_400, 18_200), 0.10),
)


@dataclass(frozen=True)
class TruckSpec:
    """One truck: what the registry knows of it, and how it is equipped and based."""

    index: int
    truck_id: str
    chassis: Chassis
    tare_kg: int
    carrier_id: str
    carrier_name: Text
    air_suspension: bool
    device_class: DeviceClass
    terminal_id: str
    home: str

    @property
    def limit_kg(self) -> int:
        """Its legal gross mass; the licence says the same."""
        return self.chassis.limit_kg

    @property
    def payload_kg(self) -> int:
        """What it may load."""
        return self.chassis.limit_kg - self.tare_kg


def build_fleet(count: int, seed: int, yards: Sequence[str]) -> list[TruckSpec]:
    """`count` trucks; truck number i is the same in every fleet of the same seed, however large."""
    taken: set[str] = set()
    return [_truck(index, Random(f"{seed}/truck/{index}"), yards, taken) for index in range(count)]


def _truck(index: int, draw: Random, yards: Sequence[str], taken: set[str]) -> TruckSpec:
    """Plates begin with 浙Z, a letter that no office issues."""
    plate = _plate(draw)
    while plate in taken:
        plate = _plate(draw)
    taken.add(plate)
    chassis = draw.choices(CHASSIS, [chassis.share for chassis in CHASSIS])[0]
    carrier_id, carrier_name = draw.choice(CARRIERS)
    return TruckSpec(
        index=index,
        truck_id=plate,
        chassis=chassis,
        tare_kg=draw.randrange(chassis.tare_kg[0], chassis.tare_kg[1], 20),
        carrier_id=carrier_id,
        carrier_name=carrier_name,
        air_suspension=draw.random() < 0.15,
        device_class=draw.choices(("full", "weight", "basic"), (0.5, 0.25, 0.25))[0],
        terminal_id=f"0139{index + 1:08d}",
        home=yards[CARRIERS.index((carrier_id, carrier_name)) % len(yards)],
    )


def _plate(draw: Random) -> str:
    return f"浙Z{draw.choice(LETTERS)}{draw.randrange(10_000):04d}"
