"""AWS account on loopback for the scripts, until standard input ends. The first line of output is JSON: an environment
for clients, and the key of a user who may read neither channels nor parameters, and may do all else.
"""

import json
import sys

from account import Account
from moto.apigateway.models import apigateway_backends
from moto.core.common_models import CloudFormationModel

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/channels/*"},
        {"Effect": "Deny", "Action": "ssm:GetParameter", "Resource": "*"},
    ],
}


class ApiKey(CloudFormationModel):
    """What moto's CloudFormation lacks; it knows the service of a resource by the module."""

    __module__ = "moto.apigateway.models"

    def __init__(self, physical_resource_id: str) -> None:
        self.physical_resource_id = physical_resource_id

    @staticmethod
    def cloudformation_name_type() -> str:
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::ApiGateway::ApiKey"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **_kwargs):
        key = apigateway_backends[account_id][region_name].create_api_key({"name": resource_name})
        return cls(key.id)

    def delete(self, account_id: str, region_name: str) -> None:
        apigateway_backends[account_id][region_name].delete_api_key(self.physical_resource_id)


def main() -> None:
    account = Account()
    iam = account.client("iam")
    iam.create_user(UserName="restricted")
    iam.put_user_policy(UserName="restricted", PolicyName="policy", PolicyDocument=json.dumps(POLICY))
    key = iam.create_access_key(UserName="restricted")["AccessKey"]
    user = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    print(json.dumps({"environment": account.environment(), "user": user}), flush=True)
    sys.stdin.read()
    account.server.stop()


if __name__ == "__main__":
    main()
