"""awscrt's S3 client, as aws-cli and boto3 use it where they are quick: s3_crt.py ENDPOINT BUCKET PREFIX FILE_OR_FOLDER."""
import os
import sys
import threading

from awscrt.auth import AwsCredentialsProvider
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientBootstrap, DefaultHostResolver, EventLoopGroup
from awscrt.s3 import S3Client, S3ChecksumAlgorithm, S3ChecksumConfig, S3ChecksumLocation, S3RequestTlsMode, S3RequestType

endpoint, bucket, prefix, source = sys.argv[1:]
host = endpoint.removeprefix("http://")
group = EventLoopGroup(2)
client = S3Client(bootstrap=ClientBootstrap(group, DefaultHostResolver(group)), region="us-east-1",
                  credential_provider=AwsCredentialsProvider.new_static("udon", "udonsecret"), tls_mode=S3RequestTlsMode.DISABLED,
                  part_size=16 << 20, throughput_target_gbps=10)
files = [source] if os.path.isfile(source) else [os.path.join(at, name) for at, _, names in os.walk(source) for name in names]
room = threading.Semaphore(256)
failed = []


def sent(error=None, **_):
    if error is not None:
        failed.append(error)
    room.release()


requests = []
for path in files:
    room.acquire()
    key = prefix + (os.path.basename(path) if path == source else os.path.relpath(path, source))
    headers = HttpHeaders([("host", host), ("content-length", str(os.path.getsize(path))), ("content-type", "application/octet-stream")])
    requests.append(client.make_request(
        type=S3RequestType.PUT_OBJECT, request=HttpRequest("PUT", f"/{bucket}/{key}", headers), send_filepath=path, on_done=sent,
        checksum_config=S3ChecksumConfig(algorithm=S3ChecksumAlgorithm.CRC32, location=S3ChecksumLocation.TRAILER)))
for request in requests:
    request.finished_future.result()
sys.exit(f"{len(failed)} failed: {failed[0]}" if failed else 0)
