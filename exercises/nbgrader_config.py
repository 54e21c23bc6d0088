"""nbgrader's settings for this course.

nbgrader keeps the gradebook and shows written answers in its formgrader. It does not run students'
code: `course grade` does, in a jail. Never call `nbgrader autograde` here: it would run
submissions as you.
"""

c = get_config()  # noqa: F821 (nbgrader gives it)
c.CourseDirectory.course_id = "the-statue-within"
# What students put into outputs and answers is shown to the instructor: no script of theirs runs.
c.HTMLExporter.sanitize_html = True
