-- How often each caller ID was shown, by the hour, over all campaigns: what rotation and caps go by.

CREATE TABLE caller_id_use (
    number  text NOT NULL,
    hour    timestamptz NOT NULL,
    calls   integer NOT NULL CHECK (calls > 0),
    PRIMARY KEY (number, hour)
);
COMMENT ON TABLE caller_id_use IS 'Calls permitted under each caller ID in each hour.';

-- Counts one call more under a caller ID, unless its cap is reached. Two judgements of one caller ID
-- wait for each other here; each statement of a function reads what was committed before it.
CREATE FUNCTION use_caller_id(used_number text, used_at timestamptz, used_since timestamptz, most integer)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(used_number, 2));
    IF most IS NOT NULL AND most <= (SELECT coalesce(sum(calls), 0) FROM caller_id_use
                                      WHERE number = used_number AND hour >= used_since) THEN
        RETURN false;
    END IF;
    INSERT INTO caller_id_use (number, hour, calls)
    VALUES (used_number, date_trunc('hour', used_at), 1)
    ON CONFLICT (number, hour) DO UPDATE SET calls = caller_id_use.calls + 1;
    RETURN true;
END $$;
