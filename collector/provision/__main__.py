"""The name of `collector provision` in version 0.1."""

from collector import renamed

if __name__ == "__main__":
    renamed.go_on_as("provision")
