-- Crockford base 32, as ULIDs are written. A property test compares it with the same in Python (tests/ulid.py).
CREATE OR REPLACE TEMP MACRO crockford_digit(n, place) AS
  substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', CAST((n >> (5 * place)) & 31 AS INTEGER) + 1, 1);

CREATE OR REPLACE TEMP MACRO crockford_8(n) AS concat(
  crockford_digit(n, 7), crockford_digit(n, 6), crockford_digit(n, 5), crockford_digit(n, 4),
  crockford_digit(n, 3), crockford_digit(n, 2), crockford_digit(n, 1), crockford_digit(n, 0));

CREATE OR REPLACE TEMP MACRO crockford_10(n) AS concat(crockford_digit(n, 9), crockford_digit(n, 8), crockford_8(n));

CREATE OR REPLACE TEMP MACRO hex_to_number(digits) AS CAST(CAST(concat('0x', digits) AS UBIGINT) AS BIGINT);

-- A pure function of tenant, source, enrollment id and dateAdded, so that reruns and rebuilds give the same id.
CREATE OR REPLACE TEMP MACRO learning_record_id_of(digest, added) AS concat(
  'lrn_',
  crockford_10(least(greatest(0, epoch_ms(added)), 281474976710655)),
  crockford_8(hex_to_number(substr(digest, 1, 10))),
  crockford_8(hex_to_number(substr(digest, 11, 10))));

CREATE OR REPLACE TEMP MACRO learning_record_id(tenant, source_name, enrollment_id, added) AS
  learning_record_id_of(sha256(concat(tenant, chr(31), source_name, chr(31), CAST(enrollment_id AS VARCHAR))), added);
