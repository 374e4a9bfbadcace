# One image; the command chooses what runs. Web: as it is. Anything else: `docker run ... splitplan settings`.
#
#   docker build -t splitplan .
#   docker run -p 127.0.0.1:8000:8000 -v splitplan:/data splitplan
#
# Nobody is asked for a key, so the container's border is the guard: publish the port to those who may change everything.

FROM python:3.11.14-slim-bookworm AS builder
WORKDIR /build
RUN python -m venv /opt/splitplan
COPY requirements.lock requirements-compiler.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/splitplan/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml setup.py README.md ./
COPY app app
COPY client client
COPY migrations migrations
COPY notation notation
COPY profiler profiler
COPY solvers solvers
# The image has the compiled kernel; its compiler is a package that is not kept.
RUN /opt/splitplan/bin/python solvers/compiled/build.py \
    || { /opt/splitplan/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements-compiler.lock \
    && /opt/splitplan/bin/python solvers/compiled/build.py \
    && /opt/splitplan/bin/python -m pip uninstall --yes ziglang; }
# A wheel, not an editable install: what runs is what is shipped. setuptools and pip built it and stay behind.
RUN /opt/splitplan/bin/python -m pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/splitplan/bin/python -m pip install --disable-pip-version-check --no-deps dist/*.whl \
    && /opt/splitplan/bin/python -m pip uninstall --yes setuptools pip

FROM python:3.11.14-slim-bookworm
COPY --from=builder /opt/splitplan /opt/splitplan
RUN install --directory --owner=10001 --group=10001 /data
ENV PATH=/opt/splitplan/bin:$PATH \
    SPLITPLAN_DATABASE_URL=sqlite:////data/splitplan.db \
    SPLITPLAN_HOST=0.0.0.0 \
    SPLITPLAN_ALLOW_UNAUTHENTICATED=true
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=40s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ.get('SPLITPLAN_PORT', '8000') + '/livez', timeout=4)"]
CMD ["splitplan", "serve", "--migrate", "--load-catalogue"]
