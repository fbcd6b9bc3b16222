-- What proves the record: a chain sealed in one statement, signed checkpoints, kept rulebooks, and
-- the indexes that find everything about one number.

-- Which chain this is. A checkpoint that somebody kept elsewhere says it too, so that one file may
-- hold the checkpoints of several databases.
ALTER TABLE audit_head ADD COLUMN chain_id uuid NOT NULL DEFAULT gen_random_uuid();

-- The only way to append: takes the head, gives each entry its number and hash, and moves the head
-- on, without a trip to the client while others wait. The hash is that of core/audit.py, where the
-- verification makes it again: what one of the two gets wrong the other finds.
CREATE FUNCTION seal_audit(stamps text[], kinds text[], subjects text[], actors text[], bodies text[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last    audit_head;
    sealed  text;
BEGIN
    SELECT * INTO STRICT last FROM audit_head FOR UPDATE;
    FOR i IN 1 .. cardinality(stamps) LOOP
        sealed := encode(sha256(convert_to(concat_ws(E'\n', last.seq + 1, stamps[i], kinds[i],
                      subjects[i], actors[i], bodies[i], last.hash), 'UTF8')), 'hex');
        INSERT INTO audit_entry (seq, at, kind, subject, actor, body, prev_hash, hash)
        VALUES (last.seq + 1, stamps[i]::timestamptz, kinds[i], subjects[i], actors[i],
                bodies[i]::jsonb, last.hash, sealed);
        last.seq := last.seq + 1;
        last.hash := sealed;
    END LOOP;
    UPDATE audit_head SET seq = last.seq, hash = last.hash;
END $$;

CREATE TABLE checkpoint (
    seq         bigint NOT NULL CHECK (seq > 0),
    hash        text NOT NULL,
    at          timestamptz NOT NULL,
    chain_id    uuid NOT NULL,
    public_key  text NOT NULL,
    signature   text NOT NULL,
    PRIMARY KEY (seq, at)
);
COMMENT ON TABLE checkpoint IS 'Signed statements of the chain''s end; each also stands outside of this database.';
CREATE TRIGGER checkpoint_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE rulebook (
    hash           text PRIMARY KEY,
    tzdata         text NOT NULL,
    files          jsonb NOT NULL,
    first_used_at  timestamptz NOT NULL
);
COMMENT ON TABLE rulebook IS 'Every rulebook that ever judged, its files as they were.';
CREATE TRIGGER rulebook_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rulebook
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Everything about one number, in order of time.
CREATE INDEX permit_number ON permit (number, issued_at);
CREATE INDEX refusal_number ON refusal (number, decided_at);
-- By time, for what is judged again of a period.
CREATE INDEX permit_issued ON permit (issued_at, id);
CREATE INDEX refusal_decided ON refusal (decided_at, id);
