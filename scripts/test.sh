#!/usr/bin/env bash
# Runs every check: formatting, lints, licences, all tests. Sets itself up first.
# CORPUS_DIR, relative to this checkout or absolute, names a folder with the-verdict.txt to train
# on; without it the tests use the project's own story.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh --tests
export GPT_CACHE=$PWD/target/test-cache

echo "test: formatting"
cargo fmt --check
echo "test: lints"
cargo clippy --quiet --release --workspace --all-targets --locked -- --deny warnings
if cargo deny --version >/dev/null 2>&1; then
    echo "test: licences"
    cargo deny --log-level error check bans licenses sources
else
    echo "test: licences not checked; to check them: cargo install cargo-deny"
fi

# Before the tests, which build the same programs with the features of their servers.
echo "test: the demo, and its second run"
scripts/demo.sh --preset tiny --once --port 0 | grep "tokens in"
scripts/demo.sh --preset tiny --once --port 0 | grep "using the model"

# One build, optimised as what is shipped: training in debug mode would take minutes.
echo "test: build and run"
cargo build --quiet --release --workspace --all-targets --locked
echo "test: infrastructure"
scripts/test_infra.sh
echo "test: page"
scripts/test_site.sh
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
cargo test --quiet --release --workspace --locked --no-fail-fast --lib --bins --tests 2>&1 | tee "$log" || status=$?

# cargo prints a line for each test binary; this sums them up.
awk '/^test result:/ { passed += $4; failed += $6; skipped += $8 }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$log"
exit "$status"
