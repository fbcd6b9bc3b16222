"""HTTP: parse, call one flow function, render. The server's snapshot is the truth."""
