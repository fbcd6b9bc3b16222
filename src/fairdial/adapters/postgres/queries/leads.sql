-- name: add_list
-- A list was imported: one source, one date.
INSERT INTO list (id, campaign_id, source, imported_at, accepted, rejected)
VALUES (%(id)s, %(campaign_id)s, %(source)s, %(now)s, %(accepted)s, %(rejected)s)

-- name: known_numbers
-- The numbers that leads of a campaign have already, to find duplicates of earlier lists.
SELECT number FROM lead WHERE campaign_id = %(campaign_id)s

-- name: claim_due_leads
-- Take the next due leads out of the hopper; several dialers never take the same one.
WITH due AS (
    SELECT id FROM lead
     WHERE campaign_id = %(campaign_id)s AND state = 'due' AND due_at <= %(now)s
     ORDER BY due_at, row
     LIMIT %(most)s
     FOR UPDATE SKIP LOCKED
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
UPDATE lead SET state = 'due', due_at = %(due_at)s, why = %(why)s
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
