#!/bin/sh
# Watcher of EC2's interruption notice, two minutes before a Spot instance is taken back: stops the containers of jobs,
# so that gpt writes a checkpoint. ECS drains no tasks of Batch.
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

# Batch tries a job again that lost its machine, and none whose container ended. Without its agent, ECS learns of the
# first alone.
timeout 10 systemctl stop ecs || echo "spot-notice: the agent of ECS goes on, so the job may count as failed" >&2
containers=$(docker ps --quiet)
# shellcheck disable=SC2086 # One argument for each.
[ -z "$containers" ] || docker stop --time "$STOP_TIMEOUT_SECONDS" $containers
