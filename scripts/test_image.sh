#!/usr/bin/env bash
# Builds the images of training and function from their Dockerfiles, with buildah, which needs no Docker daemon; trains
# in one of them, and asks the other for a text by that model.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/test_image.sh [--cold | --docker TRAINING_IMAGE FUNCTION_IMAGE]

  --cold  compile everything, as for a deployment (half an hour on two cores). Without it, dependencies that this
          machine has compiled are taken over, if it is a Debian of the same release with the same Rust: then the
          profile is `release`, as in scripts/test.sh, and whether dependencies compile in the image is not tested.
  --docker TRAINING_IMAGE FUNCTION_IMAGE
          build nothing: use these, which Docker has built.

Base images come from their registry. Where it cannot be reached, they are made from Debian's packages and this
machine's Rust. Needs root.
TEXT
}

fail() {
    echo "error: $*" >&2
    exit 1
}

cold=
declare -A docker=()
case ${1:-} in
    --cold) cold=yes ;;
    --docker)
        [ $# = 3 ] || { echo "error: --docker needs two images" >&2 && exit 2; }
        docker=([training]=$2 [function]=$3)
        ;;
    --help | -h) usage && exit ;;
    '') ;;
    *) echo "error: unknown option $1" >&2 && usage >&2 && exit 2 ;;
esac
[ "$(id -u)" = 0 ] || fail "building images without a daemon needs root; run it with sudo"
scripts/npm_packages.sh infra

native=
work=$(mktemp -d)
chmod 755 "$work"
cleanup() {
    [ -z "$native" ] || { buildah rm --all && buildah rmi training function rust-of-this-machine; } || true
    ! mountpoint --quiet "$work/compiled" || umount "$work/compiled"
    rm -rf "$work"
}
trap 'cleanup >/dev/null 2>&1' EXIT
# Its own store, in which bases stay for the next time.
buildah() {
    command buildah --root "$(dirname "$native")/images" --runroot "$work/run" "$@"
}
export BUILDAH_ISOLATION=chroot

# quietly COMMAND...: shows what it says only if it fails.
quietly() {
    "$@" >"$work/log" 2>&1 || {
        tail -40 "$work/log" >&2
        return 1
    }
}

# What the Dockerfiles build on.
from() {
    sed -n "s/^FROM \($1:[^ ]*\).*/\1/p" training/Dockerfile
}
rust=$(from rust)
debian=$(from debian)
release=bookworm

# replace IMAGE_OF_DOCKERFILE LOCAL_IMAGE: builds with that one instead.
bases=()
volumes=()
of_build=()
replace() {
    bases+=(--build-context "$1=container-image://localhost/$2")
}

# make_debian IMAGE: the packages that the base image consists of.
make_debian() {
    local mirror container
    # Where this machine gets its packages from, if it is a Debian of this release itself.
    # shellcheck disable=SC2016 # apt-get expands it.
    mirror=$(apt-get indextargets --format '$(SITE)' "Codename: $release" 2>/dev/null | head -1)
    quietly debootstrap --variant=minbase "$release" "$work/debian" ${mirror:+"$mirror"}
    # What the slim variant leaves out, and apt keeps nothing there.
    rm -rf "$work"/debian/usr/share/{doc,info,locale,man} "$work"/debian/var/{cache/apt,lib/apt/lists}/*
    echo 'Dir::Cache { pkgcache ""; srcpkgcache ""; }; APT::Keep-Downloaded-Packages "false";' \
        >"$work/debian/etc/apt/apt.conf.d/90no-cache"
    # Whom this machine trusts besides, such as a proxy that it gets packages through.
    [ ! -d /usr/local/share/ca-certificates ] || cp -r /usr/local/share/ca-certificates "$work/debian/usr/local/share/"
    container=$(buildah from scratch)
    quietly buildah add "$container" "$work/debian" /
    quietly buildah config --cmd bash \
        --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    quietly buildah commit --rm "$container" "$1"
}

# make_rust IMAGE DEBIAN: what the base image adds to Debian, but for Rust, which is mounted.
make_rust() {
    cat >"$work/Dockerfile" <<DOCKERFILE
FROM localhost/$2
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/rust/bin:\$PATH
DOCKERFILE
    quietly buildah bud --network host --tag "$1" --file "$work/Dockerfile" "$work"
}

# pull: the bases from their registry.
pull() {
    buildah pull --quiet "docker.io/library/$rust" && buildah pull --quiet "docker.io/library/$debian"
}

# prepare_builds: finds or makes the base images, and lets builds take over what this machine has compiled.
prepare_builds() {
    local version same_rust='' key made_rust='' made_debian compiled codename home container
    version=${rust#rust:}
    version=${version%%-*}
    [ "$(rustc --version | cut -d' ' -f2)" != "$version" ] || same_rust=yes
    if pull >"$work/log" 2>&1; then
        echo "image: building on $rust and $debian"
    else
        ! grep "manifest unknown" "$work/log" >&2 || fail "the registry has no such base image"
        [ -n "$same_rust" ] ||
            fail "the images are built with Rust $version, this is $(rustc --version); install it: rustup install $version"
        echo "image: the base images cannot be fetched; they are made from Debian's packages and this machine's Rust"
        # Others are made when what they stand for changes, or how they are made.
        key=$(cat scripts/test_image.sh <(echo "$debian $rust") | sha256sum | cut -c1-12)
        made_debian=debian-$release:$key made_rust=rust-$release:$key
        if ! buildah inspect --type image "localhost/$made_rust" >/dev/null 2>&1; then
            quietly buildah rmi --all --force
            make_debian "$made_debian"
            make_rust "$made_rust" "$made_debian"
        fi
        replace "$debian" "$made_debian"
        volumes+=(--volume "$(rustc --print sysroot):/usr/local/rust:ro")
    fi

    volumes+=(--volume "$native:/native/$(basename "$native")")
    compiled=$(realpath "${CARGO_TARGET_DIR:-target}")
    # shellcheck disable=SC1091 # Every machine has its own.
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    mkdir "$work/compiled"
    if [ -z "$cold" ] && [ -n "$same_rust" ] && [ "$codename" = "$release" ] && [ -d "$compiled/release" ]; then
        # Cargo looks at the paths that it compiled at.
        home=$(realpath "${CARGO_HOME:-$HOME/.cargo}")
        volumes+=(--volume "$work/compiled:/compiled" --volume "$home/registry:$home/registry:O")
        # What is written there vanishes with the test.
        mkdir "$work/written" "$work/scratch"
        mount -t overlay -o "lowerdir=$compiled,upperdir=$work/written,workdir=$work/scratch" overlay "$work/compiled"
        of_build=(--build-arg "SOURCE=$PWD" --build-arg PROFILE=release --build-arg PACKAGES=--workspace)
        container=$(buildah from "${made_rust:-$rust}")
        quietly buildah config --env "CARGO_HOME=$home" "$container"
        quietly buildah commit --rm "$container" rust-of-this-machine
        replace "$rust" rust-of-this-machine
    else
        volumes+=(--volume "$work/compiled:/compiled")
        [ -z "$made_rust" ] || replace "$rust" "$made_rust"
    fi
}

# build NAME DOCKERFILE: the image of that name.
build() {
    local began=$SECONDS
    quietly buildah bud --network host "${bases[@]}" "${volumes[@]}" "${of_build[@]}" \
        --build-arg SOURCE_COMMIT=test --file "$2" --tag "$1" .
    echo "image: $1 built in $((SECONDS - began)) s, with $(grep -c "^ *Compiling" "$work/log") crates compiled;" \
        "$(buildah images --format '{{.Size}}' "localhost/$1")"
}

# run_in NAME OPTION...: runs the program of an image, as a container would.
run_in() {
    local container
    if [ -n "${docker[$1]:-}" ]; then
        docker run --rm --network host "${@:2}" "${docker[$1]}"
        return
    fi
    container=$(buildah from "localhost/$1")
    buildah run --network host "${@:2}" "$container" -- \
        "$(buildah inspect --format '{{index .OCIv1.Config.Entrypoint 0}}' "$container")"
}

if [ ${#docker[@]} = 0 ]; then
    scripts/setup.sh --images
    native=$(realpath target/native)
    # One test at a time has the store of images.
    mkdir -p "$(dirname "$native")/images"
    exec 9>"$(dirname "$native")/images/lock"
    flock 9
    prepare_builds
    build training training/Dockerfile
    build function functions/generate/Dockerfile
fi

mkdir "$work/store" "$work/texts"
cp training/corpus/the-north-light.txt "$work/texts/"
chown 10001 "$work/store"
run_in training --volume "$work/store:/home/gpt/store" --volume "$work/texts:/texts:ro" \
    --env MODEL_STORE=/home/gpt/store --env CORPUS=/texts --env PRESET=tiny --env PROMOTE=live --env MARGIN=0.05 \
    --env CHECKPOINT_EVERY_STEPS=50
[ -f "$work/store/channels/live.json" ] || fail "the training promoted nothing"
owner=$(stat -c %u "$work/store/channels/live.json")
[ "$owner" = 10001 ] || fail "user $owner wrote the store; expected 10001"
grep -rq '"source_commit": *"test"' "$work/store/models" || fail "the manifest does not name the commit of the image"
echo "image: trained and published as user 10001"

# In the order in which Lambda does it: the runtime API is there before the function.
exec 3< <(exec node --import ./infra/node_modules/tsx/dist/loader.mjs infra/test/local/invoke.ts)
environment=()
while read -r line <&3 && [ -n "$line" ]; do
    environment+=(--env "$line")
done
run_in function --volume "$work/store:/store:ro" --env MODEL_STORE=/store "${environment[@]}" >"$work/function" 2>&1 &
answer=$(timeout 120 head -1 <&3) || true
[[ $answer = *'"statusCode":200'*tokens_generated* ]] || {
    cat "$work/function" >&2
    fail "the function answered: ${answer:-nothing}"
}
wait
echo "image: the function answered with a text of the new version"
