"""The one file that a backup is: a gzipped tar with a manifest, the journal, and the configuration where there is one.

The manifest comes first and has the size and SHA-256 of the others. Any tar can unpack it; here nothing is written by
a name that stands in the file: members are known by their names or refused.

gzip although the journal's records are packed already: SQLite's pages have gaps where records lay before they were
packed, which made a journal of three years a third as large, in half a second. A higher level than the lowest took half
as long again for one hundredth.
"""

import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Final, Literal, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from collector.backup.files import create_private
from collector.config.values import Name
from collector.errors import CollectorError
from collector.journal.schema import SCHEMA_VERSION
from collector.protocol.kinds import PROBE_ECU

FOLDER = "collector-backup"
MANIFEST: Final = "manifest.json"
JOURNAL: Final = "journal.db"
CONFIG: Final = "config.toml"

# Manifest and configuration are read as a whole: far beyond those of thousands of gateways, and not beyond memory.
MOST_TEXT_BYTES = 32_000_000
_CHUNK_BYTES = 1 << 20
_LEVEL = 1


def _instant(value: str) -> str:
    datetime.fromisoformat(value)
    return value


Count = Annotated[int, Field(ge=0)]
# No year that can't be reckoned with.
Instant = Annotated[str, Field(pattern=r"\A(19[7-9]\d|2\d{3})-\d\d-\d\dT\d\d:\d\d:\d\dZ\z"), AfterValidator(_instant)]
Progress = Callable[[int, int], None]


class Member(BaseModel):
    """Size and SHA-256 of a file."""

    model_config = ConfigDict(frozen=True, strict=True)

    bytes: Count
    sha256: Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]


class Manifest(BaseModel):
    """What a backup holds, where it was made and when (RFC 3339, UTC).

    `journal` is the path as it was configured, for people to read: nothing is written where it says. `timezone` is the
    site's, wherever it was given. What a newer version adds here is passed over, unless it raises `format`.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    format: Literal[1] = 1
    collector: Name
    made_at: Instant
    instance: Name
    timezone: Name
    journal: str
    journal_schema: Count
    tables: dict[str, Count]
    ecus: dict[str, Count]
    members: dict[Literal["journal.db", "config.toml"], Member]

    def told(self) -> str:
        """How many records of how many gateways, of which the poll of `collector doctor` is none."""
        gateways = self.ecus.keys() - {"", PROBE_ECU}
        records = self.tables.get("record", 0) - self.ecus.get(PROBE_ECU, 0)
        return f"{_counted(records, 'record')} of {_counted(len(gateways), 'ECU')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def measure(path: Path) -> Member:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Member(bytes=file.tell(), sha256=digest.hexdigest())


def write(path: Path, manifest: Manifest, files: Mapping[str, Path], at: int, progress: Progress) -> None:
    """Write a new backup file, not synced, for nobody else to read; `at` is in seconds since 1970.

    Raises OSError, and CollectorError for what could not be read back.
    """
    text = manifest.model_dump_json(indent=2).encode()
    config = manifest.members.get(CONFIG)
    for name, size in ((MANIFEST, len(text)), (CONFIG, config.bytes if config else 0)):
        if size > MOST_TEXT_BYTES:
            raise CollectorError(f"{name} would be too large to be read back: {size} bytes, of {MOST_TEXT_BYTES}")
    total = sum(member.bytes for member in manifest.members.values())
    done = _Tally(total, progress)
    with create_private(path) as packed, tarfile.open(fileobj=packed, mode="w:gz", compresslevel=_LEVEL) as tar:
        tar.addfile(_header(MANIFEST, len(text), at), io.BytesIO(text))
        for name, member in manifest.members.items():
            with files[name].open("rb") as file:
                tar.addfile(_header(name, member.bytes, at), _Watched(file, done))


def read_manifest(path: Path) -> Manifest:
    """The manifest alone; raises CollectorError for what is no backup, or one from a newer collector."""
    with _opened(path) as tar:
        return _manifest(path, tar)


def check(path: Path, progress: Progress) -> Manifest:
    """Read all of a backup and compare it with its manifest; raises CollectorError unless everything is right."""
    return unpack(path, {}, progress)


def unpack(path: Path, targets: Mapping[str, Path], progress: Progress) -> Manifest:
    """What `check` does, with members written to new files on the way, not synced. OSError of these comes through."""
    with _opened(path) as tar:
        manifest = _manifest(path, tar)
        missing = set(manifest.members)
        done = _Tally(sum(member.bytes for member in manifest.members.values()), progress)
        while (header := _next(path, tar)) is not None:
            name = header.name.removeprefix(f"{FOLDER}/")
            expected = next((member for known, member in manifest.members.items() if known == name), None)
            if expected is None or name not in missing or not header.isreg():
                raise _damaged(path, f"{header.name!r} does not belong there")
            if header.size != expected.bytes:
                raise _damaged(path, f"{name} is not as its manifest says")
            missing.remove(name)
            if _extract(path, tar, header, targets.get(name), done) != expected:
                raise _damaged(path, f"{name} is not as its manifest says")
    if missing:
        raise _damaged(path, f"{' and '.join(sorted(missing))} is missing")
    return manifest


def config_text(path: Path) -> str | None:
    """The configuration in a backup; None when it was made without a file."""
    with _opened(path) as tar:
        manifest = _manifest(path, tar)
        if CONFIG not in manifest.members:
            return None
        while (header := _next(path, tar)) is not None:
            if header.name == f"{FOLDER}/{CONFIG}":
                return _text(path, tar, header)
    raise _damaged(path, f"{CONFIG} is missing")


class _Source(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Tally:
    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def add(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self._total)


class _Watched(io.BufferedIOBase):
    """Tells of what is read from a file."""

    def __init__(self, file: IO[bytes], done: _Tally) -> None:
        self._file, self._done = file, done

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = self._file.read(-1 if size is None else size)
        self._done.add(len(chunk))
        return chunk


def _header(name: str, size: int, at: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(f"{FOLDER}/{name}")
    header.size, header.mtime, header.mode = size, at, 0o644
    return header


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        file = path.open("rb")
    except OSError as exc:
        raise CollectorError(f"{path}: {exc.strerror}") from None
    with file:
        with _read_errors(path):
            tar = tarfile.open(fileobj=file, mode="r:gz")  # noqa: SIM115 (only this may raise what is turned here)
        with tar:
            yield tar


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, OSError) as exc:
        raise _damaged(path, str(exc)) from exc


def _damaged(path: Path, how: str) -> CollectorError:
    return CollectorError(f"{path} is damaged, or no backup of a collector: {how}")


def _next(path: Path, tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    with _read_errors(path):
        return tar.next()


def _manifest(path: Path, tar: tarfile.TarFile) -> Manifest:
    header = _next(path, tar)
    if header is None or header.name != f"{FOLDER}/{MANIFEST}":
        raise _damaged(path, f"it does not begin with a {MANIFEST}")
    try:
        manifest = Manifest.model_validate_json(_text(path, tar, header))
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        if fault["loc"] == ("format",):
            raise CollectorError(f"{path} was made by a newer collector: use that one") from None
        where = ".".join(map(str, fault["loc"]))
        raise _damaged(path, f"{MANIFEST}: {where!r}: {fault['msg']}") from None
    if JOURNAL not in manifest.members:
        raise _damaged(path, f"its {MANIFEST} knows no {JOURNAL}")
    if manifest.journal_schema > SCHEMA_VERSION:
        raise CollectorError(
            f"{path} was made by a newer collector ({manifest.collector}, schema {manifest.journal_schema}; this one"
            f" knows up to {SCHEMA_VERSION}): use that one"
        )
    return manifest


def _text(path: Path, tar: tarfile.TarFile, header: tarfile.TarInfo) -> str:
    with _read_errors(path):
        if header.size > MOST_TEXT_BYTES:
            raise _damaged(path, f"{header.name!r} is too large")
        source = tar.extractfile(header) if header.isreg() else None
        if source is None:
            raise _damaged(path, f"{header.name!r} is no text")
        try:
            return source.read().decode()
        except UnicodeDecodeError:
            raise _damaged(path, f"{header.name!r} is no text") from None


def _extract(path: Path, tar: tarfile.TarFile, header: tarfile.TarInfo, target: Path | None, done: _Tally) -> Member:
    digest, size = hashlib.sha256(), 0
    source = tar.extractfile(header)
    if source is None:
        raise _damaged(path, f"{header.name!r} is no file")
    with nullcontext() if target is None else target.open("xb") as file:
        while chunk := _chunk(path, source):
            digest.update(chunk)
            size += len(chunk)
            if file is not None:
                file.write(chunk)
            done.add(len(chunk))
    return Member(bytes=size, sha256=digest.hexdigest())


def _chunk(path: Path, source: _Source) -> bytes:
    with _read_errors(path):
        return source.read(_CHUNK_BYTES)
