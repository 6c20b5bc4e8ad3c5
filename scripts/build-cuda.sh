#!/usr/bin/env bash
# Builds gpt for machines with an NVIDIA GPU: target/with-cuda/release/gpt. Fetches libtorch's CUDA build first.
# The program runs without a GPU too. For a GPU it needs NVIDIA's driver for Linux, version 525.60 or newer; 570.26 is the
# one that CUDA 12.8 was made with.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh --cuda
LIBTORCH=$PWD/target/cuda/torch cargo build --release --locked --package gpt --bin gpt --target-dir target/with-cuda
echo "built target/with-cuda/release/gpt"
