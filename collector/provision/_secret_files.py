"""The files of secrets: passwords and keys by chance, each whole in its file or not there."""

import logging
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from collector import disk

_log = logging.getLogger(__name__)

# Without those that look alike: a password is read on one screen and typed into another.
_PASSWORD_CHARACTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105
_PASSWORD_GROUPS = 5
_GROUP_CHARACTERS = 5
_KEY_BYTES = 32

# The containers run as different users, so a file for another one than the collector's is readable to all who see it.
READABLE_IN_ITS_VOLUME = 0o444

# InfluxDB is set up with it.
FIRST_TOKEN = "influxdb/admin_token"  # noqa: S105


def password() -> str:
    """Make one that can be read and typed."""
    count = _PASSWORD_GROUPS * _GROUP_CHARACTERS
    letters = "".join(secrets.choice(_PASSWORD_CHARACTERS) for _ in range(count))
    return "-".join(letters[start : start + _GROUP_CHARACTERS] for start in range(0, count, _GROUP_CHARACTERS))


def _key() -> str:
    return secrets.token_hex(_KEY_BYTES)


_SECRETS: Mapping[str, Callable[[], str]] = {
    "influxdb/admin_password": password,
    FIRST_TOKEN: _key,
    "grafana/admin_password": password,
    "grafana/secret_key": _key,
}


def make_secrets(folder: Path) -> list[str]:
    """Make the secrets that are missing below `folder`; the names of those made. Raises OSError."""
    made = [name for name in _SECRETS if not stored(folder / name)]
    for name in made:
        store(folder / name, _SECRETS[name](), READABLE_IN_ITS_VOLUME)
        _log.info("secret made file=%s", folder / name)
    return made


def stored(path: Path) -> str:
    """The secret in the file; empty if there is none."""
    try:
        # What is no text is none of ours, and yet there.
        return path.read_text(encoding="ascii", errors="backslashreplace").strip()
    except FileNotFoundError:
        return ""


def store(path: Path, secret: str, mode: int) -> None:
    """Put the file there in one step, so that neither a reader nor a power cut ever meets a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    with draft.open("w", encoding="ascii") as file:
        file.write(f"{secret}\n")
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    draft.replace(path)
    disk.sync(path.parent)
