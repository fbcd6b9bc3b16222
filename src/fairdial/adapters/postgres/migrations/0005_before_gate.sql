-- Holding a campaign, a number and the business it is a line of for one call, without an answer to
-- wait for: it either holds or ends the transaction, so it travels with the query for the facts.
CREATE FUNCTION hold_for_call(
    held_campaign uuid, held_epoch bigint, held_number text, held_company text
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM campaign WHERE id = held_campaign AND dialer_epoch = held_epoch FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another dialer took campaign % over', held_campaign USING ERRCODE = 'FD001';
    END IF;
    -- As the query lock_number does.
    PERFORM pg_advisory_xact_lock(hashtextextended(held_number, 0));
    -- Always after a number, so that no two wait for each other.
    IF held_company IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(held_company, 1));
    END IF;
END $$;
