"""The RDS token that botocore makes at a given time: HOST PORT USER REGION TIME KEY SECRET SESSION-TOKEN."""
import datetime
import sys

import botocore.auth
import botocore.session
import boto3

host, port, user, region, time, key, secret, session_token = sys.argv[1:]
now = datetime.datetime.strptime(time, "%Y%m%dT%H%M%SZ")
botocore.auth.get_current_datetime = lambda remove_tzinfo=True: now
client = boto3.client("rds", region_name=region, aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=session_token or None)
print(client.generate_db_auth_token(host, int(port), user), end="")
