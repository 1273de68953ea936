-- The file published last, as it stood in its place, and what was in it. There is no row while a publish is at work.
CREATE TABLE ops.published_file (
  path VARCHAR NOT NULL,
  bytes BIGINT NOT NULL,
  modified_ns BIGINT NOT NULL,
  inode BIGINT NOT NULL,
  made_of VARCHAR NOT NULL,        -- digest of all that decides what is published, besides the rows
  whole_at TIMESTAMPTZ NOT NULL,   -- when it was last written whole
  replaced BIGINT NOT NULL         -- rows replaced in it since
);

CREATE TABLE ops.published_tables (
  table_name VARCHAR NOT NULL,
  rows BIGINT NOT NULL,
  total VARCHAR NOT NULL,          -- the sum of the hashes of its rows
  kept_back BIGINT NOT NULL        -- rows of the warehouse that are not published
);
