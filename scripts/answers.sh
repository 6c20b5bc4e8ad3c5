#!/usr/bin/env bash
# Raw files to a served answer: trains a small model on a text, teaches it to answer questions about it, counts what it
# answers right before and after, and serves it on localhost. About five minutes on two cores after the build.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/answers.sh [--text FILE --conversations FILE --tasks FILE] [--budget TIME] [--port PORT] [--once]

  --text FILE           what the model learns its language from
  --conversations FILE  questions with answers that it learns to answer, in JSON Lines
  --tasks FILE          others that it is asked then
                        by default the project's own story in training/corpus, and the questions about it in
                        training/conversations; all three or none are given
  --budget TIME         time for the training on the text (default: 1m)
  --port PORT           where to serve (default: 8080)
  --once                end after the answer instead of serving on
TEXT
}

text=
conversations=
tasks=
budget=1m
port=8080
once=
while [ $# -gt 0 ]; do
    case $1 in
        --text | --conversations | --tasks | --budget | --port)
            [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2 && exit 2; }
            declare "${1#--}=$2"
            shift 2
            ;;
        --once) once=yes && shift ;;
        --help | -h) usage && exit ;;
        *) echo "error: unknown option $1" >&2 && usage >&2 && exit 2 ;;
    esac
done
case ${text:+1}${conversations:+2}${tasks:+3} in
    123) ;;
    "")
        text=training/corpus/the-north-light.txt
        conversations=training/conversations/the-north-light.jsonl
        tasks=training/conversations/the-north-light.held-out.jsonl
        ;;
    *) echo "error: --text, --conversations and --tasks belong together" >&2 && exit 2 ;;
esac
for file in "$text" "$conversations" "$tasks"; do
    [ -r "$file" ] || { echo "error: cannot read $file" >&2 && exit 1; }
done

scripts/setup.sh
echo "answers: building (some minutes the first time)"
# Always the whole workspace, so that its crates have the same features in every build and none is built twice.
cargo build --quiet --release --workspace --locked --bin gpt --bin generate
programs=${CARGO_TARGET_DIR:-target}/release
export ORT_DYLIB_PATH=$PWD/target/native/onnxruntime/libonnxruntime.so

# Other files or another budget are another model.
store=target/answers
key=$(cat "$text" "$conversations" | sha256sum | cut -c1-8)-${budget//[^A-Za-z0-9]/-}
step() {
    if [ -f "$store/channels/$1.json" ]; then
        echo "answers: using the model of channel $1 in $store"
        return
    fi
    # Interrupted, it goes on where it stopped.
    "$programs/gpt" "${@:2}" --store "$store" --promote "$1" --checkpoints "$store/checkpoints" --resume
}
# Names of a story are pieces of their own in a vocabulary of this size, so that an answer is few of them.
step "text-$key" train --preset auto --budget "$budget" --tokenizer train:2048 --corpus "$text" --name "text-$key"
step "answers-$key" finetune "channel:text-$key" --conversations "$conversations" --chat-template chatml \
    --name "answers-$key"
for model in text answers; do
    "$programs/gpt" evaluate "channel:$model-$key" --store "$store" --tasks "$tasks"
done

# The server says where it listens when the model is loaded; if it ends instead, it has said why.
exec 3< <(exec "$programs/generate" --store "$store" --channel "answers-$key" --listen "127.0.0.1:$port")
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
# Ctrl-C reaches the server too, which finishes what it is doing.
trap 'wait "$server" || true; exit 130' INT
read -r line <&3 || exit 1

python3 - "${line#listening on }" "$tasks" <<'PYTHON'
"""Asks one of the questions that the model has not seen."""
import json, shlex, sys, urllib.request

url, tasks = sys.argv[1:]
task = json.loads(open(tasks, encoding="utf-8").readline())
question = task.get("instruction") or task.get("question") or task.get("prompt")
body = {"messages": [{"role": "user", "content": question}], "temperature": 0}
request = urllib.request.Request(
    f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
)
with urllib.request.urlopen(request) as response:
    answer = json.load(response)["choices"][0]["message"]["content"]
print(f"\n{question}\n{answer}\n")
example = shlex.quote(json.dumps(body))
print(f"ask again:\n  curl {url}/v1/chat/completions -H 'Content-Type: application/json' -d {example}")
PYTHON

if [ -z "$once" ]; then
    echo "stop: Ctrl-C"
    wait "$server"
fi
