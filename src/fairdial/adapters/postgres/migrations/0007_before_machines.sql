-- Machines: who answered is judged first, and a message may be left after the beep.

ALTER TABLE attempt
    ADD COLUMN machines text NOT NULL DEFAULT 'connect'
        CHECK (machines IN ('connect', 'hang_up', 'leave_message')),
    ADD COLUMN heard    text,
    ADD COLUMN heard_at timestamptz,
    DROP CONSTRAINT attempt_state_check,
    ADD CONSTRAINT attempt_state_check CHECK (state IN ('permitted', 'dialing', 'ringing',
        'listening', 'machine', 'waiting', 'bridging', 'talking', 'parked', 'transferred', 'message',
        'ended', 'closed'));
