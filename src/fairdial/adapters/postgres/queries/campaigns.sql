-- name: claim_installation
-- Write what this database is for, once; says what it is.
INSERT INTO installation (is_sandbox, created_at) VALUES (%(is_sandbox)s, %(now)s)
ON CONFLICT (only_row) DO UPDATE SET only_row = true
RETURNING is_sandbox

-- name: save_seller
-- Keep a seller by name; gives the id that stands.
INSERT INTO seller (id, name) VALUES (%(id)s, %(name)s)
ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name
RETURNING id

-- name: save_campaign
-- Keep a campaign by name; a later run brings the definition up to date.
INSERT INTO campaign (id, name, seller_id, definition, state, created_at)
VALUES (%(id)s, %(name)s, %(seller_id)s, %(definition)s, 'ready', %(now)s)
ON CONFLICT (name) DO UPDATE
    SET definition = EXCLUDED.definition, seller_id = EXCLUDED.seller_id
RETURNING id

-- name: set_campaign_state
-- Move a campaign from any state to another.
UPDATE campaign SET state = %(state)s WHERE id = %(id)s

-- name: take_campaign
-- Take the lease of a campaign if nobody holds it; the epoch rises with every taker.
UPDATE campaign
   SET dialer_id = %(dialer_id)s, dialer_epoch = dialer_epoch + 1, dialer_until = %(until)s
 WHERE id = %(id)s AND (dialer_until IS NULL OR dialer_until < %(now)s OR dialer_id = %(dialer_id)s)
RETURNING dialer_epoch

-- name: renew_campaign
-- Keep the lease; no row means that another dialer took it over.
UPDATE campaign SET dialer_until = %(until)s
 WHERE id = %(id)s AND dialer_id = %(dialer_id)s AND dialer_epoch = %(epoch)s
RETURNING dialer_epoch

-- name: release_campaign
-- Give the lease back.
UPDATE campaign SET dialer_until = NULL, dialer_id = NULL
 WHERE id = %(id)s AND dialer_id = %(dialer_id)s AND dialer_epoch = %(epoch)s

-- name: unrecovered_campaigns
-- Campaigns that nobody dials and that have something open: their dialer died.
SELECT id, seller_id, definition FROM campaign
 WHERE (dialer_until IS NULL OR dialer_until < %(now)s)
   AND (EXISTS (SELECT 1 FROM attempt WHERE campaign_id = campaign.id AND state <> 'closed')
        OR EXISTS (SELECT 1 FROM inbound_call
                    WHERE campaign_id = campaign.id AND state <> 'closed')
        OR EXISTS (SELECT 1 FROM agent_session
                    WHERE campaign_id = campaign.id AND state <> 'logged_out')
        OR EXISTS (SELECT 1 FROM lead WHERE campaign_id = campaign.id AND state = 'claimed'))

-- name: hold_for_call
-- Check the fencing token and keep it from changing, and hold the number as lock_number does, and the
-- business it is a line of, until this transaction ends; raises FD001 when another dialer took the
-- campaign over.
SELECT hold_for_call(%(id)s, %(epoch)s, %(number)s, %(company)s)

-- name: newest_moment
-- The newest moment this database knows of; the sandbox's clock goes on from there.
SELECT greatest((SELECT max(at) FROM audit_entry), (SELECT max(issued_at) FROM permit)) AS moment

-- name: suppress
-- A number must not be called; saying so twice is the same as once.
INSERT INTO suppression (number, kind, source, seller_id, registered_on, added_at)
VALUES (%(number)s, %(kind)s, %(source)s, %(seller_id)s, %(registered_on)s, %(now)s)
ON CONFLICT DO NOTHING

-- name: sellers
-- Every seller that calls are made for.
SELECT id, name FROM seller ORDER BY name

-- name: all_campaigns
-- Every campaign, the newest first.
SELECT id, seller_id, definition FROM campaign ORDER BY created_at DESC, name

-- name: caller_id_uses
-- How often caller IDs were shown since an hour began.
SELECT number, sum(calls)::integer AS calls FROM caller_id_use
 WHERE number = ANY(%(numbers)s) AND hour >= %(since)s GROUP BY number

-- name: use_caller_id
-- Count a call under a caller ID, unless its cap is reached; says which.
SELECT use_caller_id(%(number)s, %(now)s, %(since)s, %(most)s) AS is_free
