"""The export service: answers of queries, and the files they name, as a bag or as single files.

- `configuration`: what a client asks for, read strictly;
- `processing`: doing that, into a bag or a folder;
- `spool`: results, which wait for the one who made them until they expire;
- `routes`: the requests.

Source: ERMrest, "Companion services clients expect"; deriva, "download configuration".
"""
