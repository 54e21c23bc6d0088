"""The old name of criteria and curvature, for one release more."""

from course_lib.old_names import moved

__getattr__ = moved(__name__)
