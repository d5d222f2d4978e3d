"""What calls.lua does, with boto3: python3 calls_boto3.py URL COUNT"""
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
import boto3
from botocore.config import Config

url, count = sys.argv[1], int(sys.argv[2])
client = boto3.client("customer-profiles", endpoint_url=url, region_name="us-east-1", aws_access_key_id="local",
                      aws_secret_access_key="local", config=Config(max_pool_connections=8))


def timed(work):
    began, used = time.time(), time.process_time()
    work()
    return {"seconds": time.time() - began, "cpu": time.process_time() - used}


def call(times):
    for _ in range(times):
        client.get_domain(DomainName="bench")


def eight():
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, [count // 8] * 8))


call(20)
print(json.dumps({"one": timed(lambda: call(count)), "eight": timed(eight)}))
