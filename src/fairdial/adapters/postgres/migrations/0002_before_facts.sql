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
    ADD COLUMN id          uuid,
    ADD COLUMN given_at    timestamptz,
    ADD COLUMN expires_on  date,
    ADD COLUMN purposes    text[] NOT NULL DEFAULT '{}',
    ADD COLUMN text_shown  text NOT NULL DEFAULT '',
    ADD COLUMN place       text NOT NULL DEFAULT '',
    ADD COLUMN ip          inet,
    ADD COLUMN user_agent  text NOT NULL DEFAULT '',
    ADD COLUMN signature   text NOT NULL DEFAULT '',
    ADD COLUMN evidence    text NOT NULL DEFAULT '',
    ADD COLUMN recorded_at timestamptz,
    ADD COLUMN revoked_by  text;
COMMENT ON COLUMN consent.text_shown IS 'The exact text that the person agreed to.';
COMMENT ON COLUMN consent.revoked_by IS 'The channel by which the person took it back.';

CREATE TABLE relationship (
    number       text NOT NULL,
    seller_id    uuid NOT NULL REFERENCES seller,
    kind         text NOT NULL CHECK (kind IN ('purchase', 'inquiry', 'contract')),
    last_on      date NOT NULL,
    source       text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (number, seller_id, kind)
);

CREATE TABLE restriction (
    number       text NOT NULL,
    seller_id    uuid NOT NULL REFERENCES seller,
    restriction  text NOT NULL CHECK (restriction IN ('attorney', 'work')),
    source       text NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (number, seller_id, restriction)
);

CREATE TABLE line_type (
    number     text PRIMARY KEY,
    line_type  text NOT NULL CHECK (line_type IN ('wireless', 'landline', 'voip', 'unknown')),
    source     text NOT NULL,
    as_of      date NOT NULL
);

CREATE TABLE reassigned_answer (
    number    text NOT NULL,
    since_on  date NOT NULL,
    asked_on  date NOT NULL,
    answer    text NOT NULL CHECK (answer IN ('no', 'yes', 'no_data')),
    PRIMARY KEY (number, since_on, asked_on)
);

CREATE TABLE emergency (
    id            uuid PRIMARY KEY,
    jurisdiction  text NOT NULL,
    from_at       timestamptz NOT NULL,
    until_at      timestamptz,
    source        text NOT NULL,
    declared_at   timestamptz NOT NULL,
    CHECK (until_at IS NULL OR until_at > from_at)
);
CREATE INDEX emergency_declared ON emergency (jurisdiction) WHERE until_at IS NULL;

-- Where a law starts its clock at the greeting; empty until a detector hears greetings.
ALTER TABLE attempt
    ADD COLUMN greeting_started_at timestamptz,
    ADD COLUMN greeting_ended_at   timestamptz;

-- Pages of a campaign's leads, for questions about all of them.
CREATE INDEX lead_by_campaign ON lead (campaign_id, id);
