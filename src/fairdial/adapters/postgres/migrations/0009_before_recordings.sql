-- Recordings of calls, and messages that an agent may leave on a machine.

CREATE TABLE recording (
    id           uuid PRIMARY KEY,
    campaign_id  uuid NOT NULL REFERENCES campaign,
    call_id      uuid NOT NULL,
    session_id   uuid NOT NULL REFERENCES agent_session,
    file         text NOT NULL UNIQUE,
    started_at   timestamptz NOT NULL,
    is_paused    boolean NOT NULL DEFAULT false,
    ended_at     timestamptz,
    seconds      double precision,
    sha256       text NOT NULL DEFAULT '',
    fault        text NOT NULL DEFAULT '',
    deleted_at   timestamptz,
    CHECK ((ended_at IS NULL) = (seconds IS NULL)),
    CHECK (deleted_at IS NULL OR ended_at IS NOT NULL)
);
COMMENT ON TABLE recording IS 'Recordings of our calls and of calls to us; the audio is in files.';
CREATE UNIQUE INDEX recording_one_open ON recording (call_id) WHERE ended_at IS NULL;
CREATE INDEX recording_call ON recording (call_id);
CREATE INDEX recording_kept ON recording (campaign_id, ended_at) WHERE deleted_at IS NULL;

ALTER TABLE attempt ADD COLUMN may_leave_message boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN attempt.may_leave_message IS
    'Whether the permit, judged as a prerecorded call, covers a message on a machine.';
