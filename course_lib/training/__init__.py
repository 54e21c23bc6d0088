"""Training, or refitting: data, models, schedules, one network at a time or many replicas at once."""
