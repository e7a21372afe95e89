"""What all stages share: the event contract, settings, errors, services and the command line."""

__version__ = "0.1.0"
