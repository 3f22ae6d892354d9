#!/usr/bin/env bash
# Installs what is needed, builds the release preset and runs the tests; with --all those that are slow, too.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1-} in
  "") tests=(--preset release) ;;
  --all) tests=(--test-dir build/release --output-on-failure --parallel 4) ;;
  *) echo "usage: $0 [--all]" >&2; exit 64 ;;
esac

packaging/install-deps.sh test
cmake --preset release -DPILLARBOX_TESTS=ON  # an earlier packaging/quickstart.sh has turned them off
cmake --build --preset release
exec ctest "${tests[@]}" --no-tests=error
