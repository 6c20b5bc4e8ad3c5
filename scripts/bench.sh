#!/usr/bin/env bash
# Measures this project beside others, on this machine. Sets itself up first.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/bench.sh BENCHMARK [--json FILE] [--device DEVICE] [--model FOLDER] [--peer NAME=FOLDER]
                        [--minutes LIST] [--text FILE] [--sweep]

  training        the training step of the 162M model beside PyTorch's, in float32 and, where the device multiplies
                  it faster, in bf16 (8 minutes on two cores)
  corpus          speed and memory of tokenising and training on texts of 100 MB and 1 GB, plain, as gzip and as
                  Parquet (7 minutes, 2 GB in the temporary folder)
  engine          generation beside llama.cpp, CTranslate2 and PyTorch with the same weights (10 minutes;
                  the first time it fetches them from PyPI and builds llama.cpp, 6 minutes more)
  coldstart       starts of the server on one core, part by part, with a store on an S3 server of
                  localhost (1 minute)
  quality         the loss that a budget of time buys, beside nanoGPT's recipe in PyTorch: three trainings for each
                  number of minutes (2 hours)
  load            1 to 32 texts at once beside llama.cpp with the same weights; then the server under more requests
                  than it can answer, for LOAD_SECONDS (default: 600; 0 leaves it out)

  --json FILE     also write the results, each measurement among them, to FILE
  --device DEVICE training: cpu (the default), cuda or cuda:N; for a GPU the libraries of scripts/build-cuda.sh are
                  taken, and BENCH_PYTHON names a Python whose PyTorch has CUDA
  --model FOLDER  engine, coldstart, load: measure this published version, store/models/NAME/VERSION; by default what
                  scripts/demo.sh has trained last, or now trains
  --peer NAME=FOLDER
                  engine, load: measure also another build of llama.cpp or of a fork, whose llama-bench and
                  llama-batched-bench are in FOLDER; can be repeated
  --minutes LIST  quality: the budgets (default: 2.5,5,10,20)
  --sweep         quality: instead, train the experiments that --preset auto is made from, and fit its scaling law; the
                  table is target/sweep.md (2 hours)
  --text FILE     quality: a text to train on, whose last tenth judges; can be repeated, and by default is the three
                  books in CORPUS_DIR, or without it the project's own story

Let nothing else run meanwhile. CORPUS_DIR, relative to this checkout or absolute, names a folder
with the-verdict.txt to train on; without it that is the project's own story.
TEXT
}

benchmark=
model=
needs_model=
options=()
of_quality=()
peers=()
sweep=
device=
while [ $# -gt 0 ]; do
    case $1 in
        training | corpus | engine | coldstart | load | quality)
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
        --model)
            [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2 && exit 2; }
            [ -r "$2/manifest.json" ] || { echo "error: $2 is not the folder of a published version" >&2 && exit 1; }
            model=$(realpath "$2")
            shift 2
            ;;
        --peer)
            [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2 && exit 2; }
            [[ $2 = *?=?* ]] || { echo "error: $1 $2: expected NAME=FOLDER" >&2 && exit 2; }
            peers+=(--peer "${2%%=*}=$(realpath "${2#*=}")")
            shift 2
            ;;
        --device)
            [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2 && exit 2; }
            device=$2
            shift 2
            ;;
        --sweep) sweep=yes && shift ;;
        --minutes | --text)
            [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2 && exit 2; }
            if [ "$1" = --text ]; then
                [ -r "$2" ] || { echo "error: cannot read the text $2" >&2 && exit 1; }
                of_quality+=(--text "$(realpath "$2")")
            else
                of_quality+=("$1" "$2")
            fi
            shift 2
            ;;
        --help | -h) usage && exit ;;
        *) echo "error: unknown benchmark or option $1" >&2 && usage >&2 && exit 2 ;;
    esac
done
[ -n "$benchmark" ] || { usage >&2 && exit 2; }
case $benchmark in
    engine | coldstart | load) needs_model=yes ;;
    *) [ -z "$model" ] || { echo "error: --model is for the benchmarks engine, coldstart and load" >&2 && exit 2; } ;;
esac
[ "$benchmark" = quality ] || [ -z "$sweep${of_quality[*]}" ] ||
    { echo "error: --minutes, --text and --sweep are for the benchmark quality" >&2 && exit 2; }

case $benchmark in
    engine | load) options+=("${peers[@]}") ;;
    *) [ ${#peers[@]} = 0 ] || { echo "error: --peer is for the benchmarks engine and load" >&2 && exit 2; } ;;
esac
[ "$benchmark" = training ] || [ -z "$device" ] ||
    { echo "error: --device is for the benchmark training" >&2 && exit 2; }

cd "$(dirname "$0")/.."
scripts/setup.sh --tests
if [ -n "$device" ]; then
    options+=(--device "$device")
    if [ "$device" != cpu ]; then
        scripts/setup.sh --cuda
        export LIBTORCH=$PWD/target/cuda/torch CARGO_TARGET_DIR=$PWD/target/with-cuda
    fi
fi
case $benchmark in engine | load) scripts/setup_bench.sh ;; esac
if [ -n "$needs_model" ]; then
    if [ -z "$model" ]; then
        scripts/demo.sh --once --port 0 >&2
        # Its channel has the name of the preset, and names the version.
        # shellcheck disable=SC2012 # Names of presets and times.
        channel=$(ls -t target/demo/channels/the-verdict-*.json | head -1)
        model=$(python3 -c 'import json, sys; print("{name}/{version}".format(**json.load(sys.stdin)))' <"$channel")
        model=$(realpath "target/demo/models/$model")
    fi
    options+=(--model "$model" --text "$(realpath "$(python3 scripts/demo_text.py)")")
fi
echo "bench: building (some minutes the first time)" >&2
# The whole workspace, so that its crates are built with the features that the programs have.
cargo build --quiet --release --workspace --bins --locked
if [ "$benchmark" = quality ]; then
    if ! [[ " ${of_quality[*]} " = *" --text "* ]]; then
        books=("${CORPUS_DIR:-}"/books/*.txt)
        [ -r "${books[0]}" ] || books=(training/corpus/*.txt)
        for book in "${books[@]}"; do of_quality+=(--text "$(realpath "$book")"); done
    fi
    export ORT_DYLIB_PATH=$PWD/target/native/onnxruntime/libonnxruntime.so
    programs=(--programs "$(realpath "${CARGO_TARGET_DIR:-target}")/release")
    if [ -n "$sweep" ]; then
        exec target/venv/bin/python tests/bench_sweep.py "${programs[@]}" "${of_quality[@]}" \
            "${options[@]}" --table target/sweep.md --levers
    fi
    exec target/venv/bin/python tests/bench_quality.py "${programs[@]}" "${of_quality[@]}" "${options[@]}"
fi
exec cargo bench --quiet --workspace --locked --bench "$benchmark" -- "${options[@]}"
