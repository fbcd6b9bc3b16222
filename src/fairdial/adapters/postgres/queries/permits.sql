-- name: lock_number
-- One judgement of a number at a time, so that two dialers cannot both pass one cap.
SELECT pg_advisory_xact_lock(hashtextextended(%(number)s, 0))

-- name: suppressions_of
-- What stands against calling a number for a seller.
SELECT kind, source, region, registered_on FROM suppression
 WHERE number = %(number)s AND (seller_id IS NULL OR seller_id = %(seller_id)s)
 ORDER BY kind, source

-- name: registries
-- The registries we hold a copy of.
SELECT kind, name, region, as_of FROM registry ORDER BY kind, name

-- name: consent_of
-- The newest permission of a number towards a seller.
SELECT kind, given_on, source, revoked_at FROM consent
 WHERE number = %(number)s AND seller_id = %(seller_id)s AND given_on <= %(today)s
 ORDER BY given_on DESC, (kind = 'written') DESC LIMIT 1

-- name: past_attempts
-- Earlier attempts to a number over all campaigns, newest first.
SELECT permitted_at, campaign_id, outcome FROM attempt
 WHERE number = %(number)s AND permitted_at > %(since)s
 ORDER BY permitted_at DESC LIMIT 200

-- name: save_permit
-- Keep a permit with all it rests on.
INSERT INTO permit (id, attempt_id, lead_id, campaign_id, number, caller_id, method, issued_at,
                    expires_at, rulebook, tzdata, verdicts, facts, digest)
VALUES (%(id)s, %(attempt_id)s, %(lead_id)s, %(campaign_id)s, %(number)s, %(caller_id)s,
        %(method)s, %(issued_at)s, %(expires_at)s, %(rulebook)s, %(tzdata)s, %(verdicts)s,
        %(facts)s, %(digest)s)

-- name: save_refusal
-- Keep a refusal with all it rests on.
INSERT INTO refusal (id, lead_id, campaign_id, number, decided_at, next_allowed_at, reasons,
                     rulebook, tzdata, verdicts, facts, digest)
VALUES (%(id)s, %(lead_id)s, %(campaign_id)s, %(number)s, %(decided_at)s, %(next_allowed_at)s,
        %(reasons)s, %(rulebook)s, %(tzdata)s, %(verdicts)s, %(facts)s, %(digest)s)

-- name: use_permit
-- An INVITE left under this permit.
UPDATE permit SET used_at = %(now)s
 WHERE attempt_id = %(attempt_id)s AND used_at IS NULL AND void_at IS NULL RETURNING id

-- name: void_permit
-- Nothing was, or will be, sent under this permit.
UPDATE permit SET void_at = %(now)s
 WHERE attempt_id = %(attempt_id)s AND used_at IS NULL AND void_at IS NULL RETURNING id

-- name: all_decisions
-- Every permit and refusal with its digest, for the audit.
SELECT 'permit' AS what, id, rulebook, tzdata, verdicts, facts, digest FROM permit
UNION ALL
SELECT 'refusal', id, rulebook, tzdata, verdicts, facts, digest FROM refusal

-- name: digests_on_record
-- What the audit chain says about the digests of permits and refusals.
SELECT subject, body ->> 'digest' AS digest FROM audit_entry
 WHERE kind IN ('permit.issued', 'refusal.recorded')

-- name: permit_uses
-- For each permit: the attempt it allowed and what became of the permit.
SELECT attempt_id, used_at IS NOT NULL AS is_used, void_at IS NOT NULL AS is_void FROM permit
