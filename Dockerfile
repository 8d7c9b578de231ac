# syntax=docker/dockerfile:1

# The runtime holds glibc, the root certificates, and no shell. Where gcr.io is out of reach, any Debian 12 image with
# ca-certificates does as well: --build-arg RUNTIME=…
ARG RUNTIME=gcr.io/distroless/cc-debian12:latest

# Not the slim one: jemalloc is built with make, which it lacks.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches stay with the builder, so the program is copied out of them in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package llm2api \
    && install -D target/release/llm2api /rootfs/usr/local/bin/llm2api \
    && install -d -m 0700 -o 10001 -g 10001 /rootfs/data

# Built for --target with-model only.
FROM python:3.13-slim-bookworm AS model
COPY tools/first_model.py /src/
RUN ["python3", "/src/first_model.py", "fetch", "/models"]

# hadolint ignore=DL3006
FROM ${RUNTIME} AS base
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="llm2api" \
      org.opencontainers.image.description="One OpenAI-format endpoint in front of many LLM services" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /rootfs/ /

# All state lies in /data. It is no VOLUME: an anonymous one would be lost unnoticed with the container, and so the start can
# warn where nothing is mounted there.
ENV DATA_DIR=/data GRPC_LISTEN=0.0.0.0:50051
USER 10001:10001
WORKDIR /data
EXPOSE 9999 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["llm2api", "healthcheck"]
ENTRYPOINT ["llm2api"]

# Not below /data, where a volume would hide it. The link makes a layer of its own, which later images have in common.
FROM base AS with-model
COPY --link --from=model /models/ /usr/share/llm2api/models/
ENV LOCAL_MODEL=/usr/share/llm2api/models/SmolLM2-135M-Instruct.Q4_1.gguf

# The last one is what is built without --target.
FROM base AS plain
