# What both bootstraps share; sourced by them. They set: python, venv, stamp, log, space.
# shellcheck shell=bash disable=SC2154

say() { echo "[bootstrap] $1"; }

fail() {
    echo "finnspect: $1" >&2
    echo "  remedy: $2" >&2
    exit 1
}

# take_lock FILE: one bootstrap at a time; the other waits.
take_lock() {
    exec 9>"$1"
    if ! flock --nonblock 9; then
        say "another make is preparing $venv; waiting for it"
        flock 9
    fi
}

# fresh FILE...: the environment is whole and newer than every file.
fresh() {
    [ -f "$stamp" ] || return 1
    local file
    for file in "$@"; do
        [ "$stamp" -nt "$file" ] || return 1
    done
}

# step WORDS COMMAND...: run a command, its output in the log; end with the log's last lines if it fails.
step() {
    say "$1"
    shift
    "$@" >>"$log" 2>&1 9>&- && return
    tail -n 15 "$log" >&2
    fail "preparing $venv failed; the whole output is in $log" \
        "check the network and the free space ($space), then run make again"
}

pip() { "$venv/bin/python" -m pip "$@" --disable-pip-version-check; }

# An environment made with another Python, or with one that is gone, keeps links to it and breaks; venv does
# not mend them. ssl is the module that a half-moved Python fails on.
drop_if_of_another_python() {
    local who='import os, sys; print(*map(os.path.realpath, (sys.executable, sys.base_prefix)), sys.version)'
    [ -e "$venv/bin/python" ] || [ -L "$venv/bin/python" ] || return 0
    [ "$("$venv/bin/python" -Sc "$who; import ssl" 2>/dev/null)" != "$("$python" -Sc "$who")" ] || return 0
    say "$venv was made with another Python; making it anew"
    rm -rf "$venv/bin" "$venv/include" "$venv/lib" "$venv/lib64" "$venv/pyvenv.cfg"
}
