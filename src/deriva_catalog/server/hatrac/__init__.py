"""Objects over HTTP: the service's own below ``/hatrac``, those of a catalog below its address.

Source: Hatrac.
"""
