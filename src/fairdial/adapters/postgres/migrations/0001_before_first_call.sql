-- The tables of the line of a call. Invariants stand here as well as in core: two fences.
-- No default reads the database's clock: every time comes from the one Clock.

CREATE TABLE installation (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    is_sandbox  boolean NOT NULL,
    created_at  timestamptz NOT NULL
);
COMMENT ON TABLE installation IS 'Says whether this database is the sandbox or live; they never mix.';

CREATE TABLE seller (
    id    uuid PRIMARY KEY,
    name  text NOT NULL UNIQUE
);

CREATE TABLE campaign (
    id               uuid PRIMARY KEY,
    name             text NOT NULL UNIQUE,
    seller_id        uuid NOT NULL REFERENCES seller,
    definition       jsonb NOT NULL,
    state            text NOT NULL CHECK (state IN ('ready', 'running', 'stopped', 'finished')),
    created_at       timestamptz NOT NULL,
    dialer_id        uuid,
    dialer_epoch     bigint NOT NULL DEFAULT 0,
    dialer_until     timestamptz
);
COMMENT ON COLUMN campaign.dialer_epoch IS
    'Fencing token: rises with every dialer that takes the campaign; a permit must carry the newest.';

CREATE TABLE list (
    id           uuid PRIMARY KEY,
    campaign_id  uuid NOT NULL REFERENCES campaign,
    source       text NOT NULL,
    imported_at  timestamptz NOT NULL,
    accepted     integer NOT NULL,
    rejected     integer NOT NULL
);

CREATE TABLE lead (
    id           uuid PRIMARY KEY,
    campaign_id  uuid NOT NULL REFERENCES campaign,
    list_id      uuid NOT NULL REFERENCES list,
    number       text NOT NULL,
    name         text NOT NULL,
    zone         text,
    postal       text,
    region       text,
    country      text,
    party        text NOT NULL,
    line_type    text NOT NULL,
    attributes   jsonb NOT NULL,
    state        text NOT NULL CHECK (state IN ('due', 'claimed', 'finished')),
    due_at       timestamptz NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    row          integer NOT NULL,
    why          text NOT NULL DEFAULT ''
);
CREATE INDEX lead_due ON lead (campaign_id, due_at, row) WHERE state = 'due';
CREATE INDEX lead_claimed ON lead (campaign_id) WHERE state = 'claimed';
CREATE INDEX lead_number ON lead (number);

CREATE TABLE registry (
    kind         text NOT NULL CHECK (kind IN ('national', 'state', 'internal')),
    name         text NOT NULL,
    region       text NOT NULL DEFAULT '',
    as_of        date NOT NULL,
    imported_at  timestamptz NOT NULL,
    entries      integer NOT NULL,
    PRIMARY KEY (kind, name)
);
COMMENT ON TABLE registry IS 'The do-not-call registries we hold a copy of, and the day of the copy.';

CREATE TABLE suppression (
    number         text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('national', 'state', 'internal')),
    source         text NOT NULL,
    region         text NOT NULL DEFAULT '',
    seller_id      uuid REFERENCES seller,
    registered_on  date NOT NULL,
    added_at       timestamptz NOT NULL,
    CHECK ((kind = 'internal') = (seller_id IS NOT NULL))
);
CREATE UNIQUE INDEX suppression_once
    ON suppression (number, kind, source, coalesce(seller_id, '00000000-0000-0000-0000-000000000000'));

CREATE TABLE consent (
    number      text NOT NULL,
    seller_id   uuid NOT NULL REFERENCES seller,
    kind        text NOT NULL CHECK (kind IN ('express', 'written')),
    given_on    date NOT NULL,
    source      text NOT NULL,
    revoked_at  timestamptz,
    PRIMARY KEY (number, seller_id, given_on, kind)
);

CREATE TABLE permit (
    id           uuid PRIMARY KEY,
    attempt_id   uuid NOT NULL UNIQUE,
    lead_id      uuid NOT NULL REFERENCES lead,
    campaign_id  uuid NOT NULL REFERENCES campaign,
    number       text NOT NULL,
    caller_id    text NOT NULL,
    method       text NOT NULL,
    issued_at    timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,
    void_at      timestamptz,
    rulebook     text NOT NULL,
    tzdata       text NOT NULL,
    verdicts     jsonb NOT NULL,
    facts        jsonb NOT NULL,
    digest       text NOT NULL,
    CHECK (expires_at > issued_at),
    CHECK (used_at IS NULL OR void_at IS NULL)
);

CREATE TABLE refusal (
    id               uuid PRIMARY KEY,
    lead_id          uuid NOT NULL REFERENCES lead,
    campaign_id      uuid NOT NULL REFERENCES campaign,
    number           text NOT NULL,
    decided_at       timestamptz NOT NULL,
    next_allowed_at  timestamptz,
    reasons          text[] NOT NULL CHECK (cardinality(reasons) > 0),
    rulebook         text NOT NULL,
    tzdata           text NOT NULL,
    verdicts         jsonb NOT NULL,
    facts            jsonb NOT NULL,
    digest           text NOT NULL
);
CREATE INDEX refusal_campaign ON refusal (campaign_id, decided_at);

CREATE TABLE agent (
    id    uuid PRIMARY KEY,
    name  text NOT NULL UNIQUE
);

CREATE TABLE agent_session (
    id           uuid PRIMARY KEY,
    agent_id     uuid NOT NULL REFERENCES agent,
    campaign_id  uuid NOT NULL REFERENCES campaign,
    phone        text NOT NULL,
    state        text NOT NULL CHECK (state IN
                   ('connecting', 'ready', 'reserved', 'talking', 'wrap_up', 'paused', 'logged_out')),
    since        timestamptz NOT NULL,
    attempt_id   uuid,
    deadline_at  timestamptz,
    pause_asked  boolean NOT NULL DEFAULT false,
    is_leg_up    boolean NOT NULL DEFAULT false,
    wrap_up_s    integer NOT NULL,
    logged_in_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX agent_session_one_call ON agent_session (attempt_id) WHERE attempt_id IS NOT NULL;
CREATE UNIQUE INDEX agent_session_one_open ON agent_session (agent_id) WHERE state <> 'logged_out';
CREATE INDEX agent_session_open ON agent_session (campaign_id, state, since) WHERE state <> 'logged_out';

CREATE TABLE attempt (
    id              uuid PRIMARY KEY,
    permit_id       uuid NOT NULL UNIQUE REFERENCES permit,
    lead_id         uuid NOT NULL REFERENCES lead,
    campaign_id     uuid NOT NULL REFERENCES campaign,
    number          text NOT NULL,
    state           text NOT NULL CHECK (state IN ('permitted', 'dialing', 'ringing', 'waiting',
                      'bridging', 'talking', 'message', 'ended', 'closed')),
    permitted_at    timestamptz NOT NULL,
    ring_s          integer NOT NULL CHECK (ring_s >= 15),
    connect_ms_max  integer NOT NULL,
    dialed_at       timestamptz,
    ringing_at      timestamptz,
    answered_at     timestamptz,
    bridged_at      timestamptz,
    ended_at        timestamptz,
    closed_at       timestamptz,
    deadline_at     timestamptz,
    session_id      uuid REFERENCES agent_session,
    is_abandoned    boolean NOT NULL DEFAULT false,
    hang_up_asked   boolean NOT NULL DEFAULT false,
    outcome         text,
    cause           text,
    raw             text NOT NULL DEFAULT '',
    disposition     text,
    CHECK ((state IN ('ended', 'closed')) = (outcome IS NOT NULL)),
    CHECK (state <> 'closed' OR closed_at IS NOT NULL)
);
CREATE UNIQUE INDEX attempt_one_open_per_number ON attempt (number) WHERE state NOT IN ('ended', 'closed');
CREATE INDEX attempt_number ON attempt (number, permitted_at DESC);
CREATE INDEX attempt_campaign ON attempt (campaign_id, answered_at) WHERE answered_at IS NOT NULL;
CREATE INDEX attempt_open ON attempt (campaign_id, state) WHERE state <> 'closed';

CREATE TABLE audit_head (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seq       bigint NOT NULL,
    hash      text NOT NULL
);
INSERT INTO audit_head (seq, hash) VALUES (0, repeat('0', 64));

CREATE TABLE audit_entry (
    seq        bigint PRIMARY KEY,
    at         timestamptz NOT NULL,
    kind       text NOT NULL,
    subject    text NOT NULL,
    actor      text NOT NULL,
    body       jsonb NOT NULL,
    prev_hash  text NOT NULL,
    hash       text NOT NULL UNIQUE
);
CREATE INDEX audit_subject ON audit_entry (subject);

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is not allowed', TG_TABLE_NAME, TG_OP;
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER refusal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refusal
    FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE FUNCTION permit_is_spent_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'permits are kept: % is not allowed', TG_OP;
    END IF;
    IF OLD.used_at IS NOT NULL OR OLD.void_at IS NOT NULL THEN
        RAISE EXCEPTION 'permit % is spent already', OLD.id;
    END IF;
    IF to_jsonb(NEW) - '{used_at,void_at}'::text[] <> to_jsonb(OLD) - '{used_at,void_at}'::text[] THEN
        RAISE EXCEPTION 'permit % may only be marked used or void', OLD.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER permit_spent_once BEFORE UPDATE OR DELETE ON permit
    FOR EACH ROW EXECUTE FUNCTION permit_is_spent_once();
