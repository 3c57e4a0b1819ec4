"""The section `weighbridge:`: what it means, and that what is wrong is told where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.weighbridge.lines import Address, read_address
from connectors.weighbridge.settings import WeighbridgeSettings
from connectors.weighbridge.toledo import ToledoReader
from connectors.weighbridge.yaohua import YaohuaReader
from haulwatch.bootstrap.feeds import ConnectorsFile
from haulwatch.city.documents import read_document

SCALE = """
indicators:
  bridge-1:
    protocol: xk3190
    address: tcp://10.0.0.5:4001
    station_id: W1
    plates: {camera_id: [cam-07]}
"""
PLATFORM = """
wim:
  g25:
    credentials: {token: "env:G25"}
    plate: plateNo
    fields: {at: t, station_id: s, gross_kg: kg}
"""


def findings(text: str) -> list[tuple[str, int]]:
    _, found = read_document("connectors.yaml", text.encode(), WeighbridgeSettings)
    return [(finding.code, finding.line) for finding in found]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp://10.0.0.5:4001", Address("tcp", host="10.0.0.5", port=4001)),
        ("tcp://scale-1.example:4001", Address("tcp", host="scale-1.example", port=4001)),
        ("listen://[::]:4100", Address("listen", host="::", port=4100)),
        ("serial:/dev/ttyS0", Address("serial", device="/dev/ttyS0")),
        (
            "serial:/dev/serial/by-id/usb-1?baud=4800&parity=even&bits=7&stop=2",
            Address("serial", device="/dev/serial/by-id/usb-1", baud=4800, parity="even", bits=7, stop=2),
        ),
    ],
)
def test_addresses_are_read(text: str, address: Address) -> None:
    assert read_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.5:4001",
        "tcp://10.0.0.5",
        "tcp://10.0.0.5:0",
        "tcp://10.0.0.5:70000",
        "tcp://a..b:1",
        "tcp://a b:1",
        "tcp://u@h:1",
        "tcp://h:1/x",
        "http://h:1",
        "serial:ttyS0",
        "serial:/dev/ttyS0?baud=fast",
        "serial:/dev/ttyS0?baud=1",
        "serial:/dev/ttyS0?parity=N",
        "serial:/dev/ttyS0?bits=9",
        "serial:/dev/ttyS0?speed=9600",
        "serial:/dev/ttyS0?baud",
    ],
)
def test_what_is_no_address_is_told_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(ValueError):
        read_address(text)
    assert findings(SCALE.replace("tcp://10.0.0.5:4001", f'"{text}"')) == [("N061", 5)]


@given(st.text(max_size=60))
def test_whatever_is_written_an_address_is_one_or_none(text: str) -> None:
    for written in (text, f"tcp://{text}:1", f"serial:/{text}"):
        try:
            assert read_address(written).kind in ("tcp", "listen", "serial")
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SCALE.replace("station_id: W1", "rearm_kg: 9000\n    station_id: W1"), ("N060", 6)),
        (SCALE.replace("tcp:", "listen:"), ("N062", 4)),
        (SCALE.replace("station_id: W1", "networks: [10.0.0.0/8]\n    station_id: W1"), ("N062", 6)),
        (SCALE.replace("bridge-1", "bridge/1"), ("N010", 3)),
        (PLATFORM.replace("{at: t", "{truck_id: p, at: t"), ("N063", 6)),
        (PLATFORM.replace("at: t, ", ""), ("N036", 6)),
        (PLATFORM + "    format: csv\n    records: data\n", ("N063", 8)),
        (PLATFORM + "    encoding: klingon\n", ("N011", 7)),
        (PLATFORM + "    encoding: base64\n", ("N011", 7)),
        (PLATFORM + "    colour: red\n", ("C013", 7)),
        (SCALE + PLATFORM.replace("g25", "bridge-1"), ("N064", 10)),
        ("bodies_bytes: 65536\n", ("N064", 1)),
    ],
)
def test_mistakes_are_told_where_they_stand(text: str, found: tuple[str, int]) -> None:
    assert findings(text) == [found]


def test_the_example_of_the_guide_is_without_mistakes() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "weighbridge.md").read_text(encoding="utf-8")
    example = guide.partition("```yaml\n")[2].partition("```")[0]
    settings, found = read_document("docs/weighbridge.md", example.encode(), ConnectorsFile)
    assert found == []
    assert settings is not None
    assert settings.weighbridge is not None
    assert set(settings.weighbridge.indicators) == {"bridge-1", "bridge-2", "bridge-3"}


def test_a_scale_has_the_reader_of_its_protocol() -> None:
    settings, found = read_document("connectors.yaml", (SCALE + PLATFORM).encode(), WeighbridgeSettings)
    assert settings is not None
    assert found == []
    one = settings.indicators["bridge-1"]
    assert isinstance(one.reader(), YaohuaReader)
    assert isinstance(one.model_copy(update={"protocol": "toledo"}).reader(), ToledoReader)
    assert (one.floor_kg, one.hold_s, one.plates.camera_id) == (2_000, 60, ("cam-07",))
