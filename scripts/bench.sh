#!/usr/bin/env bash
# Measures this project beside others, on this machine. Sets itself up first.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/bench.sh BENCHMARK [--json FILE]

  training     the training step of the seed model beside PyTorch's (5 minutes on two cores)
  corpus       speed and memory of tokenising and training on texts of 100 MB and 1 GB (4 minutes,
               2 GB in the temporary folder)

  --json FILE  also write the results, each measurement among them, to FILE

Let nothing else run meanwhile. CORPUS_DIR, relative to this checkout or absolute, names a folder
with the-verdict.txt to train on; without it that is the project's own story.
TEXT
}

benchmark=
options=()
while [ $# -gt 0 ]; do
    case $1 in
        training | corpus)
            [ -z "$benchmark" ] || { echo "error: one benchmark at a time" >&2 && exit 2; }
            benchmark=$1
            shift
            ;;
        --json)
            [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2 && exit 2; }
            folder=$(dirname "$2")
            [ -w "$folder" ] || { echo "error: cannot write to the folder $folder" >&2 && exit 1; }
            options=(--json "$(realpath "$folder")/$(basename "$2")")
            shift 2
            ;;
        --help | -h) usage && exit ;;
        *) echo "error: unknown benchmark or option $1" >&2 && usage >&2 && exit 2 ;;
    esac
done
[ -n "$benchmark" ] || { usage >&2 && exit 2; }

cd "$(dirname "$0")/.."
scripts/setup.sh --tests
echo "bench: building (some minutes the first time)" >&2
# The whole workspace, so that its crates are built with the features that the programs have.
cargo build --quiet --release --workspace --bins --locked
exec cargo bench --quiet --workspace --locked --bench "$benchmark" -- "${options[@]}"
