"""The alarm word of a location report, bit by bit (JT/T 808-2013 table 24; bits 15-17 of the 2019 edition)."""

from __future__ import annotations

ALARMS: dict[int, str] = {
    0: "emergency",
    1: "overspeed",
    2: "fatigue",
    3: "danger_warning",
    4: "gnss_fault",
    5: "gnss_antenna_cut",
    6: "gnss_antenna_short",
    7: "power_undervoltage",
    8: "power_cut",
    9: "display_fault",
    10: "speech_fault",
    11: "camera_fault",
    12: "card_reader_fault",
    13: "overspeed_warning",
    14: "fatigue_warning",
    15: "driving_violation",
    16: "tyre_pressure",
    17: "right_blind_area",
    18: "driven_too_long_today",
    19: "parked_too_long",
    20: "area_entered_or_left",
    21: "route_entered_or_left",
    22: "section_time",
    23: "off_route",
    24: "speed_sensor_fault",
    25: "fuel_abnormal",
    26: "stolen",
    27: "illegal_ignition",
    28: "illegal_displacement",
    29: "collision",
    30: "rollover",
    31: "illegal_door_opening",
}
"""Bits 4-8 speak of tampering with the terminal."""


def alarm_names(word: int) -> list[str]:
    """The names of the bits that are set, in their order."""
    return [name for bit, name in ALARMS.items() if word >> bit & 1]
