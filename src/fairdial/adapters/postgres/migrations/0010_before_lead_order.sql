-- The order of the hopper: callbacks first, then priority and score, then how long a lead is due.

ALTER TABLE lead ADD COLUMN rank smallint NOT NULL DEFAULT 50 CHECK (rank BETWEEN 0 AND 99);
COMMENT ON COLUMN lead.rank IS 'Ten times the priority (0 to 9) plus the step of the score (0 to 9).';
ALTER TABLE lead ADD COLUMN is_callback boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN lead.is_callback IS 'Due at a time that was agreed with the person.';

DROP INDEX lead_due;
CREATE INDEX lead_due ON lead (campaign_id, rank, due_at, row)
    WHERE state = 'due' AND NOT is_callback;
CREATE INDEX lead_callback ON lead (campaign_id, due_at, row) WHERE state = 'due' AND is_callback;
