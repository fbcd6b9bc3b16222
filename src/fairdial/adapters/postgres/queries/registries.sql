-- name: registry_setup
-- What a registry is, since its first import.
SELECT name, kind, coverage, country, state, organization, subscription
  FROM registry WHERE name = %(name)s

-- name: registry_copy
-- The version of a registry that is in force, held until the transaction ends.
SELECT registry.name, registry.kind, registry.coverage, registry.country, registry.state,
       registry.organization, registry.subscription, version.version, version.file,
       version.sha256, version.as_of, version.entries, version.source_sha256
  FROM registry JOIN registry_version AS version
    ON version.registry = registry.name AND version.version = registry.version_in_force
 WHERE registry.name = %(name)s
   FOR UPDATE OF registry

-- name: registry_copies
-- Every version that is in force.
SELECT registry.name, registry.kind, registry.coverage, registry.country, registry.state,
       registry.organization, registry.subscription, version.version, version.file,
       version.sha256, version.as_of, version.entries, version.source_sha256
  FROM registry JOIN registry_version AS version
    ON version.registry = registry.name AND version.version = registry.version_in_force
 ORDER BY registry.name

-- name: registry_areas
-- The age of each area code of a registry.
SELECT area_code, as_of, entries FROM registry_area WHERE registry = %(name)s ORDER BY area_code

-- name: save_registry
-- What a registry is; the version in force stays what it is.
INSERT INTO registry (name, kind, coverage, country, state, organization, subscription)
VALUES (%(name)s, %(kind)s, %(coverage)s, %(country)s, %(state)s, %(organization)s, %(subscription)s)
ON CONFLICT (name) DO NOTHING

-- name: begin_registry_version
-- The next version of a registry is being made.
INSERT INTO registry_version (registry, version, form, source_name, source_size, source_sha256,
                              organization, subscription, downloaded_by, begun_at)
SELECT %(name)s, coalesce(max(version), 0) + 1, %(form)s, %(source_name)s, %(source_size)s,
       %(source_sha256)s, %(organization)s, %(subscription)s, %(downloaded_by)s, %(now)s
  FROM registry_version WHERE registry = %(name)s
RETURNING version

-- name: name_registry_file
-- The file that a begun version is written to.
UPDATE registry_version SET file = %(file)s
 WHERE registry = %(name)s AND version = %(version)s AND file IS NULL
RETURNING version

-- name: finish_registry_version
-- A version is whole and about to be in force.
UPDATE registry_version
   SET published_at = %(now)s, sha256 = %(sha256)s, size = %(size)s, as_of = %(as_of)s,
       entries = %(entries)s, rows = %(rows)s, added = %(added)s, removed = %(removed)s,
       repeated = %(repeated)s, known = %(known)s
 WHERE registry = %(name)s AND version = %(version)s
   AND published_at IS NULL AND discarded_at IS NULL AND file IS NOT NULL
RETURNING version

-- name: point_registry
-- Put a version in force in the place of the one it was made from.
UPDATE registry
   SET version_in_force = %(version)s, organization = %(organization)s,
       subscription = %(subscription)s
 WHERE name = %(name)s AND version_in_force IS NOT DISTINCT FROM %(was)s
RETURNING name

-- name: retire_registry
-- No version of a registry is in force any more.
UPDATE registry SET version_in_force = NULL
 WHERE name = %(name)s AND version_in_force IS NOT NULL
RETURNING name

-- name: drop_registry_areas
-- Make room for the ages of the areas of a new version.
DELETE FROM registry_area WHERE registry = %(name)s

-- name: save_registry_area
-- The age of one area code of the version in force.
INSERT INTO registry_area (registry, area_code, as_of, entries, version)
VALUES (%(name)s, %(area_code)s, %(as_of)s, %(entries)s, %(version)s)

-- name: spent_registry_files
-- Files of imports that came to nothing, and of versions older than the last few.
SELECT file FROM registry_version AS version
 WHERE registry = %(name)s AND file IS NOT NULL AND discarded_at IS NULL
   AND (published_at IS NULL
        OR version NOT IN (SELECT kept.version FROM registry_version AS kept
                            WHERE kept.registry = %(name)s AND kept.published_at IS NOT NULL
                            ORDER BY kept.version DESC LIMIT %(keep)s))
   AND version IS DISTINCT FROM (SELECT version_in_force FROM registry WHERE name = %(name)s)
 ORDER BY version

-- name: discard_registry_file
-- The file is gone; its line in the ledger stays.
UPDATE registry_version SET discarded_at = %(now)s WHERE file = %(file)s AND discarded_at IS NULL

-- name: is_stop_requested
-- Whether anybody asked not to be called on a number.
SELECT EXISTS (SELECT FROM suppression WHERE number = %(number)s) AS is_stopped

-- name: stop_requested
-- Every number that anybody asked not to be called on.
SELECT DISTINCT number FROM suppression ORDER BY number
