"""Secrets in files that people write: never the secret itself, always where it is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from msgspec import Struct
from pydantic import BeforeValidator

from haulwatch.city.documents import author_error
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text


class SecretPlace(Struct, frozen=True):
    """Where a secret is: `file:/run/secrets/cam-07` or `env:CAM_07_PASSWORD`."""

    kind: str
    name: str

    def value(self) -> str:
        """The secret, without blanks around it. Raises WorldError that names the place and not the secret."""
        if self.kind == "env":
            value = os.environ.get(self.name, "").strip()
            if not value:
                raise WorldError(
                    Text(f"环境变量 {self.name} 没有值", f"the environment variable {self.name} has no value")
                )
            return value
        try:
            value = Path(self.name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise WorldError(
                Text(f"读不到密钥文件 {self.name}：{error}", f"cannot read the secret in {self.name}: {error}")
            ) from error
        if not value:
            raise WorldError(Text(f"密钥文件 {self.name} 是空的", f"the file {self.name} holds no secret"))
        return value


def _place(value: Any) -> SecretPlace:
    kind, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if kind not in ("file", "env") or not name:
        text = Text(
            "密码不写在文件里：用 file:路径 或 env:变量名",
            "a secret does not stand in this file: say file:PATH or env:NAME",
        )
        raise author_error("N001", text)
    return SecretPlace(kind, name)


Secret = Annotated[SecretPlace, BeforeValidator(_place)]
"""The type of such a setting in a pydantic model (`arbitrary_types_allowed`)."""
