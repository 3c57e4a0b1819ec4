"""Whatever bytes come, a parser reads them or raises its own error; `make fuzz` asks the same for hours."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulwatch.domain.errors import DeviceError
from tests.fuzz.parsers import PARSERS, Parser


@st.composite
def damaged(draw: st.DrawFn, parser: Parser) -> bytes:
    """Something the parser understands with a piece of it replaced, doubled or cut out."""
    seed = draw(st.sampled_from(parser.seeds))
    start = draw(st.integers(0, len(seed)))
    end = draw(st.integers(start, min(len(seed), start + 64)))
    return seed[:start] + draw(st.one_of(st.binary(max_size=32), st.just(seed[start:end] * 2))) + seed[end:]


@pytest.mark.parametrize("parser", PARSERS, ids=[parser.name for parser in PARSERS])
@given(data=st.data())
def test_only_its_own_error_ever(parser: Parser, data: st.DataObject) -> None:
    raw = data.draw(st.one_of(st.binary(max_size=256), damaged(parser)))
    with contextlib.suppress(DeviceError):
        parser.read(raw)


@pytest.mark.parametrize("parser", PARSERS, ids=[parser.name for parser in PARSERS])
def test_every_parser_has_something_that_it_understands(parser: Parser) -> None:
    understood = 0
    for seed in parser.seeds:
        with contextlib.suppress(DeviceError):
            parser.read(seed)
            understood += 1
    assert understood
