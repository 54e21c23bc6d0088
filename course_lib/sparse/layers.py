"""The old name of linear, convolution and convert, for one release more."""

from course_lib.old_names import moved

__getattr__ = moved(__name__)
