-- Staged enrollments of another course than the one that has their id: the stored row's, else that of the row met first.
CREATE OR REPLACE TEMP TABLE strays AS
WITH met AS (
  SELECT id, min(course_id) AS lowest, max(course_id) AS highest, arg_min(course_id, seq) AS first_met
  FROM staged_all
  WHERE NOT _unfit
  GROUP BY id
),
kept AS (
  SELECT met.id, coalesce(stored.course_id, first_met) AS course_id
  FROM met
  LEFT JOIN stored ON stored.id = met.id AND stored._removed_at IS NULL
  WHERE lowest <> highest OR stored.course_id <> lowest
)
SELECT seq, id, staged_all.course_id, kept.course_id AS kept_course_id
FROM staged_all
JOIN kept USING (id)
WHERE NOT _unfit AND staged_all.course_id <> kept.course_id;
