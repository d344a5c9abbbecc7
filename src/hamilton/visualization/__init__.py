"""Drawings of dataflows: as dot text, SVG, Mermaid, plain text or HTML; images through graphviz.

``drawing`` is what a picture consists of, ``collect`` makes it from a graph, ``dot``, ``svg`` (with
``layout``) and ``text`` write it, ``picture`` holds and saves it, ``views`` are what the driver's
display methods call, ``recorder`` notes how nodes fared in a run.
"""
