# A director in a container. It works on the host's kernel and network:
#
#   docker build -t lvsha .
#   docker run --network host --cap-add NET_ADMIN --cap-add NET_RAW \
#       -v /etc/lvsha:/etc/lvsha:ro -v /run/lvsha:/run/lvsha lvsha
#
# The host loads ip_vs itself (`modprobe ip_vs`, and ip_vs_wlc or whatever schedulers the file
# names), or lends the container its modules and the right to load them:
# `-v /lib/modules:/lib/modules:ro --cap-add SYS_MODULE`.
# Settings below /proc/sys/net are the host's, too: they need a writable /proc/sys
# (`--security-opt systempaths=unconfined`), or `sysctls: {}` in the file.

FROM python:3.13-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock pyproject.toml README.md ./
COPY lvsha ./lvsha
# Versions as locked, without the developers' tools that the lock also names.
RUN sed -e '/--hash=/d' -e 's/ *\\$//' requirements.lock > versions.txt \
    && python -m venv /opt/lvsha \
    && /opt/lvsha/bin/pip install --no-cache-dir --constraint versions.txt .

FROM python:3.13-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends kmod \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/lvsha /opt/lvsha
ENV PATH=/opt/lvsha/bin:$PATH
STOPSIGNAL SIGTERM
ENTRYPOINT ["lvsha"]
CMD ["run"]
