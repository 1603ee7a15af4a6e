"""Whether anybody needs the ledger, which costs a fleet's collector time that it need not pay."""

from collector.config.model import Config


def wanted(config: Config) -> bool:
    """Whether the owner asks for it, or an output that lives on it is configured."""
    is_needed = config.mqtt is not None or config.homeassistant is not None or bool(config.pvoutput)
    return config.ledger.enabled or is_needed
