"""A configuration without what must not lie about in backups, and what it says before it may be fit to be loaded.

The text stays as its owner wrote it, with comments and order; only the database's token goes, from its place and from
comments. Any other value stays, even one that equals the token, and a configuration that would mean something else is
refused. The name of a file that holds a token is no secret and stays.
"""

import re
from collections.abc import Callable
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from collector.config import document
from collector.errors import CollectorError

LEFT_OUT = "left-out-of-the-backup"

# All that can have a `#` in it.
_STRING_OR_COMMENT = re.compile(
    r"""
      \"{3} (?: \\. | [^\\] )*? \"{3,5}
    | '{3} .*? '{3,5}
    | \" (?: \\. | [^"\\\n] )* \"
    | ' [^'\n]* '
    | (?P<comment> \# [^\n]* )
    """,
    re.VERBOSE | re.DOTALL,
)
# One that was put out of use with a `#` is a secret all the same.
_OUT_OF_USE = re.compile(r"(\btoken\s*=\s*)(\"[^\"]*\"|'[^']*')")


def without_secrets(text: str) -> str:
    """The configuration with LEFT_OUT where a token was.

    Raises CollectorError for one that is no TOML, or that the token can't be taken from.
    """
    expected = _parsed(text)
    influxdb = _section(expected, "influxdb")
    secret = str(influxdb.get("token", ""))
    if secret:
        influxdb["token"] = LEFT_OUT
        try:
            document: Any = tomlkit.parse(text)
        except (TOMLKitError, RecursionError):
            # It knows less of what TOML allows than what the collector reads it with.
            raise _inseparable() from None
        document["influxdb"]["token"] = LEFT_OUT
        text = tomlkit.dumps(document)
    plain = _STRING_OR_COMMENT.sub(_without(secret), text)
    if _parsed(plain) != expected:
        raise _inseparable()
    return plain


def _inseparable() -> CollectorError:
    return CollectorError("the token can't be taken out of the configuration: put it into a file, as token_file")


def lacks_token(text: str) -> bool:
    """Whether the token that counts was left out; raises CollectorError for what is no TOML."""
    return _section(_parsed(text), "influxdb").get("token") == LEFT_OUT


def has_token_elsewhere(text: str) -> bool:
    """Whether a database is configured, and its token neither is in the text nor was; raises CollectorError for what
    is no TOML.
    """
    document = _parsed(text)
    return "influxdb" in document and "token" not in _section(document, "influxdb")


def names_timezone(text: str) -> bool:
    """Whether a configuration says itself what the site's zone is; raises CollectorError for what is no TOML."""
    return "timezone" in _section(_parsed(text), "site")


def journal_path(text: str) -> str | None:
    """The journal's path as a configuration has it, if it does; raises CollectorError for what is no TOML, no text."""
    path = _section(_parsed(text), "journal").get("path")
    if path is None or isinstance(path, str):
        return path
    raise CollectorError("the configuration cannot be read: journal.path is no text")


def _section(document: dict[str, Any], name: str) -> dict[str, Any]:
    section = document.get(name, {})
    if not isinstance(section, dict):
        raise CollectorError(f"the configuration cannot be read: {name} is no table")
    return section


def _parsed(text: str) -> dict[str, Any]:
    try:
        return document.parse(text)
    except ValueError as exc:
        raise CollectorError(f"the configuration cannot be read: {exc}") from None


def _without(secret: str) -> Callable[[re.Match[str]], str]:
    """What becomes of a string, which stays, or of a comment."""
    # A whole word only: the token of a trial may be as short as "home".
    word = re.compile(rf"(?<!\w){re.escape(secret)}(?!\w)" if secret else r"\Z.")

    def replaced(match: re.Match[str]) -> str:
        if match["comment"] is None:
            return match[0]
        return _OUT_OF_USE.sub(rf'\g<1>"{LEFT_OUT}"', word.sub(LEFT_OUT, match[0]))

    return replaced
