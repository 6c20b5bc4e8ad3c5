#!/bin/sh
# Collects what the training image consists of besides Debian's packages:
# files.sh TARGET_FOLDER GPT_PROGRAM FOLDER_OF_LIBRARIES...
set -eu
target=$1
gpt=$2
shift 2
mkdir -p "$target/bin" "$target/lib"
cp "$gpt" "$target/bin/gpt"
cp "$(dirname "$0")/train.sh" "$target/bin/train"
for folder in "$@"; do
    # Links too: a library is asked for by its short name.
    find "$folder" -maxdepth 1 -name '*.so*' -exec cp -P {} "$target/lib/" \;
done
# For the linker only: it is a text that names the library.
rm -f "$target/lib/libtorch.so"
