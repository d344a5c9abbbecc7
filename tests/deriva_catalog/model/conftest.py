from itertools import count

import pytest

from deriva_catalog import rid
from deriva_catalog.model import Model, builtin_tables, create


@pytest.fixture
def next_rid():
    numbers = count(1)
    return lambda: rid.encode(next(numbers))


@pytest.fixture
def empty(next_rid):
    """The model of a new catalog: schema public with the built-in tables."""
    documents = [{"schema_name": "public"}, *builtin_tables()]
    return create(Model(version=0), documents, next_rid=next_rid, version=1).model
