-- What an auditor reads. Each statement finds its rows by an index, however long the record is.

-- name: chain_head
-- The end of the chain.
SELECT chain_id, seq, hash FROM audit_head

-- name: newest_checkpoint
-- The checkpoint of the most entries.
SELECT chain_id, seq, hash, at, public_key, signature FROM checkpoint ORDER BY seq DESC LIMIT 1

-- name: add_checkpoint
-- Keep a signed checkpoint; two who sign the same moment say the same.
INSERT INTO checkpoint (chain_id, seq, hash, at, public_key, signature)
VALUES (%(chain_id)s, %(seq)s, %(hash)s, %(at)s, %(public_key)s, %(signature)s)
ON CONFLICT DO NOTHING

-- name: checkpoints
-- Every checkpoint in order.
SELECT chain_id, seq, hash, at, public_key, signature FROM checkpoint ORDER BY seq, at

-- name: rulebook_names
-- The rulebooks that judged.
SELECT hash FROM rulebook ORDER BY first_used_at, hash

-- name: rulebook
-- A rulebook that judged, with its files.
SELECT hash, tzdata, files, first_used_at FROM rulebook WHERE hash = %(hash)s

-- name: entries_after
-- The next entries of the chain.
SELECT seq, at, kind, subject, actor, body, prev_hash, hash FROM audit_entry
 WHERE seq > %(seq)s ORDER BY seq LIMIT %(most)s

-- name: permits_by_id
-- Permits with all they rest on.
SELECT * FROM permit WHERE id = ANY(%(ids)s)

-- name: refusals_by_id
-- Refusals with all they rest on.
SELECT * FROM refusal WHERE id = ANY(%(ids)s)

-- name: permits_nobody_vouches_for
-- Permits that no audit entry names.
SELECT * FROM permit WHERE NOT EXISTS (SELECT 1 FROM audit_entry
    WHERE audit_entry.subject = permit.id::text AND audit_entry.kind = 'permit.issued')

-- name: refusals_nobody_vouches_for
-- Refusals that no audit entry names.
SELECT * FROM refusal WHERE NOT EXISTS (SELECT 1 FROM audit_entry
    WHERE audit_entry.subject = refusal.id::text AND audit_entry.kind = 'refusal.recorded')

-- name: permits_of_period
-- The next permits in order of time; the last one seen is where it goes on.
SELECT * FROM permit
 WHERE (issued_at, id) > (%(after_at)s, %(after_id)s) AND issued_at < %(until)s
 ORDER BY issued_at, id LIMIT %(most)s

-- name: refusals_of_period
-- The next refusals in order of time; the last one seen is where it goes on.
SELECT * FROM refusal
 WHERE (decided_at, id) > (%(after_at)s, %(after_id)s) AND decided_at < %(until)s
 ORDER BY decided_at, id LIMIT %(most)s

-- name: permits_of_number
-- The permits of one number.
SELECT * FROM permit WHERE number = %(number)s ORDER BY issued_at LIMIT %(most)s

-- name: refusals_of_number
-- The refusals of one number.
SELECT * FROM refusal WHERE number = %(number)s ORDER BY decided_at LIMIT %(most)s

-- name: attempts_of_number
-- The attempts to one number, with who called for whom and who talked.
SELECT attempt.*, campaign.name AS campaign, seller.name AS seller, agent.name AS agent
  FROM attempt
  JOIN campaign ON campaign.id = attempt.campaign_id
  JOIN seller ON seller.id = campaign.seller_id
  LEFT JOIN agent_session ON agent_session.id = attempt.session_id
  LEFT JOIN agent ON agent.id = agent_session.agent_id
 WHERE attempt.number = %(number)s ORDER BY attempt.permitted_at LIMIT %(most)s

-- name: leads_of_number
-- The leads with one number, and the lists that they came from.
SELECT lead.id, lead.name, lead.row, lead.state, lead.attempts, lead.zone, lead.postal,
       lead.region, lead.country, lead.party, lead.line_type, lead.why,
       list.source AS list, list.imported_at, campaign.name AS campaign
  FROM lead JOIN list ON list.id = lead.list_id JOIN campaign ON campaign.id = lead.campaign_id
 WHERE lead.number = %(number)s ORDER BY list.imported_at, lead.row LIMIT %(most)s

-- name: consents_of_number
-- The permissions on record for one number, and their withdrawals.
SELECT consent.*, seller.name AS seller
  FROM consent JOIN seller ON seller.id = consent.seller_id
 WHERE consent.number = %(number)s ORDER BY consent.given_on LIMIT %(most)s

-- name: suppressions_of_number
-- What stands against calling one number.
SELECT suppression.kind, suppression.source, suppression.region, suppression.registered_on,
       suppression.added_at, seller.name AS seller
  FROM suppression LEFT JOIN seller ON seller.id = suppression.seller_id
 WHERE suppression.number = %(number)s ORDER BY suppression.added_at LIMIT %(most)s

-- name: relationships_of_number
-- Past dealings with the person of one number.
SELECT relationship.kind, relationship.last_on, relationship.source, relationship.recorded_at,
       seller.name AS seller
  FROM relationship JOIN seller ON seller.id = relationship.seller_id
 WHERE relationship.number = %(number)s ORDER BY relationship.last_on LIMIT %(most)s

-- name: restrictions_of_number
-- What a person told us about calling one number.
SELECT restriction.restriction, restriction.source, restriction.recorded_at, seller.name AS seller
  FROM restriction JOIN seller ON seller.id = restriction.seller_id
 WHERE restriction.number = %(number)s ORDER BY restriction.recorded_at LIMIT %(most)s

-- name: line_types_of_number
-- What was looked up about the line of one number.
SELECT line_type, source, as_of FROM line_type WHERE number = %(number)s LIMIT %(most)s

-- name: reassigned_answers_of_number
-- What the reassigned-numbers database answered about one number.
SELECT answer, asked_on, since_on FROM reassigned_answer
 WHERE number = %(number)s ORDER BY asked_on, since_on LIMIT %(most)s

-- name: entries_about
-- The audit entries about any of some subjects.
SELECT seq, at, kind, subject, actor, body, prev_hash, hash FROM audit_entry
 WHERE subject = ANY(%(subjects)s) ORDER BY seq LIMIT %(most)s

-- name: checkpoint_before
-- The last checkpoint in front of an entry.
SELECT chain_id, seq, hash, at, public_key, signature FROM checkpoint
 WHERE seq < %(seq)s ORDER BY seq DESC LIMIT 1

-- name: checkpoint_after
-- The first checkpoint that seals an entry.
SELECT chain_id, seq, hash, at, public_key, signature FROM checkpoint
 WHERE seq >= %(seq)s ORDER BY seq LIMIT 1

-- name: what_installation
-- Whether this database is the sandbox's.
SELECT is_sandbox FROM installation
