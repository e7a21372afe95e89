-- name: missing_columns
-- Which of the columns that workers write are not there.
select format('stream.%%s.%%s', wanted.table_name, wanted.column_name)
from unnest(%s::text[], %s::text[]) as wanted (table_name, column_name)
where not exists (
    select from pg_attribute
    where attrelid = to_regclass('stream.' || wanted.table_name)
      and attname = wanted.column_name and not attisdropped
)
order by 1
