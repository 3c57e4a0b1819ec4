"""Mettler Toledo continuous output, as many other indicators send it, too.

`STX SWA SWB SWC`, six digits of the displayed weight, six of the tare, `CR`, and where it is switched on a checksum:
the two's complement of the seven low bits of the sum of all before it. Status bytes: METTLER TOLEDO WILDCAT Scale
Technical Manual (12/00), appendix 2, tables 6-8 to 6-11; `t` in SWC: TRINER TS-700 manual. Bit 7 is parity or nothing.
"""

from __future__ import annotations

from typing import Literal

from connectors.weighbridge.readings import Fault, Frames, Reading

LENGTH = 17
KG_A_POUND = 0.45359237
"""Exactly, since 1959."""
_SEVEN_BITS = bytes(byte & 0x7F for byte in range(256))
_ALWAYS_ONE = 0x20
_NET, _NEGATIVE, _OUT_OF_RANGE, _MOTION, _KILOGRAMS, _NOT_ZEROED = 1, 2, 4, 8, 16, 64
_UNIT, _EXPANDED = 0b111, 16
_GRAMS, _TONNES = 1, 2


class ToledoReader(Frames):
    """One connection. `checksum`: whether frames end with one; `pounds` are converted or refused.

    `power_up` "refuse" takes no weight before the scale was zeroed (SWB bit 6); some imitations have always 1 there.
    """

    def __init__(
        self,
        *,
        checksum: bool = True,
        pounds: Literal["convert", "refuse"] = "refuse",
        power_up: Literal["refuse", "ignore"] = "refuse",
    ) -> None:
        super().__init__(LENGTH + checksum, self._read)
        self._checksum, self._pounds, self._power_up = checksum, pounds, power_up

    def feed(self, data: bytes) -> list[Reading | Fault]:
        """See `Frames`; raw bytes are told without bit 7."""
        return super().feed(data.translate(_SEVEN_BITS))

    def _read(self, frame: bytes) -> Reading | Fault | None:
        if frame[16] != 0x0D or not all(status & _ALWAYS_ONE for status in frame[1:4]) or 0x02 in frame[4:16]:
            return None
        if self._checksum and sum(frame) & 0x7F:
            # The last byte may be the first of the next frame: of an indicator that sends no checksum.
            return Fault("bad_checksum", frame[:LENGTH] if frame[LENGTH] == 0x02 else frame)
        trouble = self._trouble(frame[2], frame[3])
        if trouble is not None:
            return Reading(0.0, frame, trouble=trouble)
        shown, tare = frame[4:10].lstrip(b" "), frame[10:16].lstrip(b" ") or b"0"
        if not shown.isdigit() or not tare.isdigit():
            return Fault("no_weight", frame)
        scale = _unit_kg(frame[2], frame[3]) / 10.0 ** ((frame[1] & 0b111) - 2)
        gross = int(shown) * (-1 if frame[2] & _NEGATIVE else 1) + (int(tare) if frame[2] & _NET else 0)
        return Reading(round(gross * scale, 3), frame, in_motion=bool(frame[2] & _MOTION))

    def _trouble(self, swb: int, swc: int) -> str | None:
        if swb & _OUT_OF_RANGE and not swb & _NEGATIVE:  # a scale below its zero is free
            return "out_of_range"
        if swb & _NOT_ZEROED and self._power_up == "refuse":
            return "not_zeroed"
        if swc & _EXPANDED:
            return "expanded"
        if swc & _UNIT > _TONNES:
            return "other_unit"
        if not swc & _UNIT and not swb & _KILOGRAMS and self._pounds == "refuse":
            return "pounds"
        return None


def _unit_kg(swb: int, swc: int) -> float:
    if swc & _UNIT == _TONNES:
        return 1000.0
    if swc & _UNIT == _GRAMS:
        return 0.001
    return 1.0 if swb & _KILOGRAMS else KG_A_POUND
