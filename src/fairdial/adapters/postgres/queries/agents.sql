-- name: save_agent
-- Keep an agent by name; gives the id that stands.
INSERT INTO agent (id, name) VALUES (%(id)s, %(name)s)
ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING id

-- name: open_session
-- An agent sits down at the desk.
INSERT INTO agent_session (id, agent_id, campaign_id, phone, state, since, wrap_up_s, logged_in_at)
VALUES (%(id)s, %(agent_id)s, %(campaign_id)s, %(phone)s, 'connecting', %(since)s, %(wrap_up_s)s,
        %(since)s)

-- name: session_for_update
-- One agent session, held until this transaction ends.
SELECT agent_session.*, agent.name AS agent_name
  FROM agent_session JOIN agent ON agent.id = agent_session.agent_id
 WHERE agent_session.id = %(id)s FOR UPDATE OF agent_session

-- name: session_now
-- One agent session as it stands, not held.
SELECT agent_session.*, agent.name AS agent_name
  FROM agent_session JOIN agent ON agent.id = agent_session.agent_id
 WHERE agent_session.id = %(id)s

-- name: longest_ready
-- The agent who has been ready longest.
SELECT agent_session.*, agent.name AS agent_name
  FROM agent_session JOIN agent ON agent.id = agent_session.agent_id
 WHERE campaign_id = %(campaign_id)s AND state = 'ready' AND is_leg_up
 ORDER BY since LIMIT 1 FOR UPDATE OF agent_session SKIP LOCKED

-- name: save_session
-- Move an agent session from the state that was read; no row means that somebody was first.
UPDATE agent_session
   SET state = %(state)s, since = %(since)s, attempt_id = %(attempt_id)s,
       inbound_id = %(inbound_id)s, deadline_at = %(deadline_at)s, pause_asked = %(pause_asked)s,
       is_leg_up = %(is_leg_up)s, is_muted = %(is_muted)s
 WHERE id = %(id)s AND state = %(was)s RETURNING id

-- name: open_sessions
-- Everybody who is logged in to a campaign.
SELECT agent_session.*, agent.name AS agent_name
  FROM agent_session JOIN agent ON agent.id = agent_session.agent_id
 WHERE campaign_id = %(campaign_id)s AND state <> 'logged_out' ORDER BY agent.name

-- name: overdue_wrap_ups
-- Agents whose wrap-up time has run out.
SELECT id FROM agent_session
 WHERE campaign_id = %(campaign_id)s AND state = 'wrap_up' AND deadline_at <= %(now)s LIMIT 100
