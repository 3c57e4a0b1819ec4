"""A real Apache Kafka of the tests' own: one node in a folder of its own, started, stopped and killed at will."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from tests.servers import NoServerError, Watch, free_port

ROOT = Path(__file__).parents[2]
POM = Path(__file__).with_name("pom.xml")
FETCH = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
FETCH_S = 600.0
READY_S = 60.0
STOP_S = 60.0
IMAGE = "apache/kafka:3.9.1"
HEAP = "-Xmx512m -Xms128m"
JAVA = (*HEAP.split(), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")


def fetched_jars() -> Path:
    """The folder of Kafka's jars, fetched by Maven when it is not there yet. Raises NoServerError with the reason."""
    if shutil.which("java") is None:
        raise NoServerError("no Java here")
    wanted = hashlib.sha256(POM.read_bytes() + FETCH.encode()).hexdigest()[:12]
    jars = ROOT / ".cache" / "kafka" / wanted
    if jars.is_dir():
        return jars
    if shutil.which("mvn") is None:
        raise NoServerError("no Maven here")
    jars.parent.mkdir(parents=True, exist_ok=True)
    # Fetched aside and renamed: two sessions at once, or one that is interrupted, never leave half of it.
    aside = Path(tempfile.mkdtemp(prefix=f"{wanted}-", dir=jars.parent))
    try:
        command = ["mvn", "-q", "-B", "-f", str(POM), FETCH, f"-DoutputDirectory={aside}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
        if done.returncode != 0:
            raise NoServerError(f"Maven could not fetch Kafka: {(done.stdout + done.stderr).strip()[-400:]}")
        aside.chmod(0o755)
        aside.rename(jars)
    except OSError:
        if not jars.is_dir():
            raise
    except subprocess.TimeoutExpired as error:
        raise NoServerError(f"Maven could not fetch Kafka within {FETCH_S:.0f} s") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return jars


class Broker:
    """One broker that is its own controller, run by Java; its address stays the same through stops and starts.

    `properties` are added to those below, or replace them. Nothing runs before `start`.
    """

    def __init__(self, properties: Mapping[str, str] | None = None) -> None:
        self.port, self.controller_port = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.folder = Path(tempfile.mkdtemp(prefix="haulwatch-kafka-"))
        self.properties = {**self._properties(), **(properties or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: Watch | None = None

    def _properties(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            # Few and small: the broker starts sooner, and hundreds of short-lived topics fit.
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            "log.index.size.max.bytes": "1048576",
            "log.cleaner.dedupe.buffer.size": "8388608",
            "log.segment.delete.delay.ms": "1000",
            # A group of consumers need not wait for members who might still come.
            "group.initial.rebalance.delay.ms": "0",
        }

    def start(self) -> None:
        """Starts it, or starts it again on what it had; `wait_ready` says when it answers."""
        classpath = f"{fetched_jars()}/*"
        settings = self.folder / "server.properties"
        if not settings.exists():
            settings.write_text("".join(f"{name}={value}\n" for name, value in self.properties.items()))
            self._format(classpath, settings)
        with (self.folder / "log").open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is for pytest, which then ends the broker last.
            self._process = subprocess.Popen(
                ["java", *JAVA, "-cp", classpath, "kafka.Kafka", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._watch = Watch(self.folder, pid=self._process.pid)

    def _format(self, classpath: str, settings: Path) -> None:
        # Below 128 the first byte gives a letter: a leading dash would be taken for an option.
        number = bytes([uuid.uuid4().bytes[0] & 0x7F]) + uuid.uuid4().bytes[1:]
        cluster_id = base64.urlsafe_b64encode(number).decode().rstrip("=")
        command = ["java", *JAVA, "-cp", classpath, "kafka.tools.StorageTool", "format", "-t", cluster_id]
        done = subprocess.run([*command, "-c", str(settings)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"the storage could not be formatted: {done.stdout}{done.stderr}")

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Returns when it answers as the cluster's broker. Fails when it ended or takes longer."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.running:
                break
            if self._answers():
                return
            time.sleep(0.05)
        raise AssertionError(f"Kafka is not ready: {self.log()[-2000:]}")

    def _answers(self) -> bool:
        try:
            admin = KafkaAdminClient(
                bootstrap_servers=self.bootstrap, bootstrap_timeout_ms=2_000, request_timeout_ms=2_000
            )
            try:
                return bool(admin.describe_cluster()["brokers"])
            finally:
                admin.close()
        except (KafkaError, OSError):
            return False

    @property
    def running(self) -> bool:
        """Whether there is a process (which may not answer yet)."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """What it wrote so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """Asks it to end (SIGTERM) and waits until it has."""
        if self._process is not None:
            self._process.terminate()
            self._ended(STOP_S)

    def kill(self) -> None:
        """Takes it away without a word of warning (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._ended(STOP_S)

    def _ended(self, timeout_s: float) -> None:
        assert self._process is not None
        self._process.wait(timeout=timeout_s)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def remove(self) -> None:
        """Kills it where it runs, and removes what it stored."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class ContainerBroker(Broker):
    """The same from the image `apache/kafka`, for who has Docker and no Java."""

    def __init__(self, properties: Mapping[str, str] | None = None) -> None:
        super().__init__(properties)
        self.name = self.folder.name
        self._made = False

    def _properties(self) -> dict[str, str]:
        inside = f"PLAINTEXT://0.0.0.0:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}"
        return super()._properties() | {"listeners": inside, "log.dirs": "/tmp/kraft-combined-logs"}

    def start(self) -> None:
        """Makes the container, or starts it again on what it had."""
        if self._made:
            self._docker("start", self.name)
        else:
            settings = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in self.properties.items()}
            environment = [f"--env={name}={value}" for name, value in (settings | {"KAFKA_HEAP_OPTS": HEAP}).items()]
            publish = f"--publish=127.0.0.1:{self.port}:{self.port}"
            self._docker("run", "--detach", f"--name={self.name}", publish, *environment, IMAGE)
            self._made = True
        self._watch = Watch(self.folder, end=f"docker rm -f {self.name}")

    @property
    def running(self) -> bool:
        """Whether the container runs."""
        return self._made and self._docker("inspect", "--format={{.State.Running}}", self.name).strip() == "true"

    def log(self) -> str:
        """What it wrote so far."""
        return self._docker("logs", self.name) if self._made else ""

    def stop(self) -> None:
        """Asks it to end and waits until it has."""
        self._end("stop", "-t", f"{STOP_S:.0f}")

    def kill(self) -> None:
        """Takes it away without a word of warning."""
        self._end("kill")

    def _end(self, *command: str) -> None:
        if self.running:
            self._docker(*command, self.name)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def remove(self) -> None:
        """Removes the container and its data."""
        self.kill()
        if self._made:
            self._docker("rm", "--force", "--volumes", self.name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _docker(self, *arguments: str) -> str:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"docker {arguments[0]}: {done.stderr.strip()}")
        return done.stdout + done.stderr


def new_broker(properties: Mapping[str, str] | None = None) -> Broker:
    """A broker by Java and Maven, else by Docker; not started. Raises NoServerError with the reasons."""
    try:
        fetched_jars()
    except NoServerError as error:
        reason = _why_no_docker()
        if reason is not None:
            raise NoServerError(f"{error}; {reason}") from error
        return ContainerBroker(properties)
    return Broker(properties)


def _why_no_docker() -> str | None:
    """What keeps Docker from running the image; None when nothing does."""
    if shutil.which("docker") is None:
        return "no Docker here"
    for command, timeout_s in ((["info"], 20.0), (["pull", "--quiet", IMAGE], FETCH_S)):
        try:
            done = subprocess.run(["docker", *command], capture_output=True, text=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired:
            return f"docker {command[0]} takes longer than {timeout_s:.0f} s"
        if done.returncode != 0:
            return f"docker {command[0]}: {done.stderr.strip()[-200:]}"
    return None


def given_kafka() -> str | None:
    """The Kafka that HAULWATCH_TEST_KAFKA names (host:port), which tests use and never stop."""
    return os.environ.get("HAULWATCH_TEST_KAFKA") or None
