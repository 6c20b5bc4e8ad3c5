"""End-to-end test on this machine: loop.py FOLDER_OF_TEMPLATES STAGE PROGRAMS REPOSITORY

Deploys the stacks to moto, takes the environment of the training job and of the function from the deployed
resources, and runs the real programs with them: train, sign, gate, promote, swap; a gate that refuses; a machine
that is taken back.
"""

import base64
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from account import Account
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.kms.utils import ECDSAPrivateKey
from spot import take_back

# Exit code of `gpt train` when the new version is published, and the channel stays as it is.
NOT_PROMOTED = 3
# That of `train.sh` when SIGTERM has ended it.
STOPPED = 143


class Loop:
    def __init__(self, account: Account, programs: Path, repository: Path, work: Path) -> None:
        self.account, self.programs, self.repository, self.work = account, programs, repository, work
        library = repository / "target/native/onnxruntime/libonnxruntime.so"
        self.environment = {
            **account.environment(),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(work),
            "ORT_DYLIB_PATH": str(library),
        }
        definitions = account.client("batch").describe_job_definitions(status="ACTIVE")["jobDefinitions"]
        [self.job] = [job for job in definitions if not job["containerProperties"].get("command")]
        [self.pruning] = [job for job in definitions if job["containerProperties"].get("command")]
        functions = account.client("lambda").list_functions()["Functions"]
        kms = account.client("kms")
        key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        self.signing_key = key["Arn"]
        self.public_key = base64.b64encode(kms.get_public_key(KeyId=self.signing_key)["PublicKey"]).decode()
        [self.function] = [function for function in functions if function["Runtime"] == "provided.al2023"]

    def train(self, machine: str, overrides: dict[str, str]) -> subprocess.CompletedProcess:
        return self.run(self.job, machine, {"SIGNING_KEY": f"awskms:{self.signing_key}", **overrides})

    def run(self, job: dict, machine: str, overrides: dict[str, str]) -> subprocess.CompletedProcess:
        """Runs a job as `aws batch submit-job --container-overrides` would, on a new machine."""
        process = self.start(job, machine, overrides)
        output, errors = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def start(self, job: dict, machine: str, overrides: dict[str, str]) -> subprocess.Popen:
        container = job["containerProperties"]
        variables = {entry["name"]: entry["value"] for entry in container["environment"]}
        folder = self.work / machine
        folder.mkdir()
        return subprocess.Popen(
            [self.repository / "training/image/train.sh", *container.get("command", [])],
            env={**self.environment, **variables, **overrides},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def lose_machine(self, machine: str, overrides: dict[str, str]) -> tuple[int, str]:
        """Runs the job on a Spot machine that is taken back once the training has begun: its exit code, its log."""
        job = self.start(self.job, machine, overrides)
        log = ""
        for line in job.stderr:
            log += line
            if " step " in line:
                break
        status = take_back(job, self.work / machine / "tools")
        return status, log + job.stderr.read()

    def ending(self, exit_code: int, status_reason: str) -> str:
        """RETRY or EXIT: the first of the job's conditions that applies to a failure."""
        for condition in self.job["retryStrategy"]["evaluateOnExit"]:
            condition = {key[0].lower() + key[1:]: value for key, value in condition.items()}
            found = {"onStatusReason": status_reason, "onReason": "", "onExitCode": str(exit_code)}
            if all(fnmatch.fnmatch(found[key], condition[key]) for key in found if key in condition):
                return condition["action"].upper()
        return "EXIT"

    def start_serving(self) -> tuple[subprocess.Popen, str]:
        variables = self.function["Environment"]["Variables"]
        process = subprocess.Popen(
            [self.programs / "generate", "--listen", "127.0.0.1:0"],
            env={**self.environment, **variables, "TRUSTED_KEYS": self.public_key, "RUST_LOG": "warn"},
            stdout=subprocess.PIPE,
            text=True,
        )
        line = process.stdout.readline().strip()
        if not line.startswith("listening on "):
            sys.exit(f"error: generate ended: {line}")
        return process, line.removeprefix("listening on ")

    def live(self) -> str:
        bucket = self.account.outputs["ModelStore"].removeprefix("s3://")
        channel = self.account.client("s3").get_object(Bucket=bucket, Key="channels/live.json")
        return json.load(channel["Body"])["version"]

    def put_corpus(self, text: str) -> None:
        self.account.client("s3").put_object(
            Bucket=self.account.outputs["CorpusBucket"], Key="story.txt", Body=text.encode()
        )


def sign_digest(key: ECDSAPrivateKey, digest: bytes, _algorithm: str) -> bytes:
    """As KMS does for MessageType DIGEST, which moto takes for a message."""
    return key.private_key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))


def answering_version(url: str) -> str:
    body = json.dumps({"prompt": "Every day", "max_tokens": 3}).encode()
    request = urllib.request.Request(f"{url}/generate", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["model"]["version"]


def check(holds: bool, what: str, log: str = "") -> None:
    print(f"{'ok' if holds else 'FAILED'}: {what}", flush=True)
    if not holds:
        sys.exit(log)


def main(folder: Path, stage: str, programs: Path, repository: Path) -> None:
    ECDSAPrivateKey.sign = sign_digest
    account = Account()
    account.deploy(folder, stage)
    story = (repository / "training/corpus/the-north-light.txt").read_text()
    with tempfile.TemporaryDirectory() as work:
        loop = Loop(account, programs, repository, Path(work))
        loop.put_corpus(story)

        # As scripts/deploy.sh does, since the job starts from what is served.
        first = loop.train("first", {"PRESET": "tiny", "INIT": ""})
        check(first.returncode == 0, "a first model is trained and live", first.stderr)
        before = loop.live()
        process, url = loop.start_serving()
        try:
            check(answering_version(url) == before, f"the function, which trusts one key, answers with {before}")

            better = loop.train("second", {"PRESET": "tiny"})
            check(better.returncode == 0, "the job starts from it, and its model is better", better.stderr)
            after = loop.live()
            seconds = float(loop.function["Environment"]["Variables"]["MODEL_CHECK_SECONDS"])
            start = time.monotonic()
            while (version := answering_version(url)) != after and time.monotonic() - start < seconds + 15:
                time.sleep(0.5)
            took = time.monotonic() - start
            check(version == after != before, f"within {took:.0f} s the running function answers with {after}")

            # Longer than the others, and from other weights.
            preset = loop.work / "spot.toml"
            tiny = (repository / "training/presets/tiny.toml").read_text()
            preset.write_text(tiny.replace("seed = 123", "seed = 7").replace("epochs = 2", "epochs = 4"))
            spot = {"PRESET": str(preset), "PROMOTE": "spot", "INIT": ""}
            status, log = loop.lose_machine("lost", spot)
            check("stopped after step" in log, "on a machine that is taken back the job makes a checkpoint", log)
            check(status == STOPPED, f"and ends with {STOPPED}", f"it ended with {status}")
            other = loop.train("other", spot)
            goes_on = other.returncode == 0 and "going on after step" in other.stderr
            check(goes_on, "on another machine it goes on from there", other.stderr)

            # It learns noise, and is judged by the story at the end.
            words = [f"{'xqzjvk'[i % 6]}{i * 7919 % 9973}" for i in range(2000)]
            noise = " ".join(words)
            loop.put_corpus(f"{noise}\n\n{story[: len(noise) // 9]}")
            worse = loop.train("third", {"PRESET": "tiny"})
            check(worse.returncode == NOT_PROMOTED, f"a worse model ends the job with {NOT_PROMOTED}", worse.stderr)
            check("channel live stays as it is" in worse.stderr, worse.stderr.strip().splitlines()[-1], worse.stderr)
            check(loop.live() == after, "the channel names the better one still")
            check(answering_version(url) == after, "the function answers with it still")

            pruning = loop.run(loop.pruning, "pruning", {})
            check(pruning.returncode == 0, "pruning runs", pruning.stderr)
            for version in [before, after]:
                check(f"{version} (channel live" in pruning.stdout, f"pruning keeps {version}", pruning.stdout)
        finally:
            process.terminate()
            process.wait()

    reason = "Essential container in task exited"
    check(loop.ending(NOT_PROMOTED, reason) == "EXIT", "Batch does not try again, so the job is FAILED and told")
    check(loop.ending(STOPPED, reason) == "RETRY", f"Batch tries again after {STOPPED}")
    check(loop.ending(1, reason) == "EXIT", "Batch does not try again after an error")
    for reason in ["Host EC2 (instance i-0abc) terminated.", "Your Spot Task was interrupted."]:
        check(loop.ending(1, reason) == "RETRY", f"Batch tries again after: {reason}")
    account.server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).resolve(), Path(sys.argv[4]).resolve())
