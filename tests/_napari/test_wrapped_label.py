"""Labels with long words."""

from qtpy.QtWidgets import QLabel

from napari_grd._napari.wrapped_label import WrappedLabel


def test_a_long_path_does_not_widen_a_label(qtbot):
    label = WrappedLabel()
    qtbot.addWidget(label)
    path = (
        "/home/somebody/experiments/2026_plate_three/well_A01_field_07_channel_2_projection.corrections.geojson.journal"
    )
    label.setText(f"Every correction is saved at once in {path}.")
    assert label.text() == f"Every correction is saved at once in {path}."
    plain = QLabel(label.text())
    qtbot.addWidget(plain)
    plain.setWordWrap(True)
    assert label.minimumSizeHint().width() < plain.minimumSizeHint().width() / 2
    label.setText('<span style="color:#123456">■</span>&nbsp;3 merges')
    assert label.text() == '<span style="color:#123456">■</span>&nbsp;3 merges'
