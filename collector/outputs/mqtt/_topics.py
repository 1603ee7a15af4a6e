"""The names of topics, a promise to everybody who listens. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

ONLINE, OFFLINE = b"online", b"offline"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics below a prefix, and those by which Home Assistant is told of devices; `device` is a Device's key."""

    prefix: str
    discovery_prefix: str

    @property
    def status(self) -> str:
        """Whether the collector is there."""
        return f"{self.prefix}/status"

    @property
    def home_assistant(self) -> str:
        """Where Home Assistant says that it has started."""
        return f"{self.discovery_prefix}/status"

    def state(self, device: str) -> str:
        """The latest of a device."""
        return f"{self.prefix}/{device}"

    def config(self, device: str) -> str:
        """What a device is, for Home Assistant."""
        return f"{self.discovery_prefix}/device/{identifier(device)}/config"

    def of_devices(self, devices: Iterable[str]) -> list[str]:
        """All topics of some devices."""
        return [topic for device in devices for topic in (self.config(device), self.state(device))]


def identifier(device: str) -> str:
    """What a device is called where an id is wanted that no other program has."""
    return f"apsystems_{device.rpartition('/')[2]}"
