#!/usr/bin/env bash
# Builds the InfluxDB server that the tests run against, from its published Go module, where no engine can run its image.
# Needs go, cargo and a C compiler. The result is kept in the cache folder, so that only the first call takes minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

version=$(awk '$1 == "github.com/influxdata/influxdb/v2" { print $2 }' go.mod)
target="${XDG_CACHE_HOME:-$HOME/.cache}/apsystems-collector/influxd-${version#v}"
mkdir -p "$target"

# One build at a time: whoever comes second waits, and finds it done.
exec 9> "$target/lock"
flock 9
if [ -x "$target/influxd" ]; then
    echo "influxd: $target/influxd"
    exit 0
fi

work=$(mktemp -d "$target/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The flux library's workspace denies warnings, which a newer rustc has more of; RUSTFLAGS would not reach its build scripts.
export RUSTC_WRAPPER="$PWD/rustc.sh"
# The same library names an old toolchain in a file; rustup would look for that one and stop where it is not installed.
if [ -z "${RUSTUP_TOOLCHAIN:-}" ] && command -v rustup > /dev/null; then
    RUSTUP_TOOLCHAIN=$(cd / && rustup show active-toolchain | cut -d ' ' -f 1)
    export RUSTUP_TOOLCHAIN
fi
export PKG_CONFIG="$work/pkg-config"
export CGO_ENABLED=1

echo "influxd: building $version, which takes some minutes"
go build -o "$PKG_CONFIG" github.com/influxdata/pkg-config
go build -tags sqlite_foreign_keys,sqlite_json -ldflags "-s -w" -o "$work/influxd" github.com/influxdata/influxdb/v2/cmd/influxd

# A rename, so that a build that was cut off never leaves half a program behind.
mv "$work/influxd" "$target/influxd"
echo "influxd: $target/influxd"
