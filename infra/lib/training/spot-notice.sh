#!/bin/sh
# Watcher of EC2's interruption notice, two minutes before a Spot instance is taken back: stops the containers of jobs,
# so that gpt writes a checkpoint. ECS drains no tasks of Batch. A job that is stopped is tried again elsewhere.
#
#   IMDS                  address of the instance metadata service
#   CHECK_SECONDS         from one look to the next; AWS advises 5
#   STOP_TIMEOUT_SECONDS  what a container gets to end, of the two minutes; the rest is for this program
set -eu
imds=${IMDS:-http://169.254.169.254}

ask() {
    curl --silent --fail --max-time 2 "$@"
}

# noticed: prints the notice, and fails as long as there is none.
noticed() {
    token=$(ask --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$imds/latest/api/token") || return 1
    ask --header "X-aws-ec2-metadata-token: $token" "$imds/latest/meta-data/spot/instance-action"
}

until notice=$(noticed); do
    sleep "${CHECK_SECONDS:-5}"
done
echo "spot-notice: $notice"

# Those of ECS: its agent runs in one too.
containers=$(docker ps --quiet --filter label=com.amazonaws.ecs.task-arn)
[ -n "$containers" ] || exit 0
# A container that is killed in the end has failed, and one that is lost with its machine is tried again. Without its
# agent ECS learns of the latter alone; until then the agent has the credentials by which checkpoints are stored.
(sleep $((STOP_TIMEOUT_SECONDS - 10)) && exec systemctl stop ecs) >/dev/null 2>&1 &
agent=$!
# shellcheck disable=SC2086 # One argument for each.
docker stop --time "$STOP_TIMEOUT_SECONDS" $containers
kill "$agent" 2>/dev/null || true
