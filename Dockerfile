# The first stage builds an environment, the second one only carries it: no compiler, no pip cache.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/bridge
COPY pyproject.toml requirements.txt README.md LICENSE ./
COPY bridge ./bridge
# requirements.txt holds the development tools too; as constraints it only fixes versions.
RUN /opt/bridge/bin/pip install --no-cache-dir --constraint requirements.txt . \
    && /opt/bridge/bin/pip uninstall --yes pip

FROM python:3.13-slim
# Numbers, so that a cluster can see that it is not root; no files but the bridge's own in its folder.
RUN groupadd --system --gid 10001 bridge \
    && useradd --system --uid 10001 --gid bridge --home-dir /data --create-home --skel /dev/null bridge
COPY --from=build /opt/bridge /opt/bridge
ENV PATH=/opt/bridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BRIDGE_RULES=/etc/booking-bridge/rules.yaml
USER 10001:10001
# Where the default database, sqlite:///bridge.db, lies. It is no ENV: that could not be set by a mounted secret any more.
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"BRIDGE_PORT\", \"8080\")}/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["booking-bridge"]
CMD ["serve"]
