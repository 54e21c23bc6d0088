"""Gone: see `course_lib.labs.approximation`."""

from course_lib.old_names import moved

__getattr__ = moved(__name__)
