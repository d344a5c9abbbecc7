"""The run sheet (`run.lock`): what a run was made of, as records, as YAML, and how it is made.

* ``record`` holds the frozen records; ``identity`` makes run ids.
* ``document`` turns records into YAML and back, older generations included.
* ``composing`` gathers a record from config, code, data and earlier runs.
* ``runlock`` is the function that users call.
"""
