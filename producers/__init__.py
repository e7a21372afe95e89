"""Sources extract events from files, vendors and the web; the publisher brings them to Kafka."""
