"""Passwords: Argon2id hashes, one-time passwords that can be read out, and which passwords are too weak to take."""

from __future__ import annotations

import functools
import secrets
import threading

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from haulwatch.domain.people import BadPerson
from haulwatch.domain.text import Text

MIN_CHARACTERS = 10
MAX_CHARACTERS = 256
ONE_TIME_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Letters and digits that are not mistaken for each other, on paper or on the telephone."""
ONE_TIME_GROUPS, ONE_TIME_GROUP = 4, 4
AT_ONCE = 4
"""Hashes that are computed at the same time: each needs 64 MiB, and whoever cannot log in must not use up the rest."""

# RFC 9106, section 4, second recommended option (for where 2 GiB a hash are too much).
HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, salt_len=16, type=Type.ID)
_PLACES = threading.BoundedSemaphore(AT_ONCE)
_EASY = frozenset(
    (
        "1234567890",
        "0123456789",
        "qwertyuiop",
        "1qaz2wsx3edc",
        "password12",
        "password123",
        "haulwatch1",
        "haulwatch123",
    )
)


@functools.cache
def _nobodys() -> str:
    """What is tried for a name that nobody has, so that it takes as long as for one that somebody has."""
    return HASHER.hash(secrets.token_urlsafe(16))


def hashed(password: str) -> str:
    """The hash to keep, with its parameters and salt in it."""
    with _PLACES:
        return HASHER.hash(password)


def matches(kept: str | None, password: str) -> bool:
    """Whether the password is the one of this hash; takes as long where there is none."""
    with _PLACES:
        try:
            right = HASHER.verify(kept or _nobodys(), password)
        except (VerificationError, InvalidHashError):
            return False
    return right and kept is not None


def one_time_password() -> str:
    """A password of 79 random bits, to be read once and changed: `kmvt-7hx2-9qpd-wz4c`."""
    groups = ("".join(secrets.choice(ONE_TIME_ALPHABET) for _ in range(ONE_TIME_GROUP)) for _ in range(ONE_TIME_GROUPS))
    return "-".join(groups)


def check_strength(password: str, person_id: str) -> None:
    """Raises `BadPerson` for a password that is too short, too easy, or says who it belongs to."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        text = Text(
            f"密码应为 {MIN_CHARACTERS}–{MAX_CHARACTERS} 个字符",
            f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters",
        )
        raise BadPerson(text)
    plain = password.casefold()
    if plain in _EASY or len(set(plain)) < 5 or (len(person_id) > 2 and person_id in plain):
        raise BadPerson(
            Text("密码太容易猜到，也不能含用户名", "the password is too easy to guess, or has the name in it")
        )
