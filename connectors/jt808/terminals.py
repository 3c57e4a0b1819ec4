"""Which terminals may speak: the allow-list out of the city's trucks, and the codes that it gives to them."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

from connectors.jt808.mapping import Reporter, phone_number
from connectors.jt808.profiles import STANDARD, Profile
from haulwatch.domain.registry import Truck

CODE_DIGITS = 20
"""80 bits; a code is tried over the network, and three wrong ones end a connection."""


class Fleet:
    """The trucks of one city that have a terminal: `terminal_id` in trucks.csv is its number, or the id printed on it.

    A truck of a model without a profile is read as a standard terminal; `unknown_models` names those models.
    """

    def __init__(self, trucks: Iterable[Truck], profiles: Mapping[str, Profile]) -> None:
        self._profiles = profiles
        self._by_phone: dict[str, Truck] = {}
        self._by_id: dict[str, Truck] = {}
        self.unknown_models: set[str] = set()
        for truck in trucks:
            if truck.terminal_id is None:
                continue
            self._by_id[truck.terminal_id.upper()] = truck
            if truck.terminal_id.isascii() and truck.terminal_id.isdigit():
                self._by_phone[phone_number(truck.terminal_id)] = truck
            if truck.device_model is not None and truck.device_model not in profiles:
                self.unknown_models.add(truck.device_model)

    def __len__(self) -> int:
        return len(self._by_id)

    def terminal_of(self, phone: str, terminal_id: str | None = None) -> str | None:
        """The `terminal_id` of trucks.csv that a terminal with this number (or else this id) is; None: a stranger."""
        truck = self._by_phone.get(phone_number(phone)) or self._by_id.get((terminal_id or "").upper())
        return None if truck is None else truck.terminal_id

    def reporter(self, phone: str, terminal_id: str) -> Reporter | None:
        """Whose truck it is now, and how it is read; None when it is no longer on the list."""
        truck = self._by_id.get(terminal_id.upper())
        if truck is None:
            return None
        profile = self._profiles.get(truck.device_model or STANDARD) or self._profiles[STANDARD]
        return Reporter(truck.truck_id, phone_number(phone), profile)


class Codes:
    """Authentication codes without a table: each says for itself that we gave it, to this number, as this terminal.

    Every gateway with the same secret knows the codes of every other; a new secret makes every terminal register anew.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, phone: str, terminal_id: str) -> str:
        """The code of a terminal: hexadecimal digits."""
        return self._digest(phone, terminal_id) + terminal_id.encode().hex()

    def terminal_of(self, phone: str, code: str) -> str | None:
        """Which terminal a code was given to; None where it is not one of ours for this number."""
        try:
            terminal_id = bytes.fromhex(code[CODE_DIGITS:]).decode()
        except ValueError:
            return None
        given = code[:CODE_DIGITS].encode("utf-8", "replace")
        return terminal_id if hmac.compare_digest(given, self._digest(phone, terminal_id).encode()) else None

    def _digest(self, phone: str, terminal_id: str) -> str:
        message = f"{phone_number(phone)}\0{terminal_id}".encode()
        return hmac.digest(self._secret, message, "sha256").hex()[:CODE_DIGITS]
