-- name: campaign_called
-- The campaign that shows a number as a caller ID: one that runs before one that does not.
SELECT * FROM campaign
 WHERE jsonb_path_exists(definition, '$.** ? (@ == $called)',
                         jsonb_build_object('called', %(called)s::text))
 ORDER BY state = 'running' DESC, created_at DESC LIMIT 1

-- name: known_caller
-- The newest call of ours to a number: under the caller ID that was called, else of the campaign.
SELECT attempt.id AS attempt_id, attempt.lead_id, attempt.campaign_id
  FROM attempt JOIN permit ON permit.id = attempt.permit_id
 WHERE attempt.number = %(number)s AND attempt.dialed_at IS NOT NULL
   AND (permit.caller_id = %(called)s OR attempt.campaign_id = %(campaign_id)s)
 ORDER BY permit.caller_id = %(called)s DESC, attempt.permitted_at DESC LIMIT 1

-- name: last_agent
-- Who talked last with a number, of one campaign, whichever side called.
SELECT agent_session.agent_id
  FROM (SELECT session_id, bridged_at FROM attempt
         WHERE number = %(number)s AND campaign_id = %(campaign_id)s AND bridged_at IS NOT NULL
         UNION ALL
        SELECT session_id, bridged_at FROM inbound_call
         WHERE number = %(number)s AND campaign_id = %(campaign_id)s AND bridged_at IS NOT NULL) talk
  JOIN agent_session ON agent_session.id = talk.session_id
 ORDER BY talk.bridged_at DESC LIMIT 1

-- name: ready_session_of
-- The session of one agent, if it is ready.
SELECT agent_session.*, agent.name AS agent_name
  FROM agent_session JOIN agent ON agent.id = agent_session.agent_id
 WHERE campaign_id = %(campaign_id)s AND agent_id = %(agent_id)s AND state = 'ready' AND is_leg_up
   FOR UPDATE OF agent_session SKIP LOCKED

-- name: desks
-- How many agents are at work, and how many of the ready ones no unanswered call of ours needs.
SELECT count(*) FILTER (WHERE state NOT IN ('logged_out', 'paused')) AS at_work,
       count(*) FILTER (WHERE state = 'ready' AND is_leg_up)
       - (SELECT count(*) FROM attempt
           WHERE campaign_id = %(campaign_id)s
             AND state IN ('permitted', 'dialing', 'ringing', 'waiting')) AS spare
  FROM agent_session WHERE campaign_id = %(campaign_id)s AND state <> 'logged_out'

-- name: open_inbound
-- Somebody calls us.
INSERT INTO inbound_call (id, campaign_id, caller, called, number, trunk, verification, lead_id,
                          attempt_id, state, offered_at, queue_s_max)
VALUES (%(id)s, %(campaign_id)s, %(caller)s, %(called)s, %(number)s, %(trunk)s, %(verification)s,
        %(lead_id)s, %(attempt_id)s, 'offered', %(offered_at)s, %(queue_s_max)s)

-- name: inbound_for_update
-- One call to us, held until this transaction ends.
SELECT * FROM inbound_call WHERE id = %(id)s FOR UPDATE

-- name: save_inbound
-- Move a call to us from the state that was read; no row means that somebody was first.
UPDATE inbound_call
   SET state = %(state)s, answered_at = %(answered_at)s, bridged_at = %(bridged_at)s,
       ended_at = %(ended_at)s, closed_at = %(closed_at)s, deadline_at = %(deadline_at)s,
       session_id = %(session_id)s, message = %(message)s, is_held = %(is_held)s,
       hang_up_asked = %(hang_up_asked)s, outcome = %(outcome)s, cause = %(cause)s, raw = %(raw)s,
       disposition = %(disposition)s, callback_at = %(callback_at)s
 WHERE id = %(id)s AND state = %(was)s RETURNING id

-- name: longest_queued
-- The caller who has waited longest.
SELECT * FROM inbound_call
 WHERE campaign_id = %(campaign_id)s AND state = 'queued' AND NOT hang_up_asked
 ORDER BY offered_at, id LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: queued_calls
-- Who waits, in the order in which they are served.
SELECT * FROM inbound_call WHERE campaign_id = %(campaign_id)s AND state = 'queued'
 ORDER BY offered_at, id LIMIT 500

-- name: overdue_inbound
-- Calls to us whose deadline is behind us.
SELECT id FROM inbound_call
 WHERE campaign_id = %(campaign_id)s AND state NOT IN ('ended', 'closed')
   AND deadline_at <= %(now)s ORDER BY deadline_at LIMIT 100

-- name: open_inbound_calls
-- Calls to us that are not closed yet.
SELECT * FROM inbound_call WHERE campaign_id = %(campaign_id)s AND state <> 'closed'
 ORDER BY offered_at

-- name: settle_lead_again
-- A talk in which the person called us puts their lead off, unless it is being dialed right now.
UPDATE lead SET state = 'due', due_at = %(due_at)s, why = %(why)s,
       is_callback = COALESCE(%(is_callback)s, is_callback)
 WHERE id = %(id)s AND state <> 'claimed'

-- name: settle_lead_finished
-- A talk in which the person called us finishes their lead, unless it is being dialed right now.
UPDATE lead SET state = 'finished', why = %(why)s WHERE id = %(id)s AND state <> 'claimed'

-- name: parked_calls
-- Calls that wait to be picked up, the longest first.
SELECT id AS call_id, number, lead_name, session_id, deadline_at, is_inbound
  FROM (SELECT attempt.id, attempt.number, lead.name AS lead_name, attempt.session_id,
               attempt.deadline_at, false AS is_inbound
          FROM attempt JOIN lead ON lead.id = attempt.lead_id
         WHERE attempt.campaign_id = %(campaign_id)s AND attempt.state = 'parked'
         UNION ALL
        SELECT inbound_call.id, inbound_call.caller, coalesce(lead.name, ''), session_id,
               deadline_at, true
          FROM inbound_call LEFT JOIN lead ON lead.id = inbound_call.lead_id
         WHERE inbound_call.campaign_id = %(campaign_id)s AND inbound_call.state = 'parked') parked
 ORDER BY deadline_at LIMIT 100

-- name: open_transfer
-- A third phone is asked into a call.
INSERT INTO transfer (id, campaign_id, call_id, is_inbound, from_session_id, leg_id, is_agent, "to",
                      kind, state, started_at, deadline_at)
VALUES (%(id)s, %(campaign_id)s, %(call_id)s, %(is_inbound)s, %(from_session_id)s, %(leg_id)s,
        %(is_agent)s, %(to)s, %(kind)s, %(state)s, %(started_at)s, %(deadline_at)s)

-- name: transfer_for_update
-- One transfer, held until this transaction ends.
SELECT * FROM transfer WHERE id = %(id)s FOR UPDATE

-- name: save_transfer
-- Move a transfer from the state that was read; no row means that somebody was first.
UPDATE transfer
   SET kind = %(kind)s, state = %(state)s, deadline_at = %(deadline_at)s, ended_at = %(ended_at)s,
       outcome = %(outcome)s, why = %(why)s
 WHERE id = %(id)s AND state = %(was)s RETURNING id

-- name: transfer_of_call
-- The open transfer of a call, not held.
SELECT * FROM transfer WHERE call_id = %(call_id)s AND state <> 'over'

-- name: transfer_to_leg
-- The open transfer to a leg, not held.
SELECT * FROM transfer WHERE leg_id = %(leg_id)s AND state <> 'over'

-- name: open_transfers
-- Transfers that are not over.
SELECT * FROM transfer WHERE campaign_id = %(campaign_id)s AND state <> 'over' ORDER BY started_at

-- name: overdue_transfers
-- Transfers whose destination has not answered in time.
SELECT id FROM transfer
 WHERE campaign_id = %(campaign_id)s AND state <> 'over' AND deadline_at <= %(now)s LIMIT 100

-- name: open_monitor
-- A supervisor begins to follow an agent.
INSERT INTO monitor (id, campaign_id, supervisor, session_id, part, since)
VALUES (%(id)s, %(campaign_id)s, %(supervisor)s, %(session_id)s, %(part)s, %(since)s)

-- name: monitor_for_update
-- One monitor, held until this transaction ends.
SELECT * FROM monitor WHERE id = %(id)s FOR UPDATE

-- name: save_monitor
-- Where a monitor stands.
UPDATE monitor SET part = %(part)s, is_leg_up = %(is_leg_up)s, call_id = %(call_id)s,
       ended_at = %(ended_at)s
 WHERE id = %(id)s

-- name: monitors_of
-- Who follows an agent session.
SELECT * FROM monitor WHERE session_id = %(session_id)s AND ended_at IS NULL
 ORDER BY since FOR UPDATE

-- name: open_monitors
-- Who follows anybody of a campaign.
SELECT * FROM monitor WHERE campaign_id = %(campaign_id)s AND ended_at IS NULL ORDER BY since

-- name: open_recording
-- A recording begins.
INSERT INTO recording (id, campaign_id, call_id, session_id, file, started_at)
VALUES (%(id)s, %(campaign_id)s, %(call_id)s, %(session_id)s, %(file)s, %(started_at)s)

-- name: recording_for_update
-- One recording, held until this transaction ends.
SELECT * FROM recording WHERE id = %(id)s FOR UPDATE

-- name: recording_of_call
-- The recording of a call that runs, held until this transaction ends.
SELECT * FROM recording WHERE call_id = %(call_id)s AND ended_at IS NULL FOR UPDATE

-- name: save_recording
-- Where a recording stands.
UPDATE recording
   SET is_paused = %(is_paused)s, ended_at = %(ended_at)s, seconds = %(seconds)s,
       sha256 = %(sha256)s, fault = %(fault)s, deleted_at = %(deleted_at)s
 WHERE id = %(id)s

-- name: open_recordings
-- Recordings that run.
SELECT * FROM recording WHERE campaign_id = %(campaign_id)s AND ended_at IS NULL ORDER BY started_at

-- name: spent_recordings
-- Recordings whose time is over and whose file is still there.
SELECT * FROM recording
 WHERE campaign_id = %(campaign_id)s AND deleted_at IS NULL AND ended_at < %(before)s
 ORDER BY ended_at LIMIT 500

-- name: listed_recordings
-- Recordings with the number of their call and the name of their agent, the newest first.
SELECT recording.*, coalesce(attempt.number, inbound_call.number, '') AS number,
       inbound_call.id IS NOT NULL AS is_inbound, agent.name AS agent_name
  FROM recording
  JOIN agent_session ON agent_session.id = recording.session_id
  JOIN agent ON agent.id = agent_session.agent_id
  LEFT JOIN attempt ON attempt.id = recording.call_id
  LEFT JOIN inbound_call ON inbound_call.id = recording.call_id
 WHERE %(number)s::text IS NULL OR coalesce(attempt.number, inbound_call.number) = %(number)s
 ORDER BY recording.started_at DESC LIMIT %(most)s
