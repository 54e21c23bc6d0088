"""Training, or refitting: data, models, schedules, one network or many replicas at once."""
