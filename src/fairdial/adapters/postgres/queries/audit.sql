-- name: audit_head
-- The end of the chain, held until this transaction ends.
SELECT seq, hash FROM audit_head FOR UPDATE

-- name: append_audit
-- One entry more at the end of the chain.
WITH entry AS (
    INSERT INTO audit_entry (seq, at, kind, subject, actor, body, prev_hash, hash)
    VALUES (%(seq)s, %(at)s, %(kind)s, %(subject)s, %(actor)s, %(body)s, %(prev_hash)s, %(hash)s)
)
UPDATE audit_head SET seq = %(seq)s, hash = %(hash)s WHERE seq = %(seq)s - 1

-- name: audit_entries
-- The whole chain in order.
SELECT seq, at, kind, subject, actor, body, prev_hash, hash FROM audit_entry ORDER BY seq

-- name: audit_head_now
-- The end of the chain, to read.
SELECT seq, hash FROM audit_head
