-- name: attempt_counts
-- Attempts of a campaign since a moment, by state, outcome and disposition.
SELECT state, outcome, disposition, is_abandoned, dialed_at IS NOT NULL AS is_dialed,
       answered_at IS NOT NULL AS is_answered, bridged_at IS NOT NULL AS is_bridged,
       count(*) AS count
  FROM attempt WHERE campaign_id = %(campaign_id)s AND permitted_at >= %(since)s
 GROUP BY 1, 2, 3, 4, 5, 6, 7

-- name: refusal_counts
-- Refusals of a campaign since a moment, by rule.
SELECT rule, count(*) AS count FROM refusal, unnest(reasons) AS rule
 WHERE campaign_id = %(campaign_id)s AND decided_at >= %(since)s GROUP BY rule ORDER BY 2 DESC, 1

-- name: refusal_total
-- How many attempts of a campaign were refused since a moment.
SELECT count(*) AS count FROM refusal
 WHERE campaign_id = %(campaign_id)s AND decided_at >= %(since)s

-- name: permit_counts
-- Permits of a campaign since a moment: issued, used, void.
SELECT count(*) AS issued, count(used_at) AS used, count(void_at) AS void FROM permit
 WHERE campaign_id = %(campaign_id)s AND issued_at >= %(since)s

-- name: live_calls
-- The calls of a campaign that are up now, the oldest first.
SELECT attempt.id, attempt.number, attempt.state, attempt.permitted_at, attempt.dialed_at,
       attempt.answered_at, lead.name, agent.name AS agent_name
  FROM attempt
  JOIN lead ON lead.id = attempt.lead_id
  LEFT JOIN agent_session ON agent_session.id = attempt.session_id
  LEFT JOIN agent ON agent.id = agent_session.agent_id
 WHERE attempt.campaign_id = %(campaign_id)s AND attempt.state NOT IN ('ended', 'closed')
 ORDER BY attempt.permitted_at LIMIT 500

-- name: recent_refusals
-- The newest refusals of a campaign with why.
SELECT refusal.number, refusal.decided_at, refusal.next_allowed_at, refusal.reasons,
       refusal.verdicts, lead.name
  FROM refusal JOIN lead ON lead.id = refusal.lead_id
 WHERE refusal.campaign_id = %(campaign_id)s AND refusal.decided_at >= %(since)s
 ORDER BY refusal.decided_at DESC LIMIT 8

-- name: first_connected
-- When the first call of a campaign since a moment was connected.
SELECT min(bridged_at) AS moment FROM attempt
 WHERE campaign_id = %(campaign_id)s AND permitted_at >= %(since)s
