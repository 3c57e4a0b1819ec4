"""`haulwatch jt808 decode`: one JSON line a frame, whatever comes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.jt808.profiles import load_profiles
from connectors.jt808.recorded import decode
from haulwatch.cli.main import main
from tests.connectors.jt808 import frames
from tests.connectors.jt808.frames import LOCATION
from tests.connectors.jt808.test_protocol import MASTER

STANDARD = load_profiles()["standard"]


def decoded(capsysbinary: pytest.CaptureFixture[bytes], *arguments: str) -> list[dict[str, Any]]:
    assert main(["jt808", "decode", *arguments]) == 0
    return [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]


def test_a_frame_as_digits(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    [line] = decoded(capsysbinary, MASTER.hex(" ").upper())
    assert {name: line[name] for name in ("message_id", "phone", "version", "serial", "checksum_ok", "error")} == {
        "message_id": "0x0200",
        "phone": "002002604323",
        "version": 2013,
        "serial": 164,
        "checksum_ok": True,
        "error": None,
    }
    [position] = line["positions"]
    assert (position["at"], position["lon"], position["lat"]) == ("2021-09-22T08:37:58.000Z", 113.995873, 22.591771)


def test_a_file_of_text_and_a_file_of_bytes(capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    parts = frames.frames(0x0704, frames.batch([frames.location()] * 40, kind=1))
    stream = [LOCATION, *parts, frames.frame(0x0002, edition=2019)]
    (tmp_path / "frames.bin").write_bytes(b"".join(stream))
    wrapped = stream[1].hex()
    text = "\n".join(
        ["# 采集于城东", stream[0].hex(" "), "", wrapped[:500], wrapped[500:], "oops", stream[2].hex()[2:-2]]
    )
    (tmp_path / "frames.txt").write_text(text, encoding="utf-8")
    of_bytes = decoded(capsysbinary, str(tmp_path / "frames.bin"))
    assert [(line["message_id"], line["part"], len(line["positions"])) for line in of_bytes] == [
        ("0x0200", None, 1),
        ("0x0704", [2, 1], 0),
        ("0x0704", [2, 2], 40),
        ("0x0002", None, 0),
    ]
    assert of_bytes[2]["positions"][0]["resent"]
    assert of_bytes[3]["version"] == 2019
    of_text = decoded(capsysbinary, str(tmp_path / "frames.txt"))
    assert [line["error"] and line["error"]["code"] for line in of_text] == [None, None, "not_hex", None]
    assert len(of_text[3]["positions"]) == 40


def test_standard_input(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOCATION * 2)))
    assert len(decoded(capsysbinary, "-")) == 2
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOCATION)))
    assert len(decoded(capsysbinary)) == 1


def test_what_is_wrong_is_said_and_the_position_before_it_is_kept(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    broken = bytearray(LOCATION)
    broken[20] ^= 1
    [line] = decoded(capsysbinary, broken.hex())
    assert (line["checksum_ok"], line["error"]["code"], line["message_id"]) == (False, "bad_checksum", "0x0200")
    overrun = frames.frame(0x0200, frames.location(items=frames.item(0x31, b"\x09") + b"\xe3\x20\x00"))
    [line] = decoded(capsysbinary, overrun.hex())
    assert line["error"]["code"] == "item_overrun"
    assert line["positions"][0]["satellites"] == 9
    [line] = decoded(capsysbinary, frames.frame(0x0200, b"\x00").hex())
    assert (line["error"]["code"], line["positions"]) == ("body_too_short", [])


def test_a_frame_that_nobody_escaped_is_one_line(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    plain = frames.frame(0x0200, frames.location(items=frames.item(0xE3, b"\x7e\x7d\x7e")))
    unescaped = b"\x7e" + plain[1:-1].replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d") + b"\x7e"
    [line] = decoded(capsysbinary, unescaped.hex())
    assert (line["error"], len(line["positions"])) == (None, 1)


def test_a_profile_reads_more(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    hexadecimal = frames.frame(0x0200, frames.location(items=frames.item(0xE1, b"\x00"))).hex()
    assert decoded(capsysbinary, hexadecimal)[0]["positions"][0]["items"] == {"0xE1": "00"}
    assert decoded(capsysbinary, hexadecimal, "--profile", "states-01")[0]["positions"][0]["cover"] == "open"


def test_a_registration_tells_2011(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    [line] = decoded(capsysbinary, frames.frame(0x0100, frames.registration(2011)).hex())
    assert (line["version"], line["detail"]["plate"]) == (2011, "浙E12345")


def test_an_unknown_profile_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jt808", "decode", "7e", "--profile", "state-01"]) == 3
    assert "states-01" in capsys.readouterr().err


@given(
    st.binary(max_size=300)
    | st.text(max_size=100).map(str.encode)
    | st.binary(max_size=80).map(lambda b: b.hex().encode())
)
def test_it_never_raises(data: bytes) -> None:
    for line in decode(data, STANDARD):
        assert line.error is None or line.error["code"]
