"""What an author makes: tasks, assignments, the proof that checks are fair, releases."""
