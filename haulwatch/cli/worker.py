"""`haulwatch worker`: one of the processes that decide, in a cluster."""

from __future__ import annotations

import argparse
import signal
import sys

from haulwatch import logs
from haulwatch.cli.cluster import add_kafka_options, settings_of
from haulwatch.cli.run import address


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Names the command's options."""
    parser = subparsers.add_parser("worker", help="集群：判定进程 / cluster: decides (as many as there are cores)")
    add_kafka_options(parser)
    parser.add_argument("--http", default="127.0.0.1:6066", metavar="HOST:PORT", help="健康与指标 / health and metrics")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Runs until told to stop (SIGINT or SIGTERM)."""
    # Until Faust listens for signals; nothing has begun by then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from haulwatch.bootstrap.worker import worker  # Faust takes a second to import; other verbs do without

    settings = settings_of(options)
    logs.setup(settings.log_format, "worker")
    host, port = address(options.http)
    worker(settings, host, port).run()
    return 0
