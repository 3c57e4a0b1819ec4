"""A console with everything switched on, and one order in it; for tests that go through every address."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from fastapi import FastAPI

from connectors.pictures import PictureFolder
from haulwatch.bootstrap.prober import RuleProber
from haulwatch.bootstrap.trial_desk import TrialDesk
from haulwatch.bootstrap.version_desk import VersionDesk
from haulwatch.bootstrap.workbench import CityWorkbench
from haulwatch.bootstrap.zone_desk import ZoneDesk
from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.live import LiveSettings
from haulwatch.console.testing import SteeredFeed, SteeredIntake, SteeredLine, overweight, small_city, truck
from haulwatch.dispatch.duty import NoPlan
from haulwatch.dispatch.routing import Route
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.breaches import Breach
from haulwatch.domain.orders import Actor

MS = 1_777_593_600_000


class OneDistrict(NoPlan):
    """Every order lies in D-1."""

    def route(self, breach: Breach, at_ms: int) -> Route:  # noqa: ARG002  # the same answer for everybody
        return Route(jurisdictions=["D-1"])


def whole_console(store: OrderStore, folder: Path) -> FastAPI:
    """The app over `store`; its pictures are in `folder`. A live stream that is allowed ends at once: 503."""
    feed = SteeredFeed()
    feed.put(truck("浙E12345", MS))
    bench = CityWorkbench(store.rollouts(), date.today)
    return create_app(
        store,
        store.people(),
        feed,
        SteeredIntake(),
        small_city(),
        settings=ConsoleSettings(live=LiveSettings(max_streams=0)),
        drivers=SteeredLine(),
        pictures=PictureFolder(folder),
        photos=store.photos(),
        packs=store.packs(),
        rollouts=store.rollouts(),
        workbench=bench,
        zones=ZoneDesk(bench),
        prober=RuleProber(bench),
        versions=VersionDesk(store.rollouts()),
        trials=TrialDesk(bench, store.rule_outcomes(), None),
    )


def dispatched_order(store: OrderStore) -> str:
    """The id of an order of D-1 that the squad Q-1 has; its version is 3."""
    order_id = store.intake([overweight("b1", MS, "浙E12345")]).opened[0]
    desk = Actor("p", frozenset(("dispatcher", "duty_officer")))
    store.command(order_id, "file", expected_version=1, actor=desk)
    store.command(order_id, "dispatch", expected_version=2, actor=desk, data={"squad_id": "Q-1"})
    return order_id
