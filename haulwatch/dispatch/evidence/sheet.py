"""A4 sheets: fonts, head and foot, headings, tables, pictures. What is on them is not decided here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fpdf import FPDF, FontFace
from fpdf.enums import TableBordersLayout, TextMode, WrapMode, XPos, YPos
from PIL import Image

from haulwatch import fonts
from haulwatch.domain.text import Lang

MARGIN_MM = 16.0
LINE_MM = 5.2
INK = (24, 30, 36)
GREY = (104, 112, 120)
RULE = (178, 184, 190)
HEAD_FILL = (238, 241, 244)
ACCENT = (160, 24, 32)


class Sheet(FPDF):
    """Sheets with one head and foot; bytes by `output()`, the same for the same contents."""

    def __init__(self, lang: Lang, head: str, foot: str, at: datetime) -> None:
        super().__init__("P", "mm", "A4")
        self._lang, self._head, self._foot = lang, head, foot
        self._sections = 0
        self._wrap = WrapMode.CHAR if lang == "zh" else WrapMode.WORD
        self.set_margins(MARGIN_MM, MARGIN_MM + 6, MARGIN_MM)
        self.set_auto_page_break(True, MARGIN_MM + 6)
        self.add_font("latin", "", fonts.LATIN)
        self.add_font("latin", "B", fonts.LATIN_BOLD)
        self.add_font("han", "", fonts.HAN)
        self.set_fallback_fonts(["han"], exact_match=False)
        self.set_creation_date(at)
        self.set_creator("haulwatch")
        self.set_lang({"zh": "zh-CN", "en": "en"}[lang])
        self.set_title(head)
        self.ink()

    def ink(self, size_pt: float = 9, *, bold: bool = False, colour: tuple[int, int, int] = INK) -> None:
        """The pen for what follows. The Chinese font has no bold: `stroke` makes one."""
        self.set_font("latin", "B" if bold else "", size_pt)
        self.set_text_color(*colour)

    def header(self) -> None:
        """Called by fpdf2 for each sheet."""
        self.set_y(MARGIN_MM - 5)
        self.ink(8, colour=GREY)
        self.cell(0, 5, fonts.drawable(self._head))
        self.set_draw_color(*RULE)
        self.line(MARGIN_MM, MARGIN_MM + 1, self.w - MARGIN_MM, MARGIN_MM + 1)
        self.set_y(MARGIN_MM + 6)

    def footer(self) -> None:
        """Called by fpdf2 for each sheet."""
        self.set_y(-MARGIN_MM - 1)
        self.set_draw_color(*RULE)
        self.line(MARGIN_MM, self.get_y(), self.w - MARGIN_MM, self.get_y())
        self.ink(7.5, colour=GREY)
        number = {"zh": f"第 {self.page_no()} 页，共 {{nb}} 页", "en": f"Page {self.page_no()} of {{nb}}"}[self._lang]
        self.cell(0, 6, fonts.drawable(self._foot))
        self.set_x(MARGIN_MM)
        self.cell(0, 6, number, align="R")

    def stroke(self, text: str, size_pt: float, *, align: str = "L", colour: tuple[int, int, int] = INK) -> None:
        """One bold line, Chinese too."""
        self.ink(size_pt, bold=True, colour=colour)
        self.set_draw_color(*colour)
        with self.local_context(text_mode=TextMode.FILL_STROKE, line_width=size_pt * 0.008):
            self.cell(0, size_pt * 0.55, fonts.drawable(text), align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ink()

    def heading(self, text: str, *, room_mm: float = 28) -> None:
        """The title of the next section, numbered; on a new sheet when there is no room for what follows."""
        self._sections += 1
        number = f"{'一二三四五六七八九十'[self._sections - 1]}、" if self._lang == "zh" else f"{self._sections}. "
        if self.will_page_break(room_mm):
            self.add_page()
        self.ln(4)
        self.set_fill_color(*ACCENT)
        self.rect(MARGIN_MM, self.get_y() + 0.6, 1.2, 5.2, "F")
        self.set_x(MARGIN_MM + 3)
        self.stroke(number + text, 11.5)
        self.ln(1.6)

    def words(self, text: str, size_pt: float = 9, *, colour: tuple[int, int, int] = INK) -> None:
        """A paragraph."""
        self.ink(size_pt, colour=colour)
        self.multi_cell(
            0, size_pt * 0.58, fonts.drawable(text), wrapmode=self._wrap, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L"
        )
        self.ink()

    def rows(self, heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
        """A table with a heading that is repeated on each sheet."""
        self._table([heads, *rows], widths, FontFace(emphasis="", fill_color=HEAD_FILL), first_row_as_headings=True)

    def facts(self, pairs: Sequence[tuple[str, str]], *, columns: int = 2) -> None:
        """Names and values side by side, as on a form; an empty name lets the value have the rest of its row."""
        widths = [12, 34] * columns
        padded = list(pairs) + [("", "")] * (-len(pairs) % columns)
        rows = [[text for pair in padded[at : at + columns] for text in pair] for at in range(0, len(padded), columns)]
        self._table(rows, widths, None, first_row_as_headings=False)

    def wide(self, name: str, value: str) -> None:
        """One name and one long value over the whole width, below `facts`."""
        self._table([[name, value]], [12, 80], None, first_row_as_headings=False)

    def _table(
        self,
        rows: Sequence[Sequence[str]],
        widths: Sequence[int],
        heads: FontFace | None,
        *,
        first_row_as_headings: bool,
    ) -> None:
        self.ink(8.5)
        self.set_draw_color(*RULE)
        self.set_fill_color(255, 255, 255)
        names = FontFace(fill_color=HEAD_FILL)
        with self.table(
            col_widths=tuple(widths),
            line_height=LINE_MM,
            padding=(0.7, 1.4),
            borders_layout=TableBordersLayout.ALL,
            first_row_as_headings=first_row_as_headings,
            headings_style=heads or FontFace(emphasis=""),
            text_align="LEFT",
            wrapmode=self._wrap,
        ) as table:
            for row in rows:
                line = table.row()
                for number, text in enumerate(row):
                    is_name = not first_row_as_headings and number % 2 == 0
                    line.cell(fonts.drawable(text) or " ", style=names if is_name else None)

    def picture(self, picture: Image.Image) -> None:
        """A picture over the whole width."""
        width_mm = self.w - 2 * MARGIN_MM
        height_mm = width_mm * picture.height / picture.width
        if self.will_page_break(height_mm):
            self.add_page()
        self.image(picture, x=MARGIN_MM, w=width_mm, h=height_mm)
        self.ln(1)

    def thumbnails(self, pictures: Sequence[tuple[Image.Image | None, Sequence[str]]], *, a_row: int = 3) -> None:
        """Small pictures with lines of text below each; None is an empty frame."""
        gap_mm, high_mm = 4.0, 40.0
        wide_mm = (self.w - 2 * MARGIN_MM - gap_mm * (a_row - 1)) / a_row
        for first in range(0, len(pictures), a_row):
            some = pictures[first : first + a_row]
            text_mm = 3.6 * max(len(lines) for _, lines in some)
            if self.will_page_break(high_mm + text_mm + 4):
                self.add_page()
            top = self.get_y()
            for column, (picture, lines) in enumerate(some):
                self._thumbnail(picture, lines, MARGIN_MM + column * (wide_mm + gap_mm), top, wide_mm, high_mm)
            self.set_y(top + high_mm + text_mm + 3)

    def _thumbnail(
        self, picture: Image.Image | None, lines: Sequence[str], x: float, top: float, wide: float, high: float
    ) -> None:
        self.set_draw_color(*RULE)
        self.rect(x, top, wide, high)
        if picture is not None:
            scale = min(wide / picture.width, high / picture.height)
            w, h = picture.width * scale, picture.height * scale
            self.image(picture, x=x + (wide - w) / 2, y=top + (high - h) / 2, w=w, h=h)
        self.ink(6.4, colour=GREY)
        for number, line in enumerate(lines):
            self.set_xy(x, top + high + 0.6 + 3.6 * number)
            self.cell(wide, 3.6, fonts.drawable(line))
