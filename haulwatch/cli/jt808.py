"""`haulwatch jt808 decode`: what recorded frames of terminals say, one JSON line a frame."""

from __future__ import annotations

import argparse
import errno
import sys
from pathlib import Path

import msgspec

from connectors.jt808.profiles import STANDARD, load_profiles
from connectors.jt808.recorded import decode
from haulwatch.domain.errors import WorldError, did_you_mean
from haulwatch.domain.text import Text


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the verb `jt808` with its action."""
    parser = subparsers.add_parser("jt808", help="JT/T 808 终端 · JT/T 808 terminals")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    action = actions.add_parser("decode", help="解读报文，每帧一行 JSON · recorded frames, one JSON line each")
    action.add_argument(
        "input",
        nargs="?",
        default="-",
        metavar="HEX|FILE|-",
        help="十六进制报文、文件或标准输入 · hexadecimal digits, a file, or standard input",
    )
    action.add_argument("--profile", default=STANDARD, metavar="MODEL", help="终端型号 · device model (standard)")
    action.add_argument(
        "--profiles", type=Path, metavar="DIR", help="自备的终端配置 · folder with profiles of your own"
    )
    action.add_argument("--json", action="store_true", help="输出总是 JSON · the output is always JSON")
    action.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    action.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints what every frame says; what is wrong with a frame is said in its line."""
    profiles = load_profiles(options.profiles)
    profile = profiles.get(options.profile)
    if profile is None:
        hint = did_you_mean(options.profile, profiles)
        known = ", ".join(profiles)
        raise WorldError(
            Text(
                f"没有型号 {options.profile} 的配置{'，' + hint.zh if hint else ''}；现有：{known}",
                f"there is no profile of {options.profile}; {hint.en + ' ' if hint else ''}known: {known}",
            )
        )
    for frame in decode(_bytes(options.input), profile):
        sys.stdout.buffer.write(msgspec.json.encode(frame) + b"\n")
    sys.stdout.flush()
    return 0


def _bytes(given: str) -> bytes:
    if given == "-":
        return sys.stdin.buffer.read()
    try:
        path = Path(given)
        return path.read_bytes() if path.is_file() else given.encode("utf-8", "replace")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return given.encode("utf-8", "replace")
        raise WorldError(Text(f"读不了 {given}：{error}", f"cannot read {given}: {error}")) from error
