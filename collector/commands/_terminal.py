"""The terminal as the views of `status` and `doctor` print to it."""

from rich.console import Console


class Terminal(Console):
    """Prints everything as it is given, and leaves it to the command when nobody reads on."""

    def __init__(self) -> None:
        super().__init__(highlight=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that is being handled; rich would exit as after a failure."""
        raise  # noqa: PLE0704 (called by rich while it handles the error)
