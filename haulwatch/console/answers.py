"""JSON answers from msgspec types: UTF-8, not ASCII-escaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import Response


class JsonAnswer(Response):
    """Any msgspec-encodable value as JSON; not to be kept by browsers unless `headers` say so."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(
            msgspec.json.encode(content),
            status_code=status_code,
            headers={"Cache-Control": "no-store", **(headers or {})},
        )
