"""`haulwatch gateway`: the way in for events, in a cluster."""

from __future__ import annotations

import argparse
import logging
from functools import partial

from haulwatch import logs
from haulwatch.cli.cluster import add_kafka_options, settings_of
from haulwatch.cli.run import (
    add_allow_host,
    add_connectors_option,
    add_events_token,
    add_jt808_options,
    address,
    connectors_of,
    jt808_options,
)


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Names the command's options."""
    parser = subparsers.add_parser("gateway", help="集群：事件入口 / cluster: takes events over HTTP")
    add_kafka_options(parser)
    parser.add_argument("--http", default="127.0.0.1:8081", metavar="HOST:PORT", help="接口地址 / API address")
    add_allow_host(parser)
    add_events_token(parser)
    add_jt808_options(parser, "默认不接收图片 · default: pictures are refused")
    add_connectors_option(parser)
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs until told to stop (SIGINT or SIGTERM)."""
    from haulwatch.bootstrap.gateway import gateway  # other verbs do without the web's libraries

    settings = settings_of(options)
    host, port = address(options.http)
    logs.setup(settings.log_format, "gateway")
    # Of one outage the client writes hundreds of lines; what matters of it we say ourselves.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    process = gateway(
        settings,
        host,
        port,
        options.allow_host,
        jt808_options(options),
        connectors_of(options),
        options.pictures,
        options.events_token,
    )
    log = logging.getLogger(__name__)
    fields = {"http": options.http, "partitions": process.producer.partitions}
    try:
        process.serve(partial(log.info, "ready", extra={"fields": fields}))
    finally:
        process.stop()
    log.info("stopped")
    return 0
