"""What a fuzzer is given is understood to begin with, and a changed byte anywhere costs no more than DeviceError."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulwatch.domain.errors import DeviceError
from tests.connectors.camera import fuzzed as camera
from tests.connectors.isapi import fuzzed as isapi

ALL = [(isapi.read, seed) for seed in isapi.SEEDS] + [(camera.read, seed) for seed in camera.SEEDS[::2]]


@pytest.mark.parametrize("number", range(len(ALL)))
def test_seeds_are_understood(number: int) -> None:
    read, seed = ALL[number]
    assert read(seed) is None


@given(st.sampled_from(range(len(ALL))), st.integers(0, 10_000), st.integers(0, 40), st.binary(max_size=8))
def test_changed_seeds_are_understood_or_refused(number: int, place: int, length: int, instead: bytes) -> None:
    read, seed = ALL[number]
    place %= len(seed)
    changed = seed[:place] + instead + seed[place + length :]
    assert len(changed) == len(seed) - len(seed[place : place + length]) + len(instead)
    with contextlib.suppress(DeviceError):
        read(changed)
