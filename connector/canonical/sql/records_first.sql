INSERT INTO learning_record BY NAME
SELECT *, $now AS created_at, $now AS updated_at
FROM (
{{query}}
)
