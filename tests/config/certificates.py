"""Certificates of one's own, made by the program `openssl` as owners make them."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificates:
    """`authority` has signed the certificate in `server`; `own` is of a server that signed itself, as InfluxDB's
    manual has it. Each server's is for 127.0.0.1, with its key beside it.
    """

    authority: Path
    server: Path
    own: Path


def make(folder: Path) -> Certificates:
    """Skips the test where there is no openssl."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl on the PATH, which makes the certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run([program, *arguments], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    address = "subjectAltName=IP:127.0.0.1"
    openssl("req", "-x509", *new, "-keyout", "authority.key", "-out", "authority.pem", "-subj", "/CN=Home authority")
    openssl("req", *new[:-2], "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=influxdb")
    (folder / "server.ext").write_text(address)
    signed = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "2")
    openssl("x509", "-req", "-in", "server.csr", "-extfile", "server.ext", *signed, "-out", "server.pem")
    own = ("-subj", "/CN=influxdb", "-addext", address)
    openssl("req", "-x509", *new, "-keyout", "own.key", "-out", "own.pem", *own)
    return Certificates(folder / "authority.pem", folder / "server.pem", folder / "own.pem")


def serving(certificate: Path) -> ssl.SSLContext:
    """What a server shows its certificate with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context
