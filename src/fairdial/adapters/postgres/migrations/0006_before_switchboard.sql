-- Calls to us, calls passed on, and supervisors who listen.

CREATE TABLE inbound_call (
    id              uuid PRIMARY KEY,
    campaign_id     uuid NOT NULL REFERENCES campaign,
    caller          text NOT NULL,
    called          text NOT NULL,
    number          text,
    trunk           text NOT NULL,
    verification    text NOT NULL,
    lead_id         uuid REFERENCES lead,
    attempt_id      uuid REFERENCES attempt,
    state           text NOT NULL CHECK (state IN ('offered', 'queued', 'bridging', 'talking',
                      'parked', 'transferred', 'message', 'ended', 'closed')),
    offered_at      timestamptz NOT NULL,
    queue_s_max     integer NOT NULL,
    answered_at     timestamptz,
    bridged_at      timestamptz,
    ended_at        timestamptz,
    closed_at       timestamptz,
    deadline_at     timestamptz,
    session_id      uuid REFERENCES agent_session,
    message         text,
    is_held         boolean NOT NULL DEFAULT false,
    hang_up_asked   boolean NOT NULL DEFAULT false,
    outcome         text,
    cause           text,
    raw             text NOT NULL DEFAULT '',
    disposition     text,
    callback_at     timestamptz,
    CHECK ((state IN ('ended', 'closed')) = (outcome IS NOT NULL)),
    CHECK (state <> 'closed' OR closed_at IS NOT NULL)
);
COMMENT ON TABLE inbound_call IS 'Calls that somebody made to us, mostly back to a caller ID.';
COMMENT ON COLUMN inbound_call.caller IS 'As the trunk gave it: anybody can pretend another number.';
CREATE INDEX inbound_call_open ON inbound_call (campaign_id, state) WHERE state <> 'closed';
CREATE INDEX inbound_call_number ON inbound_call (number, offered_at DESC) WHERE number IS NOT NULL;

CREATE TABLE transfer (
    id               uuid PRIMARY KEY,
    campaign_id      uuid NOT NULL REFERENCES campaign,
    call_id          uuid NOT NULL,
    is_inbound       boolean NOT NULL,
    from_session_id  uuid NOT NULL REFERENCES agent_session,
    leg_id           uuid NOT NULL,
    is_agent         boolean NOT NULL,
    "to"             text NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('blind', 'attended')),
    state            text NOT NULL CHECK (state IN
                       ('calling', 'consulting', 'conference', 'passed_on', 'over')),
    started_at       timestamptz NOT NULL,
    deadline_at      timestamptz,
    ended_at         timestamptz,
    outcome          text,
    why              text NOT NULL DEFAULT '',
    CHECK ((state = 'over') = (ended_at IS NOT NULL))
);
CREATE UNIQUE INDEX transfer_one_open_per_call ON transfer (call_id) WHERE state <> 'over';
CREATE UNIQUE INDEX transfer_one_open_per_leg ON transfer (leg_id) WHERE state <> 'over';
CREATE INDEX transfer_open ON transfer (campaign_id) WHERE state <> 'over';

CREATE TABLE monitor (
    id           uuid PRIMARY KEY,
    campaign_id  uuid NOT NULL REFERENCES campaign,
    supervisor   text NOT NULL,
    session_id   uuid NOT NULL REFERENCES agent_session,
    part         text NOT NULL CHECK (part IN ('listen', 'whisper', 'talk')),
    since        timestamptz NOT NULL,
    is_leg_up    boolean NOT NULL DEFAULT false,
    call_id      uuid,
    ended_at     timestamptz
);
CREATE INDEX monitor_open ON monitor (session_id) WHERE ended_at IS NULL;

-- An agent is in one call; a call may have several agents while one of them passes it on.
ALTER TABLE agent_session
    ADD COLUMN inbound_id uuid,
    ADD COLUMN is_muted boolean NOT NULL DEFAULT false,
    ADD CHECK (attempt_id IS NULL OR inbound_id IS NULL);
DROP INDEX agent_session_one_call;
CREATE UNIQUE INDEX agent_session_one_reserved ON agent_session (coalesce(attempt_id, inbound_id))
    WHERE state = 'reserved';

ALTER TABLE attempt
    ADD COLUMN is_held boolean NOT NULL DEFAULT false,
    ADD COLUMN callback_at timestamptz,
    DROP CONSTRAINT attempt_state_check,
    ADD CONSTRAINT attempt_state_check CHECK (state IN ('permitted', 'dialing', 'ringing', 'waiting',
        'bridging', 'talking', 'parked', 'transferred', 'message', 'ended', 'closed'));
