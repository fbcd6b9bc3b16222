-- name: add_list
-- A list was imported: one source, one date.
INSERT INTO list (id, campaign_id, source, imported_at, accepted, rejected)
VALUES (%(id)s, %(campaign_id)s, %(source)s, %(now)s, %(accepted)s, %(rejected)s)

-- name: known_numbers
-- The numbers that leads of a campaign have already, to find duplicates of earlier lists.
SELECT number FROM lead WHERE campaign_id = %(campaign_id)s

-- name: claim_due_leads
-- Take the next due leads out of the hopper; several dialers never take the same one. Callbacks
-- first, then rank by rank: the leads of one rank that are due later are never walked through.
WITH callbacks AS (
    SELECT id FROM lead
     WHERE campaign_id = %(campaign_id)s AND state = 'due' AND is_callback AND due_at <= %(now)s
     ORDER BY due_at, row
     LIMIT %(most)s
     FOR UPDATE SKIP LOCKED
), ranked AS (
    SELECT next.id FROM generate_series(99, 0, -1) AS place (rank), LATERAL (
        SELECT id FROM lead
         WHERE campaign_id = %(campaign_id)s AND state = 'due' AND NOT is_callback
           AND lead.rank = place.rank AND due_at <= %(now)s
         ORDER BY due_at, row
         LIMIT %(most)s
         FOR UPDATE SKIP LOCKED
    ) AS next
    LIMIT %(most)s - (SELECT count(*) FROM callbacks)
), due AS (
    SELECT id FROM callbacks UNION ALL SELECT id FROM ranked
)
UPDATE lead SET state = 'claimed' FROM due WHERE lead.id = due.id AND lead.state = 'due'
RETURNING lead.*

-- name: return_claimed_leads
-- After a crash: leads that were claimed and have no open attempt are due again.
UPDATE lead SET state = 'due'
 WHERE campaign_id = %(campaign_id)s AND state = 'claimed'
   AND NOT EXISTS (SELECT 1 FROM attempt
                    WHERE attempt.lead_id = lead.id AND attempt.state <> 'closed')
RETURNING id

-- name: lead_again
-- The lead is due again at a later time.
UPDATE lead SET state = 'due', due_at = %(due_at)s, why = %(why)s,
       is_callback = COALESCE(%(is_callback)s, is_callback)
 WHERE id = %(id)s AND state = 'claimed' RETURNING id

-- name: lead_finished
-- Nothing more will be tried for this lead.
UPDATE lead SET state = 'finished', why = %(why)s
 WHERE id = %(id)s AND state = 'claimed' RETURNING id

-- name: count_attempt
-- A lead was dialed once more; says how often now.
UPDATE lead SET attempts = attempts + 1 WHERE id = %(id)s RETURNING attempts

-- name: lead
-- One lead.
SELECT * FROM lead WHERE id = %(id)s

-- name: count_leads
-- How many leads of a campaign stand where, and the next time one is due.
SELECT count(*) FILTER (WHERE state = 'due' AND due_at <= %(now)s) AS due,
       count(*) FILTER (WHERE state = 'due' AND due_at > %(now)s) AS later,
       count(*) FILTER (WHERE state = 'claimed') AS claimed,
       count(*) FILTER (WHERE state = 'finished') AS finished,
       min(due_at) FILTER (WHERE state = 'due' AND due_at > %(now)s) AS next_due_at
  FROM lead WHERE campaign_id = %(campaign_id)s

-- name: lead_by_number
-- The newest lead of a campaign with a number.
SELECT * FROM lead WHERE campaign_id = %(campaign_id)s AND number = %(number)s
 ORDER BY id DESC LIMIT 1

-- name: leads_after
-- The next leads of a campaign that are not finished, page by page.
SELECT * FROM lead
 WHERE campaign_id = %(campaign_id)s AND state <> 'finished'
   AND (%(after)s::uuid IS NULL OR id > %(after)s)
 ORDER BY id LIMIT %(most)s

-- name: finished_leads
-- What became of the newest leads that were dialed to their end, the newest first: their attributes
-- and whether one of their attempts ended in the goal.
SELECT lead.attributes, bool_or(attempt.disposition = %(goal)s) IS TRUE AS is_goal
  FROM lead JOIN attempt ON attempt.lead_id = lead.id
 WHERE lead.campaign_id = %(campaign_id)s AND lead.state = 'finished'
   AND attempt.dialed_at IS NOT NULL
 GROUP BY lead.id
 ORDER BY max(attempt.dialed_at) DESC, lead.id DESC
 LIMIT %(most)s

-- name: save_scores
-- Give leads that are not finished the step of their score; their priority stays.
UPDATE lead SET rank = lead.rank / 10 * 10 + told.step
  FROM unnest(%(ids)s::uuid[], %(steps)s::smallint[]) AS told (id, step)
 WHERE lead.id = told.id AND lead.campaign_id = %(campaign_id)s AND lead.state <> 'finished'
   AND lead.rank <> lead.rank / 10 * 10 + told.step
RETURNING lead.id
