"""What every script here needs: what it was given, connections, and a way to tell what it saw."""

import json
import sys
from types import SimpleNamespace

import requests
from deriva.core import DerivaServer, HatracStore, format_credential
from deriva.core.datapath import DataPathException

GIVEN = SimpleNamespace(**json.loads(sys.argv[1]))
MINE = format_credential(oauth2_token=GIVEN.token)
OTHERS = format_credential(oauth2_token=GIVEN.other_token)


def server(credential=MINE, **config):
    """The service, for somebody."""
    return DerivaServer(GIVEN.scheme, GIVEN.host, credential, **config)


def store(credential=MINE):
    """Its object store."""
    return HatracStore(GIVEN.scheme, GIVEN.host, credential)


def outcome(call, *args, **kwargs):
    """0 when a call succeeds; else the status that it failed with."""
    try:
        call(*args, **kwargs)
    except requests.HTTPError as error:
        return error.response.status_code
    except DataPathException as error:
        return error.reason.response.status_code
    return 0


def tell(**facts):
    """Print what was seen, for the test to judge."""
    print()
    print(json.dumps(facts))
