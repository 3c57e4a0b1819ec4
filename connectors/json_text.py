"""JSON from outside, decoded."""

from __future__ import annotations

from typing import Any

import msgspec

from haulwatch.domain.errors import DeviceError
from haulwatch.domain.text import Text


def decode_json(data: bytes | str) -> Any:
    """Its value. Raises DeviceError `not_json`."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise not_json(error) from error


def not_json(error: Exception) -> DeviceError:
    """What a decoder's error means."""
    return DeviceError("not_json", Text(f"不是合法的 JSON：{error}", f"not JSON: {error}"))
