"""When a channel may speak next, what it says at once, and when what failed is tried again. Pure.

People in a group must not be flooded, and must not miss an order. So a channel speaks at once while it is quiet; once
half of its minute is used up it speaks at even intervals, and whatever has gathered until then goes into one message.
"""

from __future__ import annotations

from collections.abc import Sequence

from haulwatch.domain.breaches import Severity
from haulwatch.domain.deliveries import Answer, Delivery
from haulwatch.domain.orders import Urgency

WINDOW_MS = 60_000
MARGIN_MS = 500
"""Added to the window: the other side's minute is not ours."""
REST_MS = 2_000
"""How long a channel rests after its first failure; doubled by every further one."""
LONGEST_REST_MS = 300_000
AGAIN_MS = 30_000
"""When a delivery is tried again after it has failed for the first time; doubled by every further one."""
LATEST_AGAIN_MS = 4 * 3_600_000

_URGENCY: dict[Urgency, int] = {"urgent": 0, "normal": 1, "low": 2}
_SEVERITY: dict[Severity, int] = {"critical": 0, "major": 1, "minor": 2, "info": 3}


def next_slot_ms(attempts_ms: Sequence[int], rate: int, now_ms: int) -> int:
    """When the next message may go (now, or an instant to come): never more than `rate` in any minute.

    `attempts_ms` are at least those of the last `WINDOW_MS + MARGIN_MS`, oldest first. An attempt in the future (the
    clock was put back) counts as one of this moment.
    """
    window_ms = WINDOW_MS + MARGIN_MS
    used = [min(at_ms, now_ms) for at_ms in attempts_ms if at_ms > now_ms - window_ms]
    if len(used) >= rate:
        return used[-rate] + window_ms
    free = (rate + 1) // 2
    if len(used) < free:
        return now_ms
    return max(now_ms, used[-1] + window_ms // max(1, rate - free))


def together(due: Sequence[Delivery], bundle: int) -> list[Delivery]:
    """What goes into the next message: the most urgent one, or all of them when more than `bundle` wait."""
    first = sorted(due, key=_rank)
    return first if len(first) > bundle else first[:1]


def _rank(delivery: Delivery) -> tuple[int, int, int]:
    order = delivery.change.order
    return (_URGENCY[order.urgency], _SEVERITY[order.severity], delivery.delivery_id)


def rest_ms(answer: Answer, failures: int, chance: float) -> int:
    """How long the channel rests after the answer, which was the `failures`-th bad one in a row; 0 after a good one.

    `chance` (0-1) spreads the channels of many consoles. A wish to be left alone is granted up to `LATEST_AGAIN_MS`.
    """
    if answer.outcome in ("sent", "refused"):
        return 0
    doubled = min(LONGEST_REST_MS, REST_MS << min(failures - 1, 20))
    wished = min(answer.wait_ms or 0, LATEST_AGAIN_MS)
    return max(wished, round(doubled * (0.5 + chance / 2)))


def again_ms(attempts: int, chance: float) -> int:
    """How long after its `attempts`-th failure a delivery is tried again."""
    doubled = min(LATEST_AGAIN_MS, AGAIN_MS << min(attempts - 1, 20))
    return round(doubled * (0.5 + chance / 2))
