"""nbgrader's settings for this course.

nbgrader keeps the gradebook and shows written answers in its formgrader (`course formgrader`). It
does not run students' code: `course grade` does, in a jail. Never call `nbgrader autograde` here:
it would run submissions as you.
"""

from course_lib.grading.grades.formgrader import settings

c = get_config()  # noqa: F821 (nbgrader gives it)
c.merge(settings())  # what students write is shown to the instructor: no script of theirs runs
