-- name: open_attempt
-- Keep a permit with all it rests on, and its attempt, before anything rings.
WITH granted AS (
    INSERT INTO permit (id, attempt_id, lead_id, campaign_id, number, caller_id, method, issued_at,
                        expires_at, rulebook, tzdata, verdicts, facts, digest)
    VALUES (%(permit_id)s, %(attempt_id)s, %(lead_id)s, %(campaign_id)s, %(number)s, %(caller_id)s,
            %(method)s, %(issued_at)s, %(expires_at)s, %(rulebook)s, %(tzdata)s, %(verdicts)s,
            %(facts)s, %(digest)s)
    RETURNING id, attempt_id, lead_id, campaign_id, number
)
INSERT INTO attempt (id, permit_id, lead_id, campaign_id, number, state, permitted_at, ring_s,
                     connect_ms_max, deadline_at, machines, may_leave_message)
SELECT attempt_id, id, lead_id, campaign_id, number, 'permitted', %(permitted_at)s, %(ring_s)s,
       %(connect_ms_max)s, %(deadline_at)s, %(machines)s, %(may_leave_message)s
  FROM granted

-- name: attempt_for_update
-- One attempt, held until this transaction ends.
SELECT * FROM attempt WHERE id = %(id)s FOR UPDATE

-- name: save_attempt
-- Move an attempt from the state that was read; no row means that somebody was first.
UPDATE attempt
   SET state = %(state)s, dialed_at = %(dialed_at)s, ringing_at = %(ringing_at)s,
       answered_at = %(answered_at)s, greeting_started_at = %(greeting_started_at)s,
       greeting_ended_at = %(greeting_ended_at)s, bridged_at = %(bridged_at)s, ended_at = %(ended_at)s,
       closed_at = %(closed_at)s, deadline_at = %(deadline_at)s, session_id = %(session_id)s,
       is_abandoned = %(is_abandoned)s, hang_up_asked = %(hang_up_asked)s, outcome = %(outcome)s,
       cause = %(cause)s, raw = %(raw)s, disposition = %(disposition)s, is_held = %(is_held)s,
       callback_at = %(callback_at)s, heard = %(heard)s, heard_at = %(heard_at)s
 WHERE id = %(id)s AND state = %(was)s RETURNING id

-- name: longest_waiting
-- The answered call that has waited longest for an agent.
SELECT * FROM attempt
 WHERE campaign_id = %(campaign_id)s AND state = 'waiting' AND NOT hang_up_asked
 ORDER BY answered_at LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: overdue_attempts
-- Attempts whose deadline is behind us.
SELECT id FROM attempt
 WHERE campaign_id = %(campaign_id)s AND state NOT IN ('ended', 'closed')
   AND deadline_at <= %(now)s ORDER BY deadline_at LIMIT 100

-- name: open_attempts
-- Attempts that are not closed yet.
SELECT * FROM attempt WHERE campaign_id = %(campaign_id)s AND state <> 'closed'
 ORDER BY permitted_at

-- name: open_attempts_to
-- Open attempts to one number, in any campaign of a seller: a stop request ends them.
SELECT attempt.id FROM attempt JOIN campaign ON campaign.id = attempt.campaign_id
 WHERE attempt.number = %(number)s AND campaign.seller_id = %(seller_id)s
   AND attempt.state NOT IN ('ended', 'closed')

-- name: unwanted_in_flight
-- Unanswered calls whose person asked to stop, or took back a consent that the permit was given with.
SELECT attempt.id,
       CASE WHEN stopped.is_suppressed THEN 'the number was suppressed' ELSE 'consent was revoked' END
       AS why
  FROM attempt
  JOIN campaign ON campaign.id = attempt.campaign_id
  JOIN permit ON permit.id = attempt.permit_id
  CROSS JOIN LATERAL
       (SELECT EXISTS (SELECT 1 FROM suppression
                        WHERE suppression.number = attempt.number AND suppression.kind = 'internal'
                          AND suppression.seller_id = campaign.seller_id) AS is_suppressed) stopped
 WHERE attempt.campaign_id = %(campaign_id)s AND NOT attempt.hang_up_asked
   AND attempt.state IN ('permitted', 'dialing', 'ringing')
   -- By the consent's id, not by time: two processes' clocks cannot hide a revocation.
   AND (stopped.is_suppressed
        OR EXISTS (SELECT 1 FROM consent
                    WHERE consent.number = attempt.number AND consent.seller_id = campaign.seller_id
                      AND consent.revoked_at IS NOT NULL
                      AND permit.facts -> 'consents' @> jsonb_build_array(
                              jsonb_build_object('id', consent.id, 'revoked_at', NULL))))

-- name: abandon_record
-- Answers and abandoned calls of a campaign by one way of measuring; machines are no live answers.
-- Who waited longer than the measure allows is abandoned, whatever came of the call.
WITH answer AS (
    SELECT *, is_abandoned AND coalesce(ended_at - begins, interval '0') < %(wait_max)s
              AND coalesce(cause = 'called_party_hung_up', false) AS hung_up_first
      FROM (SELECT is_abandoned, bridged_at, ended_at, cause, disposition,
                   CASE %(clock_start)s
                        WHEN 'greeting_start' THEN coalesce(greeting_started_at, answered_at)
                        WHEN 'greeting_end' THEN coalesce(greeting_ended_at, answered_at)
                        ELSE answered_at
                   END AS begins
              FROM attempt
             WHERE campaign_id = %(campaign_id)s AND answered_at > %(since)s) timed
), judged AS (
    SELECT is_abandoned
           OR (bridged_at - begins > %(wait_max)s AND disposition IS DISTINCT FROM 'machine')
               AS is_lost,
           bridged_at IS NOT NULL AND disposition IS DISTINCT FROM 'machine' AS is_connected,
           hung_up_first
      FROM answer
)
SELECT count(*) FILTER (WHERE (is_lost OR is_connected)
                          AND NOT (%(denominator)s = 'connected_and_abandoned' AND hung_up_first))
           AS live_answers,
       count(*) FILTER (WHERE is_lost
                          AND NOT (%(denominator)s = 'connected_and_abandoned' AND hung_up_first))
           AS abandoned
  FROM judged

-- name: history
-- How calls of a campaign went, oldest first, for what pacing learns from.
SELECT extract(epoch FROM coalesce(answered_at, ended_at) - dialed_at)::float AS elapsed_s,
       answered_at IS NOT NULL AS picked_up,
       extract(epoch FROM ended_at - bridged_at)::float AS talk_s
  FROM attempt
 WHERE campaign_id = %(campaign_id)s AND dialed_at IS NOT NULL AND ended_at > %(since)s
   AND cause IS DISTINCT FROM 'engine_lost'
 ORDER BY ended_at DESC LIMIT 2000

-- name: bridged_at_once
-- Attempts since a moment whose pick-up found an agent free, as the audit chain tells.
SELECT subject FROM audit_entry
 WHERE kind = 'attempt.bridging' AND body ->> 'from' IN ('permitted', 'dialing', 'ringing')
   AND at >= %(since)s
