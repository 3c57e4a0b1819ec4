"""Plates as cameras write them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.plates import read_plate
from haulwatch.domain.errors import DeviceError


@pytest.mark.parametrize(
    ("written", "plate", "color"),
    [
        ("蓝浙AX2P12", "浙AX2P12", "blue"),
        ("黄浙E12345", "浙E12345", "yellow"),
        ("黑黑A12345", "黑A12345", "black"),
        ("黑A12345", "黑A12345", None),
        ("黑浙A12345", "浙A12345", "black"),
        ("绿浙AD12345", "浙AD12345", "green"),
        ("黄绿浙AD12345", "浙AD12345", "yellow_green"),
        ("白WJ浙12345", "WJ浙12345", "white"),
        ("白KA12345", "KA12345", "white"),
        ("浙E·12345", "浙E12345", None),
        (" 浙e 12345 ", "浙E12345", None),
        ("浙Ｅ１２３４５", "浙E12345", None),
        ("黄浙E1234挂", "浙E1234挂", "yellow"),
        ("A283KY77", "A283KY77", None),
        ("粤Z1234港", "粤Z1234港", None),
    ],
)
def test_plates_lose_the_colour_before_them(written: str, plate: str, color: str | None) -> None:
    found = read_plate(written)
    assert found is not None
    assert (found.truck_id, found.color) == (plate, color)


@pytest.mark.parametrize("written", ["", " ", "noPlate", "NOPLATE", "unknown", "无车牌", "未识别", "null"])
def test_words_for_none_are_none(written: str) -> None:
    assert read_plate(written) is None


@pytest.mark.parametrize(
    "written",
    [
        "浙",
        "浙E",
        "车牌车牌车牌",
        "<script>1",
        "x" * 40,
        "浙E12345\u202e1",
        "????12",
        "12",
        "浙江省杭州市1",
        "黄",
        "ABCDEF",
    ],
)
def test_what_is_no_plate_is_refused(written: str) -> None:
    with pytest.raises(DeviceError) as raised:
        read_plate(written)
    assert raised.value.code == "bad_plate"


@given(st.text())
def test_any_text_is_a_plate_none_or_the_one_error(written: str) -> None:
    with contextlib.suppress(DeviceError):
        plate = read_plate(written)
        assert plate is None or plate.truck_id.isprintable()


@given(
    st.from_regex(r"[京沪浙苏粤黑][A-Z][A-Z0-9]{4}[0-9]", fullmatch=True),
    st.sampled_from(["", "蓝", "黄", "黑", "白", "绿", "黄绿"]),
)
def test_a_plate_is_the_same_under_every_colour(bare: str, color: str) -> None:
    plate = read_plate(color + bare)
    assert plate is not None
    assert plate.truck_id == bare
