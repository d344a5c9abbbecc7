"""Content hashes of files and directories, and how tracked data is named.

* ``hashing`` reads one file and says what is in it.
* ``scanning`` lists a directory, ``manifest`` turns the list into one digest.
* ``cache`` remembers what did not change since; ``tree`` brings the four together.
* ``tracking`` turns the ``data=`` argument of a run sheet into hashes; ``remote`` asks for URLs.
"""
