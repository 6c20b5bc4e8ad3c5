#!/usr/bin/env bash
# Deletes the stacks of a stage. Models, texts and images stay: infra/README.md says how to delete those.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/destroy.sh --stage NAME [--yes] [--dry-run]

  --stage NAME  the stage, as it was deployed
  --yes         do not ask
  --dry-run     print what would be done; needs no account
TEXT
}

stage=
yes=
dry_run=
while [ $# -gt 0 ]; do
    case $1 in
        --stage)
            [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2 && exit 2; }
            stage=$2
            shift 2
            ;;
        --yes) yes=yes && shift ;;
        --dry-run) dry_run=yes && shift ;;
        --help | -h) usage && exit ;;
        *) echo "error: unknown option $1" >&2 && usage >&2 && exit 2 ;;
    esac
done
[ -n "$stage" ] || { echo "error: --stage is missing" >&2 && usage >&2 && exit 2; }

# run COMMAND...: runs it, or only says so.
run() {
    echo "+ $*"
    [ -n "$dry_run" ] || "$@"
}

if [ -z "$dry_run" ]; then
    command -v aws >/dev/null || { echo "error: aws is missing; pip install awscli, and sign in" >&2 && exit 1; }
    account=$(aws sts get-caller-identity --query Account --output text)
    if [ -z "$yes" ]; then
        read -r -p "delete the stacks TroelsLLM-$stage-* of account $account? [y/N] " answer
        [ "$answer" = y ] || exit 1
    fi
fi

# What depends on others goes first. One that does not exist is deleted already.
for stack in Site Observability Training Serving Storage; do
    name=TroelsLLM-$stage-$stack
    run aws cloudformation delete-stack --stack-name "$name"
    run aws cloudformation wait stack-delete-complete --stack-name "$name"
done
echo "destroyed: the stacks of stage $stage; buckets and image repositories stay, see infra/README.md"
