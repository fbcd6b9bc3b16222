"""PostgreSQL, real: the embedded server, the migrations, the named queries and the store."""
