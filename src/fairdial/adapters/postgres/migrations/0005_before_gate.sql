-- Holding a campaign and a number for one call, without an answer to wait for: it either holds or
-- ends the transaction, so it travels with the query for the facts.
CREATE FUNCTION hold_for_call(held_campaign uuid, held_epoch bigint, held_number text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM campaign WHERE id = held_campaign AND dialer_epoch = held_epoch FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another dialer took campaign % over', held_campaign USING ERRCODE = 'FD001';
    END IF;
    -- As the query lock_number does.
    PERFORM pg_advisory_xact_lock(hashtextextended(held_number, 0));
END $$;
