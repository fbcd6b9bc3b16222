-- name: keep_consents
-- Keep permissions as new rows; one that a revocation on record ends is revoked from the start.
WITH kept AS (
    INSERT INTO consent (number, seller_id, kind, given_on, given_at, source, expires_on, purposes,
                         text_shown, place, ip, user_agent, signature, evidence, copy_given,
                         recorded_at, revoked_at, revoked_by)
    SELECT given.number, %(seller_id)s, given.kind, given.given_on, given.given_at, given.source,
           given.expires_on, coalesce(given.purposes, '{}'), coalesce(given.text_shown, ''),
           coalesce(given.place, ''), coalesce(given.ip, ''), coalesce(given.user_agent, ''),
           coalesce(given.signature, ''), coalesce(given.evidence, ''),
           coalesce(given.copy_given, false), %(now)s, ended.revoked_at, ended.revoked_by
      FROM json_to_recordset(%(records)s::json)
           AS given (number text, kind text, given_on date, given_at timestamptz, source text,
                     expires_on date, purposes text[], text_shown text, place text, ip text,
                     user_agent text, signature text, evidence text, copy_given boolean)
      LEFT JOIN LATERAL
           (SELECT revocation.revoked_at, revocation.revoked_by FROM revocation
             WHERE revocation.number = given.number AND revocation.seller_id = %(seller_id)s
               AND is_ended_by(given.given_on, given.given_at, revocation.revoked_at)
             ORDER BY revocation.revoked_at LIMIT 1) ended ON true
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT count(*) AS changed, (array_agg(id))[1] AS an_id FROM kept

-- name: keep_revocation
-- A person took back every permission towards a seller given until then.
INSERT INTO revocation (number, seller_id, revoked_at, revoked_by, recorded_at)
VALUES (%(number)s, %(seller_id)s, %(revoked_at)s, %(revoked_by)s, %(now)s)

-- name: revoke_consents
-- Every permission that the revocation ends, wherever it came from.
UPDATE consent SET revoked_at = %(revoked_at)s, revoked_by = %(revoked_by)s
 WHERE number = %(number)s AND seller_id = %(seller_id)s AND revoked_at IS NULL
   AND is_ended_by(given_on, given_at, %(revoked_at)s)
RETURNING id

-- name: keep_relationships
-- What a source says of past dealings; its newer statement takes the place of its older one.
WITH kept AS (
    INSERT INTO relationship (number, seller_id, kind, last_on, source, as_of, recorded_at)
    SELECT stated.number, %(seller_id)s, stated.kind, stated.last_on, %(source)s, %(as_of)s, %(now)s
      FROM json_to_recordset(%(records)s::json)
           AS stated (number text, kind text, last_on date)
    ON CONFLICT (number, seller_id, kind, source) DO UPDATE
        SET last_on = EXCLUDED.last_on, as_of = EXCLUDED.as_of, recorded_at = EXCLUDED.recorded_at
        WHERE relationship.as_of <= EXCLUDED.as_of
    RETURNING 1
)
SELECT count(*) AS changed FROM kept

-- name: keep_restrictions
-- What a source says of restrictions; its newer statement takes the place of its older one.
WITH kept AS (
    INSERT INTO restriction (number, seller_id, restriction, ended_on, source, as_of, recorded_at)
    SELECT stated.number, %(seller_id)s, stated.restriction, stated.ended_on, %(source)s, %(as_of)s, %(now)s
      FROM json_to_recordset(%(records)s::json)
           AS stated (number text, restriction text, ended_on date)
    ON CONFLICT (number, seller_id, restriction, source) DO UPDATE
        SET ended_on = EXCLUDED.ended_on, as_of = EXCLUDED.as_of, recorded_at = EXCLUDED.recorded_at
        WHERE restriction.as_of <= EXCLUDED.as_of
    RETURNING 1
)
SELECT count(*) AS changed FROM kept

-- name: keep_line_types
-- What a look-up says of lines; the newest look-up stands, whoever made it.
WITH kept AS (
    INSERT INTO line_type (number, line_type, source, as_of, recorded_at)
    SELECT stated.number, stated.line_type, %(source)s, %(as_of)s, %(now)s
      FROM json_to_recordset(%(records)s::json)
           AS stated (number text, line_type text)
    ON CONFLICT (number) DO UPDATE
        SET line_type = EXCLUDED.line_type, source = EXCLUDED.source, as_of = EXCLUDED.as_of,
            recorded_at = EXCLUDED.recorded_at
        WHERE line_type.as_of <= EXCLUDED.as_of
    RETURNING 1
)
SELECT count(*) AS changed FROM kept

-- name: keep_reassigned_answers
-- Answers of the Reassigned Numbers Database; of two to one question only a no can be overruled.
WITH kept AS (
    INSERT INTO reassigned_answer (number, since_on, asked_on, answer, source, recorded_at)
    SELECT stated.number, stated.since_on, stated.asked_on, stated.answer, %(source)s, %(now)s
      FROM json_to_recordset(%(records)s::json)
           AS stated (number text, since_on date, asked_on date, answer text)
    ON CONFLICT (number, since_on, asked_on) DO UPDATE
        SET answer = EXCLUDED.answer, source = EXCLUDED.source, recorded_at = EXCLUDED.recorded_at
        WHERE reassigned_answer.answer = 'no' AND EXCLUDED.answer <> 'no'
    RETURNING 1
)
SELECT count(*) AS changed FROM kept

-- name: declare_emergency
-- An operator enters a declared emergency.
INSERT INTO emergency (jurisdiction, from_at, until_at, source, declared_at)
VALUES (%(jurisdiction)s, %(from_at)s, %(until_at)s, %(source)s, %(now)s)
RETURNING *

-- name: end_emergencies
-- A jurisdiction's emergency is over: every declaration that would still hold after this moment.
UPDATE emergency SET until_at = greatest(from_at, %(until_at)s), ended_by = %(ended_by)s
 WHERE jurisdiction = %(jurisdiction)s AND (until_at IS NULL OR until_at > %(until_at)s)
RETURNING *

-- name: emergencies
-- Every declared emergency, the newest first; also those that are over.
SELECT * FROM emergency ORDER BY from_at DESC, jurisdiction, id LIMIT 1000

-- name: known_of_number
-- Everything that the ledger has about one number towards one seller.
SELECT
  (SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.given_on DESC, c.given_at DESC, c.id), '[]')
     FROM consent c WHERE number = %(number)s AND seller_id = %(seller_id)s) AS consents,
  (SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.revoked_at DESC), '[]')
     FROM revocation r WHERE number = %(number)s AND seller_id = %(seller_id)s) AS revocations,
  (SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.kind, r.as_of DESC, r.source), '[]')
     FROM relationship r WHERE number = %(number)s AND seller_id = %(seller_id)s) AS relationships,
  (SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.restriction, r.as_of DESC, r.source), '[]')
     FROM restriction r WHERE number = %(number)s AND seller_id = %(seller_id)s) AS restrictions,
  (SELECT to_jsonb(t) FROM line_type t WHERE number = %(number)s) AS line_type,
  (SELECT coalesce(jsonb_agg(to_jsonb(a) ORDER BY a.asked_on DESC, a.since_on), '[]')
     FROM reassigned_answer a WHERE number = %(number)s) AS reassigned,
  (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.kind, s.source), '[]')
     FROM suppression s WHERE number = %(number)s AND seller_id = %(seller_id)s) AS suppressions
