"""From timelines and credit to figures: the schema, dbt's marts, and reports."""
