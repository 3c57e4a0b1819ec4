"""Frames of indicators: read whole, byte by byte, in any pieces, with rubbish around them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.weighbridge.readings import LONGEST_GARBAGE, Fault, FrameReader, Reading
from connectors.weighbridge.toledo import ToledoReader
from connectors.weighbridge.yaohua import Unit, YaohuaReader
from tests.connectors.weighbridge.device import KG, LB, REAL, ZERO, pieces, sealed, toledo, yaohua


def kilograms(reader: FrameReader, data: bytes) -> list[float]:
    return [item.kg for item in reader.feed(data) if isinstance(item, Reading) and item.trouble is None]


def codes(items: list[Reading | Fault]) -> list[str]:
    return [item.code for item in items if isinstance(item, Fault)]


@pytest.mark.parametrize(("frame", "kg"), REAL.items())
def test_frames_of_real_indicators_are_what_these_showed(frame: bytes, kg: float) -> None:
    assert YaohuaReader().feed(frame) == [Reading(kg, frame)]
    assert yaohua(kg) == frame


@pytest.mark.parametrize(
    ("frame", "unit", "kg"),
    [
        (yaohua(-20), "kg", -20.0),
        (yaohua(52.9, 2), "t", 52_900.0),
        (yaohua(1560.5, 1), "kg", 1560.5),
        (bytes.fromhex("022b20203135363030313903"), "kg", 1560.0),
    ],
)
def test_signs_decimals_and_units_of_an_xk3190(frame: bytes, unit: Unit, kg: float) -> None:
    assert kilograms(YaohuaReader(unit), frame) == [pytest.approx(kg)]


def test_small_hexadecimal_digits_are_taken_too() -> None:
    assert kilograms(YaohuaReader(), ZERO.replace(b"1B", b"1b")) == [0.0]


def test_a_sound_frame_without_a_number_is_no_weight() -> None:
    assert codes(YaohuaReader().feed(sealed(b"+-OL--00"))) == ["no_weight"]
    assert codes(ToledoReader().feed(toledo(b"------"))) == ["no_weight"]


def test_a_wrong_checksum_is_told_and_the_next_frame_read() -> None:
    wrong = bytearray(yaohua(1560))
    wrong[4] ^= 1
    items = YaohuaReader().feed(bytes(wrong) + yaohua(1650))
    assert items == [Fault("bad_checksum", bytes(wrong)), Reading(1650.0, yaohua(1650))]


@pytest.mark.parametrize(
    ("frame", "kg"),
    [
        (toledo(52_900), 52_900.0),
        (toledo(b" 52900"), 52_900.0),
        (toledo(5_290, swa=0x29), 52_900.0),
        (toledo(529, swa=0x28), 52_900.0),
        (toledo(52_901, swa=0x2B), 5_290.1),
        (toledo(52_900, swa=0x2D, swc=0x22), 52_900.0),
        (toledo(20, swb=KG | 2), -20.0),
        (toledo(40_000, 12_900, swb=KG | 1), 52_900.0),
        (toledo(40_000, 12_900), 40_000.0),
        (toledo(0, swb=KG | 2 | 4), 0.0),
        (toledo(30, swb=KG | 2 | 4), -30.0),
    ],
)
def test_status_bytes_say_what_a_toledo_shows(frame: bytes, kg: float) -> None:
    [item] = ToledoReader().feed(frame)
    assert isinstance(item, Reading)
    assert item.trouble is None
    assert item.kg == pytest.approx(kg)


@pytest.mark.parametrize(
    ("frame", "trouble"),
    [
        (toledo(52_900, swb=KG | 4), "out_of_range"),
        (toledo(52_900, swb=KG | 64), "not_zeroed"),
        (toledo(52_900, swc=0x30), "expanded"),
        (toledo(52_900, swc=0x23), "other_unit"),
        (toledo(52_900, swb=LB), "pounds"),
    ],
)
def test_what_is_no_weight_to_judge_by_says_why(frame: bytes, trouble: str) -> None:
    assert ToledoReader().feed(frame) == [Reading(0.0, frame, trouble=trouble)]


def test_a_toledo_says_that_it_moves() -> None:
    [item] = ToledoReader().feed(toledo(8_000, swb=KG | 8))
    assert item == Reading(8_000.0, toledo(8_000, swb=KG | 8), in_motion=True)


def test_settings_of_a_toledo_take_pounds_and_a_bit_that_is_always_set() -> None:
    assert kilograms(ToledoReader(pounds="convert"), toledo(100_000, swb=LB)) == [45_359.237]
    assert kilograms(ToledoReader(power_up="ignore"), toledo(8_000, swb=KG | 64)) == [8_000.0]


def test_parity_in_bit_7_does_not_matter() -> None:
    even = bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in toledo(52_900))
    assert kilograms(ToledoReader(), even) == [52_900.0]


def test_an_indicator_without_checksum_read_as_with_one_gives_no_weight_at_all() -> None:
    data = toledo(52_900, checksum=False) * 5
    assert kilograms(ToledoReader(checksum=False), data) == [52_900.0] * 5
    items = ToledoReader().feed(data)
    assert set(codes(items)) == {"bad_checksum"}
    assert len(items) == 4


frames = st.sampled_from(
    [yaohua(0), yaohua(1560), yaohua(52_900), yaohua(-3), toledo(52_900), toledo(7, 5, swb=KG | 1)]
)
rubbish = st.binary(max_size=80) | st.sampled_from([b"\x02", b"\x02+0000", b"\x03", b"\x02" * 30])
streams = st.lists(frames | rubbish, max_size=12).map(b"".join)


@given(streams, st.lists(st.integers(0, 10_000), max_size=8), st.booleans())
def test_however_bytes_are_split_they_say_the_same(data: bytes, cuts: list[int], yaohua_: bool) -> None:
    def reader() -> FrameReader:
        return YaohuaReader() if yaohua_ else ToledoReader()

    whole = reader().feed(data)
    one, other = reader(), reader()
    assert [item for piece in pieces(data, cuts) for item in one.feed(piece)] == whole
    assert [item for byte in data for item in other.feed(bytes((byte,)))] == whole


@given(st.binary(max_size=200), st.lists(st.integers(0, 120_000), min_size=1, max_size=5))
def test_after_any_rubbish_frames_are_read_again(garbage: bytes, weights: list[int]) -> None:
    # A 0x02 in the rubbish may take the first frame with it, no more.
    reader = YaohuaReader()
    found = kilograms(reader, garbage + yaohua(5) + b"".join(yaohua(weight) for weight in weights))
    assert found[-len(weights) :] == weights


@given(st.binary(max_size=2_000))
def test_rubbish_is_told_in_bounded_pieces(data: bytes) -> None:
    for reader in (YaohuaReader(), ToledoReader(), ToledoReader(checksum=False)):
        for item in reader.feed(data):
            assert len(item.raw) <= LONGEST_GARBAGE
