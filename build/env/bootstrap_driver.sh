#!/usr/bin/env bash
# Make the small environment for the driver's tests: PYNQ 3.1.2 with numpy 1.x, which the large one cannot
# hold (finn-plus wants numpy 2), and the driver itself (editable).
# Usage: bootstrap_driver.sh VENV_DIR. Safe to interrupt and to run twice at a time, as bootstrap.sh is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${1:?usage: bootstrap_driver.sh VENV_DIR}
python=${PYTHON:-python3}
stamp=$venv/.finnspect-bootstrapped
log=$venv.log
space="300 MB"
. "$here/common.sh"

mkdir -p "$(dirname "$venv")"
take_lock "$venv.lock"
if fresh "$here"/{driver.lock,bootstrap_driver.sh,common.sh} "$root"/hw/driver/pyproject.toml; then exit 0; fi

: >"$log"
begun=$SECONDS
rm -f "$stamp"
drop_if_of_another_python
step "1/2 creating $venv" "$python" -m venv "$venv"
install() {
    pip install --no-deps -r "$here/driver.lock" &&
        pip install --no-deps --no-build-isolation --editable "$root/hw/driver"
}
step "2/2 installing $(grep -c '==' "$here/driver.lock") pinned packages and the driver" install
step "checking that it imports" "$venv/bin/python" -W ignore -c 'import pynq, finnspect_driver.classifier'
touch "$stamp"
say "$venv ready in $((SECONDS - begun)) s"
