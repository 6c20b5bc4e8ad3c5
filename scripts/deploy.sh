#!/usr/bin/env bash
# Deploys a stage of infra/settings.ts into the AWS account of the current credentials: builds the
# function and the page, trains a first model if there is none, deploys all stacks, asks for a text,
# prints the URLs. Run it again after a change.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/deploy.sh [--stage NAME] [--preset NAME] [--dry-run]

  --stage NAME   a stage of infra/settings.ts (default: dev)
  --preset NAME  what a first model is trained with, on this machine, if the store has none:
                 the-verdict (default, some minutes on two cores) or tiny (seconds, writes nonsense)
  --dry-run      make the templates, and print what would be done; needs no account
TEXT
}

stage=dev
preset=the-verdict
dry_run=
while [ $# -gt 0 ]; do
    case $1 in
        --stage | --preset)
            [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2 && exit 2; }
            declare "${1#--}=$2"
            shift 2
            ;;
        --dry-run) dry_run=yes && shift ;;
        --help | -h) usage && exit ;;
        *) echo "error: unknown option $1" >&2 && usage >&2 && exit 2 ;;
    esac
done

# run COMMAND...: runs it, or only says so.
run() {
    echo "+ $*"
    [ -n "$dry_run" ] || "$@"
}

# need TOOL REMEDY
need() {
    command -v "$1" >/dev/null && return
    echo "deploy: $1 is missing; $2" >&2
    missing=yes
}

# output STACK NAME: the first output of a deployed stack whose name begins so.
output() {
    if [ -n "$dry_run" ]; then
        echo "<$2>"
    else
        node -p '
            const [file, stack, name] = process.argv.slice(1);
            const found = Object.entries(JSON.parse(fs.readFileSync(file))[stack]).find(([key]) => key.startsWith(name));
            found?.[1] ?? ""' "$outputs" "TroelsLLM-$stage-$1" "$2"
    fi
}

# Here scripts/setup.sh --tests puts it, and the Python that finds its linker.
command -v cargo-lambda >/dev/null || PATH=$PWD/target/venv/bin:$PATH
missing=
need node "install Node.js 20.19 or newer"
need npm "install it with Node.js"
need cargo "install Rust 1.95 or newer from https://rustup.rs"
need cargo-lambda "pip install cargo-lambda ziglang"
need aws "pip install awscli, and sign in"
need curl "install it"
[ -z "$missing" ] || [ -n "$dry_run" ] || exit 1

zip=target/lambda/function.zip
outputs=target/deploy-$stage.json
# An array, since some arguments have spaces.
cdk=(npm --prefix infra run --silent cdk --)
of_stage=(--context "stage=$stage")
mkdir -p target

scripts/npm_packages.sh infra
architecture=$(cd infra && node_modules/.bin/tsx --eval '
    import { settingsOf } from "./settings.ts";
    console.log(settingsOf(process.argv[1]).serving.architecture);' "$stage")
if [ "$architecture" = arm64 ]; then run scripts/build-function.sh --arm64; else run scripts/build-function.sh; fi
run scripts/build-site.sh
if [ -n "$dry_run" ]; then
    echo "deploy: making the templates of stage $stage"
    [ -f "$zip" ] || of_stage+=(--context zip=test/fixtures/function)
    "${cdk[@]}" synth --quiet "${of_stage[@]}"
fi

run "${cdk[@]}" bootstrap "${of_stage[@]}"
run "${cdk[@]}" deploy "${of_stage[@]}" --outputs-file "../$outputs" "TroelsLLM-$stage-Storage"
store=$(output Storage ModelStore)
corpus=$(output Storage CorpusBucket)
repository=$(output Storage TrainingRepository)

if [ -n "$dry_run" ] || ! aws s3 ls "$store/channels/" >/dev/null; then
    run aws s3 cp --recursive training/corpus "s3://$corpus/"
    run cargo run --release --locked --bin gpt -- train --preset "$preset" --corpus training/corpus --store "$store"
fi

if [ -n "$dry_run" ] || command -v docker >/dev/null; then
    commit=$(git rev-parse HEAD)
    run docker build --file training/Dockerfile --build-arg "SOURCE_COMMIT=$commit" --tag "$repository:latest" .
    echo "+ aws ecr get-login-password | docker login --username AWS --password-stdin ${repository%%/*}"
    [ -n "$dry_run" ] || aws ecr get-login-password |
        docker login --username AWS --password-stdin "${repository%%/*}"
    run docker push "$repository:latest"
else
    echo "deploy: there is no docker, so no training image is built: training jobs fail until $repository:latest is pushed" >&2
fi

run "${cdk[@]}" deploy "${of_stage[@]}" --outputs-file "../$outputs" --all
url=$(output Serving Url)

# A key only where the settings ask for one.
show_key=$(output Serving ShowKey)
header=()
if [ -n "$show_key" ] && [ -z "$dry_run" ]; then header=(--header "x-api-key: $($show_key)"); fi
run curl --fail-with-body --silent --show-error --max-time 90 "${header[@]}" "${url}health"
run curl --fail-with-body --silent --show-error --max-time 90 "${header[@]}" "${url}generate" \
    --json '{"prompt": "Every day", "max_tokens": 20}'
echo
echo "deployed: $url"
echo "the page: $(output Site SiteUrl)"
