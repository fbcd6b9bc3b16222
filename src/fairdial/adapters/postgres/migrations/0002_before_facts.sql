-- Facts with their age: what the rules look at beside lists and attempts.

ALTER TABLE suppression DROP CONSTRAINT suppression_kind_check;
ALTER TABLE suppression ADD CONSTRAINT suppression_kind_check
    CHECK (kind IN ('national', 'state', 'internal', 'litigator'));
ALTER TABLE suppression ALTER COLUMN registered_on DROP NOT NULL;
ALTER TABLE registry DROP CONSTRAINT registry_kind_check;
ALTER TABLE registry ADD CONSTRAINT registry_kind_check
    CHECK (kind IN ('national', 'state', 'internal', 'litigator'));

-- The consent ledger: who agreed to what text, when, how, for what, and how it was taken back.
ALTER TABLE consent
    ADD COLUMN id          uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN given_at    timestamptz,
    ADD COLUMN expires_on  date,
    ADD COLUMN purposes    text[] NOT NULL DEFAULT '{}',
    ADD COLUMN text_shown  text NOT NULL DEFAULT '',
    ADD COLUMN place       text NOT NULL DEFAULT '',
    ADD COLUMN ip          text NOT NULL DEFAULT '',
    ADD COLUMN user_agent  text NOT NULL DEFAULT '',
    ADD COLUMN signature   text NOT NULL DEFAULT '',
    ADD COLUMN evidence    text NOT NULL DEFAULT '',
    ADD COLUMN copy_given  boolean NOT NULL DEFAULT false,
    ADD COLUMN recorded_at timestamptz,
    ADD COLUMN revoked_by  text;
-- A newer consent is a new row, also on the day of the former one.
ALTER TABLE consent DROP CONSTRAINT consent_pkey, ADD PRIMARY KEY (id);
CREATE INDEX consent_number ON consent (number, seller_id);
CREATE UNIQUE INDEX consent_once_a_day ON consent (number, seller_id, kind, given_on, source)
    WHERE given_at IS NULL;
CREATE UNIQUE INDEX consent_once_a_moment ON consent (number, seller_id, kind, given_at)
    WHERE given_at IS NOT NULL;
COMMENT ON COLUMN consent.text_shown IS 'The exact text that the person agreed to.';
COMMENT ON COLUMN consent.revoked_by IS 'The channel by which the person took it back.';

CREATE FUNCTION consent_is_revoked_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'consents are kept: % is not allowed', TG_OP;
    END IF;
    IF OLD.revoked_at IS NOT NULL
       OR to_jsonb(NEW) - '{revoked_at,revoked_by}'::text[]
          <> to_jsonb(OLD) - '{revoked_at,revoked_by}'::text[] THEN
        RAISE EXCEPTION 'consent % may only be revoked, and once', OLD.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER consent_revoked_once BEFORE UPDATE OR DELETE ON consent
    FOR EACH ROW EXECUTE FUNCTION consent_is_revoked_once();

-- A revocation stands on its own: it also ends a consent that was given before it and is recorded
-- only later, with a list that is imported tomorrow.
CREATE TABLE revocation (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number       text NOT NULL,
    seller_id    uuid NOT NULL REFERENCES seller,
    revoked_at   timestamptz NOT NULL,
    revoked_by   text NOT NULL CHECK (revoked_by <> ''),
    recorded_at  timestamptz NOT NULL
);
CREATE INDEX revocation_number ON revocation (number, seller_id);
INSERT INTO revocation (number, seller_id, revoked_at, revoked_by, recorded_at)
SELECT number, seller_id, max(revoked_at), 'a stop request', max(revoked_at)
  FROM consent WHERE revoked_at IS NOT NULL GROUP BY number, seller_id;
CREATE TRIGGER revocation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON revocation
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE FUNCTION is_ended_by(given_on date, given_at timestamptz, revoked_at timestamptz)
    RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    -- A consent without a time of day may be of the hours before its revocation. Its day is the
    -- person's own, which in the far east begins 14 hours before UTC's.
    SELECT CASE WHEN given_at IS NOT NULL THEN given_at <= revoked_at
                ELSE given_on <= ((revoked_at + interval '14 hours') AT TIME ZONE 'UTC')::date END
$$;

CREATE TABLE relationship (
    number       text NOT NULL,
    seller_id    uuid NOT NULL REFERENCES seller,
    kind         text NOT NULL CHECK (kind IN ('purchase', 'inquiry', 'contract')),
    last_on      date NOT NULL,
    source       text NOT NULL,
    as_of        date NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (number, seller_id, kind, source)
);
COMMENT ON COLUMN relationship.as_of IS 'The day on which the source said so.';

CREATE TABLE restriction (
    number       text NOT NULL,
    seller_id    uuid NOT NULL REFERENCES seller,
    restriction  text NOT NULL CHECK (restriction IN ('attorney', 'work')),
    source       text NOT NULL,
    as_of        date NOT NULL,
    ended_on     date,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (number, seller_id, restriction, source)
);
COMMENT ON COLUMN restriction.ended_on IS 'The first day on which it no longer holds, as its source says.';

CREATE TABLE line_type (
    number      text PRIMARY KEY,
    line_type   text NOT NULL CHECK (line_type IN ('wireless', 'landline', 'voip', 'unknown')),
    source      text NOT NULL,
    as_of       date NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE reassigned_answer (
    number      text NOT NULL,
    since_on    date NOT NULL,
    asked_on    date NOT NULL,
    answer      text NOT NULL CHECK (answer IN ('no', 'yes', 'no_data')),
    source      text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (number, since_on, asked_on)
);

CREATE TABLE emergency (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    jurisdiction  text NOT NULL,
    from_at       timestamptz NOT NULL,
    until_at      timestamptz,
    source        text NOT NULL,
    declared_at   timestamptz NOT NULL,
    ended_by      text NOT NULL DEFAULT '',
    CHECK (until_at IS NULL OR until_at >= from_at)
);
CREATE INDEX emergency_declared ON emergency (jurisdiction) WHERE until_at IS NULL;

-- Where a law starts its clock at the greeting; empty until a detector hears greetings.
ALTER TABLE attempt
    ADD COLUMN greeting_started_at timestamptz,
    ADD COLUMN greeting_ended_at   timestamptz;

-- Pages of a campaign's leads, for questions about all of them.
CREATE INDEX lead_by_campaign ON lead (campaign_id, id);
