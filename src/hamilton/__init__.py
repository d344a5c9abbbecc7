"""Plain functions become a dataflow that a driver runs.

    from hamilton import driver
    import my_functions                      # def b(a: int) -> int: ...

    dr = driver.Builder().with_modules(my_functions).build()
    dr.execute(["b"], inputs={"a": 1})       # {"b": ...}

ARCHITECTURE, from the outside in:

* ``driver`` (``Driver``; ``_builder`` holds ``Builder``) is a facade. It owns one ``graph``, one
  set of adapters and one executor, and passes requests on.
* ``graph`` crawls modules (``_crawl``) and resolves function modifiers
  (``function_modifiers.base.resolve_nodes``) into ``node.Node`` objects, linked by name. Nothing
  in it knows about values. ``graph_types`` are the read-only views handed to users.
* ``_request`` turns user input (outputs, inputs, overrides) into a checked request, ``_plan``
  compiles a request into flat steps over integer slots and keeps them, ``_loop`` runs the steps:
  one bare loop when no adapter asks for anything at nodes, one loop with hooks otherwise.
  ``_straight`` writes out plans that run often; ``_async_loop`` runs plans in an event loop.
* ``execution`` runs plans with ``Parallelizable`` blocks as tasks on executors.
* ``lifecycle.base`` names every extension point; ``lifecycle.base.LifecycleAdapterSet`` answers
  "who implements this point" once, at construction. An adapter that changes how a node runs
  (cache, retry, pool) implements ``do_node_execute``; several wrap one another in adapter order.

Only the standard library is imported here; pandas, numpy and the rest are imported by the code
that needs them when it is first called.
"""

from __future__ import annotations

from pkgutil import extend_path

from hamilton.version import VERSION

__all__ = ["__version__"]

__path__ = extend_path(__path__, __name__)
__version__: tuple[int, int, int] = VERSION
