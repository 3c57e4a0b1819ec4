"""A real PostgreSQL of the tests' own: a cluster in a folder of its own, started, stopped and killed at will."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from tests.servers import NoServerError, Watch, free_port

DEBIAN = Path("/usr/lib/postgresql")
USER, PASSWORD = "haulwatch", "p@ss/wörd:1"
"""A role without privileges beyond making databases and roles; a password that has to be quoted in a URL."""
ADMINISTRATOR = "postgres"
READY_S = 60.0
STOP_S = 60.0
SETTINGS = {
    # What a crash of the machine would lose is no loss here; a crash of the server loses nothing.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}


def server_programs() -> Path:
    """The folder of `initdb` and `postgres`: of the PATH, else the newest of Debian's. Raises NoServerError."""
    found = shutil.which("initdb")
    if found is not None and Path(found).with_name("postgres").exists():
        return Path(found).parent
    folders = [folder for folder in DEBIAN.glob("*/bin") if (folder / "initdb").exists()]
    if not folders:
        raise NoServerError("no programs of a PostgreSQL server here")
    return max(folders, key=lambda folder: int(folder.parent.name))


def _unprivileged() -> tuple[list[str], pwd.struct_passwd | None]:
    """PostgreSQL refuses to run as root: how to begin a command as somebody else, and who that is."""
    if os.geteuid() != 0:
        return [], None
    if shutil.which("setpriv") is None:
        raise NoServerError("root without setpriv cannot run PostgreSQL")
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"], account
    raise NoServerError("root cannot run PostgreSQL, and there is neither postgres nor nobody")


class Postgres:
    """One server on 127.0.0.1 and a socket in its folder, with password authentication (SCRAM).

    Its address stays the same through stops and starts. Nothing runs before `start`.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.programs = server_programs()
        self._prefix, account = _unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="haulwatch-postgresql-"))
        if account is not None:
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: Watch | None = None

    def url(self, database: str = "postgres") -> URL:
        """The SQLAlchemy URL of one of its databases, without a driver."""
        return URL.create("postgresql", USER, PASSWORD, "127.0.0.1", self.port, database)

    def start(self) -> None:
        """Starts it, or starts it again on what it had, and waits until it answers."""
        data = self.folder / "data"
        fresh = not data.exists()
        if fresh:
            self._initialize(data)
        deadline = time.monotonic() + READY_S
        while not self._answers():
            if time.monotonic() > deadline:
                log = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
                raise AssertionError(f"PostgreSQL is not ready: {log[-2000:]}")
            # After a kill the server's other processes may need a moment to go, and until then it refuses to start.
            if self._process is None or self._process.poll() is not None:
                self._spawn(data)
            time.sleep(0.02)
        if fresh:
            role = f"CREATE ROLE {USER} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'"
            with psycopg.connect(self._administrator(), autocommit=True) as connection:
                connection.execute(role)
                connection.execute(f"ALTER DATABASE postgres OWNER TO {USER}")

    def _spawn(self, data: Path) -> None:
        settings = SETTINGS | {"unix_socket_directories": str(self.folder), "listen_addresses": "127.0.0.1"}
        options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        if self._watch is not None:
            self._watch.cancel()
        with (self.folder / "log").open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is for pytest, which then ends the server last.
            self._process = subprocess.Popen(
                [*self._prefix, self.programs / "postgres", "-D", data, "-p", str(self.port), *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._watch = Watch(self.folder, pid=self._process.pid)

    def _initialize(self, data: Path) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        secret.chmod(0o644)  # its folder is for the server's account only
        options = [
            f"--username={ADMINISTRATOR}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
        ]
        command = [*self._prefix, self.programs / "initdb", "-D", data, *options, "--no-sync"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"initdb: {done.stdout}{done.stderr}")

    def _administrator(self) -> str:
        return self.url().set(username=ADMINISTRATOR).render_as_string(hide_password=False)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._administrator(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Ends it in order, whoever is connected ("fast" shutdown)."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Takes it away without a word of warning; its other processes follow."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=STOP_S)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def remove(self) -> None:
        """Kills it where it runs, and removes what it stored."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Databases:
    """Empty databases on a server (a URL whose user may create some). Emptied ones are used again: making one takes
    ten times as long as emptying it."""

    def __init__(self, server: str) -> None:
        self._server = make_url(server).set(drivername="postgresql")
        self._spare: list[str] = []
        self._made: list[str] = []

    def url(self, name: str) -> str:
        """The URL of one of them."""
        return self._server.set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of an empty database that nobody else uses meanwhile."""
        if not self._spare:
            name = f"haulwatch_test_{uuid.uuid4().hex[:12]}"
            self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            self._made.append(name)
            self._spare.append(name)
        name = self._spare.pop()
        yield self.url(name)
        try:
            self._empty(name)
        except psycopg.errors.InsufficientPrivilege:  # before PostgreSQL 15 the schema is not the owner's
            return
        self._spare.append(name)

    def _empty(self, name: str) -> None:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            schemas = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_)'")
            for (schema,) in schemas.fetchall():
                connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
            connection.execute("CREATE SCHEMA public")
            connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")

    def drop_all(self) -> None:
        """Leaves nothing behind on the server."""
        for name in self._made:
            self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._server.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(statement)


def given_postgresql() -> str | None:
    """The server that HAULWATCH_TEST_POSTGRESQL names (a URL whose user may create databases)."""
    return os.environ.get("HAULWATCH_TEST_POSTGRESQL") or None
