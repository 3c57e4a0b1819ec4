"""What the desk of deployments has approved comes into force: in the embedded system, or in a cluster."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from haulwatch.bootstrap.city_in_force import CityInForce
from haulwatch.city import City, build_city, pack_city, unpack_city
from haulwatch.dispatch.rollouts import Rollouts
from haulwatch.domain.errors import AuthorError, HaulwatchError, WorldError
from haulwatch.domain.rollouts import Rollout
from haulwatch.domain.text import Text
from streams.local_host import LocalHost

LOOK_S = 1.0
STOP_S = 8.0
Switch = Callable[[str, bytes], None]
"""Puts a packed city in force under its hash; once more changes nothing. Raises WorldError, AuthorError."""

log = logging.getLogger(__name__)


def starting_city(desk: Rollouts, city: City, files: Mapping[str, bytes]) -> tuple[City, dict[str, bytes]]:
    """The city that an embedded system begins with: that of its folder, unless another was deployed since the folder
    was last changed. A changed folder is written down as a deployment."""
    rollout = desk.approved() or desk.in_force()
    if rollout is not None and rollout.folder_hash == city.city_hash:
        deployed = desk.files(rollout.city_hash)
        if deployed is not None and rollout.city_hash != city.city_hash:
            log.info("a deployed city is in force, not the folder's", extra={"fields": {"rollout": rollout.rollout_id}})
            return build_city(deployed), deployed
        return city, dict(files)
    desk.found(city.city_hash, pack_city(files), folder=True)
    return city, dict(files)


def embedded_switch(host: LocalHost, view: CityInForce) -> Switch:
    """Switches an embedded system."""

    def switch(city_hash: str, packed: bytes) -> None:
        if host.city.city_hash == city_hash:
            return
        files = unpack_city(packed)
        city = build_city(files)
        host.activate(city, packed)
        view.show(city, files)

    return switch


class RolloutThread:
    """Looks for what was approved, by whatever process, and puts it in force."""

    def __init__(self, desk: Rollouts, switch: Switch, *, look_s: float = LOOK_S) -> None:
        self._desk, self._switch, self._look_s = desk, switch, look_s
        self._news = threading.Event()
        self._stopping = False
        self._trouble: WorldError | None = None
        self._thread = threading.Thread(target=self._run, name="rollouts", daemon=True)

    def start(self) -> None:
        """Begins with what an earlier run left."""
        self._thread.start()

    def wake(self) -> None:
        """Something was approved just now."""
        self._news.set()

    def stop(self) -> None:
        """Ends after what is under way."""
        self._stopping = True
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def check(self) -> None:
        """Raises WorldError while what was approved cannot come into force."""
        if self._trouble is not None:
            zh, en = self._trouble.text.zh, self._trouble.text.en
            raise WorldError(Text(f"部署受阻：{zh}", f"a deployment waits: {en}"), retryable=True)

    def _run(self) -> None:
        while not self._stopping:
            try:
                rollout = self._desk.approved()
                if rollout is not None:
                    self._carry_out(rollout)
                self._trouble = None
            except WorldError as error:
                self._trouble = error
            self._news.wait(self._look_s)
            self._news.clear()

    def _carry_out(self, rollout: Rollout) -> None:
        packed = self._desk.packed(rollout.city_hash)
        assert packed is not None, "a deployment refers to its city"
        try:
            self._switch(rollout.city_hash, packed)
        except WorldError as error:
            self._desk.failed(rollout.rollout_id, error.text, for_good=not error.retryable)
            if error.retryable:
                raise
            return
        except AuthorError as error:  # of another version of this program
            self._desk.failed(rollout.rollout_id, error.text, for_good=True)
            return
        self._desk.entered(rollout.rollout_id)
        log.info("city in force", extra={"fields": {"rollout": rollout.rollout_id, "city_hash": rollout.city_hash}})


def noting(desk: Rollouts, active: Callable[[], tuple[str, bytes] | None]) -> Callable[[], None]:
    """Writes down what is in force in a cluster, where it came past the desk. What cannot be written is next time."""

    def note() -> None:
        try:
            found = active()
            if found is not None:
                desk.found(*found)
        except HaulwatchError as error:
            log.warning("the city in force is not on record", extra={"fields": {"error": str(error)}})

    return note
