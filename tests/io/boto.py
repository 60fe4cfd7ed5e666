"""What boto3, another's client, sees of the store. boto.py ENDPOINT VERB BUCKET [KEY [FILE]]: prints JSON."""
import hashlib
import json
import sys

import boto3
from botocore.config import Config

endpoint, verb, bucket = sys.argv[1:4]
key = sys.argv[4] if len(sys.argv) > 4 else ""
s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id="udon", aws_secret_access_key="udonsecret",
                  region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))

if verb == "head":
    head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    answer = {"bytes": head["ContentLength"], "etag": head["ETag"].strip('"'), "metadata": head["Metadata"],
              "sha256": head.get("ChecksumSHA256", ""), "storage_class": head.get("StorageClass", ""),
              "content_type": head["ContentType"]}
elif verb == "sha256":  # of the content, read back
    digest = hashlib.sha256()
    for chunk in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1 << 20):
        digest.update(chunk)
    answer = {"sha256": digest.hexdigest()}
elif verb == "uploads":  # begun and neither completed nor aborted
    answer = [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", [])]
elif verb == "put":
    s3.upload_file(sys.argv[5], bucket, key)
    answer = {}
elif verb == "delete_all":
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key):
        for found in page.get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=found["Key"])
    for upload in s3.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    answer = {}
json.dump(answer, sys.stdout)
