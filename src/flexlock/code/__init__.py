"""The version of the code that runs: a git tree of what is on the disk, edits included.

* ``git`` runs the git program, with explicit arguments and a time limit.
* ``status`` asks it what differs from the last commit, ``choosing`` decides what of that counts.
* ``capture`` makes the tree, without touching the user's index, branch or files.
* ``drift`` tells which loaded modules are not what was captured.
"""
