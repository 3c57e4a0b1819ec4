"""What arrives as a photo: told by its content, never by its name; and the copies that are made of it to look at."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Sequence

from msgspec import Struct
from PIL import Image, ImageDraw, ImageOps

from haulwatch.domain.errors import HaulwatchError
from haulwatch.domain.text import Text
from haulwatch.fonts.drawing import draw_text, text_width

MAX_PIXELS = 50_000_000
"""A phone's largest pictures have about this many; what claims more could fill the memory of the machine."""
MARKED_PX = 2048
SMALL_PX = 320
_JPEG_QUALITY = 85
_AT_ONCE = threading.BoundedSemaphore(2)
"""A picture of `MAX_PIXELS` takes 200 MB while it is decoded: never many at a time."""

_BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
"""What Pillow raises for bytes that are no whole picture: its readers were written for good files."""

_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif")


class PhotoRefused(HaulwatchError):  # noqa: N818 - named for what is the matter
    """No photo that is taken; `code`: `no_photo`, `heic`, `too_many_pixels` or `damaged`."""

    def __init__(self, code: str, text: Text) -> None:
        super().__init__(text)
        self.code = code


class PhotoKind(Struct, frozen=True):
    """What a photo's bytes are."""

    media_type: str
    width_px: int
    height_px: int


def kind_of(data: bytes) -> PhotoKind:
    """What the bytes are, once all of them could be decoded. Raises `PhotoRefused`."""
    name, media_type = _format(data)
    with _AT_ONCE:
        try:
            with Image.open(io.BytesIO(data), formats=[name]) as picture:
                width_px, height_px = picture.size
                _check_size(width_px, height_px)
                picture.draft("RGB", (width_px // 8, height_px // 8))  # every byte is read, an eighth is kept
                picture.load()
        except Image.DecompressionBombError:
            raise _too_many() from None
        except _BROKEN:
            text = Text("照片不完整或已损坏，请重新拍摄", "The photo is damaged or not whole; take it again")
            raise PhotoRefused("damaged", text) from None
    return PhotoKind(media_type, width_px, height_px)


def marked(data: bytes, lines: Sequence[str]) -> bytes:
    """A JPEG of at most `MARKED_PX` a side, upright, with the lines on a band below the picture."""
    with _AT_ONCE, _upright(data, MARKED_PX) as picture:
        size_px = max(14, picture.width // 48)
        widest = max(text_width(line, size_px) for line in lines)
        if widest > picture.width - size_px:
            size_px = max(8, int(size_px * (picture.width - size_px) / widest))
        step_px = round(size_px * 1.5)
        sheet = Image.new("RGB", (picture.width, picture.height + step_px * len(lines) + size_px // 2), (16, 25, 34))
        sheet.paste(picture, (0, 0))
        draw = ImageDraw.Draw(sheet)
        for number, line in enumerate(lines, start=1):
            at = (size_px // 2, picture.height + step_px * number)
            draw_text(draw, at, line, size_px, fill=(255, 255, 255))
        return _jpeg(sheet)


def small(data: bytes) -> bytes:
    """A JPEG of at most `SMALL_PX` a side, upright, for lists."""
    with _AT_ONCE, _upright(data, SMALL_PX) as picture:
        return _jpeg(picture)


def _format(data: bytes) -> tuple[str, str]:
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG", "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", "image/png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP", "image/webp"
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        zh = "暂不支持 HEIC 照片：请在手机“设置 › 相机 › 格式”中选“兼容性最佳”后重新拍摄"
        en = "HEIC photos cannot be shown; choose “Most Compatible” in Settings › Camera › Formats and take it again"
        raise PhotoRefused("heic", Text(zh, en))
    raise PhotoRefused("no_photo", Text("不是 JPEG、PNG 或 WebP 照片", "This is no JPEG, PNG or WebP photo"))


def _check_size(width_px: int, height_px: int) -> None:
    if width_px * height_px > MAX_PIXELS:
        raise _too_many()


def _too_many() -> PhotoRefused:
    megapixels = MAX_PIXELS // 1_000_000
    text = Text(f"照片超过 {megapixels} 百万像素", f"The photo has more than {megapixels} megapixels")
    return PhotoRefused("too_many_pixels", text)


def _upright(data: bytes, longest_px: int) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=["JPEG", "PNG", "WEBP"]) as picture:
        picture.draft("RGB", (longest_px, longest_px))
        plain = picture.convert("RGBA") if "A" in picture.getbands() or "transparency" in picture.info else picture
        upright = ImageOps.exif_transpose(plain)
        upright.thumbnail((longest_px, longest_px))
        if upright.mode != "RGBA":
            return upright.convert("RGB")
        white = Image.new("RGB", upright.size, (255, 255, 255))
        white.paste(upright, mask=upright.getchannel("A"))
        return white


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()
