"""Caching: nodes whose code and inputs are unchanged are read back instead of computed.

``driver.Builder().with_cache()`` installs `hamilton.caching.adapter.HamiltonCacheAdapter`.

* ``fingerprint`` identifies values, ``code_version`` identifies code, ``cache_key`` joins them.
* ``stores`` keep the two maps: key to data version (metadata) and data version to value (result).
* ``behavior`` decides per node whether to read, compute and keep.
* ``adapter`` ties them to a run; ``events`` are what it records.
* ``fingerprinting`` holds the published value hashes, which the cache does not rely on.
"""
