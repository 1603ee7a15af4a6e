"""Certificates of an authority of the owner's own, which no system knows: whether a file has any, and trust in them."""

import ssl
from pathlib import Path

_WANTED = (
    "a file in PEM form is wanted, with the certificate of the authority that signed the server's, or the server's own"
    " if it signed itself"
)


def trusting() -> ssl.SSLContext:
    """A context for connections to servers, to which the certificates of a file have still to be added.

    It takes what owners make by hand: a server's own certificate as the authority, and, other than the default of newer
    Pythons, one without the extensions that an authority's should have. Names and dates are checked as ever.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def fault(path: Path) -> str | None:
    """Why a file can't be used as that of an authority, and what is wanted, in a line; None if it can."""
    try:
        path.read_bytes()
        trusting().load_verify_locations(cafile=path)
    except ssl.SSLError:
        return f"the file holds no certificate; {_WANTED}"
    except OSError as exc:
        return f"the file cannot be read: {exc.strerror}; {_WANTED}"
    return None
