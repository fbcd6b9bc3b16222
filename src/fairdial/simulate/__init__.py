"""Calling floors in virtual time: the product's pacing, and others' laws, on the same people.

`world` plays one floor from one seed; `laws` has what other dialers do; `scenario` reads a file
that describes a floor; `compare` plays several laws over several seeds. Nothing here rings.
"""
