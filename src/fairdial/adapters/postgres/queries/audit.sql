-- name: begin
-- The first word of a transaction.
BEGIN

-- name: commit
-- The last word of a transaction.
COMMIT

-- name: seal_audit
-- Append entries at the end of the chain, which is held until this transaction ends; therefore its
-- commit does not wait for the disk (see wait_for_disk).
SELECT set_config('synchronous_commit', 'off', true),
       seal_audit(%(stamps)s::text[], %(kinds)s::text[], %(subjects)s::text[], %(actors)s::text[],
                  %(bodies)s::text[])

-- name: do_not_wait_for_disk
-- Let the commit of this transaction return before it is on disk.
SET LOCAL synchronous_commit = off

-- name: wait_for_disk
-- Return when every commit so far is on disk: an empty note in the log that is itself waited for.
SELECT pg_logical_emit_message(true, 'fairdial', '')
