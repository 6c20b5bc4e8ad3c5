"""AWS emulator on loopback: moto's server, with the stacks that `cdk synth` made.

Resource types that moto's CloudFormation does not support are left out, and listed when a stack is deployed;
others are changed where moto needs it.
"""

import io
import json
import logging
import os
import sys
import warnings
import zipfile
from pathlib import Path

import boto3
from moto.cloudformation.parsing import resource_class_from_type
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
# In the order in which they depend on each other.
STACKS = ["Storage", "Serving", "Training", "Observability", "Site"]
# The output of a resource that was left out. What refers to it in a later stack is left out as well.
LEFT_OUT = "LeftOut"


class Account:
    def __init__(self) -> None:
        os.environ.update(CREDENTIALS)
        for logger in ["moto", "werkzeug"]:
            logging.getLogger(logger).setLevel(logging.ERROR)
        warnings.simplefilter("ignore")
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        self.endpoint = "http://{}:{}".format(*self.server.get_host_and_port())
        # What `cdk bootstrap` makes.
        self.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
        self.client("iam").create_role(RoleName="batch", AssumeRolePolicyDocument="{}")
        self.buckets_for_assets: set[str] = set()
        self.outputs: dict[str, str | dict[str, str]] = {}

    def client(self, service: str):
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION)

    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to use this account."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.endpoint}

    def deploy(self, folder: Path, stage: str) -> None:
        """Creates the stacks of a folder that `cdk synth` wrote."""
        cloudformation = self.client("cloudformation")
        for name in STACKS:
            stack = f"TroelsLLM-{stage}-{name}"
            path = folder / f"{stack}.template.json"
            if not path.exists():
                continue
            self.upload_assets(folder / f"{stack}.assets.json")
            synthesized = json.loads(path.read_text(), object_hook=self.as_moto_takes)
            template, left_out = supported(synthesized)
            cloudformation.create_stack(
                StackName=stack, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
            )
            [created] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
            if created["StackStatus"] != "CREATE_COMPLETE":
                sys.exit(f"error: {stack} is {created['StackStatus']}")
            self.outputs |= {name: {"Ref": LEFT_OUT} for name in synthesized.get("Outputs", {})}
            self.outputs |= {output["OutputKey"]: output["OutputValue"] for output in created.get("Outputs", [])}
            print(f"{stack}: {len(template['Resources'])} resources; left out: {', '.join(left_out) or 'none'}")

    def as_moto_takes(self, value: dict):
        match value:
            # Of what Batch makes, moto knows the ARN under this intrinsic only; to CloudFormation both are the same.
            case {"Fn::GetAtt": [name, "ComputeEnvironmentArn" | "JobQueueArn"]}:
                return {"Ref": name}
            # It knows no weak references. Stacks are made in the order in which they refer to each other.
            case {"Fn::GetStackOutput": {"OutputName": name}}:
                return self.outputs[name]
        return value

    def upload_assets(self, manifest: Path) -> None:
        """Code that nobody will run: a function cannot be made without."""
        s3 = self.client("s3")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            package.writestr("bootstrap", "")
        for file in json.loads(manifest.read_text())["files"].values():
            for target in file["destinations"].values():
                bucket = target["bucketName"].replace("${AWS::AccountId}", "123456789012")
                bucket = bucket.replace("${AWS::Region}", REGION)
                if bucket not in self.buckets_for_assets:
                    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
                    self.buckets_for_assets.add(bucket)
                s3.put_object(Bucket=bucket, Key=target["objectKey"], Body=archive.getvalue())


def supported(template: dict) -> tuple[dict, list[str]]:
    """The template as moto can take it, and the types of what is left out."""
    resources = template["Resources"]
    left_out = {name for name, resource in resources.items() if not is_known(resource["Type"])}
    # What refers to it goes with it.
    while True:
        orphans = {
            name
            for name, resource in resources.items()
            if name not in left_out and any(f'"{gone}"' in json.dumps(resource) for gone in {LEFT_OUT, *left_out})
        }
        if not orphans:
            break
        left_out |= orphans
    types = sorted({resources[name]["Type"] for name in left_out})
    kept = {name: changed(name, resource) for name, resource in resources.items() if name not in left_out}
    outputs = {
        name: output
        for name, output in template.get("Outputs", {}).items()
        if not any(f'"{gone}"' in json.dumps(output) for gone in {LEFT_OUT, *left_out})
    }
    return {**template, "Resources": kept, "Outputs": outputs}, types


def is_known(resource_type: str) -> bool:
    # A version can be made, but nothing can refer to it. Moto would run the function of a custom resource in
    # Docker, and wait.
    if resource_type == "AWS::Lambda::Version" or resource_type.startswith("Custom::"):
        return False
    return resource_class_from_type(resource_type) is not None


def changed(name: str, resource: dict) -> dict:
    """Where moto asks for more than CloudFormation does."""
    resource.pop("DependsOn", None)
    properties = resource.setdefault("Properties", {})
    if resource["Type"] == "AWS::ECR::Repository":
        properties["RepositoryName"] = name.lower()
    if resource["Type"] == "AWS::Batch::ComputeEnvironment":
        properties["Type"] = properties["Type"].upper()
        properties["ServiceRole"] = "arn:aws:iam::123456789012:role/batch"
    return resource
