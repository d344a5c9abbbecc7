"""Rows over HTTP: ``entity``, ``attribute``, ``attributegroup`` and ``aggregate``.

- `inputs`: bodies with rows, as JSON, JSON streams or CSV;
- `outputs`: rows that were written, in those forms;
- `representation`: which form a request asks for;
- `reading`: queries, answered by streams that the database makes;
- `writing`: inserts, updates and deletes;
- `routes`: which request is which.
"""
