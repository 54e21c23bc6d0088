"""Gone: see `course_lib.labs.no_free_lunch`."""

from course_lib.old_names import moved

__getattr__ = moved(__name__)
