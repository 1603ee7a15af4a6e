"""The old name of `collector boards write`."""

from collector import renamed

if __name__ == "__main__":
    renamed.go_on_as("boards write")
