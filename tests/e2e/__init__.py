"""The whole product from outside: the real command against a real carrier."""
