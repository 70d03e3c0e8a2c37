#!/usr/bin/env bash
# Make a Python environment with every pinned package and finnspect itself (editable).
# Usage: bootstrap.sh VENV_DIR. Safe to interrupt and to run twice at a time: one waits for the other,
# and the stamp that says "finished" is written last. pip's output goes to VENV_DIR/bootstrap.log.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${1:?usage: bootstrap.sh VENV_DIR}
python=${PYTHON:-python3}
stamp=$venv/.finnspect-bootstrapped
log=$venv/bootstrap.log
apt="apt-get install python3-venv g++ make perl"

fail() {
    echo "finnspect: $1" >&2
    echo "  remedy: $2" >&2
    exit 1
}
say() { echo "[bootstrap] $1"; }

missing=""
for tool in g++ make perl; do command -v "$tool" >/dev/null || missing="$missing $tool"; done
[ -z "$missing" ] || fail "not found on PATH:$missing" "$apt"
command -v "$python" >/dev/null || fail "$python is not found" "$apt"
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$found" = 3.11 ] || fail "Python 3.11 is needed, $python is $found" \
    "name one, as in: make PYTHON=/usr/bin/python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python has no venv module" "$apt"

mkdir -p "$venv"
exec 9>"$venv/.bootstrap-lock"
if ! flock --nonblock 9; then
    say "another make is preparing $venv; waiting for it"
    flock 9
fi
fresh() {
    [ -f "$stamp" ] || return 1
    for file in "$here"/torch.txt "$here"/requirements.lock "$here"/bootstrap.sh "$root"/pyproject.toml; do
        [ "$stamp" -nt "$file" ] || return 1
    done
}
if fresh; then exit 0; fi

: >"$log"
step() {
    say "$1"
    shift
    "$@" >>"$log" 2>&1 9>&- && return
    tail -n 15 "$log" >&2
    fail "preparing $venv failed; the whole output is in $log" \
        "check the network and the free space (3.5 GB), then run make again"
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
step "1/4 creating $venv" "$python" -m venv "$venv"
step "2/4 installing torch, the largest download" pip install -r "$here/torch.txt"
count=$(grep -c '==' "$here/requirements.lock")
step "3/4 installing $count pinned packages" pip install --no-deps -r "$here/requirements.lock"
step "4/4 installing finnspect" pip install --no-deps --no-build-isolation --editable "$root"
step "checking that it imports" "$venv/bin/python" -c 'import finnspect, quant_models, finn, brevitas'
touch "$stamp"
say "ready in $((SECONDS - begun)) s"
