# napari-grd without a window, on processors. See docs/install.md.
FROM python:3.11-slim-bookworm

COPY pyproject.toml README.md LICENSE NOTICE constraints.txt /napari-grd/
COPY src /napari-grd/src
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
        -c /napari-grd/constraints.txt "/napari-grd[cluster,parquet]" matplotlib \
    && rm -r /napari-grd \
    && useradd --create-home --uid 1000 grd

# Whatever user the image is started as: caches are written to /tmp only, which may be a tmpfs.
ENV HOME=/tmp MPLBACKEND=agg NUMBA_CACHE_DIR=/tmp/numba
USER 1000
WORKDIR /data
ENTRYPOINT ["napari-grd"]
CMD ["--help"]
