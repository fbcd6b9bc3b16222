# Fairdial as a user without rights, for deploy/compose.yaml.
FROM python:3.11-bookworm AS packages
COPY requirements/run.txt /run.txt
RUN pip install --no-cache-dir --require-hashes --target /packages --requirement /run.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home fairdial \
 && install --directory --owner=fairdial --mode=0700 /var/lib/fairdial \
 && install --directory --owner=fairdial --mode=0755 /var/lib/fairdial/engine
COPY --from=packages /packages /opt/fairdial/packages
COPY src /opt/fairdial/src
COPY LICENSE NOTICE /opt/fairdial/
ENV PYTHONPATH=/opt/fairdial/src:/opt/fairdial/packages
USER fairdial
ENTRYPOINT ["python", "-m", "fairdial"]
