"""One file a source: the file's name is the source's name. See `producers.source`."""
