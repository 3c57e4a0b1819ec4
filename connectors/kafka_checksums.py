"""Checksums of Kafka's records by aiokafka's C function instead of kafka-python's Python.

Every record batch that is written or read carries a CRC-32C. kafka-python computes it in Python at 3 MB/s unless a C
module is installed, which is more than all other work on an event together; aiokafka, which the worker needs anyway,
brings one that does 1.6 GB/s.
"""

from __future__ import annotations

from aiokafka.record.util import calc_crc32c
from kafka.record import default_records, util


def install() -> None:
    """Lets kafka-python use it, where kafka-python has found none of its own."""
    if util.crc32c_c is None:
        default_records.calc_crc32c = calc_crc32c
