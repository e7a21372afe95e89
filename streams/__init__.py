"""From Kafka to PostgreSQL, losing nothing: the Faust app, its one transaction, and timelines."""
