"""What a pack shows: the map, and the order as a paper in each language."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial

from PIL import Image

from haulwatch.dispatch.evidence.contents import Contents, Export, Made
from haulwatch.dispatch.evidence.map_picture import draw_map, png_of
from haulwatch.dispatch.evidence.paper import paper
from haulwatch.domain.text import Lang

PAPERS: tuple[tuple[str, Lang], ...] = (("order.en.pdf", "en"), ("order.pdf", "zh"))


def drawn(contents: Contents, export: Export) -> Iterator[tuple[str, Made]]:
    """Names and makers, like `Contents.files`. An order without track and place has no map."""

    @lru_cache
    def map_in(lang: Lang) -> Image.Image | None:
        return draw_map(contents, lang)

    picture = map_in("zh")
    if picture is not None:
        yield "map.png", partial(png_of, picture)
    for name, lang in PAPERS:
        yield name, _paper(contents, export, map_in, lang)


def _paper(contents: Contents, export: Export, map_in: object, lang: Lang) -> Made:
    assert callable(map_in)
    return lambda: paper(contents, export, map_in(lang), lang)
