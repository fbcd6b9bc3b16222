-- Registries are files now, and the database says which version of each is in force: one pointer
-- that moves in one transaction. Every import stays in the ledger, also one that nothing came of.

DROP TABLE registry;
-- Copies of registries are imported anew; until then nothing is as recent as the rules ask.
DELETE FROM suppression WHERE kind <> 'internal';

CREATE TABLE registry (
    name             text PRIMARY KEY,
    kind             text NOT NULL CHECK (kind IN ('national', 'state', 'litigator')),
    coverage         text NOT NULL CHECK (coverage IN ('area codes', 'whole', 'numbers')),
    country          text,
    state            text,
    organization     text,
    subscription     text,
    version_in_force integer,
    CHECK ((kind = 'state') = (state IS NOT NULL))
);
COMMENT ON TABLE registry IS 'The do-not-call registries, and which version of each is in force.';

CREATE TABLE registry_version (
    registry       text NOT NULL REFERENCES registry,
    version        integer NOT NULL,
    form           text NOT NULL,
    source_name    text NOT NULL,
    source_size    bigint NOT NULL,
    source_sha256  text NOT NULL,
    organization   text,
    subscription   text,
    downloaded_by  text NOT NULL,
    begun_at       timestamptz NOT NULL,
    file           text UNIQUE,
    published_at   timestamptz,
    discarded_at   timestamptz,
    sha256         text,
    size           bigint,
    as_of          date,
    entries        bigint,
    rows           bigint,
    added          bigint,
    removed        bigint,
    repeated       bigint,
    known          bigint,
    PRIMARY KEY (registry, version),
    CHECK (published_at IS NULL OR (file IS NOT NULL AND sha256 IS NOT NULL AND as_of IS NOT NULL
                                    AND entries IS NOT NULL))
);
COMMENT ON TABLE registry_version IS
    'The ledger of imports: whose file, of which subscription, became which version, and when.';

ALTER TABLE registry ADD CONSTRAINT registry_in_force
    FOREIGN KEY (name, version_in_force) REFERENCES registry_version (registry, version);

CREATE TABLE registry_area (
    registry   text NOT NULL REFERENCES registry,
    area_code  text NOT NULL,
    as_of      date NOT NULL,
    entries    bigint NOT NULL,
    version    integer NOT NULL,
    PRIMARY KEY (registry, area_code),
    FOREIGN KEY (registry, version) REFERENCES registry_version (registry, version)
);
COMMENT ON TABLE registry_area IS
    'The age of each area code of the version in force; one row without a code for the others.';
