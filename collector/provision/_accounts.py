"""InfluxDB's buckets, and a token for each of those who use them."""

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from influxdb_client.domain.authorization import Authorization
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from influxdb_client.service.setup_service import SetupService

from collector.config.model import InfluxDB
from collector.delivery.configured import configured
from collector.delivery.influx import Access, InfluxSink
from collector.errors import CollectorError, SinkUnavailable, TokenRefused
from collector.provision._secret_files import FIRST_TOKEN, READABLE_IN_ITS_VOLUME, store, stored

_log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0
_READABLE_BY_ITS_OWNER = 0o400


@dataclass(frozen=True)
class _Account:
    """A token of InfluxDB's: in whose folder it is, and what it may do with the two buckets."""

    owner: str
    actions: tuple[str, ...]
    mode: int

    def description(self, bucket: str) -> str:
        """What InfluxDB's own pages call the token; by the bucket two installations in one database stay apart."""
        return f"{bucket}: {self.owner}"

    def file(self, folder: Path) -> Path:
        return folder / self.owner / "influxdb_token"


_ACCOUNTS = (
    _Account("collector", ("read", "write"), _READABLE_BY_ITS_OWNER),
    _Account("grafana", ("read",), READABLE_IN_ITS_VOLUME),
)


def make_accounts(influxdb: InfluxDB, folder: Path) -> list[str]:
    """Make the buckets, and the tokens that are missing or of no use, below `folder`; the owners of the tokens made.

    An owner that already runs has read its former token, so the log asks for its restart.
    The token of `influxdb` is the one that the database was set up with. Raises SinkUnavailable and OSError, and
    CollectorError for a folder without the first step's secrets.
    """
    if not (folder / FIRST_TOKEN).exists():
        raise CollectorError(
            f"there is no {folder / FIRST_TOKEN}: name the folder that the step `secrets` has filled; nothing was"
            " changed"
        )
    with contextlib.closing(configured(influxdb, _TIMEOUT_S)) as sink:
        try:
            sink.connect()
        except TokenRefused:
            raise _unknown_token(sink, influxdb.url) from None
        buckets = [_bucket(sink, influxdb, name) for name in (influxdb.bucket, influxdb.rollup_bucket)]
        return [account.owner for account in _ACCOUNTS if _renewed(account, sink, influxdb, buckets, folder)]


def _unknown_token(sink: InfluxSink, url: str) -> SinkUnavailable:
    with sink.client() as client:
        # Neither a user nor a token is there yet.
        fresh = SetupService(client.api_client).get_setup().allowed
    if fresh:
        return SinkUnavailable(
            f"InfluxDB at {url} was not set up yet: do that first, by a POST to /api/v2/setup with the password and the"
            " token of the step `secrets` (docs/bare-metal.md has the command)"
        )
    return SinkUnavailable(
        f"InfluxDB at {url} does not know the token that it was set up with: its data and the secrets are from"
        " different installations. Put the one that was lost back from a backup, or make a new operator token"
        " ('influxd recovery auth create-operator') and store it as admin_token"
    )


def _bucket(sink: InfluxSink, influxdb: InfluxDB, name: str) -> PermissionResource:
    """A bucket, as what a right is for."""
    with sink.client() as client:
        found = [
            PermissionResource(type="buckets", id=_required(bucket.id), org_id=_required(bucket.org_id))
            for bucket in client.buckets_api().find_buckets(name=name, org=influxdb.org).buckets
        ]
    if not found:
        raise SinkUnavailable(
            f"InfluxDB at {influxdb.url} does not show the bucket '{name}' to this token: use the one that it was set"
            " up with"
        )
    return found[0]


def _renewed(
    account: _Account, sink: InfluxSink, influxdb: InfluxDB, buckets: Sequence[PermissionResource], folder: Path
) -> bool:
    """Make the token of an account unless the one in its file is of use; whether that was so."""
    description, file = account.description(influxdb.bucket), account.file(folder)
    wanted = {(action, bucket.id) for action in account.actions for bucket in buckets}
    with sink.client() as client:
        found = client.authorizations_api().find_authorizations(org=influxdb.org)
        former = {_required(token.id): _rights(token) for token in found if token.description == description}
    # Two of one description are left by a run that was cut off, and nothing tells which of them is in the file.
    if list(former.values()) == [wanted] and _is_known(stored(file), influxdb):
        return False

    replaced = bool(former or stored(file))
    store(file, _new_token(sink, description, account.actions, buckets), account.mode)
    with sink.client() as client:
        for token_id in former:
            client.authorizations_api().delete_authorization(token_id)
    _log.info("token made file=%s may=%s", file, ",".join(account.actions))
    if replaced:
        _log.warning(
            "token replaced, so restart: %s (docker compose restart %s; without containers first copy %s to where it"
            " reads it, as /etc/%s/influxdb_token)",
            account.owner,
            account.owner,
            file,
            account.owner,
        )
    return True


def _rights(token: Authorization) -> set[tuple[str, str | None]]:
    return {(permission.action, permission.resource.id) for permission in token.permissions}


def _is_known(token: str, influxdb: InfluxDB) -> bool:
    """Whether it is a token that InfluxDB lets read both buckets."""
    if not token or not token.isprintable():
        return False
    with contextlib.closing(configured(influxdb, _TIMEOUT_S, token=token)) as sink:
        try:
            return all(sink.may_read(name) is Access.GRANTED for name in (influxdb.bucket, influxdb.rollup_bucket))
        except TokenRefused:
            return False


def _new_token(
    sink: InfluxSink, description: str, actions: Sequence[str], buckets: Sequence[PermissionResource]
) -> str:
    permissions = [Permission(action, bucket) for action in actions for bucket in buckets]
    wanted = Authorization(org_id=buckets[0].org_id, permissions=permissions, description=description)
    try:
        with sink.client() as client:
            return _required(client.authorizations_api().create_authorization(authorization=wanted).token)
    except TokenRefused as exc:
        raise SinkUnavailable(f"{exc}: to make others, it must be the one that InfluxDB was set up with") from None


def _required(said: object) -> str:
    """What an InfluxDB always says. Raises TypeError where it is missing."""
    if not isinstance(said, str):
        raise TypeError
    return said
