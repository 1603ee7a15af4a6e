# Two stages: what builds the package (pip, hatchling) stays behind in the first, the second has Python and one folder.
FROM python:3.13-slim-trixie AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

RUN python -m venv --without-pip /opt/collector

WORKDIR /src

# The dependencies, exactly as locked, are a layer of their own: a change of the code does not fetch them again.
COPY requirements.lock ./
RUN pip --python /opt/collector/bin/python install --require-hashes --no-deps --requirement requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY collector collector
RUN pip --python /opt/collector/bin/python install --no-deps '.[analysis]' \
    && pip --python /opt/collector/bin/python check


FROM python:3.13-slim-trixie

LABEL org.opencontainers.image.title="apsystems-collector" \
      org.opencontainers.image.licenses="MIT"

# A new volume takes owner and mode of the folder that it covers: so the user can write to its journal, its boards and
# its secrets without ever having been root. Boards and secrets are for other users to read.
RUN groupadd --gid 10001 collector \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/collector --shell /usr/sbin/nologin collector \
    && install -d -o 10001 -g 10001 -m 0750 /var/lib/collector /var/lib/collector/backups /var/lib/collector/data \
    && install -d -o 10001 -g 10001 -m 0755 /var/lib/collector/alerting /var/lib/collector/boards \
    && install -d -o 10001 -g 10001 -m 0755 /secrets /secrets/collector /secrets/grafana /secrets/influxdb /secrets/mqtt

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
