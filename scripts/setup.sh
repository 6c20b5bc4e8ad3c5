#!/usr/bin/env bash
# Prepares this checkout: checks the tools and links the native libraries into target/native. Options add what
# tests use: --tests Python's tools, in target/venv; --infra those of the infrastructure, in target/infra-venv, and its
# npm packages; --site the npm packages of the page, Chromium, Firefox and OpenAI's client, in target/site-venv; --images
# what scripts/test_image.sh builds images with; --lint the linters of scripts/lint.sh, in target/lint-venv. --deploy adds
# cargo-lambda, in target/deploy-venv, for scripts/build-function.sh; --cuda links libtorch's CUDA build into target/cuda,
# for scripts/build-cuda.sh.
# Run it as often as you like; it is quick and quiet when there is nothing to do.
# The libraries (490 MB) are kept in TROELSLLM_CACHE (default: ~/.cache/troelsllm), so that
# another checkout on this machine does not fetch them again.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "error: $*" >&2
    exit 1
}

tests='' infra='' site='' deploy='' cuda='' images='' lint=''
for option in "$@"; do
    case $option in
        --tests | --infra | --site | --deploy | --cuda | --images | --lint) declare "${option#--}=yes" ;;
        *) fail "unknown option $option; expected --tests, --infra, --site, --deploy, --cuda, --images or --lint" ;;
    esac
done

# need_package WHAT PACKAGE: installs a missing Debian package as root, else names the remedy.
need_package() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "$1 is missing; install it: sudo apt-get install $2"
    fi
    echo "setup: installing $2"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null
}

[ "$(uname -sm)" = "Linux x86_64" ] ||
    fail "the pinned libtorch and onnxruntime are for x86-64 Linux, this is $(uname -sm)"
command -v cargo >/dev/null || fail "cargo is missing; install Rust 1.95 or newer from https://rustup.rs"
rust=$(cargo --version | cut -d' ' -f2)
[ "$(printf '%s\n' 1.95.0 "$rust" | sort -V | head -1)" = 1.95.0 ] ||
    fail "Rust 1.95 or newer is needed, found $rust; update it: rustup update stable"
command -v c++ >/dev/null || need_package "a C++ compiler" build-essential
command -v python3 >/dev/null || need_package "Python 3" python3
python3 -c 'import ensurepip, venv' 2>/dev/null || need_package "Python's venv module" python3-venv
command -v flock >/dev/null || need_package flock util-linux

# stand_in_for_cuda LIBRARY_DIR: lets torch load without CUDA. Its x86-64 wheel is a CUDA build, which
# asks the loader for ten libraries (1.7 GB to download) that a machine without a GPU never calls.
# Empty ones of the same names satisfy the loader, and one more has the symbols, all on a trap.
stand_in_for_cuda() {
    local lib=$1 work name
    work=$(mktemp -d)
    readelf --wide --dyn-syms "$lib"/libtorch_{cuda,python,nvshmem}.so |
        awk '$7 == "UND" && $8 ~ /^(cublas|cudnn|cufft|cuFile|cusparse|nccl|nvrtc|nvshmem)/ {
                 sub("@.*", "", $8)
                 if (!seen[$8]++) printf ".globl %s\n%s:\n", $8, $8
             }
             END { print "ud2" }' >"$work/symbols.s"
    c++ -shared -nostdlib -Wl,-soname,libcuda_stand_ins.so -o "$lib/libcuda_stand_ins.so" "$work/symbols.s"
    for name in libcublas.so.13 libcublasLt.so.13 libcudnn.so.9 libcufft.so.12 libcufile.so.0 \
        libcusparse.so.12 libcusparseLt.so.0 libnccl.so.2 libnvrtc.so.13 libnvshmem_host.so.3; do
        # shellcheck disable=SC2016 # The loader expands it.
        c++ -shared -nostdlib -Wl,-soname,"$name" -Wl,--no-as-needed -Wl,-rpath,'$ORIGIN' \
            -o "$lib/$name" "$lib/libcuda_stand_ins.so"
    done
    rm -rf "$work"
}

# python_tools FOLDER REQUIREMENTS [PIP_OPTION...]: makes a virtual environment with exactly these packages, if it is
# not there.
python_tools() {
    local ready
    ready=$1/.ready-$(sha256sum "$2" | cut -c1-12)
    [ ! -f "$ready" ] || return 0
    echo "setup: making $1"
    rm -rf "$1"
    python3 -m venv "$1"
    # Not compiled: most modules are never imported.
    "$1/bin/pip" install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps \
        --requirement "$2" "${@:3}"
    touch "$ready"
}

cache=${TROELSLLM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/troelsllm}
key=$(cat scripts/native-libraries.txt scripts/unpack_native.py | sha256sum | cut -c1-12)
native=$cache/native-$key
mkdir -p "$cache" target

# One set-up of the libraries at a time on this machine; a second one waits, then finds everything done.
exec 9>"$cache/lock"
flock 9

# The wheels do not depend on the Python that fetches them.
wheels=(--quiet --disable-pip-version-check --no-deps --require-hashes
    --only-binary=:all: --implementation cp --python-version 3.12 --abi cp312 --abi none
    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64
    --platform manylinux2014_x86_64 --platform manylinux_2_12_x86_64)

# prepare_to_fetch MB WHAT: a folder in the cache, $work, with pip in it, if there is room.
prepare_to_fetch() {
    local free_mb
    free_mb=$(df --output=avail -m "$cache" | tail -1)
    [ "$free_mb" -ge "$1" ] || fail "$cache has $free_mb MB free, $1 MB are needed for $2"
    echo "setup: fetching $2 into $cache, once per machine"
    work=$(mktemp -d "$cache/work-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    python3 -m venv "$work/venv"
}

if [ ! -d "$native" ]; then
    prepare_to_fetch 2000 "libtorch 2.9.0 and onnxruntime 1.32.0 (940 MB)"
    "$work/venv/bin/pip" download "${wheels[@]}" --dest "$work/wheels" --requirement scripts/native-libraries.txt
    python3 scripts/unpack_native.py "$work/wheels" "$work/native"
    mv "$work/native" "$native"
    rm -rf "$work"
fi
[ "$(readlink target/native || true)" = "$native" ] || ln -sfn "$native" target/native

if [ -n "$cuda" ]; then
    with_cuda=$cache/cuda-$(sha256sum scripts/cuda-libraries.txt | cut -c1-12)
    if [ ! -d "$with_cuda" ]; then
        prepare_to_fetch 12000 "libtorch 2.9.0 with CUDA 12.8 (3.9 GB)"
        # As in a Python installation, where these libraries find each other.
        "$work/venv/bin/pip" install "${wheels[@]}" --no-compile --target "$work/cuda" \
            --requirement scripts/cuda-libraries.txt
        ln -s libgomp.so.1 "$work/cuda/torch/lib/libgomp.so"
        echo 2.9.0 >"$work/cuda/torch/build-version"
        mv "$work/cuda" "$with_cuda"
        rm -rf "$work"
    fi
    [ "$(readlink target/cuda || true)" = "$with_cuda" ] || ln -sfn "$with_cuda" target/cuda
fi

if [ -n "$tests$infra$site$deploy$images$lint" ]; then
    # They can take minutes: the lock above is free again, so that only those wait who need them.
    exec 9>target/packages.lock
    flock 9
fi
if [ -n "$site" ]; then
    scripts/npm_packages.sh infra/site
    command -v "${CHROMIUM:-chromium}" >/dev/null || need_package Chromium chromium
    command -v "${FIREFOX:-firefox-esr}" >/dev/null || need_package Firefox firefox-esr
    # OpenAI's client, as the tests have it, for the page's snippets.
    openai='openai|annotated-types|anyio|h11|httpcore2|httpx2|idna|jiter|pydantic|pydantic-core|sniffio|truststore'
    openai+='|typing-extensions|typing-inspection'
    awk -v names="^($openai)==" '/^[a-z]/ { wanted = $0 ~ names } wanted' scripts/requirements-test.txt \
        >target/requirements-site.txt
    python_tools target/site-venv target/requirements-site.txt
fi
if [ -n "$images" ]; then
    command -v buildah >/dev/null || need_package buildah buildah
    command -v debootstrap >/dev/null || need_package debootstrap debootstrap
fi
if [ -n "$lint" ]; then
    scripts/npm_packages.sh infra
    python_tools target/lint-venv scripts/requirements-lint.txt --only-binary=:all:
fi
if [ -n "$infra" ]; then
    scripts/npm_packages.sh infra
    python_tools target/infra-venv scripts/requirements-infra.txt
fi
if [ -n "$deploy" ]; then
    # As the tests have them.
    awk '/^[a-z]/ { wanted = /^(cargo-lambda|ziglang)==/ } wanted' scripts/requirements-test.txt \
        >target/requirements-deploy.txt
    python_tools target/deploy-venv target/requirements-deploy.txt
fi
if [ -n "$tests" ]; then
    # 870 MB to download, 2.7 GB on disk.
    python_tools target/venv scripts/requirements-test.txt --only-binary=:all:
    torch=$(echo target/venv/lib/python3.*/site-packages/torch/lib)
    # The last of the libraries that it makes.
    [ -f "$torch/libnvshmem_host.so.3" ] || stand_in_for_cuda "$torch"
fi
