"""People's files: lead lists, campaign files, do-not-call files, and the rows that were rejected.

Everything here reads strictly and says what is wrong, where, and what to do. What the cells mean
is decided in `core.intake`.
"""
