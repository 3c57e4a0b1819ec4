"""`haulwatch console`: orders and pages, in a cluster."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from functools import partial
from pathlib import Path

from haulwatch import logs
from haulwatch.bootstrap.identity import identity_provider
from haulwatch.bootstrap.retention import read_retention
from haulwatch.cli.cluster import add_kafka_options, settings_of
from haulwatch.cli.retention import add_retention_option
from haulwatch.cli.run import (
    add_allow_host,
    add_checkpoints_option,
    add_notify_option,
    add_oidc_option,
    address,
    notify_of,
    tell_first_administrator,
)


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Names the command's options."""
    parser = subparsers.add_parser("console", help="集群：工单与页面 / cluster: orders and pages")
    add_kafka_options(parser)
    parser.add_argument(
        "--database", metavar="URL", help="工单库，SQLAlchemy 地址 · order database (HAULWATCH_DATABASE)"
    )
    parser.add_argument("--http", default="127.0.0.1:8080", metavar="HOST:PORT", help="网页与接口 / pages and API")
    add_allow_host(parser)
    add_notify_option(parser)
    add_checkpoints_option(parser)
    add_retention_option(parser)
    add_oidc_option(parser)
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="网关存图片的共用目录 / folder where gateways keep pictures (default: they are not shown)",
    )
    given = os.environ.get("HAULWATCH_ARCHIVE")
    parser.add_argument(
        "--archive",
        type=Path,
        metavar="DIR",
        default=Path(given) if given else None,
        help="归档目录，规则草稿在其上试算 / archive that drafts are tried on (HAULWATCH_ARCHIVE)",
    )
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs until told to stop (SIGINT or SIGTERM)."""
    from haulwatch.bootstrap.console import console  # other verbs do without the web's libraries

    settings = settings_of(options)
    host, port = address(options.http)
    logs.setup(settings.log_format, "console")
    # Of one outage the clients write hundreds of lines; what matters of it we say ourselves.
    for client in ("kafka", "aiokafka"):
        logging.getLogger(client).setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # until the server listens for them: nothing is lost by going
    told = notify_of(options)
    process = console(
        settings,
        host,
        port,
        options.allow_host,
        told,
        options.pictures,
        options.checkpoints,
        read_retention(options.retention),
        options.archive,
        identity_provider(options.oidc),
    )
    tell_first_administrator(process.store, options.lang)
    log = logging.getLogger(__name__)
    fields = {"http": options.http, "city": process.city.name.lang(options.lang)}
    try:
        process.serve(partial(log.info, "ready", extra={"fields": fields}))
    finally:
        process.stop()
    log.info("stopped")
    return 0
