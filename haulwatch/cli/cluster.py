"""Options of every command that works on a cluster."""

from __future__ import annotations

import argparse

from haulwatch.settings import ClusterSettings, cluster_settings


def add_kafka_options(parser: argparse.ArgumentParser) -> None:
    """Where Kafka is and how the topics are called; the environment (`HAULWATCH_KAFKA` …) says what is not given."""
    parser.add_argument("--kafka", metavar="HOST:PORT,…", help="Kafka 地址 · bootstrap servers (HAULWATCH_KAFKA)")
    parser.add_argument(
        "--topic-prefix",
        metavar="NAME",
        help="主题前缀 · prefix of topic names (HAULWATCH_TOPIC_PREFIX)",
    )


def add_answer_options(parser: argparse.ArgumentParser) -> None:
    """For people in two languages, or for programs."""
    parser.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 · language (zh)")


def settings_of(options: argparse.Namespace) -> ClusterSettings:
    """The settings that a command was given. Raises WorldError, also where no Kafka is named."""
    settings = cluster_settings(
        kafka=options.kafka, topic_prefix=options.topic_prefix, database=getattr(options, "database", None)
    )
    _ = settings.topics, settings.brokers  # what is unusable is said before any work begins
    return settings
