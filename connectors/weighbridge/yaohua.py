"""Yaohua XK3190 indicators (耀华 A9, D9, D10 and the many that imitate them), sending continuously.

Twelve bytes: `02`, sign `+` or `-`, six digits, the number of decimals (`0`-`4`), two hexadecimal digits of the XOR of
the eight bytes from the sign on, `03`; as in the indicator's manual (串行通讯, 连续方式). The real frame
`02 2b 30 30 31 35 36 30 30 31 39 03` is 1,560. The unit is not in the frame, and neither is motion.
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import Literal

from connectors.weighbridge.readings import Fault, Frames, Reading

LENGTH = 12
Unit = Literal["kg", "t"]
_HEX = frozenset(b"0123456789ABCDEFabcdef")
_KG = {"kg": 1, "t": 1000}


class YaohuaReader(Frames):
    """One connection; `unit` is what the indicator shows."""

    def __init__(self, unit: Unit = "kg") -> None:
        super().__init__(LENGTH, self._read)
        self._kg = _KG[unit]

    def _read(self, frame: bytes) -> Reading | Fault | None:
        if frame[11] != 0x03 or frame[1] not in b"+-" or frame[9] not in _HEX or frame[10] not in _HEX:
            return None
        if 0x02 in frame[1:11]:
            return None
        if reduce(xor, frame[1:9]) != int(frame[9:11], 16):
            return Fault("bad_checksum", frame)
        digits, decimals = frame[2:8].lstrip(b" "), frame[8] - 0x30
        if not digits.isdigit() or not 0 <= decimals <= 4:
            return Fault("no_weight", frame)
        kg = int(digits) * self._kg / 10**decimals
        return Reading(-kg if frame[1] == 0x2D else kg, frame)
