"""What is raised for a file that can't be read."""

from collector.errors import CollectorError


class Unreadable(CollectorError):
    """The file can't be read; the text begins with the line, where it is about one."""

    def __init__(self, line: int | None, reason: str) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
