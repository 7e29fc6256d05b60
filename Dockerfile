# syntax=docker/dockerfile:1
#
# Two stages: the first has pip, a C compiler and the build tools, the second has Python, the packages and no installer.
#
# Every package is pinned by hash. The base images are named by tag, because a digest can be looked up only where a
# registry is at hand; pin them in your pipeline (docs/operations.md, "Deploying"):
#   docker build --build-arg BUILD_IMAGE=python:3.11-bookworm@sha256:<digest> \
#     --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:<digest> -t twilio-gateway .
# LOCK=deploy/requirements.lock leaves out JWT, traces, and AWS's and Google's secret stores.
# GATEWAY_BUILD=pure compiles nothing. For aarch64: docker buildx build --platform linux/arm64.
ARG BUILD_IMAGE=python:3.11-bookworm
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${BUILD_IMAGE} AS build
ARG LOCK=deploy/requirements-image.lock
ARG GATEWAY_BUILD=compiled
WORKDIR /src
COPY deploy/requirements-compile.lock deploy/requirements.lock deploy/requirements-image.lock deploy/
# The cache is a mount of the builder's, and in no layer.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /opt/build \
 && /opt/build/bin/pip install --disable-pip-version-check --require-hashes -r deploy/requirements-compile.lock
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/gateway \
 && /opt/build/bin/pip --python /opt/gateway/bin/python install --disable-pip-version-check \
      --require-hashes -r "$LOCK"
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY gateway gateway
COPY twilio_simulator twilio_simulator
COPY config config
# Compiled code trusts the types of the packages that it runs with: they are read where those are installed.
RUN export GATEWAY_BUILD="$GATEWAY_BUILD" GATEWAY_TYPES_FROM=/opt/gateway/bin/python \
 && /opt/build/bin/pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /opt/wheels . \
 && /opt/build/bin/pip --python /opt/gateway/bin/python install --disable-pip-version-check \
      --no-deps --no-index /opt/wheels/*.whl

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="twilio-gateway" \
      org.opencontainers.image.description="A credential gateway between a company's services and the Twilio REST API" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --system --gid 10001 gateway \
 && useradd --system --uid 10001 --gid gateway --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin gateway
COPY --from=build /opt/gateway /opt/gateway
# Bytecode was written at the build. Nothing is written at run time: the root may be read-only, without a /tmp.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /
EXPOSE 8080 9090
# Another admin port is told here by GATEWAY__ADMIN__LISTEN=host:port, which overrides the file as well.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["python", "-ISc", "import http.client, os; port = os.environ.get('GATEWAY__ADMIN__LISTEN', ':9090').rpartition(':')[2]; http = http.client.HTTPConnection('127.0.0.1', int(port), timeout=2); http.request('GET', '/livez'); raise SystemExit(http.getresponse().status != 200)"]
# PID 1 is the gateway itself: it gets SIGTERM from the engine and drains.
STOPSIGNAL SIGTERM
ENTRYPOINT ["gateway"]
CMD ["serve", "--config", "/etc/twilio-gateway/gateway.yaml"]
