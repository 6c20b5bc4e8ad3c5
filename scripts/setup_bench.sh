#!/usr/bin/env bash
# Prepares what scripts/bench.sh engine and load compare with: target/bench-venv with CTranslate2 and what converts
# models, beside the PyTorch of target/venv; and llama.cpp, built for this machine, in target/llama-cpp.
# After scripts/setup.sh --tests; quick and quiet when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${TROELSLLM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/troelsllm}
venv=target/bench-venv

mkdir -p "$cache" target

# One set-up at a time on this machine; a second one waits, then finds everything done.
exec 9>"$cache/lock-bench"
flock 9

key=$(sha256sum scripts/requirements-bench.txt | cut -c1-12)
if [ ! -f "$venv/.ready-$key" ]; then
    echo "setup: making $venv with the runtimes to compare with (100 MB to download)"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --only-binary=:all: --requirement scripts/requirements-bench.txt
    # A file of this kind in one environment lets it see the packages of another.
    realpath target/venv/lib/python3.*/site-packages >"$(echo "$venv"/lib/python3.*/site-packages)/tests.pth"
    touch "$venv/.ready-$key"
fi

# The build uses the instructions that this processor has, so it is kept for this kind of processor.
key=$(cat scripts/llama-source.txt tests/peers/llama_cpp/* <(grep -m1 ^flags /proc/cpuinfo) | sha256sum | cut -c1-12)
llama=$cache/llama-cpp-$key
if [ ! -d "$llama" ]; then
    echo "setup: building llama.cpp (80 MB to download, 5 minutes on two cores, once per machine)"
    work=$(mktemp -d "$cache/work-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    "$venv/bin/pip" download --quiet --disable-pip-version-check --require-hashes --no-deps --no-binary=:all: \
        --no-build-isolation --dest "$work" --requirement scripts/llama-source.txt
    tar --extract --gzip --file "$work"/llama_cpp_python-*.tar.gz --directory "$work" --wildcards '*/vendor/llama.cpp'
    source=$(echo "$work"/llama_cpp_python-*/vendor/llama.cpp)
    PATH=$PWD/$venv/bin:$PATH
    {
        cmake -G Ninja -S tests/peers/llama_cpp -B "$work/build" -DCMAKE_BUILD_TYPE=Release -DLLAMA_CPP="$source"
        cmake --build "$work/build" --target llama-bench llama-batched-bench llama-continue
    } >"$work/log" 2>&1 || { tail -30 "$work/log" >&2 && exit 1; }
    mkdir "$work/llama-cpp"
    mv "$work"/build/bin/llama-{bench,batched-bench,continue} "$work/llama-cpp"
    sed -n 's/^llama-cpp-python==\([^ ]*\).*/llama.cpp of llama-cpp-python \1/p' scripts/llama-source.txt \
        >"$work/llama-cpp/version"
    mv "$work/llama-cpp" "$llama"
fi
[ "$(readlink target/llama-cpp || true)" = "$llama" ] || ln -sfn "$llama" target/llama-cpp
