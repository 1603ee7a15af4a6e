"""What can be wrong with a Home Assistant, in words that an owner can use. Pure."""

import socket
import ssl
from collections.abc import Mapping
from typing import Final

from collector.outputs.faults import OutputError


class HomeAssistantError(OutputError):
    """Home Assistant can't be used now."""


class TokenError(HomeAssistantError):
    """The token is not good, or not to be had. Each try with it is an alarm in Home Assistant."""


_ADDRESS: Final = 'see that homeassistant.url is what the browser shows, as "http://homeassistant.local:8123"'
_WAIT: Final = "nothing is lost; it is tried again by itself. See whether Home Assistant runs, and its log"
_MAKE_ONE: Final = (
    "in Home Assistant make a long-lived access token (your profile, Security) and write it to homeassistant.token_file"
)
_NOT_ADMIN: Final = "make the token as a user who is an administrator: only they may write statistics"

# By the codes of Home Assistant's websocket.
_ANSWERS: Final[Mapping[str, tuple[str, str]]] = {
    "unauthorized": ("does not let this token's user write statistics", _NOT_ADMIN),
    "unknown_command": (
        "does not take statistics",
        "it may still be starting, and then it is tried again by itself; else update it to 2023.1 or later, and let its"
        " recorder run, which default_config switches on",
    ),
    "invalid_format": (
        "takes statistics in another form",
        "its version may be newer than this collector knows: look for a newer collector",
    ),
}


def of_answer(where: str, code: str, message: str) -> HomeAssistantError:
    """What Home Assistant itself says is wrong with a command."""
    what, remedy = _ANSWERS.get(code, ("refuses a command", _WAIT))
    return HomeAssistantError(f"Home Assistant at {where} {what} ({code}: {message[:300]})", remedy)


def no_token(path: object, why: str) -> TokenError:
    """The file with the token can't be read, or holds none."""
    return TokenError(f"no token in {path}: {why}", _MAKE_ONE)


def token_refused(where: str) -> TokenError:
    """Home Assistant does not know the token."""
    return TokenError(f"Home Assistant at {where} refuses the token", _MAKE_ONE)


def no_admin(where: str, user: str) -> HomeAssistantError:
    """The token is good, and its user has not the right."""
    return HomeAssistantError(f"Home Assistant at {where} knows the token, but {user} is no administrator", _NOT_ADMIN)


def not_home_assistant(where: str, what: str) -> HomeAssistantError:
    """Something else answers there."""
    return HomeAssistantError(f"what answers at {where} is not Home Assistant: {what}", _ADDRESS)


def rejected(where: str, status: int) -> HomeAssistantError:
    """No websocket was opened: the status of the answer tells why."""
    if status == 403:
        return HomeAssistantError(
            f"Home Assistant at {where} shuts this machine out (403)",
            "its address may be in Home Assistant's ip_bans.yaml after wrong tokens: take it out there and restart",
        )
    if status >= 500:
        return HomeAssistantError(f"what stands before Home Assistant at {where} has no answer ({status})", _WAIT)
    return not_home_assistant(where, f"it answers {status} where a websocket is asked for")


def ended(where: str, why: str) -> HomeAssistantError:
    """A connection that has ended, or that has to be ended."""
    return HomeAssistantError(f"Home Assistant at {where} {why}", _WAIT)


def not_stored(where: str, series: str) -> HomeAssistantError:
    """All was taken, and nothing of it is to be seen."""
    return HomeAssistantError(
        f"Home Assistant at {where} took {series} and does not show it",
        "its recorder may be busy or have no room: see Home Assistant's log. It is sent again by itself",
    )


def no_answer(where: str) -> HomeAssistantError:
    """Not even a connection."""
    return HomeAssistantError(
        f"no answer from {where} in time",
        "see that homeassistant.url is right, that Home Assistant is on, and that no firewall is in between",
    )


def no_websocket(where: str) -> HomeAssistantError:
    """A connection, and nothing that comes over it."""
    return HomeAssistantError(f"what listens at {where} opens no websocket", _ADDRESS)


def of_connecting(exc: BaseException, where: str, host: str) -> HomeAssistantError:
    """Why there is no connection at all."""
    return _of_os_error(_cause(exc), where, host)


def _cause(exc: BaseException) -> BaseException:
    """The reason behind it: of all addresses of a name none may answer, each for a reason of its own."""
    if isinstance(exc, BaseExceptionGroup):
        return _cause(exc.exceptions[0])
    return _cause(exc.__cause__) if exc.__cause__ else exc


def _of_os_error(exc: BaseException, where: str, host: str) -> HomeAssistantError:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return HomeAssistantError(
            f"the certificate of Home Assistant at {where} is not trusted: {exc.verify_message}",
            "name the certificate of the authority that signed it as homeassistant.ca_file, and use the name that"
            " stands in it in homeassistant.url",
        )
    if isinstance(exc, ssl.SSLError):
        reason = (exc.reason or "no TLS").replace("_", " ").lower()
        return HomeAssistantError(
            f"no TLS with {where}: {reason}", "see that homeassistant.url begins with http:// if it has no TLS"
        )
    if isinstance(exc, socket.gaierror):
        return HomeAssistantError(
            f"nobody knows where {host} is: {exc.strerror}",
            "see that homeassistant.url is right, or put the address in the place of the name; names that end in .local"
            " are unknown in containers",
        )
    if isinstance(exc, ConnectionRefusedError):
        return HomeAssistantError(
            f"nobody listens at {where}", f"{_WAIT}, and whether homeassistant.url has its port, mostly 8123"
        )
    what = getattr(exc, "strerror", None) or type(exc).__name__
    return HomeAssistantError(
        f"no connection to {where}: {what}",
        "see that homeassistant.url is right, that Home Assistant is on, and the network",
    )
