#!/usr/bin/env bash
# Builds target/lambda/function.zip: the function and ONNX Runtime, as Lambda's Amazon Linux 2023 takes them.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/build-function.sh [--arm64]

  --arm64  for Lambda on Arm; needs: rustup target add aarch64-unknown-linux-gnu
TEXT
}

fail() {
    echo "error: $*" >&2
    exit 1
}

machine=x86_64
case ${1:-} in
    --arm64) machine=aarch64 ;;
    --help | -h) usage && exit ;;
    '') ;;
    *) echo "error: unknown option $1" >&2 && usage >&2 && exit 2 ;;
esac

# What Amazon Linux 2023 has, and what Lambda unpacks at the most, less what layers may need.
glibc=2.34
limit_mb=120

target=$machine-unknown-linux-gnu
[ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] ||
    fail "Rust's libraries for $target are missing; install them: rustup target add $target"
command -v objdump >/dev/null || fail "objdump is missing; install it: sudo apt-get install binutils"

scripts/setup.sh --deploy
# cargo-lambda, and the Python that finds its linker.
PATH=$PWD/target/deploy-venv/bin:$PATH
library=target/native/onnxruntime/libonnxruntime.so
if [ $machine = aarch64 ]; then
    library=target/native-arm64/libonnxruntime.so
    if [ ! -f "$library" ]; then
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        python3 -m venv "$work/venv"
        "$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --require-hashes \
            --only-binary=:all: --implementation cp --python-version 3.12 --abi cp312 \
            --platform manylinux_2_28_aarch64 --dest "$work" --requirement scripts/onnxruntime-arm64.txt
        python3 -m zipfile -e "$work"/onnxruntime-*.whl "$work/wheel"
        mkdir -p "$(dirname "$library")"
        mv "$work"/wheel/onnxruntime/capi/libonnxruntime.so.* "$library"
    fi
fi

cargo lambda build --quiet --profile dist --locked --package generate --bin generate --target "$target.$glibc" \
    --lambda-dir target/lambda
program=target/lambda/generate/bootstrap

for file in "$program" "$library"; do
    newest=$(objdump -p "$file" | grep -o 'GLIBC_[0-9.]*' | cut -c7- | sort -V | tail -1)
    [ "$(printf '%s\n' "$newest" $glibc | sort -V | tail -1)" = $glibc ] ||
        fail "$file needs glibc $newest; Lambda has $glibc"
    echo "function: $(basename "$file") needs glibc $newest"
done
unzipped_mb=$((($(stat -c %s "$program") + $(stat -c %s "$library")) / 1000000))
[ $unzipped_mb -lt $limit_mb ] || fail "the function has $unzipped_mb MB; expected less than $limit_mb"

# ONNX Runtime lies beside the program, where it is looked for.
zip=target/lambda/function.zip
python3 scripts/zip_function.py "$zip" "$program" "$library"
echo "function: $zip, $machine, $unzipped_mb MB unzipped, $(($(stat -c %s "$zip") / 1000000)) MB zipped"
