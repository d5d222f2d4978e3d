"""Sends the cases of a file through botocore, driven by the model that the build wrote, and prints each reply as a line of JSON.
    python3 send.py URL CASES"""
import datetime, json, re, sys

import botocore.config
import botocore.exceptions
import botocore.session

url, path = sys.argv[1:]
session = botocore.session.get_session()
session.set_credentials("AKIDEXAMPLE", "secret", "token/with+odd=characters")
client = session.create_client("customer-profiles", region_name="us-east-1", endpoint_url=url,
                               config=botocore.config.Config(retries={"total_max_attempts": 1}))


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    raise TypeError(f"{value!r} cannot be JSON")


for case in json.load(open(path, encoding="utf-8")):
    method = getattr(client, re.sub("(?<!^)([A-Z])", r"_\1", case["operation"]).lower())
    try:
        reply = method(**case["params"])
        reply.pop("ResponseMetadata")
    except botocore.exceptions.ClientError as error:
        told, about = error.response["Error"], error.response["ResponseMetadata"]
        reply = {"error": {"code": told["Code"], "message": told["Message"], "status": about["HTTPStatusCode"],
                           "request_id": about["RequestId"]}}
    except botocore.exceptions.BotoCoreError as error:
        reply = {"error": {"message": str(error)}}
    print(json.dumps(reply, default=plain), flush=True)
