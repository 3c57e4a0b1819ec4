"""Frames: the same for every split of the bytes, and never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.jt808.parts import MAX_BYTES, PART_BYTES, Assembler
from connectors.jt808.protocol import Fault, Frame, FrameReader, encode
from tests.connectors.jt808.frames import LOCATION, PHONE, frame, frames, location

MASTER = bytes.fromhex(
    "7e0200005200200260432300a400020000000c00020158b91b06cb7061004600000059210922163758010400000001030200002504000000"
    "01300111310110e30100d51b022002604323279593786160001220000012342795937861580012867e"
)
"""A published frame of a real terminal: 2013, with vendor items 0xE3 and 0xD5."""


def read(data: bytes) -> list[Frame | Fault]:
    reader = FrameReader()
    return [*reader.feed(data), *reader.finish()]


def read_in(pieces: list[bytes]) -> list[Frame | Fault]:
    reader = FrameReader()
    return [*(item for piece in pieces for item in reader.feed(piece)), *reader.finish()]


def codes(items: list[Frame | Fault]) -> list[str]:
    return [item.code if isinstance(item, Fault) else "frame" for item in items]


bodies = st.binary(max_size=60) | st.lists(st.sampled_from([0x7D, 0x7E, 0x01, 0x02]), max_size=30).map(bytes)
whole_frames = st.builds(
    lambda number, edition, phone, serial, body, part: Frame(
        number, edition, phone[: 20 if edition == 2019 else 12], serial, body, part
    ),
    st.integers(0, 0xFFFF),
    st.sampled_from([2013, 2019]),
    st.text("0123456789", min_size=20, max_size=20),
    st.integers(0, 0xFFFF),
    bodies,
    st.none() | st.integers(1, 0xFFFF).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))),
)
streams = st.lists(
    whole_frames.map(encode) | st.binary(max_size=40) | st.just(b"\x7e") | st.binary(min_size=2100, max_size=2300),
    max_size=6,
).map(b"".join)


def test_a_real_frame_is_read() -> None:
    [found] = read(MASTER)
    assert isinstance(found, Frame)
    assert (found.message_id, found.edition, found.phone, found.serial) == (0x0200, 2013, "002002604323", 0xA4)
    assert len(found.body) == 0x52


@given(whole_frames)
def test_what_is_encoded_is_read_again(written: Frame) -> None:
    assert read(encode(written)) == [written]


@given(streams, st.data())
def test_any_split_of_the_bytes_gives_the_same(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = read(stream)
    assert read_in(pieces) == whole
    assert read_in([stream[at : at + 1] for at in range(len(stream))]) == whole


@given(st.lists(whole_frames, min_size=1, max_size=4), st.data())
def test_changed_bytes_never_raise_and_never_reach_beyond_their_neighbours(
    written: list[Frame], data: st.DataObject
) -> None:
    stream = bytearray(b"".join(map(encode, written)))
    for _ in range(data.draw(st.integers(1, 5))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    good = encode(Frame(0x0002, 2013, PHONE, 9, b""))
    found = read(bytes(stream) + b"\x7e" + good)
    assert isinstance(found[-1], Frame)
    assert (found[-1].message_id, found[-1].serial) == (0x0002, 9)


@given(st.binary(max_size=20_000))
def test_memory_stays_bounded(noise: bytes) -> None:
    reader = FrameReader()
    for at in range(0, len(noise), 1000):
        reader.feed(noise[at : at + 1000])
        assert len(reader._buffer) <= 2 * (21 + 1023 + 1)
        assert sum(map(len, reader._pieces)) <= 21 + 1023 + 1


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(LOCATION, ["frame"], id="one frame"),
        pytest.param(LOCATION + LOCATION[1:], ["frame", "frame"], id="one 7E between two frames"),
        pytest.param(b"\x7e\x7e" + LOCATION, ["frame"], id="delimiters too many"),
        pytest.param(b"\r\n" + LOCATION, ["no_delimiter", "frame"], id="something before the first 7E"),
        pytest.param(LOCATION[:20] + LOCATION, ["bad_checksum", "frame"], id="a frame without its end"),
        pytest.param(LOCATION[:9] + LOCATION, ["frame_too_short", "frame"], id="hardly begun"),
        pytest.param(LOCATION[:-1], ["frame_cut_off"], id="the end of the data"),
        pytest.param(b"\x7e" + b"\x01" * 3000 + LOCATION, ["frame_too_long", "frame"], id="no 7E for long"),
        pytest.param(
            LOCATION[:6] + b"\x55" + LOCATION[7:] + LOCATION, ["bad_checksum", "frame"], id="a bit has turned"
        ),
    ],
)
def test_one_bad_frame_costs_itself_only(stream: bytes, expected: list[str]) -> None:
    assert codes(read(stream)) == expected


def test_a_fault_says_what_its_header_says() -> None:
    broken = bytearray(LOCATION)
    broken[20] ^= 1
    [found] = read(bytes(broken))
    assert isinstance(found, Fault)
    assert (found.code, found.checksum_ok, found.message_id, found.phone) == ("bad_checksum", False, 0x0200, PHONE)


def test_a_body_that_is_encrypted_is_not_read() -> None:
    plain = bytearray(b"\x02\x00\x04\x00" + bytes.fromhex(PHONE) + b"\x00\x01")
    checksum = 0
    for byte in plain:
        checksum ^= byte
    assert codes(read(b"\x7e" + bytes(plain) + bytes([checksum]) + b"\x7e")) == ["encrypted"]


@pytest.mark.parametrize(
    "body", [location(items=b"\x7e\x7e\x7d\x02"), b"\x7d\x01\x7e", b"\x7e" * 5, location(time="7e7d7e010203")]
)
def test_a_frame_that_nobody_escaped_is_still_read(body: bytes) -> None:
    written = Frame(0x0200, 2013, PHONE, 1, body)
    plain = frame(0x0200, body)[1:-1].replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
    found = read(LOCATION + b"\x7e" + plain + b"\x7e" + LOCATION)
    frames_found = [item for item in found if isinstance(item, Frame)]
    assert [(item.body, item.serial) for item in frames_found][1:-1] == [(written.body, 1)]
    assert frames_found[1].made_good == len(found) - 3


def test_parts_come_in_any_order_and_twice() -> None:
    body = bytes(range(256)) * 20
    parts = [item for data in frames(0x0801, body, 65534) for item in read(data) if isinstance(item, Frame)]
    assembler = Assembler()
    assert [assembler.add(part, 0) for part in [parts[3], parts[1], parts[1], parts[5], parts[0], parts[2]]] == (
        [(None, [])] * 6
    )
    whole, faults = assembler.add(parts[4], 0)
    assert whole is not None
    assert whole.frame.body == body
    assert whole.serials == (65534, 65535, 0, 1, 2, 3)
    assert faults == []


def test_a_message_that_lacks_a_part_is_asked_for_once_and_then_given_up() -> None:
    parts = [item for data in frames(0x0801, b"x" * 3000, 100) for item in read(data) if isinstance(item, Frame)]
    assembler = Assembler()
    assembler.add(parts[0], 0)
    assert assembler.expire(1_000) == ([], [])
    [missing], faults = assembler.expire(16_000)
    assert (missing.first_serial, missing.numbers, faults) == (100, (2, 3), [])
    assert assembler.expire(17_000) == ([], [])
    assert [fault.code for fault in assembler.expire(130_000)[1]] == ["parts_incomplete"]
    assert assembler.expire(1_000_000) == ([], [])


def test_parts_are_bounded_in_number_and_size() -> None:
    assembler = Assembler(max_bytes=2_500, max_messages=2)
    kinds = [Frame(kind, 2013, PHONE, 1, b"x" * 900, (9, 1)) for kind in (1, 2, 3)]
    assert [assembler.add(part, 0)[1] for part in kinds[:2]] == [[], []]
    assert [fault.code for fault in assembler.add(kinds[2], 0)[1]] == ["parts_incomplete"]
    assert [fault.code for fault in assembler.add(Frame(3, 2013, PHONE, 2, b"x" * 900, (9, 2)), 0)[1]] == [
        "parts_too_large"
    ]


def test_parts_of_nothing_are_bounded_too() -> None:
    """Sixty thousand empty parts took a minute to count, and as many objects."""
    assembler = Assembler()
    faults = [
        fault.code
        for number in range(1, 60_000)
        for fault in assembler.add(Frame(0x0801, 2013, PHONE, number, b"", (0xFFFF, number)), 0)[1]
    ]
    assert set(faults) == {"parts_too_large"}
    assert len(faults) == 60_000 // (MAX_BYTES // PART_BYTES + 1)


def test_the_next_message_of_a_kind_ends_the_one_before() -> None:
    assembler = Assembler()
    assembler.add(Frame(0x0801, 2013, PHONE, 1, b"old", (2, 1)), 0)
    _, faults = assembler.add(Frame(0x0801, 2013, PHONE, 7, b"new", (2, 1)), 0)
    whole, _ = assembler.add(Frame(0x0801, 2013, PHONE, 8, b"er", (2, 2)), 0)
    assert [fault.code for fault in faults] == ["parts_incomplete"]
    assert whole is not None
    assert whole.frame.body == b"newer"
