"""Those who mean no good, or are broken: each is a coroutine that goes on until it is cancelled.

`python -m tests.connectors.jt808.attackers NAME PORT [PHONE…]` runs one of them in a process of its own until it is
killed, at most a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Sequence

from connectors.jt808 import messages
from tests.connectors.jt808 import frames
from tests.connectors.jt808.crowd import Crowd

MAX_S = 60.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST."""
Attack = Callable[[int, Sequence[str]], Awaitable[object]]


async def _opened(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def _again_and_again(attack: Callable[[], Awaitable[None]], many: int, pause_s: float = 0.05) -> None:
    """So many at once, each anew when it has been thrown out."""

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                await attack()
            await asyncio.sleep(pause_s)

    await asyncio.gather(*(one() for _ in range(many)))


async def trickle(port: int, phones: Sequence[str]) -> None:
    """Good messages, byte by byte (slow loris)."""
    data = frames.frame(messages.REGISTER, frames.registration(2013), phone=phones[0])

    async def attack() -> None:
        _reader, writer = await _opened(port)
        for byte in data * 100:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    await _again_and_again(attack, 200)


async def flood(port: int, phones: Sequence[str]) -> None:
    """Terminals of the list that send as fast as it goes."""
    crowd = Crowd(port, phones[:10])
    await crowd.enter()

    async def attack() -> None:
        member = random.choice(crowd.members)
        await member.ready
        for _ in range(50):
            for _ in range(100):
                member.report()
            await asyncio.sleep(0)
        member.waiting.clear()

    await _again_and_again(attack, 5, 0.01)


async def rubbish(port: int, phones: Sequence[str]) -> None:
    """Random bytes, many of them delimiters."""
    rng = random.Random(1)
    del phones

    async def attack() -> None:
        _reader, writer = await _opened(port)
        while not writer.is_closing():
            writer.write(bytes(rng.choice((0x7E, 0x7D, rng.randrange(256))) for _ in range(2_000)))
            await writer.drain()
            await asyncio.sleep(0.01)

    await _again_and_again(attack, 20)


async def silence(port: int, phones: Sequence[str]) -> None:
    """Connections that never say a word, then are reset, and come again."""
    del phones

    async def attack() -> None:
        loop = asyncio.get_running_loop()
        half_open = [socket.socket() for _ in range(20)]
        try:
            for one in half_open:
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                await loop.sock_connect(one, ("127.0.0.1", port))
            await asyncio.sleep(2.0)
        finally:
            for one in half_open:
                one.close()

    await _again_and_again(attack, 50)


async def crowding(port: int, phones: Sequence[str]) -> None:
    """More silent connections than there may be strangers; each comes again a second after it was thrown out."""
    del phones
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def attack() -> None:
        reader, writer = await _opened(port)
        await reader.read(1)
        writer.close()

    await _again_and_again(attack, min(6_000, hard - 100), 1.0)


async def strangers(port: int, phones: Sequence[str]) -> None:
    """Others' numbers with wrong codes, and locations under numbers that are not theirs."""

    async def attack() -> None:
        phone = random.choice(phones)
        reader, writer = await _opened(port)
        for serial in range(1, 60):
            message = (
                frames.frame(messages.AUTHENTICATE, b"0" * 20 + b"31", serial, phone=phone)
                if serial % 20 == 0
                else frames.frame(messages.LOCATION, frames.location(), serial, phone=phone)
            )
            writer.write(message)
        await writer.drain()
        await reader.read()

    await _again_and_again(attack, 30)


async def twins(port: int, phones: Sequence[str]) -> None:
    """Terminals connected twice: each connection throws out the other, which comes again at once."""
    for _ in range(2):
        pair = [Crowd(port, phones[:20]) for _ in range(2)]
        await asyncio.gather(*(crowd.enter() for crowd in pair))
    await asyncio.gather(*(crowd.report(MAX_S, 0.5) for crowd in pair))


ATTACKS: dict[str, Attack] = {
    "trickle": trickle,
    "flood": flood,
    "rubbish": rubbish,
    "silence": silence,
    "crowding": crowding,
    "strangers": strangers,
    "twins": twins,
}


async def _run(name: str, port: int, phones: Sequence[str]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MAX_S):
            await ATTACKS[name](port, phones)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
