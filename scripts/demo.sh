#!/usr/bin/env bash
# Text in, text out: trains a model, serves it on localhost and prints one generated sample.
# Run again, it serves the model that it has trained before.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/demo.sh [--preset NAME] [--corpus FILE] [--budget TIME] [--port PORT] [--once]

  --preset NAME  the-verdict (default): 162 million parameters, about ten minutes on two cores
                 tiny: one million parameters, a few seconds, writes nonsense
  --corpus FILE  the text to train on; by default "The Verdict", a short story of 20 KB, from the
                 folder that CORPUS_DIR names or downloaded once; without network, the project's
                 own story in training/corpus
  --budget TIME  trains what is best for the text in this time, such as 10m, tokenizer included: for texts of
                 your own (preset auto)
  --port PORT    where to serve (default: 8080)
  --once         end after the sample instead of serving on
TEXT
}

preset=
corpus=
budget=
port=8080
once=
while [ $# -gt 0 ]; do
    case $1 in
        --preset | --corpus | --budget | --port)
            [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2 && exit 2; }
            declare "${1#--}=$2"
            shift 2
            ;;
        --once) once=yes && shift ;;
        --help | -h) usage && exit ;;
        *) echo "error: unknown option $1" >&2 && usage >&2 && exit 2 ;;
    esac
done
if [ -n "$budget" ]; then
    [ "${preset:-auto}" = auto ] || { echo "error: --budget is for --preset auto" >&2 && exit 2; }
    preset=auto
fi
preset=${preset:-the-verdict}
[ -z "$corpus" ] || [ -r "$corpus" ] || { echo "error: cannot read the corpus $corpus" >&2 && exit 1; }

scripts/setup.sh
[ -n "$corpus" ] || corpus=$(python3 scripts/demo_text.py)
# Always the whole workspace, so that its crates have the same features in every build and none is built twice.
build=(cargo build --quiet --release --workspace --locked)

# The page needs Node.js; the API does not. It is built while the programs are, at low priority.
trap 'jobs -p | xargs --no-run-if-empty kill 2>/dev/null || true' EXIT
nice -n 19 scripts/build-site.sh &
page_build=$!
echo "demo: building (some minutes the first time)"
"${build[@]}" --bin gpt
# Training can begin; the server is built beside it.
nice -n 19 "${build[@]}" --bin generate &
server_build=$!
programs=${CARGO_TARGET_DIR:-target}/release
export ORT_DYLIB_PATH=$PWD/target/native/onnxruntime/libonnxruntime.so

# One channel for each preset, budget and text, so that a change of one trains anew.
store=target/demo
channel=$(basename "$preset" .toml)${budget:+-${budget//[^A-Za-z0-9]/-}}-$(sha256sum "$corpus" | cut -c1-8)
if [ -f "$store/channels/$channel.json" ]; then
    echo "demo: using the model in $store that was trained on $corpus before"
else
    echo "demo: training preset $preset on $corpus"
    # Interrupted, it goes on where it stopped.
    "$programs/gpt" train --preset "$preset" ${budget:+--budget "$budget"} --corpus "$corpus" --store "$store" --promote "$channel" \
        --checkpoints "$store/checkpoints/$channel" --resume
fi

wait "$server_build"
page=()
if wait "$page_build"; then
    page=(--site infra/site/dist)
else
    echo "demo: there is no page, since it could not be built; the API is served without it" >&2
fi

# The server says where it listens when the model is loaded; if it ends instead, it has said why.
exec 3< <(exec "$programs/generate" --store "$store" --channel "$channel" --listen "127.0.0.1:$port" "${page[@]}")
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
# Ctrl-C reaches the server too, which finishes what it is doing.
trap 'wait "$server" || true; exit 130' INT
read -r line <&3 || exit 1

python3 - "${line#listening on }" "${#page[@]}" <<'PYTHON'
"""Prints one sample."""
import json, shlex, sys, urllib.request

url, has_page = sys.argv[1], sys.argv[2] != "0"


def call(path, body=None):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


prompt = call("/")["example_prompts"][0]
answer = call("/generate", {"prompt": prompt, "max_tokens": 50})
timing = answer["timing"]
print(f"\n{prompt}{answer['response']}\n")
print(
    f"{answer['tokens_generated']} tokens in {timing['total_ms'] / 1000:.2f} s"
    f" ({timing['tokens_per_second']} tokens/s, the first after {timing['first_token_ms']:.0f} ms)"
)
example = shlex.quote(json.dumps({"prompt": prompt, "max_tokens": 100, "temperature": 0.7}))
if has_page:
    print(f"\nopen {url}")
print(f"\nask again:\n  curl {url}/generate -H 'Content-Type: application/json' -d {example}")
PYTHON

if [ -z "$once" ]; then
    echo "stop: Ctrl-C"
    wait "$server"
fi
