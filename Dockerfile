# Two stages: what builds the package (uv, hatchling) stays behind in the first, the second has Python and one folder.
FROM python:3.13-slim-trixie AS build

ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/collector \
    UV_PYTHON_DOWNLOADS=never

RUN pip install --no-cache-dir --root-user-action=ignore uv==0.13.9

WORKDIR /src

# The dependencies, exactly as locked, are a layer of their own: a change of the code does not fetch them again.
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-install-project

COPY collector collector
RUN uv sync --frozen --no-editable


FROM python:3.13-slim-trixie

LABEL org.opencontainers.image.title="apsystems-collector" \
      org.opencontainers.image.licenses="MIT"

# A new volume takes owner and mode of the folder that it covers: so the user can write to its journal, its boards and
# its secrets without ever having been root. Boards and secrets are for other users to read.
RUN groupadd --gid 10001 collector \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/collector --shell /usr/sbin/nologin collector \
    && install -d -o 10001 -g 10001 -m 0750 /var/lib/collector /var/lib/collector/backups /var/lib/collector/data \
    && install -d -o 10001 -g 10001 -m 0755 /var/lib/collector/alerting /var/lib/collector/boards \
    && install -d -o 10001 -g 10001 -m 0755 /secrets /secrets/collector /secrets/grafana /secrets/influxdb

COPY --from=build /opt/collector /opt/collector

ENV PATH=/opt/collector/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# Relative paths of the configuration start here: the journal's default is data/journal.db.
WORKDIR /var/lib/collector
USER 10001:10001
VOLUME /var/lib/collector/data
EXPOSE 8995 8996 8997

HEALTHCHECK --interval=60s --timeout=10s --start-period=30s --retries=3 CMD ["collector", "status", "--brief"]

ENTRYPOINT ["collector"]
CMD ["run"]
