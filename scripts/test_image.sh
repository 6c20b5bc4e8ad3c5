#!/usr/bin/env bash
# Runs a training in what the training image contains, without Docker: Debian's packages and our files,
# taken from the lists that training/Dockerfile uses, in a folder, as the user that the image has.
# Needs root, debootstrap, and the program: cargo build --release --package gpt --bin gpt
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "error: $*" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail "changing into another root needs root; run it with sudo"
command -v debootstrap >/dev/null || fail "debootstrap is missing; install it: apt-get install debootstrap"
gpt=${CARGO_TARGET_DIR:-target}/release/gpt
[ -x "$gpt" ] || fail "there is no $gpt; build it: cargo build --release --package gpt --bin gpt"
scripts/setup.sh

root=$(mktemp -d)
chmod 755 "$root"
trap 'rm -rf "$root"' EXIT
# Where this machine gets its packages from, if it is a Debian itself.
# shellcheck disable=SC2016 # apt-get expands it.
mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' 2>/dev/null | head -1)
packages=$(paste -sd, training/image/packages.txt)
debootstrap --variant=minbase --include="$packages" bookworm "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 ||
    fail "debootstrap failed: $(tail -3 "$root.log")"
rm -f "$root.log"

# As the second stage of the Dockerfile does it.
training/image/files.sh "$root/opt/troelsllm" "$gpt" target/native/onnxruntime target/native/libtorch/lib
chroot "$root" useradd --uid 10001 --create-home gpt
install -D -m 644 training/corpus/the-north-light.txt "$root/texts/the-north-light.txt"
echo "image: $(du -sm "$root" | cut -f1) MB, of that $(du -sm "$root/opt" | cut -f1) MB ours"

environment=(
    HOME=/home/gpt
    PATH=/opt/troelsllm/bin:/usr/bin:/bin
    LD_LIBRARY_PATH=/opt/troelsllm/lib
    ORT_DYLIB_PATH=/opt/troelsllm/lib/libonnxruntime.so
    ORT_DISABLE_TELEMETRY=1
    MODEL_STORE=/home/gpt/store CORPUS=/texts PRESET=tiny PROMOTE=live MARGIN=0.05 CHECKPOINT_EVERY_STEPS=50
)
# As in a container: the first process of its own world, with /proc.
unshare --pid --fork --kill-child --mount-proc="$root/proc" \
    chroot --userspec=10001:10001 "$root" env -i "${environment[@]}" sh -c 'cd && id -u && exec train'
[ -f "$root/home/gpt/store/channels/live.json" ] || fail "the training promoted nothing"
[ "$(stat -c %u "$root/home/gpt/store/channels/live.json")" = 10001 ] || fail "another user wrote the store"
echo "image: trained and published as user 10001"
