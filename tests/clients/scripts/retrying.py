"""Two requests, and between them whatever the test does to the service."""

import sys

from deriva.core import DEFAULT_SESSION_CONFIG
from told import server

patient = {
    **DEFAULT_SESSION_CONFIG,
    "retry_connect": 60,
    "retry_read": 60,
    "retry_backoff_factor": 0.1,
}
connection = server(None, session_config=patient)
print(connection.get("/ermrest/").json()["version"], flush=True)
sys.stdin.readline()
print("asking", flush=True)
print(connection.get("/ermrest/").json()["version"], flush=True)
