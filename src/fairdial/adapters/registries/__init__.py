"""Do-not-call registries at their own scale: hundreds of millions of numbers in a mapped file.

`forms` reads what registries hand out, `blocks` gathers it, `block_file` is how it lies on the
disk, and `library` makes versions of it and looks numbers up. Which version is in force is not
known here: that stands in the database.
"""
