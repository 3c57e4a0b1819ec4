"""Bodies as real cameras send them: every way of writing the same parts gives the same parts."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.multipart import MAX_PARTS, parts
from connectors.isapi.mapping import alerts
from haulwatch.domain.errors import DeviceError
from tests.connectors.isapi.device import alert, jpeg, multipart, png

XML = alert()
PICTURES = [jpeg(1), png(), b"BM" + bytes(64)]


def read(body: bytes, content_type: str) -> list[tuple[str, bytes]]:
    return [(part.kind, part.data.strip() if part.kind == "xml" else part.data) for part in parts(body, content_type)]


WHOLE = [("xml", XML.strip().encode()), *(("picture", picture) for picture in PICTURES)]


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("disposition", [True, False])
@pytest.mark.parametrize("boundary", ["MIME_boundary", "boundary", "---------------------------7e13971310878", "a"])
@pytest.mark.parametrize("xml_type", ["application/xml", 'text/xml; charset="UTF-8"', "application/octet-stream"])
def test_parts_however_they_are_written(newline: str, disposition: bool, boundary: str, xml_type: str) -> None:
    body, content_type = multipart(
        XML, PICTURES, newline=newline, disposition=disposition, boundary=boundary, xml_type=xml_type
    )
    assert read(body, content_type) == WHOLE
    assert read(body, content_type.replace("=", '="') + '"') == WHOLE
    assert read(body, content_type.replace("form-data", "mixed") + "; charset=utf-8") == WHOLE


BODY, TYPE = multipart(XML, PICTURES)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (BODY, "multipart/form-data"),
        (BODY, "multipart/form-data; boundary=another"),
        (BODY, 'multipart/form-data; boundary=""'),
        (b"\r\n" + BODY, "multipart/mixed"),
        (b"a preamble\r\n" + BODY + b"an epilogue", TYPE),
        (BODY.replace(b"--MIME_boundary--\r\n", b""), TYPE),
        (BODY.replace(b"--MIME_boundary\r\n", b"--MIME_boundary\r\n--MIME_boundary\r\n"), TYPE),
        (BODY.replace(b"--MIME_boundary\r\n", b"--MIME_boundary  \r\n"), TYPE),
        (BODY.rstrip(), TYPE),
    ],
)
def test_bad_manners_cost_nothing(body: bytes, content_type: str) -> None:
    assert read(body, content_type) == WHOLE


def test_a_part_without_any_header() -> None:
    body = b"--b\r\n" + XML.encode() + b"\r\n--b\r\n\r\n" + jpeg() + b"\r\n--b--"
    assert read(body, "multipart/mixed; boundary=b") == [WHOLE[0], ("picture", jpeg())]


@pytest.mark.parametrize("content_type", ["application/xml", "", "multipart/form-data; boundary=x", "text/plain"])
def test_a_document_alone(content_type: str) -> None:
    assert read(XML.encode(), content_type) == WHOLE[:1]
    assert [part.kind for part in parts(b'{"eventType": "ANPR"}', content_type)] == ["json"]


def test_nothing_is_no_part() -> None:
    assert parts(b"", TYPE) == parts(b" \r\n", "application/xml") == []
    assert parts(b"--MIME_boundary\r\n\r\n\r\n--MIME_boundary--\r\n", TYPE) == []


def test_a_boundary_inside_a_line_is_content() -> None:
    picture = jpeg() + b"x--MIME_boundary\r\n" + b"\r\n--MIME_boundaryx\r\n"
    assert read(*multipart(XML, [picture]))[1] == ("picture", picture)


def test_the_charset_of_a_part_is_told() -> None:
    assert parts(*multipart(XML, xml_type="text/xml; charset=gb2312"))[0].charset == "gb2312"


@pytest.mark.parametrize("count", [MAX_PARTS + 1, 50_000])
def test_a_flood_of_parts_is_refused(count: int) -> None:
    body = b"--b\n\n<a/>\n" * count
    with pytest.raises(DeviceError) as raised:
        parts(body, "multipart/mixed; boundary=b")
    assert raised.value.code == "too_many_parts"


def test_a_flood_of_boundaries_is_read_through() -> None:
    body = b"--b\r\n" * 200_000 + XML.encode()
    assert read(body, "multipart/mixed; boundary=b") == WHOLE[:1]


def test_what_has_no_boundary_is_refused() -> None:
    with pytest.raises(DeviceError) as raised:
        parts(b"who knows", TYPE)
    assert raised.value.code == "bad_multipart"


@given(st.binary(max_size=400), st.sampled_from([TYPE, "multipart/mixed; boundary=b", "application/xml", "multipart"]))
def test_any_bytes_are_parts_or_the_one_error(body: bytes, content_type: str) -> None:
    try:
        found, refused = alerts(body, content_type)
    except DeviceError:
        return
    assert all(isinstance(one.error, DeviceError) for one in refused)
    assert sum(len(one.raw) for one in found) <= len(body)


@given(
    st.lists(st.binary(min_size=1, max_size=60), max_size=5),
    st.sampled_from(["\r\n", "\n"]),
    st.booleans(),
)
def test_what_was_put_in_comes_out(tails: list[bytes], newline: str, disposition: bool) -> None:
    pictures = [b"\xff\xd8\xff" + tail + b"\xff\xd9" for tail in tails]
    body, content_type = multipart(XML, pictures, boundary="5f3c-odd", newline=newline, disposition=disposition)
    assert [data for kind, data in read(body, content_type) if kind == "picture"] == pictures


@given(st.integers(0, len(BODY)), st.integers(0, len(BODY)))
def test_a_body_that_is_cut_anywhere(start: int, end: int) -> None:
    with contextlib.suppress(DeviceError):
        assert len(parts(BODY[start:end], TYPE)) <= 5
