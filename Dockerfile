# The image of every process of a cluster; which one it is says the command: gateway, worker, console, topics, city …
# docs/cluster.md tells how to run them. A mirror of the package index: --build-arg PIP_INDEX_URL=…

FROM python:3.11.14-slim-bookworm AS build

ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
# Every package is a wheel, pinned by hash; there is no compiler here and none is needed.
COPY requirements.lock ./
RUN python -m venv /opt/haulwatch \
 && /opt/haulwatch/bin/python -m pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY scripts/development_only.py scripts/
COPY haulwatch haulwatch
COPY connectors connectors
COPY streams streams
COPY rules rules
COPY geofences geofences
# What only development needs goes again, the installer at the end; compiled once, so that nothing has to be written later.
RUN /opt/haulwatch/bin/python -m pip install --no-deps --no-build-isolation . \
 && /opt/haulwatch/bin/python scripts/development_only.py > development_only.txt \
 && /opt/haulwatch/bin/python -m pip uninstall --yes -r development_only.txt \
 && /opt/haulwatch/bin/python -m pip uninstall --yes pip \
 && /opt/haulwatch/bin/python -m compileall -q /opt/haulwatch/lib \
 && /opt/haulwatch/bin/haulwatch --version


FROM python:3.11.14-slim-bookworm

ARG REVISION=unknown
LABEL org.opencontainers.image.title="haulwatch" \
      org.opencontainers.image.description="渣土车事件规则引擎 · Event-driven rules engine for construction-waste trucks" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"

# Numbers that do not change, so that volumes and security policies can name them.
RUN groupadd --system --gid 10001 haulwatch \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin haulwatch \
 && install -d -o haulwatch -g haulwatch -m 0750 /pictures
COPY --from=build /opt/haulwatch /opt/haulwatch

# HEALTH_PORT and HEALTH_PATH: where the check below asks. A process whose Kafka is away is alive (/healthz) but not
# ready (/readyz); what restarts unhealthy containers must ask for the first.
ENV PATH=/opt/haulwatch/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HAULWATCH_LOG_FORMAT=json \
    HEALTH_PORT=8080 \
    HEALTH_PATH=/healthz
USER 10001:10001
WORKDIR /opt/haulwatch
STOPSIGNAL SIGTERM
# Nothing is written but temporary files: run with a read-only root and a tmpfs at /tmp.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['HEALTH_PORT']), timeout=4); c.request('GET', os.environ['HEALTH_PATH']); raise SystemExit(c.getresponse().status != 200)"]
# No shell between the process and SIGTERM.
ENTRYPOINT ["haulwatch"]
CMD ["--help"]
