#!/bin/sh
# Entry point of the training image: `gpt train` with what the environment says. Arguments are passed on, unless they
# are a command of their own, such as `gpt prune --keep 5`.
#
#   MODEL_STORE             where models and checkpoints lie; read by gpt itself
#   CORPUS                  the texts
#   PRESET                  the model, and how to train it
#   PROMOTE                 channel to promote the new version to
#   MARGIN                  how much worse than the served version it may predict, in nats per token
#   CHECKPOINT_EVERY_STEPS  how often a checkpoint is copied to the store
#   INIT                    a model to train further; without it, random weights
#   DEVICE, DEVICES         where to compute, such as cuda, and how many of these; without them, what gpt finds
#   SIGNING_KEY             the key that signs the new version, such as awskms:ARN; read by gpt itself
#   PRESETS                 for an array job: its presets, with spaces between them, one for each job
set -eu

[ "${1:-}" != gpt ] || exec "$@"

if [ -n "${AWS_BATCH_JOB_ARRAY_INDEX:-}" ]; then
    # With a space at the end, since cut gives a line without any as a whole.
    # shellcheck disable=SC2153 # PRESETS is meant.
    PRESET=$(echo "$PRESETS " | cut -d ' ' -f $((AWS_BATCH_JOB_ARRAY_INDEX + 1)))
    [ -n "$PRESET" ] || { echo "error: PRESETS has no preset for job $AWS_BATCH_JOB_ARRAY_INDEX: $PRESETS" >&2 && exit 2; }
    # A sweep compares: nothing of it goes live, and each preset has a shape of its own.
    PROMOTE=sweep-$PRESET
    INIT=
fi

set -- --preset "$PRESET" --corpus "$CORPUS" \
    --promote "$PROMOTE" --margin "$MARGIN" \
    --resume --mirror-checkpoints --set "training.checkpoint_every_steps=$CHECKPOINT_EVERY_STEPS" \
    ${DEVICE:+--device "$DEVICE"} ${DEVICES:+--devices "$DEVICES"} "$@"
if [ -n "${INIT:-}" ]; then set -- finetune "$INIT" "$@"; else set -- train "$@"; fi

# SIGTERM is for gpt, which writes a checkpoint and ends with 1, as for an error, or at a second one with 130. From here
# that is 143, as of a process that SIGTERM ends, so that a job can be tried again after nothing else.
stopped=
child=
trap 'stopped=yes; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true' TERM
gpt "$@" &
child=$!
[ -z "$stopped" ] || kill -TERM "$child"
status=0
wait "$child" || status=$?
# A signal ends `wait`, and not gpt.
while kill -0 "$child" 2>/dev/null; do
    status=0
    wait "$child" || status=$?
done
case $stopped$status in yes1 | yes130) status=143 ;; esac
exit "$status"
