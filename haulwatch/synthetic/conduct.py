"""The ways in which a trip goes wrong: one function a kind, each a whole trip with its truth noted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from haulwatch.domain.breaches import Category
from haulwatch.synthetic.chapters import Conduct, GhostSighting, Span, Spoof
from haulwatch.synthetic.driving import Driver
from haulwatch.synthetic.fleet import DeviceClass
from haulwatch.synthetic.hauling import Haul, Hauled, carry, drop, ordinary, pick_up
from haulwatch.synthetic.plan import CameraSpot, Licence
from haulwatch.synthetic.plane import distance
from haulwatch.synthetic.roads import reversed_path

TIP_S = (300.0, 420.0)
LINGER_S = (840.0, 1_200.0)
EVERY: tuple[DeviceClass, ...] = ("full", "weight", "basic")


@dataclass(frozen=True)
class Kind:
    """One way to break the rules: who can do it (by equipment) and with which permits.

    `hidden`: the truck shows too little of itself to be held to its route and hours.
    """

    name: str
    category: Category
    run: Callable[[Driver, Haul], Hauled]
    devices: tuple[DeviceClass, ...] = EVERY
    licences: str = "valid"
    weight: float = 1.0
    hidden: bool = False


def _note(driver: Driver, category: Category, kind: str, span: Span, note: str) -> None:
    driver.chapter.conducts.append(Conduct(category, kind, span, note))


def uncovered_all_the_way(driver: Driver, haul: Haul) -> Hauled:
    """The cover is never drawn."""
    haul.covered = False
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    _note(driver, "uncovered", "uncovered_all", hauled.span, "cover open all the way")
    drop(driver, hauled)
    return hauled


def uncovered_on_the_way(driver: Driver, haul: Haul) -> Hauled:
    """The cover slides open under way."""
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    opened = hauled.left + (hauled.arrived - hauled.left) * driver.draw.uniform(0.12, 0.3)
    driver.change(opened, "cover", "open")
    _note(driver, "uncovered", "uncovered_slipped", Span(opened, hauled.arrived), "cover opens under way")
    drop(driver, hauled)
    return hauled


def overloaded(driver: Driver, haul: Haul) -> Hauled:
    """Far too much on it."""
    haul.gross_share = driver.draw.uniform(1.22, 1.55)
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    gross_kg = round(haul.gross_share * driver.truck.limit_kg)
    _note(driver, "overweight", "overweight", hauled.span, f"{gross_kg} kg, limit {driver.truck.limit_kg} kg")
    drop(driver, hauled)
    return hauled


def _dump_at(driver: Driver, haul: Haul, place_id: str, kind: str, *, lift: bool) -> Hauled:
    """Unloads at a place that is no disposal site and drives back for the next load.

    Where nothing on board weighs the load, the conduct shows only when the truck has been loaded again, and until
    then it is believed to be loaded.
    """
    place = driver.plan.places[place_id]
    hauled = pick_up(driver, haul)
    journey = driver.go(place.spot)
    hauled.loaded.append(journey)
    to_spot = distance(driver.plan.roads.nodes[place.turn_off], journey.path.line[-1])
    turned = journey.time_at(journey.path.metres - to_spot)
    span = driver.tip(lift=lift, seconds=driver.draw.uniform(*(TIP_S if lift else LINGER_S)))
    back = driver.go(driver.plan.places[haul.licence.origin].spot)
    blind = driver.truck.device_class == "basic"
    hauled.unlike_route = True
    hauled.arrived = back.t_end if blind else span.t0 + (span.t1 - span.t0) * 0.5
    shown = back.t_start + 240.0
    if blind:
        again = ordinary(driver, Haul(haul.licence))
        shown = again.left + 300.0
    _note(driver, "dumping", kind, Span(turned, shown), f"unloads at {place.name.zh}")
    return hauled


def _nearest(driver: Driver, haul: Haul, kind: str) -> str:
    """The lot or protected land that costs the driver least."""
    origin = driver.plan.places[haul.licence.origin].spot
    places = driver.plan.of_kind(kind)
    ways = sorted((driver.plan.roads.path(origin, place.spot).metres, place.place_id) for place in places)
    return driver.draw.choice(ways[: 3 if kind == "lot" else 2])[1]


def dumped_with_lift(driver: Driver, haul: Haul) -> Hauled:
    """Tips the load on a vacant lot."""
    return _dump_at(driver, haul, _nearest(driver, haul, "lot"), "dump_lot", lift=True)


def dumped_standing(driver: Driver, haul: Haul) -> Hauled:
    """Stands off its route for a quarter of an hour and goes on empty; the body was never raised."""
    return _dump_at(driver, haul, _nearest(driver, haul, "lot"), "dump_stop", lift=False)


def dumped_in_protected_land(driver: Driver, haul: Haul) -> Hauled:
    """Drives into protected land and tips there."""
    return _dump_at(driver, haul, _nearest(driver, haul, "forbidden"), "dump_forbidden", lift=True)


def dumped_out_of_reach(driver: Driver, haul: Haul) -> Hauled:
    """Tips the load on a vacant lot where there is no network; the terminal sends everything afterwards."""
    hauled = _dump_at(driver, haul, _nearest(driver, haul, "lot"), "dump_late", lift=True)
    turned = driver.chapter.conducts[-1].span.t0
    driver.chapter.out_of_coverage.append(Span(turned - 150.0, hauled.arrived + 300.0))
    return hauled


def leaked(driver: Driver, haul: Haul) -> Hauled:
    """Loses its load bit by bit on the road."""
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    begin = hauled.left + (hauled.arrived - hauled.left) * 0.2
    end = begin + (hauled.arrived - begin) * 0.75
    loaded = float(driver.chapter.body_at(hauled.left)["load_kg"] or 0.0)
    for number in range(1, 13):
        driver.change(begin + (end - begin) * number / 12, "load_kg", round(loaded * (1 - 0.92 * number / 12)))
    _note(driver, "dumping", "dump_leak", Span(begin, hauled.arrived), "loses most of its load on the road")
    drop(driver, hauled)
    return hauled


def detoured(driver: Driver, haul: Haul) -> Hauled:
    """Takes quite another way."""
    haul.via = (driver.plan.detour(haul.licence, driver.draw),)
    return outside_hours(driver, haul)


def outside_hours(driver: Driver, haul: Haul) -> Hauled:
    """Hauls as permitted, but not when permitted."""
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    drop(driver, hauled)
    return hauled


def without_permit(driver: Driver, haul: Haul) -> Hauled:
    """Hauls out of its district from a site whose permit has expired."""
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    _note(driver, "permit", "permit_expired", hauled.span, f"{haul.licence.permit_id} has expired")
    drop(driver, hauled)
    return hauled


def without_manifest(driver: Driver, haul: Haul) -> Hauled:
    """Hauls without a manifest."""
    haul.manifest = False
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    drop(driver, hauled)
    _note(driver, "manifest", "manifest_none", Span(hauled.left, driver.t), "no manifest for the trip")
    return hauled


def reused_manifest(driver: Driver, haul: Haul) -> Hauled:
    """Hauls twice on one manifest that is never handed in."""
    first = pick_up(driver, haul)
    carry(driver, first)
    first.manifest_id = None
    drop(driver, first)
    again = pick_up(driver, Haul(haul.licence, manifest=False))
    carry(driver, again)
    drop(driver, again)
    span = Span(again.left, driver.t)
    driver.chapter.conducts.append(
        Conduct("manifest", "manifest_reused", span, "a second trip on one manifest", rests_on=first.left)
    )
    return again


def switched_off(driver: Driver, haul: Haul) -> Hauled:
    """Cuts the terminal's power under way; 40-70 minutes later it is back at its site as if nothing had been."""
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    off = hauled.left + (hauled.arrived - hauled.left) * driver.draw.uniform(0.25, 0.4)
    drop(driver, hauled)
    driver.go(driver.plan.places[haul.licence.origin].spot)
    on = max(driver.t + 20.0, off + driver.draw.uniform(2_450.0, 3_600.0))
    driver.stand(on + 40.0 - driver.t)
    driver.chapter.powered_off.append(Span(off, on))
    _note(driver, "tamper", "tamper_silent", Span(off, on + 120.0), f"terminal off for {(on - off) / 60:.0f} min")
    ordinary(driver, Haul(haul.licence))
    return hauled


def spoofed(driver: Driver, haul: Haul) -> Hauled:
    """After the trip, driving back empty, the terminal claims to be kilometres away."""
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    drop(driver, hauled)
    path = driver.plan.route_of(haul.licence)
    back = driver.follow(reversed_path(path))
    begin = back.t_start + (back.t_end - back.t_start) * 0.2
    end = begin + min(driver.draw.uniform(300.0, 480.0), (back.t_end - begin) * 0.7)
    here = back.place_at(back.metres_at(begin)[0])[0]
    east = -7_500.0 if here[0] > 0 else 7_500.0
    north = -5_500.0 if here[1] > 0 else 5_500.0
    driver.chapter.spoofs.append(Spoof(Span(begin, end), (east, north)))
    note = "reports places 9 km away"
    _note(driver, "tamper", "tamper_jump", Span(begin, end + 90.0), note)
    return hauled


def cloned(driver: Driver, haul: Haul) -> Hauled:
    """Another truck wears this plate and passes a camera far away."""
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    journey = hauled.loaded[0]
    t = journey.t_start + (journey.t_end - journey.t_start) * driver.draw.uniform(0.3, 0.6)
    for dark in driver.chapter.under_ground:
        t = dark.t1 + 60.0 if dark.t0 <= t < dark.t1 + 60.0 else t
    camera = _farthest(driver, journey.place_at(journey.metres_at(t)[0])[0])
    driver.chapter.ghosts.append(GhostSighting(t, camera.camera_id))
    note = f"same plate at {camera.camera_id} at the same time"
    _note(driver, "tamper", "tamper_clone", Span(t - 5.0, t + 300.0), note)
    drop(driver, hauled)
    return hauled


def _farthest(driver: Driver, point: tuple[float, float]) -> CameraSpot:
    return max(driver.plan.cameras, key=lambda camera: (distance(camera.point, point), camera.camera_id))


def usable(licence: Licence, need: str, *, open_now: bool) -> bool:
    """Whether a kind that needs `valid`, `expired` or `closed` (outside its hours) permits can use this one."""
    if need == "expired":
        return licence.expired
    return not licence.expired and open_now == (need == "valid")


KINDS: tuple[Kind, ...] = (
    Kind("uncovered_all", "uncovered", uncovered_all_the_way, weight=2.0),
    Kind("uncovered_slipped", "uncovered", uncovered_on_the_way, weight=1.5),
    Kind("overweight", "overweight", overloaded, weight=2.0),
    Kind("dump_lot", "dumping", dumped_with_lift, devices=("full", "weight")),
    Kind("dump_stop", "dumping", dumped_standing),
    Kind("dump_forbidden", "dumping", dumped_in_protected_land),
    Kind("dump_late", "dumping", dumped_out_of_reach, devices=("full", "weight"), weight=0.7),
    Kind("dump_leak", "dumping", leaked, devices=("full", "weight"), weight=0.8),
    Kind("route_detour", "route", detoured, weight=2.0),
    Kind("time_outside", "time", outside_hours, licences="closed", weight=2.0),
    Kind("permit_expired", "permit", without_permit, licences="expired", weight=2.0),
    Kind("tamper_silent", "tamper", switched_off, weight=1.5, hidden=True),
    Kind("tamper_jump", "tamper", spoofed),
    Kind("tamper_clone", "tamper", cloned),
    Kind("manifest_none", "manifest", without_manifest, weight=1.5),
    Kind("manifest_reused", "manifest", reused_manifest),
)
