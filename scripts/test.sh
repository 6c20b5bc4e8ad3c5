#!/usr/bin/env bash
# Runs every check: formatting, lints, licences, all tests. Sets itself up first.
# CORPUS_DIR, relative to this checkout or absolute, names a folder with the-verdict.txt to train
# on; without it the tests use the project's own story.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/test.sh [--only PART]

  --only PART  lint (formatting, licences, scripts, workflows), rust (the demo, programs and libraries), infrastructure,
               page, or images (as root)
TEXT
}

only=
case ${1:-} in
    --only)
        only=${2:-}
        [[ " lint rust infrastructure page images " = *" ${only:-none} "* ]] ||
            { echo "error: there is no part ${only:-without a name}" >&2 && usage >&2 && exit 2; }
        ;;
    --help | -h) usage && exit ;;
    '') ;;
    *) echo "error: unknown option $1" >&2 && usage >&2 && exit 2 ;;
esac
# wanted PART: whether it is among what is tested.
wanted() {
    [ -z "$only" ] || [ "$only" = "$1" ]
}

logs=$(mktemp -d)
trap 'jobs -p | xargs --no-run-if-empty kill 2>/dev/null || true; rm -rf "$logs"' EXIT
scripts/setup.sh
# What only tests need waits for the network: it is fetched while the programs are built, at a priority that leaves most
# of the processors to these and yet comes to an end.
needed=()
! wanted rust || needed+=(--tests --site)
! wanted infrastructure || needed+=(--infra)
! wanted page || needed+=(--site)
! wanted lint || needed+=(--lint)
nice -n 5 scripts/setup.sh "${needed[@]}" >"$logs/packages" 2>&1 &
packages=$!
export GPT_CACHE=$PWD/target/test-cache
# Some machines set it; each start of Python would then compile PyTorch and transformers anew, for 9 seconds.
unset PYTHONDONTWRITEBYTECODE

if wanted lint; then
    echo "test: formatting"
    cargo fmt --check
    if cargo deny --version >/dev/null 2>&1; then
        echo "test: licences"
        cargo deny --log-level error check bans licenses sources
    else
        echo "test: licences not checked; to check them: cargo install cargo-deny"
    fi
fi

# The programs that page and infrastructure are tested with.
of_build=(cargo build --quiet --release --workspace --locked)
if wanted rust; then
    # clippy-driver is the compiler with clippy's lints: one build, optimised as what is shipped, instead of a check and
    # a build. Training in debug mode would take minutes.
    export RUSTC_WORKSPACE_WRAPPER=clippy-driver

    # Before the tests, which build the same programs with the features of their servers.
    echo "test: the demo, and its second run"
    scripts/demo.sh --preset tiny --once --port 0 | grep "tokens in"
    scripts/demo.sh --preset tiny --once --port 0 | grep "using the model"

    echo "test: build and lints"
    "${of_build[@]}" --all-targets 2>&1 | tee "$logs/build"
    ! grep -q "^warning" "$logs/build" || { echo "error: there are warnings; they are errors here" >&2 && exit 1; }
elif [ "$only" != lint ]; then
    echo "test: building the programs"
    "${of_build[@]}" --bin gpt --bin generate
fi

if ! wait "$packages"; then
    cat "$logs/packages" >&2
    exit 1
fi

# Without colours, which would be in the way of the sum below.
export NO_COLOR=1
status=0
# run_tests TITLE COMMAND...: whatever fails, the tests after it are run too.
run_tests() {
    echo "test: $1"
    "${@:2}" 2>&1 | tee -a "$logs/tests" || status=1
}
! wanted lint || run_tests "scripts, Dockerfiles and workflows" scripts/lint.sh
! wanted rust || run_tests "programs and libraries" \
    cargo test --quiet --release --workspace --locked --no-fail-fast --lib --bins --tests
! wanted infrastructure || run_tests infrastructure scripts/test_infra.sh
! wanted page || run_tests page scripts/test_site.sh
if wanted images; then
    if [ "$(id -u)" = 0 ]; then
        run_tests images scripts/test_image.sh
    else
        echo "test: images not built, which needs root; to build them: sudo scripts/test_image.sh"
    fi
fi

# cargo prints a line for each test binary, vitest one for each of its two runs; this sums them up.
awk '/^test result:/ { passed += $4; failed += $6; skipped += $8 }
     /^ +Tests / {
         for (i = 2; i < NF; i++) {
             if ($(i + 1) == "passed") passed += $i
             if ($(i + 1) == "failed") failed += $i
             if ($(i + 1) == "skipped") skipped += $i
         }
     }
     END { if (passed + failed + skipped) printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$logs/tests"
exit "$status"
