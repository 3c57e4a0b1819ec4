"""Text on pictures: whatever a city writes can be drawn, without a font of the machine."""

from __future__ import annotations

import hashlib
import re
from itertools import chain

from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw

from haulwatch import fonts
from haulwatch.fonts.drawing import draw_text, text_width

GB2312 = "".join(
    bytes([high, low]).decode("gb2312", "ignore") for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF)
)


def test_every_character_of_gb2312_and_ascii_has_a_shape() -> None:
    shapes = {path: TTFont(path).getBestCmap() for path in (fonts.HAN, fonts.LATIN, fonts.LATIN_BOLD)}
    ascii_text = "".join(map(chr, range(32, 127))) + "≥≤×·–…°±²"
    for bold in (False, True):
        parts = chain(fonts.runs(GB2312, bold=bold), fonts.runs(ascii_text, bold=bold))
        assert [char for path, part in parts for char in part if ord(char) not in shapes[path]] == []


def test_runs_give_the_text_back() -> None:
    text = "粤B·12345 未覆盖 (uncovered) 65 km/h，限速 40"
    assert "".join(part for _, part in fonts.runs(text)) == text
    assert [path.name[:5] for path, _ in fonts.runs("粤B12345")] == ["Droid", "OpenS"]


def test_what_no_font_has_is_written_otherwise() -> None:
    assert fonts.drawable("新建→立案\x00\u200b😀 5 ㎡\n第二行") == "新建›立案 5 m²\n第二行"


def test_a_line_is_as_wide_as_was_said_and_leaves_marks() -> None:
    picture = Image.new("RGB", (400, 60), (255, 255, 255))
    end = draw_text(ImageDraw.Draw(picture), (10, 40), "粤B12345 车", 24, fill=(0, 0, 0), halo=(255, 255, 255))
    assert end == 10 + text_width("粤B12345 车", 24)
    left, _, right, _ = picture.convert("L").point(lambda value: 255 if value < 128 else 0).getbbox() or (0, 0, 0, 0)
    assert 10 <= left < 16
    assert end - 8 < right <= end


def test_the_notice_names_the_files_as_they_are() -> None:
    folder = fonts.HAN.parent
    told = dict(re.findall(r"^(\S+\.ttf).*?sha256 ([0-9a-f]{64})", (folder / "NOTICE").read_text("utf-8"), re.M | re.S))
    assert told == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.ttf")}
