#!/usr/bin/env bash
# Resolve requirements.in to requirements.lock. Needs uv (pip install uv).
# torch and the CUDA packages it may bring are left to torch.txt, so that a CPU build stays small.
set -euo pipefail
cd "$(dirname "$0")"
resolved=$(mktemp)
trap 'rm -f "$resolved"' EXIT
uv pip compile requirements.in --override overrides.txt --python-version 3.11 --no-annotate --no-header \
    --quiet --output-file "$resolved"
{
    echo "# Every package, pinned; installed with --no-deps after torch.txt. Made by \`make lock\`."
    grep -E '^[a-zA-Z]' "$resolved" | grep -vE '^(nvidia-|cuda-|triton|torch==)'
} > requirements.lock
