#!/usr/bin/env bash
# Make the small environment for the driver's tests: PYNQ 4.0.0 with numpy 1.x, which the large one cannot
# hold (finn-plus wants numpy 2), and the driver itself (editable).
# Usage: bootstrap_driver.sh VENV_DIR. Safe to interrupt and to run twice at a time, as bootstrap.sh is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${1:?usage: bootstrap_driver.sh VENV_DIR}
python=${PYTHON:-python3}
stamp=$venv/.finnspect-bootstrapped
log=$venv.log

mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9
fresh() {
    [ -f "$stamp" ] || return 1
    for file in "$here"/driver.lock "$here"/bootstrap_driver.sh "$root"/hw/driver/pyproject.toml; do
        [ "$stamp" -nt "$file" ] || return 1
    done
}
if fresh; then exit 0; fi

: >"$log"
step() {
    echo "[bootstrap] $1"
    shift
    "$@" >>"$log" 2>&1 9>&- && return
    tail -n 15 "$log" >&2
    echo "finnspect: preparing $venv failed; the whole output is in $log" >&2
    echo "  remedy: check the network and the free space (300 MB), then run make again" >&2
    exit 1
}
pip() { "$venv/bin/python" -m pip "$@" --disable-pip-version-check; }
begun=$SECONDS
rm -f "$stamp"
# An environment made with another Python keeps that one's links and breaks: make it anew.
base='import os, sys; print(os.path.realpath(sys.base_prefix), sys.version)'
if [ -e "$venv/bin/python" ] &&
    { [ "$("$venv/bin/python" -Sc "$base; import ssl" 2>/dev/null)" != "$("$python" -Sc "$base")" ] ||
        [ "$(readlink -f "$venv/bin/python")" != "$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')" ]; }; then
    rm -rf "$venv/bin" "$venv/include" "$venv/lib" "$venv/lib64" "$venv/pyvenv.cfg"
fi
step "1/2 creating $venv" "$python" -m venv "$venv"
install() {
    pip install --no-deps -r "$here/driver.lock"
    pip install --no-deps --no-build-isolation --editable "$root/hw/driver"
}
step "2/2 installing $(grep -c '==' "$here/driver.lock") pinned packages and the driver" install
step "checking that it imports" "$venv/bin/python" -W ignore -c 'import pynq, finnspect_driver.classifier'
touch "$stamp"
echo "[bootstrap] $venv ready in $((SECONDS - begun)) s"
