"""Lawful trips that look like violations: one function a kind, each noted so that a false finding can be explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from haulwatch.synthetic.chapters import GhostSighting, Span
from haulwatch.synthetic.driving import Driver
from haulwatch.synthetic.fleet import DeviceClass
from haulwatch.synthetic.hauling import Haul, Hauled, carry, drop, ordinary, pick_up
from haulwatch.synthetic.journeys import Halt, jam
from haulwatch.synthetic.plan import CameraSpot, Licence, Scale
from haulwatch.synthetic.plane import distance

EVERY: tuple[DeviceClass, ...] = ("full", "weight", "basic")


@dataclass(frozen=True)
class Guise:
    """One kind of look-alike: who can do it, with which permits, and whether it needs noisy devices."""

    name: str
    run: Callable[[Driver, Haul], Hauled]
    devices: tuple[DeviceClass, ...] = EVERY
    suits: str = "any"
    needs_noise: bool = False


def lift_in_yard(driver: Driver, haul: Haul) -> Hauled:
    """After the trip the empty body is raised in a truck park, for washing or repair."""
    hauled = ordinary(driver, haul)
    driver.head_for(_nearest_parking(driver))
    driver.stand(120.0)
    span = driver.tip(seconds=400.0, close=True)
    driver.innocent("lift_in_yard", span, "raised lift in a truck park, empty")
    return hauled


def jammed(driver: Driver, haul: Haul) -> Hauled:
    """Stop and go, loaded, on the permitted route."""
    path = driver.plan.route_of(haul.licence)
    haul.halts = jam(path.metres * driver.draw.uniform(0.3, 0.6), driver.draw, driver.draw.uniform(8.0, 16.0))
    hauled = ordinary(driver, haul)
    driver.innocent("jam_loaded", hauled.span, "stands in a jam, loaded, on its route")
    return hauled


def paused_on_route(driver: Driver, haul: Haul) -> Hauled:
    """A stop for fuel on the permitted route, loaded."""
    path = driver.plan.route_of(haul.licence)
    wait_s = driver.draw.uniform(240.0, 480.0)
    haul.halts = [Halt(path.metres * driver.draw.uniform(0.3, 0.7), wait_s)]
    hauled = ordinary(driver, haul)
    driver.innocent("stop_on_route", hauled.span, f"stops {wait_s / 60:.0f} min on its route, loaded")
    return hauled


def open_but_empty(driver: Driver, haul: Haul) -> Hauled:
    """Drives back with the cover open and nothing under it."""
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    drop(driver, hauled, close=False)
    back = driver.go(driver.plan.places[haul.licence.origin].spot)
    driver.innocent("uncovered_empty", Span(back.t_start, back.t_end), "open cover, empty")
    return hauled


def beside_protected_land(driver: Driver, haul: Haul) -> Hauled:
    """On the way back it stops on the road beside protected land."""
    hauled = ordinary(driver, haul)
    here = driver.plan.roads.nodes[driver.node]
    places = driver.plan.of_kind("forbidden")
    place = min(places, key=lambda place: distance(here, driver.plan.roads.nodes[place.turn_off]))
    driver.head_for(place.turn_off)
    span = driver.stand(driver.draw.uniform(150.0, 360.0))
    driver.innocent("beside_forbidden", span, f"stops on the road beside {place.place_id}, empty")
    return hauled


def queue_at_gate(driver: Driver, haul: Haul) -> Hauled:
    """Waits empty right at the site's fence while its fixes wander across it."""
    driver.head_for(driver.plan.places[haul.licence.origin].gate)
    span = driver.stand(driver.draw.uniform(900.0, 1_800.0), jitter_m=14.0)
    driver.innocent("drift_at_border", span, "fixes wander across a site's fence")
    return ordinary(driver, haul)


def misseen(driver: Driver, haul: Haul) -> Hauled:
    """One camera takes the drawn cover for an open one."""
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    journey = hauled.loaded[0]
    passed = [(metres, spot) for metres, spot in journey.passes(driver.plan) if isinstance(spot, CameraSpot)]
    metres, camera = driver.draw.choice(passed)
    t = journey.time_at(metres)
    driver.chapter.misseen.append(Span(t - 1.0, t + 1.0))
    driver.innocent("camera_wrong", Span(t - 1.0, t + 180.0), f"{camera.camera_id} sees the closed cover as open")
    drop(driver, hauled)
    return hauled


def nearly_too_heavy(driver: Driver, haul: Haul) -> Hauled:
    """A little above the limit, within the station's tolerance."""
    haul.gross_share = driver.draw.uniform(1.002, 1.010)
    hauled = ordinary(driver, haul)
    driver.innocent("heavy_in_tolerance", hauled.span, "over the limit by less than the tolerance")
    return hauled


def tunnel_jam(driver: Driver, haul: Haul) -> Hauled:
    """Silent for some minutes in the tunnel."""
    path = driver.plan.route_of(haul.licence)
    inside = next(
        start for stretch, start in zip(path.stretches, path.starts, strict=True) if stretch.edge.road_class == "tunnel"
    )
    haul.halts = jam(inside + 120.0, driver.draw, driver.draw.uniform(1.5, 4.0))
    hauled = ordinary(driver, haul)
    for span in driver.chapter.under_ground:
        driver.innocent("tunnel", span, "no fix in the tunnel")
    return hauled


def out_of_coverage(driver: Driver, haul: Haul) -> Hauled:
    """No network for a while on the loaded way; everything is sent later."""
    hauled = ordinary(driver, haul)
    begin = hauled.left + (hauled.arrived - hauled.left) * driver.draw.uniform(0.1, 0.5)
    span = Span(begin, begin + driver.draw.uniform(300.0, 1_500.0))
    if span.t1 > driver.t:
        driver.stand(span.t1 + 30.0 - driver.t)
    driver.chapter.out_of_coverage.append(span)
    driver.innocent("late_batch", span, "out of coverage, sends later")
    return hauled


def flickering(driver: Driver, haul: Haul) -> Hauled:
    """The load sensor reads empty for single readings."""
    hauled = ordinary(driver, haul)
    t = hauled.left + 60.0
    while t < hauled.arrived - 60.0:
        driver.change(t, "sensor_kg", 0.0)
        driver.change(t + 7.0, "sensor_kg", None)
        t += driver.draw.uniform(45.0, 240.0)
    driver.innocent("sensor_flicker", hauled.span, "load sensor flickers")
    return hauled


def short_detour(driver: Driver, haul: Haul) -> Hauled:
    """Uses a service road beside its route for a minute or two."""
    haul.via = (driver.draw.choice(driver.plan.bypasses[haul.licence.permit_id]),)
    hauled = ordinary(driver, haul)
    driver.innocent("short_detour", hauled.span, "a service road beside its route")
    return hauled


def unplugged_in_yard(driver: Driver, haul: Haul) -> Hauled:
    """Power off for repair in a truck park."""
    hauled = ordinary(driver, haul)
    driver.head_for(_nearest_parking(driver))
    driver.rest(240.0)
    span = driver.rest(driver.draw.uniform(1_500.0, 3_000.0))
    driver.chapter.powered_off.append(span)
    driver.rest(120.0)
    driver.innocent("unplugged_in_yard", span, "terminal without power in a truck park")
    return hauled


def misread(driver: Driver, haul: Haul) -> Hauled:
    """A camera far away misreads another plate as this one, and is not sure."""
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    journey = hauled.loaded[0]
    t = journey.t_start + (journey.t_end - journey.t_start) * driver.draw.uniform(0.2, 0.8)
    here = journey.place_at(journey.metres_at(t)[0])[0]
    camera = max(driver.plan.cameras, key=lambda spot: (distance(spot.point, here), spot.camera_id))
    driver.chapter.ghosts.append(GhostSighting(t, camera.camera_id, sure=False))
    driver.innocent("plate_misread", Span(t - 5.0, t + 5.0), f"{camera.camera_id} misreads another plate")
    drop(driver, hauled)
    return hauled


def _nearest_parking(driver: Driver) -> str:
    here = driver.plan.roads.nodes[driver.node]
    parks = driver.plan.of_kind("parking")
    return min(parks, key=lambda place: distance(here, driver.plan.roads.nodes[place.spot])).spot


def suited(driver: Driver, licence: Licence, need: str) -> bool:
    """Whether a permit's route has what a look-alike needs: `tunnel`, `bypass`, `scale`, `camera` or `any`."""
    path = driver.plan.route_of(licence)
    if need == "tunnel":
        return any(stretch.edge.road_class == "tunnel" for stretch in path.stretches)
    if need == "bypass":
        return bool(driver.plan.bypasses[licence.permit_id])
    things = [thing for step in path.stretches for _, thing in driver.plan.on_edge.get(step.edge.edge_id, ())]
    if need == "scale":
        return any(isinstance(thing, Scale) for thing in things)
    if need == "camera":
        return any(isinstance(thing, CameraSpot) for thing in things)
    return True


GUISES: tuple[Guise, ...] = (
    Guise("lift_in_yard", lift_in_yard, devices=("full",)),
    Guise("jam_loaded", jammed),
    Guise("stop_on_route", paused_on_route),
    Guise("uncovered_empty", open_but_empty),
    Guise("beside_forbidden", beside_protected_land),
    Guise("drift_at_border", queue_at_gate, needs_noise=True),
    Guise("camera_wrong", misseen, suits="camera", needs_noise=True),
    Guise("heavy_in_tolerance", nearly_too_heavy, suits="scale"),
    Guise("tunnel", tunnel_jam, suits="tunnel"),
    Guise("late_batch", out_of_coverage),
    Guise("sensor_flicker", flickering, devices=("full", "weight")),
    Guise("short_detour", short_detour, suits="bypass"),
    Guise("unplugged_in_yard", unplugged_in_yard),
    Guise("plate_misread", misread, needs_noise=True),
)
