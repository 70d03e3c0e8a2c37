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
space="3.5 GB"
apt="apt-get install python3-venv g++ make perl"
. "$here/common.sh"

missing=""
for tool in g++ make perl; do command -v "$tool" >/dev/null || missing="$missing $tool"; done
[ -z "$missing" ] || fail "not found on PATH:$missing" "$apt"
command -v "$python" >/dev/null || fail "$python is not found" "$apt"
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$found" = 3.11 ] || fail "Python 3.11 is needed, $python is $found" \
    "name one, as in: make PYTHON=/usr/bin/python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python has no venv module" "$apt"

mkdir -p "$venv"
take_lock "$venv/.bootstrap-lock"
if fresh "$here"/{torch.txt,requirements.lock,bootstrap.sh,common.sh} "$root"/pyproject.toml; then exit 0; fi

: >"$log"
begun=$SECONDS
rm -f "$stamp"
drop_if_of_another_python
step "1/4 creating $venv" "$python" -m venv "$venv"
step "2/4 installing torch, the largest download" pip install -r "$here/torch.txt"
count=$(grep -c '==' "$here/requirements.lock")
step "3/4 installing $count pinned packages" pip install --no-deps -r "$here/requirements.lock"
step "4/4 installing finnspect" pip install --no-deps --no-build-isolation --editable "$root"
step "checking that it imports" "$venv/bin/python" -c 'import finnspect, quant_models, finn, brevitas'
touch "$stamp"
say "ready in $((SECONDS - begun)) s"
