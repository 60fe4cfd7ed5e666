"""Signs the cases of a JSON file with botocore and prints its Authorization headers as a JSON list."""
import datetime
import json
import sys
from urllib.parse import quote

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

signatures = []
for case in json.load(open(sys.argv[1])):
    now = datetime.datetime.strptime(case["now"], "%Y%m%dT%H%M%SZ")
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: now
    # As botocore's serializer and URL builder encode them.
    url = "https://" + case["host"] + quote(case["path"], safe="/~")
    if case["query"]:
        url += "?" + "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in case["query"])
    request = AWSRequest(method=case["method"], url=url)
    for name, value in case["headers"]:
        request.headers[name] = value  # an e-mail message's way: appends
    request.context["payload_signing_enabled"] = True
    credentials = Credentials(case["access_key_id"], case["secret_access_key"], case["session_token"] or None)
    kind = botocore.auth.S3SigV4Auth if case["service"] == "s3" else botocore.auth.SigV4Auth
    signer = kind(credentials, case["service"], case["region"])
    signer.payload = lambda request, digest=case["payload_sha256"]: digest
    signer.add_auth(request)
    signatures.append(request.headers["Authorization"])
json.dump(signatures, sys.stdout)
