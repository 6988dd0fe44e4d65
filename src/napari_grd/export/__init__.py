"""Export of models: ONNX, OpenVINO, and bioimage.io packages, which can be read back."""
