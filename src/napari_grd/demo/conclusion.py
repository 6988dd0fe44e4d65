"""The conclusion of a comparison in words, computed from its numbers."""

from napari_grd.demo.compare import BASELINE, STUDENT, TEACHER, Comparison, Row

_EVEN = 0.01  # smaller differences are not significant in one run


def conclude(comparison: Comparison, *, labeled: int, unlabeled: int) -> str:
    """State the result, also if the teacher did not help.

    Parameters
    ----------
    comparison : Comparison
        Comparison of teacher, student, and student without the teacher, as far as present.
    labeled, unlabeled : int
        Number of training images with and without labels.

    Returns
    -------
    str
        A few sentences; empty without scores.
    """
    rows = {row.name: row for row in comparison.rows}
    student, baseline, teacher = (rows.get(role) for role in (STUDENT, BASELINE, TEACHER))
    if student is None or student.scores is None:
        return ""
    given = _given(labeled, unlabeled)
    sentences = [
        f"{given} the distilled student reaches {_reached(comparison, student, teacher)}{_saved(student, teacher)}."
    ]
    if baseline is not None and baseline.scores is not None:
        sentences.append(_alone(comparison, student, baseline, teacher, labeled))
    if comparison.empty:
        sentences.append(_nothing(comparison))
    return " ".join(sentences)


def _given(labeled: int, unlabeled: int) -> str:
    images = _images(unlabeled, "unlabeled")
    if not labeled:
        return f"From {images}, without a single label,"
    return f"With {_images(labeled, 'labeled')}" + (f" and {images}" if unlabeled else "")


def _images(count: int, sort: str) -> str:
    return f"{count} {sort} image{'' if count == 1 else 's'}"


def _reached(comparison: Comparison, row: Row, teacher: Row | None) -> str:
    """A score, relative to the teacher's if available."""
    name, own = comparison.score, comparison.score_of(row)
    assert own is not None
    whole = None if teacher is None else comparison.score_of(teacher)
    if not whole:
        return f"{'a' if comparison.dense else 'an'} {name} of {own:.2f}"
    return f"{100 * own / whole:.0f} % of its teacher's {name} ({own:.2f} of {whole:.2f})"


def _saved(student: Row, teacher: Row | None) -> str:
    if teacher is None:
        return ""
    size, time = student.parameters / teacher.parameters, student.milliseconds / teacher.milliseconds
    return f", with {_share(size)} its parameters and in {_share(time)} its time"


def _share(part: float) -> str:
    return f"1/{1 / part:.0f} of" if part < 0.67 else f"{part:.1f} times"


def _alone(comparison: Comparison, student: Row, baseline: Row, teacher: Row | None, labeled: int) -> str:
    own, distilled = comparison.score_of(baseline), comparison.score_of(student)
    assert own is not None
    assert distilled is not None
    gained = distilled - own
    network = f"same network trained for as many steps on the {_images(labeled, 'labeled')} alone"
    if gained >= _EVEN:
        whole = None if teacher is None else comparison.score_of(teacher)
        reached = f"{100 * own / whole:.0f} % ({own:.2f})" if whole else f"{own:.2f}"
        return f"The {network}, without the teacher, reaches {reached}."
    verdict = "no different from" if gained > -_EVEN else "better than"
    score = f"{comparison.score} {own:.2f}"
    return f"Here the teacher did not help: the {network} is {verdict} the distilled student ({score})."


def _nothing(comparison: Comparison) -> str:
    field = "an empty field of view" if comparison.empty == 1 else f"{comparison.empty} empty fields of view"
    failures = [
        f"{row.name}{'' if row.name == TEACHER else ' student'} ({row.in_empty})"
        for row in comparison.rows
        if row.in_empty
    ]
    if not failures:
        return f"In {field}, no model finds an object."
    last = f"{', '.join(failures[:-1])} and {failures[-1]}" if len(failures) > 1 else failures[0]
    return f"In {field}, objects are found by the {last}."
