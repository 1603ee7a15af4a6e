"""Who may use the MQTT broker that comes with the containers: passwords by chance, and the broker's list of them."""

import base64
import hashlib
import logging
import secrets
from pathlib import Path

from collector.provision._secret_files import READABLE_IN_ITS_VOLUME, password, store, stored

_log = logging.getLogger(__name__)

COLLECTOR, HOME = "collector", "home"
_LIST = "mqtt/passwords"
_FILES = {COLLECTOR: "collector/mqtt_password", HOME: "mqtt/home_password"}
_READABLE_BY_ITS_OWNER = 0o400

# As mosquitto_passwd does it.
_ROUNDS, _SALT_BYTES, _HASH_BYTES = 101, 12, 64


def make_broker_secrets(folder: Path) -> list[str]:
    """Make what is missing below `folder`: the collector's password, one for all else at home, and the list that
    mosquitto reads; the names of what was made. Raises OSError.
    """
    made = []
    for user, name in _FILES.items():
        if not stored(folder / name):
            mode = _READABLE_BY_ITS_OWNER if user == COLLECTOR else READABLE_IN_ITS_VOLUME
            store(folder / name, password(), mode)
            made.append(name)
    if made or not stored(folder / _LIST):
        lines = (f"{user}:{_hashed(stored(folder / name))}" for user, name in _FILES.items())
        store(folder / _LIST, "\n".join(lines), READABLE_IN_ITS_VOLUME)
        made.append(_LIST)
    for name in made:
        _log.info("secret made file=%s", folder / name)
    return made


def _hashed(plain: str) -> str:
    salt = secrets.token_bytes(_SALT_BYTES)
    found = hashlib.pbkdf2_hmac("sha512", plain.encode(), salt, _ROUNDS, _HASH_BYTES)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(found).decode()}"
