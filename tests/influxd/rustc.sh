#!/bin/sh
exec "$@" --cap-lints warn
