#!/usr/bin/env bash
# Make .venv: a Python environment with every pinned package and finnspect itself (editable).
# Usage: bootstrap.sh VENV_DIR. Safe to interrupt: the stamp is written last.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${1:?usage: bootstrap.sh VENV_DIR}
python=${PYTHON:-python3}

fail() { echo "finnspect: $1" >&2; exit 1; }

missing=""
for tool in g++ make perl; do command -v "$tool" >/dev/null || missing="$missing $tool"; done
[ -z "$missing" ] || fail "not found:$missing. Install with: apt-get install python3-venv g++ make perl"
command -v "$python" >/dev/null || fail "$python not found. Install with: apt-get install python3-venv"
"$python" -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 11) else 1)' \
    || fail "Python 3.11 is needed, $("$python" --version) found. Point PYTHON at a python3.11, as in: make PYTHON=python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null \
    || fail "this Python has no venv module. Install with: apt-get install python3-venv"

echo "[bootstrap] 1/4 creating $venv"
"$python" -m venv "$venv"
pip() { "$venv/bin/python" -m pip "$@" --disable-pip-version-check -qq; }
echo "[bootstrap] 2/4 installing torch (the largest download)"
pip install -r "$here/torch.txt"
echo "[bootstrap] 3/4 installing $(grep -c '==' "$here/requirements.lock") pinned packages"
pip install --no-deps -r "$here/requirements.lock"
echo "[bootstrap] 4/4 installing finnspect"
pip install --no-deps --no-build-isolation --editable "$root"
"$venv/bin/python" -c 'import finnspect, quant_models, finn, brevitas' || fail "the environment does not import; remove $venv and run make again"
touch "$venv/.finnspect-bootstrapped"
