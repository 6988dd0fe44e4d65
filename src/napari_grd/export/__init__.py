"""Models for other programs: ONNX, OpenVINO, and bioimage.io packages, which also come back in."""
