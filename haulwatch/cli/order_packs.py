"""`haulwatch orders export|verify-pack`: an order's evidence in one file, and whether that is as it was exported."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from connectors.pictures import PictureFolder
from haulwatch.bootstrap.city_history import FirstKnown, FolderCity, LogCities
from haulwatch.bootstrap.jt808 import PICTURES_FOLDER
from haulwatch.cli.order_store import add_store, opened_store
from haulwatch.dispatch.evidence import verify
from haulwatch.domain.errors import WorldError
from haulwatch.domain.evidence import CityHistory, PackReceipt
from haulwatch.domain.orders import Actor, UnknownOrder
from haulwatch.domain.text import Lang, Text
from streams.local_log import LOG_FILE


def add(actions: Any) -> None:
    """Adds the actions `export` and `verify-pack`."""
    export = actions.add_parser("export", help="导出一张工单的证据包 · export an order's evidence pack")
    export.add_argument("order_id", metavar="ID", help="工单号 · order id, e.g. HW-20260501-0007")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="写到哪里 · the ZIP to write")
    export.add_argument(
        "--city", type=Path, metavar="DIR", help="当时的城市目录（数据文件夹中没有时）· the city folder of then"
    )
    export.add_argument("--pictures", type=Path, metavar="DIR", help="图片文件夹 · where pictures are kept")
    export.add_argument("--actor", metavar="NAME", help="谁在导出 · who exports (this machine's user)")
    add_store(export, run_export)
    check = actions.add_parser("verify-pack", help="校验证据包 · is an evidence pack as it was exported")
    check.add_argument("pack", type=Path, metavar="PACK", help="ZIP 或已解压的文件夹 · ZIP or folder")
    check.add_argument("--sha256", metavar="HEX", help="导出时登记的摘要 · the digest that was noted at export")
    check.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    check.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    check.set_defaults(run=run_verify_pack)


def run_export(options: argparse.Namespace) -> int:
    """Writes the pack and prints its digests; 1 when there is no such order."""
    history, pictures = _history(options), _pictures(options)
    actor = Actor(options.actor or f"cli:{this_user()}", frozenset({"administrator"}))
    store = opened_store(options)
    try:
        with _whole_file(options.out) as out:
            receipt = store.packs(history, pictures).export(options.order_id, out, actor=actor)
    except UnknownOrder as error:
        print(f"haulwatch: {error.text.lang(options.lang)}", file=sys.stderr)
        return 1
    finally:
        store.close()
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(receipt), indent=2).decode())
    else:
        print("\n".join(_told(receipt, options.out, options.lang)))
    return 0


def run_verify_pack(options: argparse.Namespace) -> int:
    """Prints what is not as it was exported; 1 then, 2 when it is no evidence pack."""
    return verify.check(options.pack, options.sha256, options.lang, as_json=options.json)


def this_user() -> str:
    """Whom the operating system takes the user of this command for."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number and no name
        return str(os.getuid())


def _history(options: argparse.Namespace) -> CityHistory:
    places: list[CityHistory] = [] if options.city is None else [FolderCity(options.city)]
    return FirstKnown(*places, *([] if options.data is None else [LogCities(options.data / LOG_FILE)]))


def _pictures(options: argparse.Namespace) -> PictureFolder | None:
    folder = options.pictures or (None if options.data is None else options.data / PICTURES_FOLDER)
    return None if folder is None else PictureFolder(folder)


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    """All of it under its name, or nothing. Raises WorldError."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with unfinished.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise WorldError(Text(f"写不进 {path}：{error}", f"cannot write {path}: {error}")) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _told(receipt: PackReceipt, path: Path, lang: Lang) -> Iterator[str]:
    yield Text(f"证据包 {path}，{receipt.size:,} 字节", f"evidence pack {path}, {receipt.size:,} bytes").lang(lang)
    yield f"SHA-256 {receipt.sha256}"
    yield f"manifest.json SHA-256 {receipt.manifest_sha256}"
    yield Text("核对", "check").lang(lang) + f": haulwatch orders verify-pack {path} --sha256 {receipt.sha256}"
