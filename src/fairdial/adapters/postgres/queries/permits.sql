-- name: lock_number
-- One judgement of a number at a time, so that two dialers cannot both pass one cap.
SELECT pg_advisory_xact_lock(hashtextextended(%(number)s, 0))

-- name: facts_of
-- Everything known about calling numbers for a seller, a row of JSON each, in one round trip.
SELECT called.number,
  (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.kind, s.source), '[]')
     FROM (SELECT kind, source, region, registered_on FROM suppression
            WHERE number = called.number AND (seller_id IS NULL OR seller_id = %(seller_id)s)) s
  ) AS suppressions,
  (SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.kind, r.name), '[]')
     FROM (SELECT registry.kind, registry.name, registry.coverage, registry.country, registry.state,
                  version.version, version.file, version.sha256, area.as_of
             FROM registry
             JOIN registry_version AS version
               ON version.registry = registry.name AND version.version = registry.version_in_force
             LEFT JOIN registry_area AS area
               ON area.registry = registry.name
              AND area.area_code
                  = CASE registry.coverage WHEN 'area codes' THEN called.area_code ELSE '' END) r
  ) AS registries,
  -- Newest first. Of very many those stay that cover most: left out can only mean called less.
  (SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.given_on DESC, (c.kind = 'written') DESC, c.id), '[]')
     FROM (SELECT id, kind, given_on, source, revoked_at, revoked_by, expires_on, purposes, evidence
             FROM consent
            WHERE number = called.number AND seller_id = %(seller_id)s AND given_on <= %(today)s
            ORDER BY (revoked_at IS NULL) DESC, (kind = 'written') DESC, given_on DESC LIMIT 50) c
  ) AS consents,
  (SELECT to_jsonb(r)
     FROM (SELECT revoked_at, revoked_by FROM revocation
            WHERE number = called.number AND seller_id = %(seller_id)s
            ORDER BY revoked_at DESC LIMIT 1) r
  ) AS revocation,
  -- The last purchase that any source knows of, but the end of a contract as the newest source has it.
  (SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.kind), '[]')
     FROM (SELECT DISTINCT ON (kind) kind, last_on, source FROM relationship
            WHERE number = called.number AND seller_id = %(seller_id)s
            ORDER BY kind, CASE kind WHEN 'contract' THEN as_of ELSE last_on END DESC, last_on, source) r
  ) AS relationships,
  (SELECT coalesce(jsonb_agg(DISTINCT restriction ORDER BY restriction), '[]')
     FROM restriction
    WHERE number = called.number AND seller_id = %(seller_id)s
      AND (ended_on IS NULL OR ended_on > %(today)s)
  ) AS restrictions,
  (SELECT to_jsonb(t) FROM line_type t WHERE t.number = called.number) AS line_type,
  (SELECT to_jsonb(a)
     FROM (SELECT answer, asked_on, since_on FROM reassigned_answer
            WHERE number = called.number ORDER BY asked_on DESC, since_on LIMIT 1) a
  ) AS reassigned,
  (SELECT coalesce(jsonb_agg(to_jsonb(e) ORDER BY e.jurisdiction, e.from_at), '[]')
     FROM (SELECT jurisdiction, from_at, until_at, source FROM emergency
            WHERE until_at IS NULL OR until_at > %(now)s) e
  ) AS emergencies,
  (SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p.permitted_at DESC), '[]')
     FROM (SELECT attempt.permitted_at, attempt.campaign_id, attempt.outcome, attempt.disposition,
                  campaign.seller_id
             FROM attempt JOIN campaign ON campaign.id = attempt.campaign_id
            WHERE attempt.number = called.number AND attempt.permitted_at > %(since)s
            ORDER BY attempt.permitted_at DESC LIMIT 200) p
  ) AS past_attempts,
  CASE WHEN called.company IS NULL THEN 0 ELSE
    (SELECT count(*) FROM attempt JOIN lead ON lead.id = attempt.lead_id
      WHERE attempt.state NOT IN ('ended', 'closed') AND attempt.number <> called.number
        AND lower(btrim(lead.attributes ->> 'company')) = called.company AND lead.party <> 'consumer')
  END AS other_lines_open
  FROM unnest(%(numbers)s::text[], %(area_codes)s::text[], %(companies)s::text[])
       AS called (number, area_code, company)

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

-- name: keep_rulebook
-- Keep a rulebook that judges; no row when it is kept already.
INSERT INTO rulebook (hash, tzdata, files, first_used_at)
VALUES (%(hash)s, %(tzdata)s, %(files)s, %(first_used_at)s)
ON CONFLICT (hash) DO NOTHING RETURNING hash

-- name: permit_uses
-- For each permit: the attempt it allowed and what became of the permit.
SELECT attempt_id, used_at IS NOT NULL AS is_used, void_at IS NOT NULL AS is_void FROM permit
