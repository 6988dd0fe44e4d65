"""Teachers: what a student can be distilled from."""

from napari_grd.teaching.base import Teacher, TeacherInfo, TeacherPrediction, TeacherSource
from napari_grd.teaching.registry import as_teacher, load_teacher, teachers

__all__ = ["Teacher", "TeacherInfo", "TeacherPrediction", "TeacherSource", "as_teacher", "load_teacher", "teachers"]
