# One image for every service and for `steward migrate`; which of them it is, its arguments say.
# Nothing here needs BuildKit: `DOCKER_BUILDKIT=0 docker build --network=host -t steward .`

FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/steward
# Usually empty: see the folder's README. This stage alone trusts what is in it.
COPY deploy/certificates certificates
RUN cp /etc/ssl/certs/ca-certificates.crt trusted.crt \
 && find certificates -name '*.crt' -exec cat {} + >> trusted.crt
ENV PIP_CERT=/source/trusted.crt
# What it runs on changes less often than itself: this layer stays until the lock does.
COPY requirements.lock ./
RUN /opt/steward/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --requirement requirements.lock
COPY pyproject.toml requirements.in README.md LICENSE ./
COPY shared shared
COPY services services
RUN /opt/steward/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
    --no-deps --no-build-isolation .

FROM python:3.13-slim
# The folders are made here because a new volume takes owner and mode from the image.
RUN groupadd --system --gid 10001 steward \
 && useradd --system --uid 10001 --gid steward --home-dir /var/lib/steward steward \
 && install -d -o steward -g steward -m 0755 /var/lib/steward /var/lib/steward/administrator \
 && install -d -o steward -g steward -m 0755 /var/lib/steward/audit \
 && install -d -o steward -g steward -m 0700 /var/lib/steward/outgoing \
 && install -d -o steward -g steward -m 0700 /var/lib/steward/secrets
COPY --from=build /opt/steward /opt/steward
COPY plan.toml /etc/steward/plan.toml
ENV PATH=/opt/steward/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STEWARD_HOME=/var/lib/steward \
    STEWARD_SECRETS=/var/lib/steward/secrets \
    STEWARD_PLAN=/etc/steward/plan.toml \
    STEWARD_LOG_FORMAT=json \
    STEWARD_HTTP_HOST=0.0.0.0 \
    STEWARD_HTTP_PORT=8080
WORKDIR /var/lib/steward
USER steward
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-m", "shared.runtime.probe", "livez"]
ENTRYPOINT ["steward"]
CMD ["--help"]
