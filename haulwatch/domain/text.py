"""A text in the two languages that every screen speaks, Chinese first."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Lang = Literal["zh", "en"]


class Text(Struct, frozen=True):
    """One text in Chinese and English; `en` falls back to `zh` where nobody has translated it."""

    zh: str
    en: str

    def lang(self, lang: Lang) -> str:
        """The text in `lang`."""
        return self.zh if lang == "zh" else self.en
