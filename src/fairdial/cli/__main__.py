"""`python -m fairdial.cli`, which is what the shim at the root starts."""

from fairdial.cli import main

main()
