#!/usr/bin/env bash
# Deploys a stage of infra/settings.ts into the AWS account of the current credentials: builds the
# function and the page, trains a first model if there is none, deploys all stacks, asks for a text,
# prints the URLs. Run it again after a change.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/deploy.sh [--stage NAME] [--email ADDRESS|none] [--preset NAME] [--without-docker] [--yes] [--dry-run]

  --stage NAME      a stage of infra/settings.ts (default: dev); any other than dev is confirmed by its name
  --email ADDRESS   who gets the alarms, instead of alarms.email; none: nobody
  --preset NAME     what a first model is trained with, on this machine, if the channel names none:
                    the-verdict (default, some minutes on two cores) or tiny (seconds, writes nonsense)
  --without-docker  build no image of training: the last one that was pushed is used
  --yes             do not ask, as in CI: neither for the stage nor for the rights that it changes
  --dry-run         make the templates, and print what would be done; needs no account
TEXT
}

stage=dev
preset=the-verdict
email=
without_docker=
yes=
dry_run=
while [ $# -gt 0 ]; do
    case $1 in
        --stage | --preset | --email)
            [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2 && exit 2; }
            declare "${1#--}=$2"
            shift 2
            ;;
        --without-docker) without_docker=yes && shift ;;
        --yes) yes=yes && shift ;;
        --dry-run) dry_run=yes && shift ;;
        --help | -h) usage && exit ;;
        *) echo "error: unknown option $1" >&2 && usage >&2 && exit 2 ;;
    esac
done

# run COMMAND...: runs it, or only says so. No argument is a secret: these go through files and pipes.
run() {
    echo "+ $*"
    [ -n "$dry_run" ] || "$@"
}

# program NAME ARGUMENT...: one of infra/deploy, for what AWS or infra/settings.ts knows.
program() {
    node --import ./infra/node_modules/tsx/dist/loader.mjs "infra/deploy/$1.ts" "${@:2}"
}

# fill ARRAY LINES: an associative array from lines of NAME=VALUE.
fill() {
    local -n array=$1
    local name value
    while IFS='=' read -r name value; do
        # shellcheck disable=SC2034 # The caller's array.
        [ -z "$name" ] || array["$name"]=$value
    done <<<"$2"
}

# need TOOL VERSION REMEDY: notes a tool that is missing or older than that.
problems=()
need() {
    local found
    found=$("$1" --version 2>/dev/null | grep -o '[0-9][0-9.]*' | head -1) || true
    [ "$(printf '%s\n' "$2" "${found:-0}" | sort -V | head -1)" = "$2" ] ||
        problems+=("$1 $2 or newer is needed, found ${found:-none}; $3")
}

# output NAME: an output of the deployed stacks.
declare -A outputs=()
output() {
    if [ -n "$dry_run" ]; then echo "<$1>"; else echo "${outputs[$1]:?expected in the outputs of the stacks}"; fi
}

# deploy STACK...: deploys stacks, and reads the outputs.
deploy() {
    run "${cdk[@]}" deploy "${of_stage[@]}" ${yes:+--require-approval never} "$@"
    [ -z "$dry_run" ] || return 0
    local lines
    lines=$(program outputs "$stage")
    fill outputs "$lines"
}

# take_image CONTEXT REPOSITORY TAG OPTION...: hands the digest of an image on to the stacks. Tags do not move: the
# image that has the tag is taken, and only if there is none, one is built with these options, and pushed. An empty TAG
# is the commit's.
take_image() {
    local context=$1 repository=$2 tag=${3:-$commit} digest=
    local name=${repository#*/} registry=${repository%%/*}
    [ -n "$dry_run" ] || digest=$(program image-digest "$name" "$tag")
    if [ -n "$digest" ]; then
        echo "deploy: $repository:$tag is there already"
    elif [ -n "$docker" ]; then
        run docker build --provenance=false "${@:4}" --build-arg "SOURCE_COMMIT=$commit" --tag "$repository:$tag" .
        echo "+ program registry-password | docker login --username AWS --password-stdin $registry"
        [ -n "$dry_run" ] || program registry-password | docker login --username AWS --password-stdin "$registry"
        run docker push "$repository:$tag"
        if [ -n "$dry_run" ]; then digest='<digest>'; else digest=$(program image-digest "$name" "$tag"); fi
    elif [ -n "$3" ] && [ -z "$dry_run" ]; then
        echo "error: there is no image $repository:$tag, which the settings name, and no docker to build it" >&2
        exit 1
    else
        if [ -n "$dry_run" ]; then digest='<digest>'; else digest=$(program image-digest "$name"); fi
        echo "deploy: no image is built without docker; $name has ${digest:-none, so jobs fail until one is pushed}"
    fi
    [ -z "$digest" ] || of_stage+=(--context "$context=$digest")
}

# Before a build of a quarter of an hour: all that would stop the deployment, in one list.
need git 2.0 "install it"
need curl 7.82 "install it: --json came with that"
need cargo "$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)" "install Rust from https://rustup.rs"
if ! scripts/npm_packages.sh infra; then
    [ ${#problems[@]} = 0 ] || printf 'problem: %s\n' "${problems[@]}" >&2
    exit 1
fi
declare -A settings=() account=()
lines=$(program stage-settings "$stage")
fill settings "$lines"
[ -n "$email" ] || [ -n "${settings[email]}" ] ||
    problems+=("nobody is told of alarms; say who: --email ADDRESS, or alarms.email in infra/settings.ts; --email none: nobody")
echo "deploy: $(program worst-case "$stage")"
docker=yes
if [ -n "$without_docker" ] || ! command -v docker >/dev/null; then
    docker=
    [ "${settings[package]}" = zip ] ||
        problems+=("serving.package is image, which takes docker; install it, or set zip")
elif [ -z "$dry_run" ]; then
    why=$(docker info 2>&1 >/dev/null) ||
        problems+=("docker does not work: $why; start it, or keep the image that was pushed last: --without-docker")
    docker buildx version >/dev/null 2>&1 || problems+=("docker has no buildx; install it: docker-buildx-plugin")
fi
if [ -z "$dry_run" ]; then
    lines=$(program preflight --stage "$stage" ${yes:+--yes} -- "${problems[@]}")
    fill account "$lines"
    # For all that follows: the CDK, gpt, and the programs here.
    export AWS_REGION=${account[region]} AWS_DEFAULT_REGION=${account[region]}
    export CDK_DEFAULT_REGION=${account[region]} CDK_DEFAULT_ACCOUNT=${account[account]}
else
    [ ${#problems[@]} = 0 ] || printf 'problem: %s\n' "${problems[@]}" >&2
    account=([account]='<account>' [region]='<region>' [bootstrap]=missing)
fi

commit=$(git rev-parse HEAD)
# Untracked files go into an image too.
[ -z "$(git status --porcelain)" ] || commit+=-$(date -u +%Y%m%dT%H%M%SZ)
secrets=$(mktemp -d)
trap 'rm -rf "$secrets"' EXIT
# Arrays, since some arguments have spaces.
cdk=(npm --prefix infra run --silent cdk --)
of_stage=(--context "stage=$stage")
[ -z "${account[api_log_role]:-}" ] || of_stage+=(--context apiGatewayLogRole=existing)
[ -z "$email" ] || of_stage+=(--context "email=$email")

zip=target/lambda/function.zip
[ "${settings[package]}" = image ] || run scripts/build-function.sh ${settings[arm64]:+--arm64}
run scripts/build-site.sh
if [ -n "$dry_run" ]; then
    echo "deploy: making the templates of stage $stage"
    [ -f "$zip" ] || of_stage+=(--context zip=test/fixtures/function)
    "${cdk[@]}" synth --quiet "${of_stage[@]}"
fi

if [ "${account[bootstrap]}" = missing ]; then
    echo "deploy: the CDK needs a bootstrap stack, once in an account and region"
    run "${cdk[@]}" bootstrap "aws://${account[account]}/${account[region]}"
fi
deploy "TroelsLLM-$stage-Storage"
store=$(output ModelStore)
corpus=$(output CorpusBucket)
repository=$(output TrainingRepository)

version=
[ -n "$dry_run" ] || version=$(program channel "$store" "${settings[channel]}")
if [ -n "$version" ]; then
    echo "deploy: channel ${settings[channel]} names $version, which is served on"
else
    run program demo-texts training/corpus "$corpus" "${settings[corpus_prefix]}"
    run scripts/setup.sh
    run cargo run --release --locked --bin gpt -- train --preset "$preset" --corpus training/corpus \
        --store "$store" --promote "${settings[channel]}"
fi

# Their repositories are there now, and the stacks that run them come next.
take_image trainingImage "$repository" "${settings[training_tag]}" \
    --file training/Dockerfile --platform linux/amd64 ${settings[cuda]:+--build-arg CUDA=1}
if [ "${settings[package]}" = image ]; then
    platform=linux/amd64
    [ -z "${settings[arm64]}" ] || platform=linux/arm64
    repository=$(output FunctionRepository)
    take_image functionImage "$repository" "${settings[function_tag]}" \
        --file functions/generate/Dockerfile --platform $platform
fi

deploy --all
url=$(output Url)

# A new key takes a while to be known everywhere.
request=(curl --fail-with-body --silent --show-error --max-time 90 --retry 6 --retry-delay 10 --retry-all-errors)
if [ -n "${settings[api_key]}" ]; then
    run program api-key "$stage" "$secrets/header"
    request+=(--header "@$secrets/header")
fi
run "${request[@]}" "${url}health"
if [ -n "${settings[secret_key]}" ]; then
    echo "deploy: no text is asked for: the keys of serving.apiKeySha256 are known to you only"
else
    run "${request[@]}" "${url}generate" --json '{"prompt": "Every day", "max_tokens": 20}'
fi
echo
page=$(output SiteUrl)
echo "deployed: $url"
echo "the page: $page"
